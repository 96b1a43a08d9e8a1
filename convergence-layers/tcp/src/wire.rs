//! The TCP connection of a session, in the clear or through TLS, as octets that can be read and written without waiting.
//!
//! `connection` reads and writes; nothing here waits but [`Wire::ready`]. With TLS a write is done when the octets are in
//! its buffer of 64 KiB, and nothing more is taken before that buffer is on the socket.

use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use convergence_layer::Gauge;
use rustls::Connection;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::negotiation::Role;
use crate::tls::{Peer, Tls};

/// Octets of TLS that one read takes from the socket: four full records.
const CIPHERTEXT_READ: usize = 64 * 1024;

/// One TCP connection.
pub(crate) struct Wire {
    stream: TcpStream,
    tunnel: Option<Box<Tunnel>>,
    gauge: Arc<Gauge>,
}

/// TLS on it.
struct Tunnel {
    tls: Arc<Tls>,
    connection: Connection,
    /// Read from the socket, and not decrypted yet.
    ciphertext: BytesMut,
    host: Option<String>,
    address: IpAddr,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, gauge: Arc<Gauge>) -> Self {
        Self { stream, tunnel: None, gauge }
    }

    /// Appends octets of the neighbor to `input`, in the clear as many as it has room for; 0 at their end.
    pub(crate) fn try_read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let Some(tunnel) = &mut self.tunnel else {
            let octets = self.stream.try_read_buf(input)?;
            self.gauge.read(octets as u64);
            return Ok(octets);
        };
        loop {
            if let Some(octets) = tunnel.take_plaintext(input)? {
                return Ok(octets);
            }
            if !tunnel.take_ciphertext(&self.stream, &self.gauge)? {
                return Ok(0);
            }
        }
    }

    /// Takes octets from the front of `slices` and says how many.
    pub(crate) fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tunnel) = &mut self.tunnel else {
            let octets = self.stream.try_write_vectored(slices)?;
            self.gauge.wrote(octets as u64);
            return Ok(octets);
        };
        tunnel.flush(&self.stream, &self.gauge)?;
        let octets = tunnel.connection.writer().write_vectored(slices)?;
        match tunnel.flush(&self.stream, &self.gauge) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(octets),
        }
    }

    /// Writes what TLS holds.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        self.tunnel.as_mut().map_or(Ok(()), |tunnel| tunnel.flush(&self.stream, &self.gauge))
    }

    /// Whether TLS holds something to write.
    pub(crate) fn holds_octets(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|tunnel| tunnel.connection.wants_write())
    }

    /// Whether a handshake has begun.
    pub(crate) fn is_tunnelled(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Begins the handshake. `read` is what the neighbor said of it already.
    pub(crate) fn begin_tls(
        &mut self,
        tls: &Arc<Tls>,
        (role, host): (Role, Option<&str>),
        read: BytesMut,
    ) -> io::Result<()> {
        let address = self.stream.peer_addr()?.ip().to_canonical();
        let connection = tls.begin(role, host, address).map_err(io::Error::other)?;
        let (tls, host) = (Arc::clone(tls), host.map(str::to_owned));
        self.tunnel = Some(Box::new(Tunnel { tls, connection, ciphertext: read, host, address }));
        Ok(())
    }

    /// Goes on with the handshake; who is there, once it is over.
    pub(crate) fn shake_hands(&mut self) -> io::Result<Peer> {
        let tunnel = self.tunnel.as_mut().ok_or(ErrorKind::NotConnected)?;
        loop {
            if let Err(error) = tunnel.flush(&self.stream, &self.gauge)
                && error.kind() != ErrorKind::WouldBlock
            {
                return Err(error);
            }
            if let Some(peer) = tunnel.peer() {
                return Ok(peer);
            }
            if !tunnel.take_ciphertext(&self.stream, &self.gauge)? {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the neighbor closed the connection"));
            }
        }
    }

    /// Until the socket can do something of what is wanted; what TLS holds is always wanted to be written.
    pub(crate) async fn ready(&self, reads: bool, writes: bool) {
        let interest = match (reads, writes || self.holds_octets()) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return std::future::pending().await,
        };
        // An error shows again when the socket is next used.
        let _ = self.stream.ready(interest).await;
    }

    /// Waits until the socket takes octets.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// §4.4: says in TLS that nothing follows. To be flushed.
    pub(crate) fn say_closed(&mut self) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.connection.send_close_notify();
        }
    }

    /// Closes our half.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Reads and forgets what still comes, at most so many octets.
    pub(crate) async fn drain(&self, octets_max: usize) -> io::Result<()> {
        let mut scrap = vec![0; 16 * 1024];
        let mut left = octets_max;
        while left > 0 {
            self.stream.readable().await?;
            match self.stream.try_read(&mut scrap) {
                Ok(0) => return Ok(()),
                Ok(octets) => left = left.saturating_sub(octets),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Tunnel {
    /// Moves what is decrypted to `input`. `None` where nothing is; 0 after the neighbor's closure alert.
    fn take_plaintext(&mut self, input: &mut BytesMut) -> io::Result<Option<usize>> {
        let mut reader = self.connection.reader();
        match reader.fill_buf() {
            Ok(octets) => {
                let length = octets.len();
                input.extend_from_slice(octets);
                reader.consume(length);
                Ok(Some(length))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads from the socket what nothing is left of, and hands it to TLS. `false` at the end of the connection.
    fn take_ciphertext(&mut self, stream: &TcpStream, gauge: &Gauge) -> io::Result<bool> {
        if self.ciphertext.is_empty() {
            self.ciphertext.reserve(CIPHERTEXT_READ);
            let octets = stream.try_read_buf(&mut self.ciphertext)?;
            gauge.read(octets as u64);
            if octets == 0 {
                return Ok(false);
            }
        }
        self.connection.read_tls(&mut (&mut self.ciphertext).reader())?;
        if let Err(error) = self.connection.process_new_packets() {
            // The neighbor is told by an alert, as far as it listens.
            let _ = self.flush(stream, gauge);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(true)
    }

    fn flush(&mut self, stream: &TcpStream, gauge: &Gauge) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Socket { stream, gauge })?;
        }
        Ok(())
    }

    /// Who is at the other end, once the handshake is over.
    fn peer(&self) -> Option<Peer> {
        if self.connection.is_handshaking() {
            return None;
        }
        let certificate = self.connection.peer_certificates()?.first()?;
        Some(self.tls.judge(certificate, self.host.as_deref(), self.address))
    }
}

/// The socket, for TLS to write to.
struct Socket<'a> {
    stream: &'a TcpStream,
    gauge: &'a Gauge,
}

impl Write for Socket<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let octets = self.stream.try_write_vectored(slices)?;
        self.gauge.wrote(octets as u64);
        Ok(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
