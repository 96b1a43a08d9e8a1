//! One socket and all who talk over it: neighbors with a contact, and strangers without one.
//!
//! A task reads the socket and hands each datagram to the contact of its address; strangers are answered without being
//! remembered until they have shown that they receive what is sent to them. Bundles that strangers leave come up on one link
//! that they all share (module `strangers`). The task ends when nobody holds the socket any more.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use convergence_layer::Link;
use rustix::net::sockopt;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};

use crate::contact::{Contact, Terms};
use crate::conversation::{self, Conversation};
use crate::cookies::Cookies;
use crate::opening::{self, Wish};
use crate::options::{LinkOptions, Options};
use crate::strangers;

/// Contacts of one socket.
const CONTACTS_MAX: usize = 256;
/// Contacts of a socket of bare LTP beyond which no stranger is heard: each has buffers of its own.
const BARE_MAX: usize = 32;
/// Contacts that wait to be accepted.
const ACCEPTED_DEPTH: usize = 16;
/// Datagrams, and octets of them, that wait for the task of a contact. More are as lost as datagrams may be.
const INBOX_DEPTH: usize = 2_048;
const INBOX_OCTETS_MAX: usize = 2 << 20;
/// What may wait in the socket while other tasks have their turn.
const RECEIVED_OCTETS: usize = 1 << 20;
/// How long to wait after the system could not give us a datagram.
const BREATH: std::time::Duration = std::time::Duration::from_millis(10);
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_536;

/// Why there is no contact.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// One with this address is open, or is being opened.
    #[error("there is a contact with {0} already")]
    Busy(SocketAddr),
    /// The socket has as many contacts as it may have.
    #[error("there are too many contacts")]
    TooMany,
    /// The neighbor did not answer, or could not be sent anything.
    #[error("{0}")]
    Silent(String),
    /// The system has no randomness.
    #[error("no random numbers: {0}")]
    Random(io::Error),
}

/// A socket that neighbors are dialled from, and may open contacts at.
#[derive(Debug)]
pub struct Socket {
    shared: Arc<Shared>,
    accepted: mpsc::Receiver<(Link, SocketAddr)>,
}

/// A socket to dial from, held as weakly as it should be.
#[derive(Debug, Clone)]
pub struct Dialler(Weak<Shared>);

/// What the tasks of a socket share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) udp: Arc<UdpSocket>,
    options: Arc<Options>,
    /// What contacts that are accepted have for themselves.
    link: LinkOptions,
    cookies: Arc<Cookies>,
    routes: Mutex<BTreeMap<SocketAddr, Inbox>>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

/// The way to the task of a contact.
#[derive(Debug, Clone)]
struct Inbox {
    datagrams: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    is_dialled: bool,
}

impl Socket {
    /// Binds a socket; port 0 takes any free one. What is accepted has the given options.
    pub async fn bind(address: SocketAddr, options: Arc<Options>, link: LinkOptions) -> io::Result<Self> {
        let udp = Arc::new(UdpSocket::bind(address).await?);
        // What the system gives without being asked may be more; where it allows less, it gives what it allows.
        if sockopt::socket_recv_buffer_size(&udp).is_ok_and(|octets| octets < RECEIVED_OCTETS) {
            let _ = sockopt::set_socket_recv_buffer_size(&udp, RECEIVED_OCTETS);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let (to_accept, accepted) = mpsc::channel(ACCEPTED_DEPTH);
        let shared = Arc::new(Shared {
            udp: Arc::clone(&udp),
            options,
            link,
            cookies: Arc::new(Cookies::new(key, Instant::now().into_std())),
            routes: Mutex::default(),
            reader: Mutex::default(),
        });
        let reader = Reader { udp, shared: Arc::downgrade(&shared), to_accept, strangers: None };
        *shared.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::spawn(reader.run()));
        Ok(Self { shared, accepted })
    }

    /// Where it is bound, with its real port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.shared.udp.local_addr()
    }

    /// The next contact that a neighbor opened, and where it is; an unspecified address for what strangers leave.
    ///
    /// May be dropped while it waits. Fails once the socket is of no use any more.
    pub async fn accept(&mut self) -> io::Result<(Link, SocketAddr)> {
        self.accepted.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// To dial from this socket for as long as it is held elsewhere.
    pub fn dialler(&self) -> Dialler {
        Dialler(Arc::downgrade(&self.shared))
    }

    /// Opens a contact from a socket of its own, which lives as long as the contact.
    pub async fn dial_alone(
        address: SocketAddr,
        options: Arc<Options>,
        link: LinkOptions,
    ) -> Result<Link, DialError> {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let any = any.parse::<SocketAddr>().map_err(|error| DialError::Silent(error.to_string()))?;
        let bound = Self::bind(any, options, link).await;
        let socket = bound.map_err(|error| DialError::Silent(format!("no socket: {error}")))?;
        socket.shared.dial(address, link).await
    }
}

impl Dialler {
    /// Whether datagrams can go to an address from this socket.
    pub fn reaches(&self, address: SocketAddr) -> bool {
        let Some(local) = self.0.upgrade().and_then(|shared| shared.udp.local_addr().ok()) else {
            return false;
        };
        let is_any = local.ip().is_unspecified();
        match (local.ip(), address.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => is_any || from.is_loopback() == to.is_loopback(),
            (IpAddr::V6(from), IpAddr::V6(to)) => is_any || from.is_loopback() == to.is_loopback(),
            (IpAddr::V6(_), IpAddr::V4(_)) => is_any,
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }

    /// Opens a contact; returns once the neighbor was heard. May be dropped while it waits.
    pub async fn dial(&self, address: SocketAddr, link: LinkOptions) -> Result<Link, DialError> {
        let shared = self.0.upgrade().ok_or_else(|| DialError::Silent("the socket is closed".to_owned()))?;
        shared.dial(address, link).await
    }
}

impl Shared {
    async fn dial(self: Arc<Self>, address: SocketAddr, link: LinkOptions) -> Result<Link, DialError> {
        let is_v6 = self.udp.local_addr().is_ok_and(|local| local.is_ipv6());
        let address = match address.ip() {
            // A socket of both families knows addresses of IPv4 in this form.
            IpAddr::V4(ip) if is_v6 => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
            _ => address,
        };
        let now = Instant::now().into_std();
        let contact = Contact::dialling(self.terms(address, link)?, now);
        let (opened, is_open) = oneshot::channel();
        let link = self.begin(contact, address, Some(opened))?;
        match is_open.await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(reason)) => Err(DialError::Silent(reason)),
            Err(_) => Err(DialError::Silent("the contact ended before it began".to_owned())),
        }
    }

    fn terms(&self, address: SocketAddr, link: LinkOptions) -> Result<Terms, DialError> {
        let random = || getrandom::u64().map_err(|error| DialError::Random(io::Error::other(error)));
        let (token, seed) = (random()?, random()?);
        let (options, cookies) = (Arc::clone(&self.options), Arc::clone(&self.cookies));
        Ok(Terms { options, link, cookies, address, token, seed })
    }

    /// Starts the task of a contact.
    fn begin(
        self: &Arc<Self>,
        contact: Contact,
        address: SocketAddr,
        opened: Option<oneshot::Sender<Result<(), String>>>,
    ) -> Result<Link, DialError> {
        let (datagrams, inbox) = mpsc::channel(INBOX_DEPTH);
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut routes = self.routes();
        let is_dialled = opened.is_some();
        if let Some(other) = routes.get(&address) {
            // One that a stranger began over bare LTP gives way to ours, which has the settings of the peer.
            if self.link.engines.is_none() || other.is_dialled || !is_dialled {
                return Err(DialError::Busy(address));
            }
            routes.remove(&address);
        }
        if routes.len() >= CONTACTS_MAX {
            return Err(DialError::TooMany);
        }
        routes.insert(address, Inbox { datagrams, waiting: Arc::clone(&waiting), is_dialled });
        drop(routes);
        let conversation =
            Conversation { contact, shared: Arc::clone(self), address, inbox, waiting, opened };
        Ok(conversation::spawn(conversation))
    }

    /// A contact is over.
    pub(crate) fn forget(&self, address: SocketAddr, waiting: &Arc<AtomicUsize>) {
        let mut routes = self.routes();
        // Another one may have taken its place.
        if routes.get(&address).is_some_and(|inbox| Arc::ptr_eq(&inbox.waiting, waiting)) {
            routes.remove(&address);
        }
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Inbox>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = reader.take() {
            reader.abort();
        }
    }
}

/// Reads the socket.
struct Reader {
    udp: Arc<UdpSocket>,
    shared: Weak<Shared>,
    to_accept: mpsc::Sender<(Link, SocketAddr)>,
    strangers: Option<mpsc::Sender<strangers::Left>>,
}

impl Reader {
    async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            // A fault is of one datagram: the answer of some host that it has no such port, say.
            let Ok((length, from)) = self.udp.recv_from(&mut buffer).await else {
                time::sleep(BREATH).await;
                continue;
            };
            let Some(shared) = self.shared.upgrade() else { return };
            let datagram = buffer.get(..length).unwrap_or_default();
            let inbox = shared.routes().get(&from).cloned();
            match inbox {
                Some(inbox) => inbox.put(datagram),
                None => self.stranger(&shared, datagram, from),
            }
        }
    }

    fn stranger(&mut self, shared: &Arc<Shared>, datagram: &[u8], from: SocketAddr) {
        let now = Instant::now().into_std();
        if let Some(engines) = shared.link.engines {
            return self.bare(shared, datagram, (from, engines.ours), now);
        }
        match opening::wish(now, from, datagram, &shared.cookies, shared.options.private_id) {
            Wish::Contact { them, mru, node_id } => {
                // Who cannot be accepted now asks again.
                let Ok(place) = self.to_accept.try_reserve() else { return };
                let Ok(terms) = shared.terms(from, shared.link) else { return };
                let contact = Contact::answering(terms, them, mru, node_id.as_deref(), now);
                if let Ok(link) = shared.begin(contact, from, None) {
                    place.send((link, from));
                }
            }
            Wish::Answer(answer) => {
                // An answer that does not go at once is not waited for.
                let _ = self.udp.try_send_to(&answer, from);
            }
            Wish::Bundles => {
                self.left(shared, strangers::Left::Datagram(from, Bytes::copy_from_slice(datagram)));
            }
            Wish::Nothing(Some(why)) => {
                if let Some(strangers) = &self.strangers {
                    let _ = strangers.try_send(strangers::Left::Fault(why));
                }
            }
            Wish::Nothing(None) => {}
        }
    }

    /// Somebody begins a session of bare LTP.
    fn bare(
        &mut self,
        shared: &Arc<Shared>,
        datagram: &[u8],
        (from, ours): (SocketAddr, u64),
        now: std::time::Instant,
    ) {
        let Ok((segment, _)) = ltp::decoding::segment(datagram) else { return };
        let theirs = segment.session.originator;
        let is_data = matches!(segment.content, ltp::segment::Content::Data(_));
        if !is_data || theirs == ours || shared.routes().len() >= BARE_MAX {
            return;
        }
        let Ok(place) = self.to_accept.try_reserve() else { return };
        let Ok(terms) = shared.terms(from, shared.link) else { return };
        let mut contact = Contact::heard_bare(terms, ours, theirs, now);
        contact.handle_datagram(now, datagram);
        if let Ok(link) = shared.begin(contact, from, None) {
            place.send((link, from));
        }
    }

    /// Somebody leaves bundles.
    fn left(&mut self, shared: &Arc<Shared>, left: strangers::Left) {
        if self.strangers.as_ref().is_none_or(mpsc::Sender::is_closed) {
            let Ok(place) = self.to_accept.try_reserve() else { return };
            let (link, sender) = strangers::spawn(shared.options.bounds);
            place.send((link, strangers::anywhere()));
            self.strangers = Some(sender);
        }
        if let Some(strangers) = &self.strangers {
            let _ = strangers.try_send(left);
        }
    }
}

impl Inbox {
    fn put(&self, datagram: &[u8]) {
        if self.waiting.load(Ordering::Relaxed) + datagram.len() > INBOX_OCTETS_MAX {
            return;
        }
        if self.datagrams.try_send(Bytes::copy_from_slice(datagram)).is_ok() {
            self.waiting.fetch_add(datagram.len(), Ordering::Relaxed);
        }
    }
}
