//! STCP and MTCP by address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use convergence_layer::Link;
use framed::framing::Framing;
use framed::{Neighborhood, Options};

use crate::address::Address;
use crate::host_port::HostPort;
use crate::listener::ListenError;
use crate::stream_address::StreamAddress;
use crate::{Local, Unreachable};

/// What all connections of a node in one framing share.
#[derive(Debug)]
pub(crate) struct Adapter {
    framing: Framing,
    neighborhood: Arc<Neighborhood>,
}

impl Adapter {
    pub(crate) fn new(framing: Framing, local: &Local) -> Self {
        let options = Options { framing, transfer_mru: local.transfer_mru };
        Self { framing, neighborhood: Neighborhood::new(options) }
    }

    /// Connects to the first of the host's addresses that answers.
    pub(crate) async fn dial(&self, place: &HostPort) -> Result<Link, Unreachable> {
        let mut failed = Unreachable(format!("{place} has no address"));
        for candidate in place.to_dial().await? {
            match self.neighborhood.connect(candidate).await {
                Ok(link) => return Ok(link),
                Err(error) => failed = Unreachable(format!("cannot connect to {candidate}: {error}")),
            }
        }
        Err(failed)
    }

    /// Until the host has opened a connection that waits for one of ours.
    pub(crate) async fn called(&self, place: &HostPort) {
        let hosts: Vec<IpAddr> = match place.to_dial().await {
            Ok(found) => found.iter().map(SocketAddr::ip).collect(),
            Err(_) => return std::future::pending().await,
        };
        self.neighborhood.knocked(&hosts).await;
    }

    pub(crate) async fn listen(&self, place: &HostPort) -> Result<Listener, ListenError> {
        let address = address(self.framing, place.clone());
        let candidates = place.to_listen().await.map_err(|error| ListenError::of(&address, error))?;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match self.neighborhood.listen(candidate) {
                Ok(listener) => return Listener::of(listener, self.framing, &address),
                Err(error) => failed = error,
            }
            if failed.kind() == io::ErrorKind::AddrInUse {
                break;
            }
        }
        Err(ListenError::of(&address, failed))
    }
}

fn address(framing: Framing, place: HostPort) -> Address {
    match framing {
        Framing::Stcp => Address::Stcp(StreamAddress::of(place)),
        Framing::Mtcp => Address::Mtcp(StreamAddress::of(place)),
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    socket: framed::Listener,
    framing: Framing,
    bound: SocketAddr,
}

impl Listener {
    fn of(listener: framed::Listener, framing: Framing, at: &Address) -> Result<Self, ListenError> {
        let bound = listener.local_address().map_err(|error| ListenError::of(at, error))?;
        Ok(Self { socket: listener, framing, bound })
    }

    pub(crate) fn address(&self) -> Address {
        address(self.framing, self.bound.into())
    }

    pub(crate) async fn accept(&mut self) -> io::Result<(Link, Address)> {
        let (link, from) = self.socket.accept().await?;
        Ok((link, address(self.framing, from.into())))
    }
}
