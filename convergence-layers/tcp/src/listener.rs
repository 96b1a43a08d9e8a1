//! Contacts over TCP: made by us or by the neighbor (RFC 9174 §4.1).

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use convergence_layer::Link;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{self, Instant};

use crate::connection;
use crate::negotiation::Role;
use crate::options::{InvalidOptions, Options};
use crate::session::Session;

/// The port that is registered for TCPCL (RFC 9174 §8.1).
pub const PORT: u16 = 4556;

/// Why there is no TCP connection, or no listener.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// The options are wrong. The caller's fault.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The other node could not be reached.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Opens a contact with the node at `address`. Returns as soon as TCP is connected; [`convergence_layer::Event::Opened`]
/// tells when the session is established.
///
/// The caller decides when to try again: RFC 9174 §4.1 asks for delays that grow, up to one minute.
pub async fn connect(address: SocketAddr, options: Arc<Options>) -> Result<Link, ContactError> {
    options.check()?;
    let attempt = time::timeout(options.contact_timeout, TcpStream::connect(address)).await;
    let stream = attempt
        .unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut)))
        .map_err(|source| ContactError::Connect { address, source })?;
    Ok(begin(stream, Role::Active, options)?)
}

/// Waits for neighbors to open contacts.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    options: Arc<Options>,
}

impl Listener {
    /// Listens on `address`; port 0 takes any free one.
    pub async fn bind(address: SocketAddr, options: Arc<Options>) -> Result<Self, ContactError> {
        options.check()?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ContactError::Listen { address, source })?;
        Ok(Self { listener, options })
    }

    /// The address that is listened on, with its real port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next contact, and where it comes from. Returns as soon as TCP is connected; nothing is known of the neighbor
    /// before [`convergence_layer::Event::Opened`].
    ///
    /// May be dropped while it waits. An error is the machine's (no file descriptors are left, say): wait a little
    /// before the next call.
    pub async fn accept(&self) -> io::Result<(Link, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let link =
                        begin(stream, Role::Passive, Arc::clone(&self.options)).map_err(io::Error::other)?;
                    return Ok((link, address));
                }
                // The one connection is gone already; the listener is well.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn begin(stream: TcpStream, role: Role, options: Arc<Options>) -> Result<Link, InvalidOptions> {
    // Whole batches are written at once: waiting for more only delays acknowledgements. Where the option cannot be set,
    // the connection is dead, which shows at its first use.
    let _ = stream.set_nodelay(true);
    let session = Session::new(role, options, Instant::now().into_std())?;
    Ok(connection::spawn(stream, session))
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}
