//! Certificates of an authority, from PEM files (RFC 7468).

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use webpki::anchor_from_trusted_cert;

use super::WallClock;
use super::verifying::Anchors;

/// Where an authority's certificates and ours lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The authorities that are believed.
    pub authorities: PathBuf,
    /// Our certificate, and those between it and the authority's.
    pub certificate: PathBuf,
    /// The private key of our certificate.
    pub key: PathBuf,
}

/// What a node brings to handshakes with an authority.
#[derive(Debug)]
pub struct Authority {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) anchors: Anchors,
    pub(super) clock: WallClock,
}

/// A file that cannot be used.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// It is not there, or not PEM.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        error: PemError,
    },
    /// It holds no certificate.
    #[error("{}: no certificate that could be used is in it", .0.display())]
    Empty(PathBuf),
}

impl Authority {
    /// Reads the files. While `clock` is not trusted, certificates are taken as if they had just been issued.
    pub fn read(files: &Files, clock: WallClock) -> Result<Self, AuthorityError> {
        let fault = |file: &Path, error| AuthorityError::File { file: file.to_owned(), error };
        let anchors = certificates(&files.authorities)?
            .iter()
            .map(|certificate| anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned()))
            .collect::<Result<Anchors, _>>()
            .map_err(|_| AuthorityError::Empty(files.authorities.clone()))?;
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| fault(&files.key, error))?;
        Ok(Self { chain, key, anchors, clock })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| AuthorityError::File { file: file.to_owned(), error })?;
    if found.is_empty() { Err(AuthorityError::Empty(file.to_owned())) } else { Ok(found) }
}
