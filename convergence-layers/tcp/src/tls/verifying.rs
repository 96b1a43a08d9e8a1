//! Which certificates a handshake goes on with (RFC 9174 §4.4.4.1).
//!
//! Always: one of version 3 that can be read, whose holder signs the handshake with its key. With an authority: one that
//! the authority stands for. Whose name is in it is asked later, when the neighbor has said who it is.

use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::WallClock;

/// id-kp-bundleSecurity (RFC 9174 appendix B), as the content of its DER.
const BUNDLE_SECURITY: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 35];

/// The certificates in which an authority's chains end.
pub(super) type Anchors = Vec<TrustAnchor<'static>>;

/// Looks at the neighbor's certificate, whichever side it is on.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    authority: Option<(Anchors, WallClock)>,
}

impl Verifier {
    pub(super) fn new(provider: &CryptoProvider, authority: Option<(Anchors, WallClock)>) -> Self {
        Self { algorithms: provider.signature_verification_algorithms, authority }
    }

    fn check(&self, certificate: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        // Without an authority the signature on a certificate proves nothing that its holder's own would not.
        let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let Some((anchors, clock)) = &self.authority else { return Ok(()) };
        let now = clock.now().or_else(|| begin_of(certificate)).ok_or(CertificateError::BadEncoding)?;
        // §4.4.5: an extended key usage, where there is one, has to name this use.
        let usage = KeyUsage::required_if_present(BUNDLE_SECURITY);
        let now = UnixTime::since_unix_epoch(now);
        parsed
            .verify_for_usage(self.algorithms.all, anchors, chain, now, usage, None, None)
            .map(|_| ())
            .map_err(|error| Error::InvalidCertificate(reason(&error)))
    }
}

/// A node that does not know the time takes a certificate as if it had just been issued.
fn begin_of(certificate: &CertificateDer<'_>) -> Option<Duration> {
    let parsed = Certificate::from_der(certificate).ok()?;
    Some(parsed.tbs_certificate().validity().not_before.to_unix_duration())
}

/// As far as the neighbor is told, and our log.
fn reason(error: &webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        _ => CertificateError::ApplicationVerificationFailure,
    }
}

fn no_tls12() -> Error {
    PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
