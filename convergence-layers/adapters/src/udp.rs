//! UDPCL (draft-ietf-dtn-udpcl-04) and bare LTP (RFC 5326) by address. Who is dialled is dialled from a socket that is listened
//! at, where one reaches it: NATs and firewalls then see one port.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use convergence_layer::Link;
use udpcl::{Dialler, LinkOptions, Options, Socket};

use crate::address::Address;
use crate::host_port::HostPort;
use crate::listener::ListenError;
use crate::ltp_address::LtpAddress;
use crate::udp_address::UdpAddress;
use crate::{Local, Unreachable};

/// What an operator does about a missing engine number.
const NO_NUMBER: &str =
    "nothing says which LTP engine this node is: name it with own=NUMBER behind the question mark";

/// What sockets must have in common to stand for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// UDPCL with this extension ID.
    Udpcl(i16),
    /// LTP by this engine.
    Ltp(u64),
}

/// What all sockets of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    options: Options,
    /// Our engine number, where our node ID has one.
    node: Option<u64>,
    /// The sockets that are listened at.
    sockets: Mutex<Vec<(Dialler, Speech)>>,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        let options = Options { transfer_mru: local.transfer_mru, ..Options::new(local.node_id.clone()) };
        let number = local.node_id.strip_prefix("ipn:").and_then(|rest| rest.split('.').next());
        let node = number.and_then(|number| number.parse().ok());
        Self { options, node, sockets: Mutex::default() }
    }

    pub(crate) async fn dial(&self, address: &UdpAddress) -> Result<Link, Unreachable> {
        self.dial_place(address.place(), address.link(), Speech::Udpcl(address.extension())).await
    }

    pub(crate) async fn dial_ltp(&self, address: &LtpAddress) -> Result<Link, Unreachable> {
        let (link, speech) = self.ltp_link(address).ok_or_else(|| Unreachable(NO_NUMBER.to_owned()))?;
        self.dial_place(address.place(), link, speech).await
    }

    fn ltp_link(&self, address: &LtpAddress) -> Option<(LinkOptions, Speech)> {
        let link = address.link(self.node)?;
        Some((link, Speech::Ltp(link.engines?.ours)))
    }

    /// Asks all of the host's addresses, one after the other.
    async fn dial_place(
        &self,
        place: &HostPort,
        link: LinkOptions,
        speech: Speech,
    ) -> Result<Link, Unreachable> {
        let mut failed = Unreachable(format!("{place} has no address"));
        for candidate in place.to_dial().await? {
            let dialled = match self.socket_for(candidate, speech) {
                Some(socket) => socket.dial(candidate, link).await,
                None => Socket::dial_alone(candidate, self.options(speech), link).await,
            };
            match dialled {
                Ok(link) => return Ok(link),
                Err(error) => failed = Unreachable(format!("{candidate}: {error}")),
            }
        }
        Err(failed)
    }

    fn options(&self, speech: Speech) -> Arc<Options> {
        let mut options = self.options.clone();
        if let Speech::Udpcl(extension) = speech {
            options.private_id = extension;
        }
        Arc::new(options)
    }

    fn socket_for(&self, address: SocketAddr, speech: Speech) -> Option<Dialler> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fitting =
            sockets.iter().filter(|(socket, other)| *other == speech && socket.reaches(address));
        fitting.next().map(|(socket, _)| socket.clone())
    }

    pub(crate) async fn listen(&self, address: &UdpAddress) -> Result<Listener, ListenError> {
        let whole = Address::Udp(address.clone());
        let speech = Speech::Udpcl(address.extension());
        let bound = self.bind(address.place(), address.link(), speech).await;
        bound.map_err(|error| ListenError::of(&whole, error))
    }

    pub(crate) async fn listen_ltp(&self, address: &LtpAddress) -> Result<Listener, ListenError> {
        let whole = Address::Ltp(address.clone());
        let bound = match self.ltp_link(address) {
            Some((link, speech)) => self.bind(address.place(), link, speech).await,
            None => Err(io::Error::new(ErrorKind::InvalidInput, NO_NUMBER)),
        };
        bound.map_err(|error| ListenError::of(&whole, error))
    }

    async fn bind(&self, place: &HostPort, link: LinkOptions, speech: Speech) -> io::Result<Listener> {
        let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
        for candidate in place.to_listen().await? {
            match Socket::bind(candidate, self.options(speech), link).await {
                Ok(socket) => {
                    let bound = socket.local_address()?.into();
                    let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
                    sockets.push((socket.dialler(), speech));
                    return Ok(Listener { socket, speech, bound });
                }
                Err(error) => failed = error,
            }
            if failed.kind() == ErrorKind::AddrInUse {
                break;
            }
        }
        Err(failed)
    }
}

/// A socket at which neighbors open contacts.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    speech: Speech,
    bound: HostPort,
}

impl Listener {
    pub(crate) fn address(&self) -> Address {
        self.of(self.bound.clone())
    }

    pub(crate) async fn accept(&mut self) -> io::Result<(Link, Address)> {
        let (link, from) = self.socket.accept().await?;
        Ok((link, self.of(from.into())))
    }

    fn of(&self, place: HostPort) -> Address {
        match self.speech {
            Speech::Udpcl(_) => Address::Udp(UdpAddress::of(place)),
            Speech::Ltp(_) => Address::Ltp(LtpAddress::of(place)),
        }
    }
}
