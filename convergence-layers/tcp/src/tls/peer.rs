//! What a neighbor proved in a TLS handshake, and whether it is who its `SESS_INIT` says (RFC 9174 §4.4.4).
//!
//! The handshake has shown that it holds the certificate's key, and, with an authority, that the certificate is a good one.
//! A neighbor of which nothing is known goes on: what it may do is decided by its Hello. One that claims a name that
//! belongs to somebody else does not.

use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::Warrant;
use super::certificate::BUNDLE_EID;

/// id-Ed25519 (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// NODE-IDs of one certificate that are looked at.
const NODE_IDS_MAX: usize = 16;

/// Who the neighbor is by its certificate.
#[derive(Debug, Clone)]
pub struct Peer {
    /// NODE-IDs, as text.
    node_ids: Vec<String>,
    /// Its key, where that is an Ed25519 key.
    key: Option<[u8; 32]>,
    /// Whether the certificate names the host that was dialled, or the address of the connection.
    names_host: bool,
    warrant: Warrant,
}

/// The neighbor is not the node that it says it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Impostor {
    /// Its certificate is another node's.
    #[error("the neighbor calls itself {declared}, and its certificate is that of {certified}")]
    OtherNode {
        /// The node ID in its `SESS_INIT`.
        declared: String,
        /// The first one in its certificate.
        certified: String,
    },
    /// Its key is not the one that is trusted for the node.
    #[error(
        "the neighbor calls itself {0}, and does not have the key that is trusted for that node: somebody else is there, or it was \
         made anew; if its owner gives you a new line for it: packmule trust add --replace"
    )]
    OtherKey(String),
    /// An authority's certificate that names nobody that could be compared.
    #[error("the neighbor's certificate names neither its node nor its host")]
    Nameless,
}

impl Peer {
    pub(super) fn of(
        certificate: &CertificateDer<'_>,
        (host, address): (Option<&str>, IpAddr),
        warrant: Warrant,
    ) -> Self {
        let names_host = names_host(certificate, host, address);
        // One that this library cannot read proves nothing but that its holder has a key.
        let Ok(parsed) = Certificate::from_der(certificate) else {
            return Self { node_ids: Vec::new(), key: None, names_host, warrant };
        };
        Self { node_ids: node_ids(&parsed), key: ed25519_key(&parsed), names_host, warrant }
    }

    /// Whether it may call itself that (§4.4.4.3).
    pub(crate) fn check(&self, declared: &str) -> Result<(), Impostor> {
        if let Some(certified) = self.node_ids.first()
            && !self.node_ids.iter().any(|node_id| node_id == declared)
        {
            let (declared, certified) = (declared.to_owned(), certified.clone());
            return Err(Impostor::OtherNode { declared, certified });
        }
        match &self.warrant {
            Warrant::Keys(trusted) => match trusted.of(declared) {
                Some(key) if self.key != Some(key) => Err(Impostor::OtherKey(declared.to_owned())),
                _ => Ok(()),
            },
            // §4.4.5: with a node ID that is proved the host does not matter.
            Warrant::Authority if self.node_ids.is_empty() && !self.names_host => Err(Impostor::Nameless),
            Warrant::Authority => Ok(()),
        }
    }
}

/// §4.4.1: other entries of subjectAltName, and what is not text, are ignored.
fn node_ids(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let node_id = |name: &GeneralName| match name {
        GeneralName::OtherName(other) if other.type_id == BUNDLE_EID => {
            let text: Ia5String = other.value.decode_as().ok()?;
            Some(text.as_str().chars().filter(|c| !c.is_control()).collect())
        }
        _ => None,
    };
    names.0.iter().filter_map(node_id).take(NODE_IDS_MAX).collect()
}

fn ed25519_key(certificate: &Certificate) -> Option<[u8; 32]> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    if info.algorithm.oid != ED25519 {
        return None;
    }
    info.subject_public_key.as_bytes()?.try_into().ok()
}

/// §4.4.4.2: the DNS name that was resolved, or the address of the other side.
fn names_host(certificate: &CertificateDer<'_>, host: Option<&str>, address: IpAddr) -> bool {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return false };
    let host = host.and_then(|host| ServerName::try_from(host).ok());
    let names = [host, Some(ServerName::IpAddress(address.into()))];
    names.iter().flatten().any(|name| certificate.verify_is_valid_for_subject_name(name).is_ok())
}
