//! All convergence-layer adapters, behind one kind of address and one set of calls.
//!
//! The node knows [`Address`], [`Adapters`] and [`Listener`], and no layer by name: whoever adds a layer adds a variant
//! and a file here, a crate beside this one, and touches nothing else. [`Adapters::dial`] and [`Listener::accept`] hand
//! out [`convergence_layer::Link`]s, which are the same for every layer. When to dial again is the node's to decide.

mod address;
mod files;
mod framed_stream;
mod host_port;
mod listener;
mod ltp_address;
mod program;
mod serial_line;
mod settings;
mod stream_address;
mod tcp;
mod tcp_address;
mod udp;
mod udp_address;

pub use self::address::{Address, AddressError};
pub use self::host_port::HostPort;
pub use self::listener::{ListenError, Listener};
pub use self::ltp_address::LtpAddress;
pub use self::stream_address::StreamAddress;
pub use self::tcp::Credentials;
pub use self::tcp_address::{TcpAddress, TlsUse};
pub use self::udp_address::UdpAddress;
pub use tcpcl::tls::{Files, TlsError, TrustedKeys, WallClock};

use convergence_layer::Link;
use framed::framing::Framing;

/// What a node brings to all of its links.
#[derive(Debug, Clone)]
pub struct Local {
    /// The node ID that is declared to neighbors, as text.
    pub node_id: String,
    /// The largest bundle that is taken, in octets.
    pub transfer_mru: u64,
}

/// The adapters of one node, with what its links share.
#[derive(Debug)]
pub struct Adapters {
    tcp: tcp::Adapter,
    udp: udp::Adapter,
    serial: serial_line::Adapter,
    stcp: framed_stream::Adapter,
    mtcp: framed_stream::Adapter,
    pipe: program::Adapter,
    folder: files::Adapter,
}

/// A neighbor could not be reached: why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub(crate) String);

impl Adapters {
    /// The adapters of a node.
    pub fn new(local: &Local) -> Self {
        Self {
            tcp: tcp::Adapter::new(local),
            udp: udp::Adapter::new(local),
            serial: serial_line::Adapter::new(local),
            stcp: framed_stream::Adapter::new(Framing::Stcp, local),
            mtcp: framed_stream::Adapter::new(Framing::Mtcp, local),
            pipe: program::Adapter::new(local),
            folder: files::Adapter::new(local),
        }
    }

    /// With these, links of layers that can are encrypted; without, none is.
    pub fn with_credentials(mut self, credentials: Credentials) -> Result<Self, TlsError> {
        self.tcp = self.tcp.with_credentials(credentials)?;
        Ok(self)
    }

    /// Opens a contact. May be dropped while it waits, which may be for as long as nobody is at the other end of a line.
    pub async fn dial(&self, address: &Address) -> Result<Link, Unreachable> {
        match address {
            Address::Tcp(address) => self.tcp.dial(address).await,
            Address::Udp(address) => self.udp.dial(address).await,
            Address::Ltp(address) => self.udp.dial_ltp(address).await,
            Address::Serial(settings) => self.serial.dial(settings).await,
            Address::Stcp(address) => self.stcp.dial(address.place()).await,
            Address::Mtcp(address) => self.mtcp.dial(address.place()).await,
            Address::Pipe(command) => self.pipe.dial(command).await,
            Address::Folder(settings) => self.folder.dial(settings).await,
        }
    }

    /// Until there is a reason to dial an address at once: its node is there, and called. May be dropped while it waits.
    pub async fn called(&self, address: &Address) {
        match address {
            Address::Stcp(address) => self.stcp.called(address.place()).await,
            Address::Mtcp(address) => self.mtcp.called(address.place()).await,
            _ => std::future::pending().await,
        }
    }

    /// Waits for neighbors at an address of this machine; port 0 takes any free one.
    pub async fn listen(&self, address: &Address) -> Result<Listener, ListenError> {
        match address {
            Address::Tcp(address) => self.tcp.listen(address).await.map(Listener::Tcp),
            Address::Udp(address) => self.udp.listen(address).await.map(Listener::Udp),
            Address::Ltp(address) => self.udp.listen_ltp(address).await.map(Listener::Udp),
            Address::Serial(_) | Address::Pipe(_) | Address::Folder(_) => {
                Err(ListenError::OnlyDialled { address: address.clone() })
            }
            Address::Stcp(address) => self.stcp.listen(address.place()).await.map(Listener::Framed),
            Address::Mtcp(address) => self.mtcp.listen(address.place()).await.map(Listener::Framed),
        }
    }
}
