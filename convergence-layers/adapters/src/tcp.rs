//! TCPCLv4 (RFC 9174) by address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use convergence_layer::Link;
use tcpcl::{ContactError, Options};

use crate::address::Address;
use crate::host_port::HostPort;
use crate::listener::ListenError;
use crate::{Local, Unreachable};

/// What all connections of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    options: Arc<Options>,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        let options = Options { transfer_mru: local.transfer_mru, ..Options::new(local.node_id.clone()) };
        Self { options: Arc::new(options) }
    }

    /// Connects to the first of the host's addresses that answers.
    pub(crate) async fn dial(&self, place: &HostPort) -> Result<Link, Unreachable> {
        let mut failed = Unreachable(format!("{place} has no address"));
        for candidate in place.to_dial().await? {
            match tcpcl::connect(candidate, Arc::clone(&self.options)).await {
                Ok(link) => return Ok(link),
                Err(error) => failed = Unreachable(error.to_string()),
            }
        }
        Err(failed)
    }

    pub(crate) async fn listen(&self, place: &HostPort) -> Result<Listener, ListenError> {
        let address = Address::Tcp(place.clone());
        let candidates = place.to_listen().await.map_err(|error| ListenError::of(&address, error))?;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match tcpcl::Listener::bind(candidate, Arc::clone(&self.options)).await {
                Ok(listener) => return Listener::of(listener, &address),
                Err(ContactError::Listen { source, .. }) => failed = source,
                Err(other) => failed = io::Error::other(other),
            }
            if failed.kind() == io::ErrorKind::AddrInUse {
                break;
            }
        }
        Err(ListenError::of(&address, failed))
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    listener: tcpcl::Listener,
    bound: SocketAddr,
}

impl Listener {
    fn of(listener: tcpcl::Listener, address: &Address) -> Result<Self, ListenError> {
        let bound = listener.local_address().map_err(|error| ListenError::of(address, error))?;
        Ok(Self { listener, bound })
    }

    pub(crate) fn address(&self) -> Address {
        Address::Tcp(self.bound.into())
    }

    pub(crate) async fn accept(&mut self) -> io::Result<(Link, Address)> {
        let (link, from) = self.listener.accept().await?;
        Ok((link, Address::Tcp(from.into())))
    }
}
