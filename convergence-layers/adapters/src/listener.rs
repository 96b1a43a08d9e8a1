//! Where neighbors open contacts, of any layer.

use std::io::{self, ErrorKind};

use convergence_layer::Link;
use thiserror::Error;

use crate::address::Address;
use crate::{framed_stream, tcp, udp};

/// A node cannot listen where it was told to.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another program does.
    #[error(
        "{address} is in use by another program: stop it, or listen elsewhere with --listen (tcp://[::]:0 takes a free port)"
    )]
    InUse {
        /// Where.
        address: Address,
    },
    /// Its layer has no side that waits and one that calls.
    #[error("{address} is not listened at: name it as a peer, on both sides (packmule peer add)")]
    OnlyDialled {
        /// Where.
        address: Address,
    },
    /// The system says no.
    #[error("cannot listen at {address}: {error}")]
    Io {
        /// Where.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
}

impl ListenError {
    pub(crate) fn of(address: &Address, error: io::Error) -> Self {
        let address = address.clone();
        match error.kind() {
            ErrorKind::AddrInUse => Self::InUse { address },
            _ => Self::Io { address, error },
        }
    }
}

/// An address of this machine at which neighbors may open contacts.
#[derive(Debug)]
pub enum Listener {
    /// TCPCLv4.
    Tcp(tcp::Listener),
    /// UDPCL, or bare LTP.
    Udp(udp::Listener),
    /// STCP or MTCP.
    Framed(framed_stream::Listener),
}

impl Listener {
    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> Address {
        match self {
            Self::Tcp(listener) => listener.address(),
            Self::Udp(listener) => listener.address(),
            Self::Framed(listener) => listener.address(),
        }
    }

    /// The next contact, and where it comes from. Nothing is known of the neighbor before
    /// [`convergence_layer::Event::Opened`].
    ///
    /// May be dropped while it waits. An error is the machine's (no file descriptors are left, say): wait a little
    /// before the next call.
    pub async fn accept(&mut self) -> io::Result<(Link, Address)> {
        match self {
            Self::Tcp(listener) => listener.accept().await,
            Self::Udp(listener) => listener.accept().await,
            Self::Framed(listener) => listener.accept().await,
        }
    }
}
