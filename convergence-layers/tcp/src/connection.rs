//! Drives one [`Session`] over one TCP connection: the only task of a contact.
//!
//! Everything that can be done at once is done in turns ([`Connection::turn`]); when nothing can, the task sleeps until
//! the socket, the agent or the clock has something new ([`Connection::wait`]). No turn waits for anything, so that a
//! slow agent and a slow neighbor only ever stop what depends on them.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use convergence_layer::{Control, Event, Gauge, Link, Outgoing};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::session::Session;
use crate::timers::GRACE;
use crate::tls::{Peer, Security};
use crate::wire::Wire;

/// Events, and outgoing octets, that wait in a channel.
const CHANNEL_DEPTH: usize = 64;
/// Octets that one read may take from a stranger, and from an established session.
const READ_OPENING: usize = 1024;
const READ: usize = 64 * 1024;
/// Octets that one read may take while reads fill their room: each read has the kernel tell the neighbor that there is
/// room again, and that is much of what a large transfer costs.
const READ_BULK: usize = 256 * 1024;
/// Slices per write: about 64 bundles of 1 KiB, and far below what the kernel takes.
const SLICES: usize = 128;
/// Octets that are written or taken from the agent before another duty has its turn.
const TURN_MESSAGES: usize = 256;
/// How long, and how many octets, a neighbor may still send after we have closed our half.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS_MAX: usize = 1024 * 1024;

/// One TCP connection with its session, and our ends of its link.
pub(crate) struct Connection {
    wire: Wire,
    session: Session,
    input: BytesMut,
    /// Whether the last read took all that it had room for.
    is_bulk: bool,
    events: mpsc::Sender<Event>,
    outgoing: mpsc::Receiver<Outgoing>,
    control: mpsc::UnboundedReceiver<Control>,
    /// Whether the agent may still send bundles.
    is_outgoing_open: bool,
    is_link_dropped: bool,
    gauge: Arc<Gauge>,
}

/// Starts the task of a contact and returns the agent's end.
pub(crate) fn spawn(stream: TcpStream, session: Session) -> Link {
    let (events, agent_events) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_outgoing, outgoing) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_control, control) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::default());
    let connection = Connection {
        wire: Wire::new(stream, Arc::clone(&gauge)),
        session,
        input: BytesMut::new(),
        is_bulk: false,
        events,
        outgoing,
        control,
        is_outgoing_open: true,
        is_link_dropped: false,
        gauge: Arc::clone(&gauge),
    };
    tokio::spawn(connection.run());
    // TCPCL sends one bundle after another (RFC 9174 §5.2.2), so there is no second lane.
    Link { events: agent_events, outgoing: agent_outgoing, express: None, control: agent_control, gauge }
}

impl Connection {
    async fn run(mut self) {
        while !self.session.is_over() {
            // A busy session gives way to others on the same thread.
            tokio::task::consume_budget().await;
            if !self.turn() {
                self.wait().await;
            }
        }
        self.finish().await;
    }

    /// Does once whatever can be done without waiting. Says whether there was anything.
    fn turn(&mut self) -> bool {
        let mut is_busy = self.take_decisions();
        is_busy |= self.secure();
        is_busy |= self.hand_over_events();
        is_busy |= self.read();
        is_busy |= self.take_outgoing();
        is_busy |= self.hand_over_events();
        if let Some(fault) = self.session.poll_fault() {
            self.gauge.fault(fault);
        }
        is_busy | self.write()
    }

    fn take_decisions(&mut self) -> bool {
        let mut is_busy = false;
        while let Ok(control) = self.control.try_recv() {
            self.session.decide(now(), control);
            is_busy = true;
        }
        is_busy
    }

    fn hand_over_events(&mut self) -> bool {
        let mut is_busy = false;
        while self.session.has_events() {
            let Ok(permit) = self.events.try_reserve() else { break };
            if let Some(event) = self.session.poll_event() {
                permit.send(event);
                is_busy = true;
            }
        }
        is_busy
    }

    fn read(&mut self) -> bool {
        if !self.session.takes_octets() {
            return false;
        }
        // What an earlier turn had no room for comes first.
        let held = self.input.len();
        if held > 0 {
            self.session.receive(now(), &mut self.input);
            if self.input.len() < held {
                return true;
            }
        }
        let size = match (self.session.is_established(), self.is_bulk) {
            (false, _) => READ_OPENING,
            (true, false) => READ,
            (true, true) => READ_BULK,
        };
        if self.input.capacity() - self.input.len() < size / 8 {
            self.input.reserve(size);
        }
        let room = self.input.capacity() - self.input.len();
        match self.wire.try_read(&mut self.input) {
            Ok(0) => self.session.connection_lost("the neighbor closed the connection"),
            Ok(octets) => {
                self.is_bulk = octets == room || self.is_bulk && octets >= READ;
                self.session.receive(now(), &mut self.input);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => self.session.connection_lost(&broken(&error)),
        }
        true
    }

    fn take_outgoing(&mut self) -> bool {
        let mut is_busy = false;
        for _ in 0..TURN_MESSAGES {
            if !self.session.takes_outgoing() {
                break;
            }
            let Ok(outgoing) = self.outgoing.try_recv() else { break };
            self.session.take(now(), outgoing);
            is_busy = true;
        }
        is_busy
    }

    fn write(&mut self) -> bool {
        let mut is_busy = false;
        while self.session.waiting() > 0 {
            match write_some(&mut self.wire, &self.session) {
                Ok(octets) => {
                    self.session.written(now(), octets);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.session.connection_lost(&broken(&error));
                    return true;
                }
            }
            is_busy = true;
        }
        match self.wire.try_flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                self.session.connection_lost(&broken(&error));
                true
            }
            _ => is_busy,
        }
    }

    /// Goes on with the TLS handshake where it is its turn.
    fn secure(&mut self) -> bool {
        if !self.session.wants_tls() || self.session.waiting() > 0 {
            return false;
        }
        match self.shake_hands() {
            Ok(peer) => {
                self.gauge.secured("TLS 1.3");
                self.session.secured(now(), peer);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => self.session.connection_lost(&format!("the TLS handshake failed: {error}")),
        }
        true
    }

    fn shake_hands(&mut self) -> io::Result<Peer> {
        if !self.wire.is_tunnelled() {
            let (Security::Offered(tls) | Security::Required(tls)) = &self.session.options.security else {
                return Err(ErrorKind::Unsupported.into());
            };
            let host = self.session.options.host.as_deref();
            self.wire.begin_tls(tls, (self.session.role, host), self.input.split())?;
        }
        self.wire.shake_hands()
    }

    /// Sleeps until there is something to do.
    async fn wait(&mut self) {
        let deadline = self.session.poll_timeout().map(Instant::from_std);
        tokio::select! {
            () = ready(&self.wire, &self.session) => {}
            () = room(&self.events, self.session.has_events()) => {}
            control = self.control.recv(), if !self.is_link_dropped => match control {
                Some(control) => self.session.decide(now(), control),
                None => self.drop_link(),
            },
            () = self.events.closed(), if !self.is_link_dropped => self.drop_link(),
            outgoing = self.outgoing.recv(), if self.is_outgoing_open && self.session.takes_outgoing() => {
                match outgoing {
                    Some(outgoing) => self.session.take(now(), outgoing),
                    None => self.is_outgoing_open = false,
                }
            }
            () = sleep_until(deadline) => self.session.timeout_reached(now()),
        }
    }

    fn drop_link(&mut self) {
        self.is_link_dropped = true;
        self.session.link_dropped(now());
    }

    /// Says the last words, closes the connection, and hands over the last events.
    async fn finish(self) {
        let Self { mut wire, mut session, input, events, outgoing, control, .. } = self;
        // An agent that waits for room to send must learn that there will be none, or it never takes the last events.
        drop((input, outgoing, control));
        let last_events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
        let close = async {
            // A neighbor that takes nothing, or sends without end, is not waited for.
            let _ = time::timeout(GRACE, flush(&mut wire, &mut session)).await;
            // §4.1: closed with FIN. Octets that nobody reads would make the kernel send RST instead, which could
            // overtake our last words.
            if wire.shutdown().await.is_ok() {
                let _ = time::timeout(LINGER, wire.drain(LINGER_OCTETS_MAX)).await;
            }
            drop(wire);
        };
        let hand_over = async {
            for event in last_events {
                if events.send(event).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(close, hand_over);
    }
}

/// The time of a step; follows tokio's clock, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn broken(error: &io::Error) -> String {
    format!("the connection broke: {error}")
}

fn write_some(wire: &mut Wire, session: &Session) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = session.slices(&mut slices);
    wire.try_write(slices.get(..filled).unwrap_or_default())
}

/// Until the socket can do something that the session wants.
async fn ready(wire: &Wire, session: &Session) {
    let shakes_hands = session.wants_tls() && wire.is_tunnelled();
    wire.ready(session.takes_octets() || shakes_hands, session.waiting() > 0).await;
}

/// Until an event could be handed over.
async fn room(events: &mpsc::Sender<Event>, has_events: bool) {
    if !has_events || events.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn flush(wire: &mut Wire, session: &mut Session) -> io::Result<()> {
    while session.waiting() > 0 {
        match write_some(wire, session) {
            Ok(octets) => session.written(now(), octets),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wire.writable().await?,
            Err(error) => return Err(error),
        }
    }
    wire.say_closed();
    while wire.holds_octets() {
        match wire.try_flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wire.writable().await?,
            done => done?,
        }
    }
    Ok(())
}
