//! TLS 1.3 under TCPCL sessions (RFC 9174 §4.4): who may encrypt, with which certificate, and whose certificate is taken.
//!
//! Two ways. Between nodes that know each other's keys ([`Tls::of_node`]) the certificate is made by the node itself, its key
//! is the node's Ed25519 key, and what counts is the key that is trusted for the node ID in it: no authority, no dates.
//! With an authority ([`Tls::of_authority`]) certificates come from files and are checked as RFC 5280 says. `wire` holds
//! the handshake; [`Peer`] is what comes of it, and the session compares it with the neighbor's `SESS_INIT`.

mod authority;
mod certificate;
mod peer;
mod verifying;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

pub use self::authority::{Authority, AuthorityError, Files};
pub use self::certificate::certificate_of;
pub use self::peer::{Impostor, Peer};
use self::verifying::Verifier;
use crate::negotiation::Role;

/// Whether the sessions of a connection are encrypted.
#[derive(Debug, Clone)]
pub enum Security {
    /// Never: TLS is not offered.
    Off,
    /// Where the neighbor can do it as well. Whoever sits on the way can take the offer out (RFC 9174 §7.4).
    Offered(Arc<Tls>),
    /// Always: there is no session without.
    Required(Arc<Tls>),
}

/// The Ed25519 key that is trusted for a node ID, by whoever asks; it may change at any time.
#[derive(Clone)]
pub struct TrustedKeys(Arc<LookUp>);

type LookUp = dyn Fn(&str) -> Option<[u8; 32]> + Send + Sync;

impl TrustedKeys {
    /// `look_up` takes a node ID as text. It is called on the task of a session: it must not wait.
    pub fn new(look_up: impl Fn(&str) -> Option<[u8; 32]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look_up))
    }

    fn of(&self, node_id: &str) -> Option<[u8; 32]> {
        (self.0)(node_id)
    }
}

impl fmt::Debug for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedKeys")
    }
}

/// The wall clock as time since 1970, or `None` while it is not to be trusted.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Option<Duration> + Send + Sync>);

impl WallClock {
    /// `read` must not wait.
    pub fn new(read: impl Fn() -> Option<Duration> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    fn now(&self) -> Option<Duration> {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// By whose word a neighbor is who it says.
#[derive(Debug, Clone)]
pub(crate) enum Warrant {
    /// By its key, where that is known here.
    Keys(TrustedKeys),
    /// By an authority's.
    Authority,
}

/// What a node brings to its TLS handshakes: its certificate, and whom it believes.
#[derive(Debug)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    warrant: Warrant,
}

/// No TLS with this certificate and key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate of the node could not be made: its node ID is not of ASCII letters.
    #[error("no certificate can be made for the node ID {0}")]
    Certificate(String),
    /// The library cannot use them.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// Its files.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

impl Tls {
    /// Of a node whose Ed25519 key was made from `seed`, and which believes in keys.
    pub fn of_node(node_id: &str, seed: &[u8; 32], trusted: TrustedKeys) -> Result<Self, TlsError> {
        let (certificate, key) = certificate::make(node_id, seed)?;
        Self::new(vec![certificate], key, None, Warrant::Keys(trusted))
    }

    /// Of a node with a certificate from an authority, which believes in that.
    pub fn of_authority(authority: Authority) -> Result<Self, TlsError> {
        let Authority { chain, key, anchors, clock } = authority;
        Self::new(chain, key, Some((anchors, clock)), Warrant::Authority)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        authority: Option<(verifying::Anchors, WallClock)>,
        warrant: Warrant,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier::new(&provider, authority));
        let mut client = client_config(&provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<_>)
            .with_client_auth_cert(chain.clone(), key.clone_key())?;
        // Every contact proves anew who is there; a handshake costs little beside a contact.
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { client: Arc::new(client), server: Arc::new(server), warrant })
    }

    /// Begins a handshake. §4.4.3: the active entity is the client, and names the host that it dialled.
    pub(crate) fn begin(
        &self,
        role: Role,
        host: Option<&str>,
        address: IpAddr,
    ) -> Result<Connection, rustls::Error> {
        let mut connection = match role {
            Role::Active => {
                let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
                let name = name.unwrap_or(ServerName::IpAddress(address.into()));
                Connection::Client(ClientConnection::new(Arc::clone(&self.client), name)?)
            }
            Role::Passive => Connection::Server(ServerConnection::new(Arc::clone(&self.server))?),
        };
        connection.set_buffer_limit(Some(BUFFER_MAX));
        Ok(connection)
    }

    /// What the neighbor at `address` proved by its certificate.
    pub(crate) fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        host: Option<&str>,
        address: IpAddr,
    ) -> Peer {
        Peer::of(certificate, (host, address), self.warrant.clone())
    }
}

/// Octets on their way out that a connection holds, encrypted and not.
const BUFFER_MAX: usize = 64 * 1024;

fn client_config(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
}
