//! Connections made by us and by neighbors, and the links that come of them.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use convergence_layer::Link;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time;

use crate::framing::Framing;
use crate::link;
use crate::meeting::Meeting;
use crate::one_way;
use crate::receiving::Incoming;

/// Where neighbors listen unless they say otherwise: ION's STCP uses the port of TCPCL, and no other is registered for either framing.
pub const PORT: u16 = 4556;
/// How long a host may take to answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// A connection on which nothing comes is asked after so long, so often, and so many times: gone after a minute. Neighbors
/// of other makes send no signs of life, so that the system has to ask.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// What a node brings to all links of one framing.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How bundles stand on the wire.
    pub framing: Framing,
    /// The largest bundle that is taken, in octets.
    pub transfer_mru: u64,
}

/// The links of one node in one framing, and the neighbors that they lead to.
#[derive(Debug)]
pub struct Neighborhood {
    options: Options,
    meeting: Meeting,
    /// Where it listens, if at one address only: it is known there, and dials from there.
    sources: Mutex<Vec<IpAddr>>,
}

impl Neighborhood {
    /// Without links.
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self { options, meeting: Meeting::new(), sources: Mutex::default() })
    }

    /// Opens a connection, and joins to it what the same host opened. May be dropped while it waits.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Link> {
        let attempt = time::timeout(CONNECT_PATIENCE, self.dial(address)).await;
        let stream = attempt.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?;
        prepare(&stream);
        let Options { framing, transfer_mru } = self.options;
        let seat = |seat| self.meeting.dialled(address.ip(), seat);
        Ok(link::spawn(stream, (framing, transfer_mru), seat))
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = self.source_for(address.ip()) {
            // From another address we are only not recognised.
            let _ = socket.bind(SocketAddr::new(source, 0));
        }
        socket.connect(address).await
    }

    fn source_for(&self, host: IpAddr) -> Option<IpAddr> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |source: &&IpAddr| {
            source.is_ipv4() == host.is_ipv4() && source.is_loopback() == host.is_loopback()
        };
        sources.iter().find(fits).copied()
    }

    /// Waits for neighbors at an address; port 0 takes any free one. Called within a runtime.
    pub fn listen(self: &Arc<Self>, address: SocketAddr) -> io::Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        if !address.ip().is_unspecified() {
            self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(address.ip());
        }
        Ok(Listener { listener, neighborhood: Arc::clone(self) })
    }

    /// Until a connection of one of these hosts waits for one of ours. May be dropped while it waits.
    pub async fn knocked(&self, hosts: &[IpAddr]) {
        self.meeting.knocked(hosts).await;
    }
}

/// Waits for neighbors to open connections.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    neighborhood: Arc<Neighborhood>,
}

impl Listener {
    /// The address that is listened on, with its real port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next link, and where it comes from. A connection that belongs to a link that is open makes none.
    ///
    /// May be dropped while it waits. An error is the machine's: wait a little before the next call.
    pub async fn accept(&self) -> io::Result<(Link, SocketAddr)> {
        let Options { framing, transfer_mru } = self.neighborhood.options;
        loop {
            let (stream, from) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => return Err(error),
            };
            prepare(&stream);
            let incoming = Incoming::new(stream, framing, transfer_mru);
            match self.neighborhood.meeting.accepted(from.ip()) {
                Ok(reservation) => reservation.give(incoming),
                Err(given) => return Ok((one_way::spawn(incoming, given), from)),
            }
        }
    }
}

/// Where an option cannot be set, the connection is dead, which shows at its first use.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, PROBE_AFTER);
    let _ = sockopt::set_tcp_keepintvl(stream, PROBE_EVERY);
    let _ = sockopt::set_tcp_keepcnt(stream, PROBES);
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}
