//! The one link on which all bundles come up that strangers leave without a word: other nodes send them so, and nothing is
//! ever sent back on it.
//!
//! However many strangers there are, or pretend to be, memory is that of one link.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{Control, Event, Gauge, Link, Outgoing, TransferId};
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::packet::Packet;
use crate::plain::Plain;
use crate::reassembly::Bounds;

/// Datagrams that wait for the agent. More are as lost as datagrams may be.
const DEPTH: usize = 64;
/// How long the link stays after the last bundle.
const IDLE: Duration = Duration::from_secs(120);

/// What came from a stranger.
#[derive(Debug)]
pub(crate) enum Left {
    /// A bundle, or a piece of one, and where from.
    Datagram(SocketAddr, Bytes),
    /// Something else: what, in words.
    Fault(&'static str),
}

/// What stands for all strangers where an address is shown.
pub(crate) fn anywhere() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 0).into()
}

/// Starts the task of the link.
pub(crate) fn spawn(bounds: Bounds) -> (Link, mpsc::Sender<Left>) {
    let (events, agent_events) = mpsc::channel(DEPTH);
    let (agent_outgoing, outgoing) = mpsc::channel(1);
    let (agent_control, control) = mpsc::unbounded_channel();
    let (sender, left) = mpsc::channel(DEPTH);
    let gauge = Arc::new(Gauge::default());
    let strangers = Strangers { plain: Plain::new(bounds), events, next: 0, gauge: Arc::clone(&gauge) };
    tokio::spawn(strangers.run(left, outgoing, control));
    (
        Link { events: agent_events, outgoing: agent_outgoing, express: None, control: agent_control, gauge },
        sender,
    )
}

struct Strangers {
    plain: Plain,
    events: mpsc::Sender<Event>,
    next: TransferId,
    gauge: Arc<Gauge>,
}

/// The agent is gone.
struct Gone;

impl Strangers {
    async fn run(
        mut self,
        mut left: mpsc::Receiver<Left>,
        mut outgoing: mpsc::Receiver<Outgoing>,
        mut control: mpsc::UnboundedReceiver<Control>,
    ) {
        // Nothing can be sent to nobody in particular.
        let opened = Event::Opened { node_id: None, transfer_mru: 0, octets_per_second: None };
        if self.events.send(opened).await.is_err() {
            return;
        }
        let mut quiet_since = Instant::now();
        let reason = loop {
            tokio::select! {
                left = left.recv() => {
                    quiet_since = Instant::now();
                    match left {
                        Some(left) => if self.take(left).await.is_err() { return },
                        None => break "the socket is closed",
                    }
                }
                decision = control.recv() => match decision {
                    // Whoever left a bundle does not hear what became of it.
                    Some(Control::Accept(_) | Control::Refuse(..)) => {}
                    Some(Control::Close(_)) => break "the contact was closed",
                    None => return,
                },
                sent = outgoing.recv() => match sent {
                    Some(Outgoing::Begin { transfer, .. }) => {
                        let reason = convergence_layer::RefusalReason::NotAcceptable;
                        if self.events.send(Event::Refused { transfer, reason }).await.is_err() { return }
                    }
                    Some(_) => {}
                    None => break "the contact was dropped",
                },
                () = time::sleep_until(quiet_since + IDLE) => break "nobody left bundles for two minutes",
            }
        };
        let _gone = self.events.send(Event::Closed { reason: reason.to_owned() }).await;
    }

    async fn take(&mut self, left: Left) -> Result<(), Gone> {
        match left {
            Left::Fault(what) => self.gauge.fault(what),
            Left::Datagram(from, octets) => {
                self.gauge.read(octets.len() as u64);
                match Packet::of(&octets) {
                    Packet::Bundle(bundle) => self.plain.bundle(bundle),
                    Packet::Messages(messages) => {
                        for transfer in messages.flatten().filter_map(|message| message.transfer) {
                            if let Some(why) = self.plain.piece(Instant::now().into_std(), from, &transfer) {
                                self.gauge.fault(why);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        while let Some(pieces) = self.plain.pop() {
            let length = Some(pieces.iter().map(|piece| piece.len() as u64).sum());
            self.tell(Event::Receiving { transfer: self.next, length }).await?;
            self.next += 1;
            for piece in pieces {
                self.tell(Event::Octets(piece)).await?;
            }
            self.tell(Event::Received).await?;
        }
        Ok(())
    }

    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}
