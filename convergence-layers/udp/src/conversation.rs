//! Drives one [`Contact`] over the socket that it shares: the only task of a contact.
//!
//! Everything that can be done at once is done in turns; when nothing can, the task sleeps until the socket, the agent or
//! the clock has something new. No turn waits for anything, so that a slow agent stops only what depends on it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use convergence_layer::{Control, Event, Gauge, Link, Outgoing};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{self, Instant};

use crate::contact::Contact;
use crate::sending::Lane;
use crate::socket::Shared;

/// Events, and outgoing octets, that wait in a channel.
const CHANNEL_DEPTH: usize = 64;
/// Datagrams that are read, or sent, before another duty has its turn.
const TURN_DATAGRAMS: usize = 64;

/// What a contact's task begins with.
pub(crate) struct Conversation {
    pub(crate) contact: Contact,
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    pub(crate) inbox: mpsc::Receiver<Bytes>,
    /// Octets that wait in the inbox.
    pub(crate) waiting: Arc<AtomicUsize>,
    /// Who waits for the contact to open.
    pub(crate) opened: Option<oneshot::Sender<Result<(), String>>>,
}

/// Our ends of a link.
struct Ends {
    events: mpsc::Sender<Event>,
    outgoing: mpsc::Receiver<Outgoing>,
    express: mpsc::Receiver<Outgoing>,
    control: mpsc::UnboundedReceiver<Control>,
    /// Whether the agent may still send bundles, and decisions.
    is_open: [bool; 3],
    gauge: Arc<Gauge>,
}

struct Task {
    conversation: Conversation,
    ends: Ends,
    /// A datagram that the socket had no room for.
    datagram: Vec<u8>,
    again: u64,
}

/// Starts the task of a contact and returns the agent's end.
pub(crate) fn spawn(conversation: Conversation) -> Link {
    let (events, agent_events) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_outgoing, outgoing) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_express, express) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_control, control) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::default());
    let is_open = [true; 3];
    let ends = Ends { events, outgoing, express, control, is_open, gauge: Arc::clone(&gauge) };
    tokio::spawn(Task { conversation, ends, datagram: Vec::new(), again: 0 }.run());
    Link {
        events: agent_events,
        outgoing: agent_outgoing,
        express: Some(agent_express),
        control: agent_control,
        gauge,
    }
}

impl Task {
    async fn run(mut self) {
        while !self.conversation.contact.is_over() {
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
        is_busy |= self.read();
        let now = now();
        if self.conversation.contact.poll_timeout().is_some_and(|at| at <= now) {
            self.conversation.contact.handle_timeout(now);
        }
        is_busy |= self.hand_over_events();
        is_busy |= self.take_outgoing();
        is_busy |= self.write();
        self.measure();
        is_busy
    }

    fn take_decisions(&mut self) -> bool {
        let mut is_busy = false;
        while let Ok(control) = self.ends.control.try_recv() {
            self.conversation.contact.decide(now(), control);
            is_busy = true;
        }
        is_busy
    }

    fn read(&mut self) -> bool {
        let mut is_busy = false;
        for _ in 0..TURN_DATAGRAMS {
            let Ok(datagram) = self.conversation.inbox.try_recv() else { break };
            self.receive(&datagram);
            is_busy = true;
        }
        is_busy
    }

    fn receive(&mut self, datagram: &Bytes) {
        self.conversation.waiting.fetch_sub(datagram.len(), Ordering::Relaxed);
        self.ends.gauge.read(datagram.len() as u64);
        self.conversation.contact.handle_datagram(now(), datagram);
    }

    fn hand_over_events(&mut self) -> bool {
        let mut is_busy = false;
        let contact = &mut self.conversation.contact;
        while contact.has_event() {
            let Ok(permit) = self.ends.events.try_reserve() else { break };
            let Some(event) = contact.poll_event() else { break };
            if let Some(opened) = self.conversation.opened.take() {
                // The first event says how the opening went. Who does not wait any more drops the link, which shows soon.
                let _ = opened.send(match &event {
                    Event::Closed { reason } => Err(reason.clone()),
                    _ => Ok(()),
                });
            }
            permit.send(event);
            is_busy = true;
        }
        is_busy
    }

    fn take_outgoing(&mut self) -> bool {
        let mut is_busy = false;
        let contact = &mut self.conversation.contact;
        for (lane, queue) in
            [(Lane::Express, &mut self.ends.express), (Lane::Ordinary, &mut self.ends.outgoing)]
        {
            while contact.takes(lane) {
                let Ok(outgoing) = queue.try_recv() else { break };
                contact.take(outgoing, lane);
                is_busy = true;
            }
        }
        is_busy
    }

    fn write(&mut self) -> bool {
        for sent in 0..TURN_DATAGRAMS {
            if self.datagram.is_empty() && !self.conversation.contact.poll_datagram(now(), &mut self.datagram)
            {
                return sent > 0;
            }
            if !self.send() {
                return sent > 0;
            }
        }
        true
    }

    /// Sends the datagram, unless the socket has no room for it.
    fn send(&mut self) -> bool {
        match self.conversation.shared.udp.try_send_to(&self.datagram, self.conversation.address) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(octets) => self.ends.gauge.wrote(octets as u64),
            // The next one may go: routes come and go. Silence ends the contact if none does.
            Err(error) => self.ends.gauge.fault(&format!("a datagram could not be sent: {error}")),
        }
        self.datagram.clear();
        true
    }

    fn measure(&mut self) {
        let contact = &mut self.conversation.contact;
        if let Some(round_trip) = contact.round_trip() {
            self.ends.gauge.round_trip(round_trip);
        }
        let again = contact.octets_again();
        if again > self.again {
            self.ends.gauge.repeated(again - self.again);
            self.again = again;
        }
        while let Some(fault) = contact.poll_fault() {
            self.ends.gauge.fault(&fault);
        }
    }

    /// Sleeps until there is something to do.
    async fn wait(&mut self) {
        let Self { conversation, ends, datagram, .. } = self;
        let Conversation { contact, shared, inbox, waiting, opened, .. } = conversation;
        let deadline = contact.poll_timeout().map(Instant::from_std);
        let has_events = contact.has_event();
        let takes = [contact.takes(Lane::Ordinary), contact.takes(Lane::Express)];
        let [is_ordinary, is_express, is_controlled] = ends.is_open;
        tokio::select! {
            datagram = inbox.recv() => if let Some(datagram) = datagram {
                waiting.fetch_sub(datagram.len(), Ordering::Relaxed);
                ends.gauge.read(datagram.len() as u64);
                contact.handle_datagram(now(), &datagram);
            } else {
                contact.link_dropped();
            },
            () = writable(shared, !datagram.is_empty()) => {}
            () = room(&ends.events, has_events) => {}
            control = ends.control.recv(), if is_controlled => if let Some(control) = control {
                contact.decide(now(), control);
            } else {
                ends.is_open[2] = false;
                contact.link_dropped();
            },
            () = ends.events.closed(), if is_controlled => {
                ends.is_open[2] = false;
                contact.link_dropped();
            }
            outgoing = ends.outgoing.recv(), if is_ordinary && takes[0] => match outgoing {
                Some(outgoing) => contact.take(outgoing, Lane::Ordinary),
                None => ends.is_open[0] = false,
            },
            outgoing = ends.express.recv(), if is_express && takes[1] => match outgoing {
                Some(outgoing) => contact.take(outgoing, Lane::Express),
                None => ends.is_open[1] = false,
            },
            () = given_up(opened) => contact.link_dropped(),
            () = sleep_until(deadline) => contact.handle_timeout(now()),
        }
    }

    /// Says the last words and hands over the last events.
    async fn finish(mut self) {
        self.write();
        self.measure();
        let Self { mut conversation, ends, .. } = self;
        conversation.shared.forget(conversation.address, &conversation.waiting);
        let Ends { events, outgoing, express, control, .. } = ends;
        // An agent that waits for room to send must learn that there will be none, or it never takes the last events.
        drop((outgoing, express, control));
        while let Some(event) = conversation.contact.poll_event() {
            if let (Event::Closed { reason }, Some(opened)) = (&event, conversation.opened.take()) {
                let _ = opened.send(Err(reason.clone()));
            }
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// The time of a step; follows tokio's clock, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Until the socket has room, where something waits for it.
async fn writable(shared: &Shared, is_wanted: bool) {
    if !is_wanted || shared.udp.writable().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Until an event could be handed over.
async fn room(events: &mpsc::Sender<Event>, has_events: bool) {
    if !has_events || events.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Until nobody waits for the contact to open any more.
async fn given_up(opened: &mut Option<oneshot::Sender<Result<(), String>>>) {
    match opened {
        Some(opened) => opened.closed().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
