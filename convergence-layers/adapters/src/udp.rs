//! UDPCL (draft-ietf-dtn-udpcl-04) by address. Who is dialled is dialled from a socket that is listened at, where one reaches
//! it: NATs and firewalls then see one port.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use convergence_layer::Link;
use udpcl::{Dialler, Options, Socket};

use crate::address::Address;
use crate::listener::ListenError;
use crate::udp_address::UdpAddress;
use crate::{Local, Unreachable};

/// What all sockets of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    options: Options,
    /// The sockets that are listened at, with their extension IDs.
    sockets: Mutex<Vec<(Dialler, i16)>>,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        let options = Options { transfer_mru: local.transfer_mru, ..Options::new(local.node_id.clone()) };
        Self { options, sockets: Mutex::default() }
    }

    fn options(&self, address: &UdpAddress) -> Arc<Options> {
        Arc::new(Options { private_id: address.extension(), ..self.options.clone() })
    }

    /// Asks all of the host's addresses, one after the other.
    pub(crate) async fn dial(&self, address: &UdpAddress) -> Result<Link, Unreachable> {
        let mut failed = Unreachable(format!("{} has no address", address.place()));
        for candidate in address.place().to_dial().await? {
            let dialled = match self.socket_for(candidate, address.extension()) {
                Some(socket) => socket.dial(candidate, address.link()).await,
                None => Socket::dial_alone(candidate, self.options(address), address.link()).await,
            };
            match dialled {
                Ok(link) => return Ok(link),
                Err(error) => failed = Unreachable(format!("{candidate}: {error}")),
            }
        }
        Err(failed)
    }

    fn socket_for(&self, address: SocketAddr, extension: i16) -> Option<Dialler> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fitting = sockets.iter().filter(|(socket, id)| *id == extension && socket.reaches(address));
        fitting.next().map(|(socket, _)| socket.clone())
    }

    pub(crate) async fn listen(&self, address: &UdpAddress) -> Result<Listener, ListenError> {
        let whole = Address::Udp(address.clone());
        let candidates = address.place().to_listen().await.map_err(|error| ListenError::of(&whole, error))?;
        let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match Socket::bind(candidate, self.options(address), address.link()).await {
                Ok(socket) => {
                    return self.listening(socket, address).map_err(|error| ListenError::of(&whole, error));
                }
                Err(error) => failed = error,
            }
            if failed.kind() == ErrorKind::AddrInUse {
                break;
            }
        }
        Err(ListenError::of(&whole, failed))
    }

    fn listening(&self, socket: Socket, address: &UdpAddress) -> io::Result<Listener> {
        let bound = UdpAddress::of(socket.local_address()?.into());
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.push((socket.dialler(), address.extension()));
        Ok(Listener { socket, bound })
    }
}

/// A socket at which neighbors open contacts.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    bound: UdpAddress,
}

impl Listener {
    pub(crate) fn address(&self) -> Address {
        Address::Udp(self.bound.clone())
    }

    pub(crate) async fn accept(&mut self) -> io::Result<(Link, Address)> {
        let (link, from) = self.socket.accept().await?;
        Ok((link, Address::Udp(UdpAddress::of(from.into()))))
    }
}
