//! The sending half of a link: writes to the connection that we opened.
//!
//! `link` runs it until the connection ends. It may be cancelled and run again: nothing is held outside of the value.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use convergence_layer::{Event, Gauge, Outgoing, RefusalReason, TransferId};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::framing::Framing;
use crate::outbox::{Outbox, Unsendable};

/// After so long without another octet a sign of life is sent: half of what the most impatient stacks wait.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A neighbor that takes no octet for so long is gone, or stuck.
const STALL: Duration = Duration::from_secs(120);
/// Slices per write: about 32 bundles of 1 KiB.
const SLICES: usize = 64;
/// Octets that one read of what should not be there may take.
const SCRAP: usize = 1024;

/// The sending half.
#[derive(Debug)]
pub(crate) struct Sending {
    stream: TcpStream,
    outbox: Outbox,
    outgoing: mpsc::Receiver<Outgoing>,
    events: mpsc::Sender<Event>,
    gauge: Arc<Gauge>,
    untold: Option<Event>,
    /// Whether the agent may still send.
    is_open: bool,
    /// When an octet last left.
    moved: Instant,
}

/// The end of the half: why.
pub(crate) struct Ended(pub(crate) String);

impl Sending {
    pub(crate) fn new(
        stream: TcpStream,
        framing: Framing,
        (events, outgoing): (mpsc::Sender<Event>, mpsc::Receiver<Outgoing>),
        gauge: Arc<Gauge>,
    ) -> Self {
        let (untold, moved) = (None, Instant::now());
        Self { stream, outbox: Outbox::new(framing), outgoing, events, gauge, untold, is_open: true, moved }
    }

    /// Sends until the connection ends.
    pub(crate) async fn run(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.step().await {
                return ended;
            }
        }
    }

    /// Sends what has begun to its end, and begins nothing new.
    pub(crate) async fn finish(&mut self) {
        while !(self.outbox.is_between() && self.outbox.is_empty() && self.untold.is_none()) {
            if self.outbox.is_between() {
                self.is_open = false;
            }
            if self.step().await.is_err() {
                return;
            }
        }
        // Nobody is left who could be told that it failed.
        let _ = self.stream.shutdown().await;
    }

    async fn step(&mut self) -> Result<(), Ended> {
        self.take_what_is_here()?;
        self.tell();
        let is_waiting = !self.outbox.is_empty();
        let due = self.moved + if is_waiting { STALL } else { KEEPALIVE };
        tokio::select! {
            () = room(&self.events), if self.untold.is_some() => Ok(()),
            ready = self.stream.writable(), if is_waiting => match ready {
                Ok(()) => self.write(),
                Err(error) => Err(broken(&error)),
            },
            outgoing = self.outgoing.recv(), if self.takes_outgoing() => {
                if let Some(outgoing) = outgoing {
                    return self.take(outgoing);
                }
                self.is_open = false;
                Ok(())
            }
            ready = self.stream.readable() => match ready {
                Ok(()) => self.hear(),
                Err(error) => Err(broken(&error)),
            },
            () = time::sleep_until(due) => self.due(is_waiting),
        }
    }

    /// Tells the agent of all that it has room for.
    fn tell(&mut self) {
        loop {
            self.untold = self.untold.take().or_else(|| self.outbox.poll_left().map(Event::Left));
            if self.untold.is_none() {
                return;
            }
            let Ok(permit) = self.events.try_reserve() else { return };
            if let Some(event) = self.untold.take() {
                permit.send(event);
            }
        }
    }

    fn takes_outgoing(&self) -> bool {
        self.is_open && self.untold.is_none() && self.outbox.has_room()
    }

    fn take_what_is_here(&mut self) -> Result<(), Ended> {
        while self.takes_outgoing()
            && let Ok(outgoing) = self.outgoing.try_recv()
        {
            self.take(outgoing)?;
        }
        Ok(())
    }

    fn take(&mut self, outgoing: Outgoing) -> Result<(), Ended> {
        if self.outbox.is_empty() {
            // Only what waits can stall.
            self.moved = Instant::now();
        }
        let unsendable = |fault: Unsendable| Ended(fault.to_string());
        self.untold = self.outbox.take(outgoing).map_err(unsendable)?.map(refused);
        Ok(())
    }

    fn write(&mut self) -> Result<(), Ended> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = self.outbox.slices(&mut slices);
        match self.stream.try_write_vectored(slices.get(..filled).unwrap_or_default()) {
            Ok(octets) => {
                self.outbox.written(octets);
                self.gauge.wrote(octets as u64);
                self.moved = Instant::now();
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    /// Nothing should come on this connection but its end.
    fn hear(&mut self) -> Result<(), Ended> {
        match self.stream.try_read(&mut [0; SCRAP]) {
            Ok(0) => Err(Ended("the neighbor closed the connection".to_owned())),
            Ok(_) => {
                self.gauge.fault("the neighbor sent octets on a connection that carries bundles to it only");
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    fn due(&mut self, is_waiting: bool) -> Result<(), Ended> {
        if is_waiting {
            return Err(Ended(format!("the neighbor took no octet for {} seconds", STALL.as_secs())));
        }
        self.outbox.keep_alive();
        self.moved = Instant::now();
        Ok(())
    }
}

/// Until an event could be handed over.
async fn room(events: &mpsc::Sender<Event>) {
    if events.reserve().await.is_err() {
        // Nobody is there any more: the other half says so.
        std::future::pending::<()>().await;
    }
}

fn broken(error: &io::Error) -> Ended {
    Ended(format!("the connection broke: {error}"))
}

fn refused(transfer: TransferId) -> Event {
    Event::Refused { transfer, reason: RefusalReason::NotAcceptable }
}
