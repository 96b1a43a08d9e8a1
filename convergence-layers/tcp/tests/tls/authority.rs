//! Sessions between nodes whose certificates come from an authority, as files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};
use tcpcl::Options;
use tcpcl::tls::{Authority, Files, Security, Tls, WallClock};

use super::{A, B, meet, node_id, reason};

/// 2026, roughly.
const NOW: Duration = Duration::from_secs(1_790_000_000);

struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Options of a node with a certificate that this authority issued.
    fn options(&self, node_id: &str, params: &CertificateParams, now: Option<Duration>) -> Options {
        self.options_for(node_id, params, now, None)
    }

    fn options_for(
        &self,
        node_id: &str,
        params: &CertificateParams,
        now: Option<Duration>,
        believed: Option<&Self>,
    ) -> Options {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let write = |name: &str, text: String| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let files = Files {
            authorities: write("ca.pem", pem("CERTIFICATE", believed.unwrap_or(self).0.der())),
            certificate: write("node.pem", pem("CERTIFICATE", certificate.der())),
            key: write("key.pem", pem("PRIVATE KEY", &key.serialize_der())),
        };
        let authority = Authority::read(&files, WallClock::new(move || now)).unwrap();
        let security = Security::Required(Arc::new(Tls::of_authority(authority).unwrap()));
        Options { security, ..Options::new(node_id) }
    }
}

/// RFC 7468, for a reader that takes lines of any length.
fn pem(label: &str, der: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in der.chunks(3) {
        let number = (0..3).fold(0, |sum, at| sum << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = digits[number >> (18 - 6 * at) & 63];
            text.push(if at <= group.len() { digit.into() } else { '=' });
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A certificate with this NODE-ID.
fn of_node(node_id: &str) -> CertificateParams {
    let text = [&[0x16, u8::try_from(node_id.len()).unwrap()], node_id.as_bytes()].concat();
    let value = [&[0xa0, u8::try_from(text.len()).unwrap()], text.as_slice()].concat();
    let name = [&[0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 8, 11], value.as_slice()].concat();
    let names = [&[0xa0, u8::try_from(name.len()).unwrap()], name.as_slice()].concat();
    let list = [&[0x30, u8::try_from(names.len()).unwrap()], names.as_slice()].concat();
    let mut params = CertificateParams::default();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], list)];
    params
}

/// One that names a host.
fn of_host(name: SanType) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name];
    params
}

#[tokio::test]
async fn certificates_of_the_same_authority_with_the_right_node_ids_are_taken() {
    let issuer = Issuer::new();
    let mut with_purpose = of_node(A);
    with_purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 35])];
    let (a, b) = (issuer.options(A, &with_purpose, Some(NOW)), issuer.options(B, &of_node(B), Some(NOW)));
    let ((active, to_a), (_, to_b)) = meet(a, b).await;
    assert_eq!((node_id(&to_a), node_id(&to_b)), (B, A));
    assert_eq!(active.gauge.reading().security, Some("TLS 1.3"));
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused() {
    let issuer = Issuer::new();
    let (a, b) =
        (issuer.options(A, &of_node(A), Some(NOW)), issuer.options(B, &of_node("ipn:8.0"), Some(NOW)));
    let ((_, to_a), _) = meet(a, b).await;
    assert_eq!(reason(&to_a), "the neighbor calls itself ipn:7.0, and its certificate is that of ipn:8.0");
}

#[tokio::test]
async fn a_certificate_that_names_the_dialled_host_is_as_good_as_one_with_the_node_id() {
    let issuer = Issuer::new();
    let host = SanType::DnsName("hub.example".try_into().unwrap());
    let address = SanType::IpAddress("127.0.0.1".parse().unwrap());
    for (name, dialled, is_taken) in [
        (host.clone(), Some("hub.example"), true),
        (host, Some("other.example"), false),
        (address, None, true),
    ] {
        let mut a = issuer.options(A, &of_node(A), Some(NOW));
        a.host = dialled.map(str::to_owned);
        let b = issuer.options(B, &of_host(name), Some(NOW));
        let ((_, to_a), _) = meet(a, b).await;
        if is_taken {
            assert_eq!(node_id(&to_a), B);
        } else {
            assert_eq!(reason(&to_a), "the neighbor's certificate names neither its node nor its host");
        }
    }
}

#[tokio::test]
async fn certificates_of_nobody_we_believe_of_another_use_or_out_of_date_are_refused() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let mut for_mail = of_node(B);
    for_mail.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let mut expired = of_node(B);
    expired.not_after = date_time_ymd(2020, 1, 1);
    for b in [
        stranger.options_for(B, &of_node(B), Some(NOW), Some(&issuer)),
        issuer.options(B, &for_mail, Some(NOW)),
        issuer.options(B, &expired, Some(NOW)),
    ] {
        let a = issuer.options(A, &of_node(A), Some(NOW));
        let ((_, to_a), (_, to_b)) = meet(a, b).await;
        for heard in [&to_a, &to_b] {
            assert!(reason(heard).starts_with("the TLS handshake failed: "), "{heard:?}");
        }
    }
}

#[tokio::test]
async fn a_node_without_a_clock_does_not_ask_for_dates() {
    let issuer = Issuer::new();
    let mut expired = of_node(B);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let (a, b) = (issuer.options(A, &of_node(A), None), issuer.options(B, &expired, None));
    let ((_, to_a), _) = meet(a, b).await;
    assert_eq!(node_id(&to_a), B);
}

#[test]
fn files_that_are_missing_or_of_another_kind_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let files = |file: &Path| Files {
        authorities: file.to_owned(),
        certificate: file.to_owned(),
        key: file.to_owned(),
    };
    let fails =
        || Authority::read(&files(&file), WallClock::new(|| None)).expect_err("no authority").to_string();
    assert!(fails().contains("ca.pem: "));
    std::fs::write(&file, "nothing").unwrap();
    assert!(fails().contains("ca.pem: no certificate"), "{}", fails());
}
