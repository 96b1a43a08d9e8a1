//! TCPCLv4 (RFC 9174) by address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use convergence_layer::Link;
use tcpcl::tls::{Authority, Files, Security, Tls, TlsError, TrustedKeys, WallClock};
use tcpcl::{ContactError, Options};

use crate::address::Address;
use crate::listener::ListenError;
use crate::tcp_address::{TcpAddress, TlsUse};
use crate::{Local, Unreachable};

/// By what a node shows who it is, and whom it believes.
#[derive(Debug)]
pub struct Credentials {
    /// What the node's Ed25519 key was made from.
    pub seed: [u8; 32],
    /// The keys that are trusted for other nodes, now.
    pub trusted: TrustedKeys,
    /// The certificates of an authority, for connections that want that.
    pub files: Option<Files>,
    /// For the dates of those.
    pub clock: WallClock,
}

/// What all connections of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    options: Options,
    tls: Option<Arc<Tls>>,
    authority: Option<(Files, WallClock)>,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        let options = Options { transfer_mru: local.transfer_mru, ..Options::new(local.node_id.clone()) };
        Self { options, tls: None, authority: None }
    }

    pub(crate) fn with_credentials(self, credentials: Credentials) -> Result<Self, TlsError> {
        let tls = Tls::of_node(&self.options.node_id, &credentials.seed, credentials.trusted)?;
        let authority = credentials.files.map(|files| (files, credentials.clock));
        Ok(Self { tls: Some(Arc::new(tls)), authority, ..self })
    }

    /// Connects to the first of the host's addresses that answers.
    pub(crate) async fn dial(&self, address: &TcpAddress) -> Result<Link, Unreachable> {
        let place = address.place();
        let options = self.options(address).map_err(|error| Unreachable(error.to_string()))?;
        let options = Arc::new(Options { host: Some(place.host().to_owned()), ..options });
        let mut failed = Unreachable(format!("{place} has no address"));
        for candidate in place.to_dial().await? {
            match tcpcl::connect(candidate, Arc::clone(&options)).await {
                Ok(link) => return Ok(link),
                Err(error) => failed = Unreachable(error.to_string()),
            }
        }
        Err(failed)
    }

    pub(crate) async fn listen(&self, wanted: &TcpAddress) -> Result<Listener, ListenError> {
        let address = Address::Tcp(wanted.clone());
        let options = Arc::new(self.options(wanted).map_err(|error| ListenError::of(&address, error))?);
        let candidates =
            wanted.place().to_listen().await.map_err(|error| ListenError::of(&address, error))?;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match tcpcl::Listener::bind(candidate, Arc::clone(&options)).await {
                Ok(listener) => return Listener::of(listener, wanted),
                Err(ContactError::Listen { source, .. }) => failed = source,
                Err(other) => failed = io::Error::other(other),
            }
            if failed.kind() == io::ErrorKind::AddrInUse {
                break;
            }
        }
        Err(ListenError::of(&address, failed))
    }

    /// The options of connections with the settings of this address. An authority's files are read each time, because
    /// certificates are renewed while a node runs.
    fn options(&self, address: &TcpAddress) -> io::Result<Options> {
        let own = || self.tls.clone().ok_or_else(|| io::Error::other("this node has no key to encrypt with"));
        let security = match address.tls {
            TlsUse::Offer => self.tls.clone().map_or(Security::Off, Security::Offered),
            TlsUse::Require => Security::Required(own()?),
            TlsUse::Off => Security::Off,
            TlsUse::Authority => Security::Required(Arc::new(self.of_authority()?)),
        };
        Ok(Options { security, ..self.options.clone() })
    }

    fn of_authority(&self) -> io::Result<Tls> {
        let (files, clock) = self.authority.as_ref().ok_or_else(|| {
            io::Error::other("tls=ca needs tls_ca, tls_certificate and tls_key in config.toml")
        })?;
        let authority = Authority::read(files, clock.clone()).map_err(io::Error::other)?;
        Tls::of_authority(authority).map_err(io::Error::other)
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    socket: tcpcl::Listener,
    bound: SocketAddr,
    tls: TlsUse,
}

impl Listener {
    fn of(listener: tcpcl::Listener, wanted: &TcpAddress) -> Result<Self, ListenError> {
        let fail = |error| ListenError::of(&Address::Tcp(wanted.clone()), error);
        let bound = listener.local_address().map_err(fail)?;
        Ok(Self { socket: listener, bound, tls: wanted.tls })
    }

    pub(crate) fn address(&self) -> Address {
        Address::Tcp(TcpAddress { place: self.bound.into(), tls: self.tls })
    }

    pub(crate) async fn accept(&mut self) -> io::Result<(Link, Address)> {
        let (link, from) = self.socket.accept().await?;
        Ok((link, Address::Tcp(TcpAddress::of(from.into()))))
    }
}
