//! The certificate that a node makes for itself (RFC 9174 §4.4.2), in memory and anew at each start.
//!
//! It says one thing: this Ed25519 key is of this node ID. Its dates are as wide as dates can be, because nodes without a
//! clock make it and read it.

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::der::asn1::{Any, Ia5String, ObjectIdentifier};
use x509_cert::der::{self, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use super::TlsError;

/// id-on-bundleEID (RFC 9174 appendix B).
pub(super) const BUNDLE_EID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.11");
/// id-kp-bundleSecurity (RFC 9174 appendix B).
const BUNDLE_SECURITY: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 35];
/// id-ce-subjectAltName (RFC 5280 §4.2.1.6).
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
/// What stands before the 32 octets of an Ed25519 seed in PKCS #8 (RFC 8410 §7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The certificate of the node with this node ID and this key, as DER.
pub fn certificate_of(node_id: &str, seed: &[u8; 32]) -> Result<Vec<u8>, TlsError> {
    make(node_id, seed).map(|(certificate, _)| certificate.to_vec())
}

pub(super) fn make(
    node_id: &str,
    seed: &[u8; 32],
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), TlsError> {
    let refused = || TlsError::Certificate(node_id.to_owned());
    let key = PrivatePkcs8KeyDer::from([PKCS8_HEAD.as_slice(), seed].concat());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519).map_err(|_| refused())?;
    let names = node_id_name(node_id).map_err(|_| refused())?;
    let certificate = params(names).self_signed(&pair).map_err(|_| refused())?;
    Ok((certificate.der().clone(), key.into()))
}

fn params(names: Vec<u8>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1970, 1, 1);
    // RFC 5280 §4.1.2.5: there is no good date for the end.
    params.not_after = date_time_ymd(9999, 12, 31);
    // One certificate for each key: nothing tells them apart, and a node makes the same one at each start.
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.distinguished_name = DistinguishedName::new();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::Other(BUNDLE_SECURITY.to_vec()),
        // §4.4.2: some TLS implementations want these.
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let mut alternative = CustomExtension::from_oid_content(&SUBJECT_ALT_NAME, names);
    // RFC 5280 §4.2.1.6: critical where the subject is empty.
    alternative.set_criticality(true);
    params.custom_extensions = vec![alternative];
    params
}

/// §4.4.2.1: the node ID as an `IA5String` in an `otherName`.
fn node_id_name(node_id: &str) -> der::Result<Vec<u8>> {
    let value = Any::encode_from(&Ia5String::new(node_id)?)?;
    SubjectAltName(vec![GeneralName::OtherName(OtherName { type_id: BUNDLE_EID, value })]).to_der()
}
