//! The receiving half of a link: reads the connection that the neighbor opened, where there is one, and takes decisions.
//!
//! `link` and `one_way` run it, a step at a time. Every step may be cancelled and begun again: nothing is held outside of the value.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use convergence_layer::{Control, Event, Gauge};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time;

use crate::framing::{Decoder, Framing, NotAFrame};
use crate::meeting::Place;
use crate::reception::{Frames, Reception};

/// Octets that one read may take.
const READ: usize = 64 * 1024;
/// How long nothing may come on a link that is ending anyway.
const ENDING_SILENCE: Duration = Duration::from_secs(1);

/// A connection that a neighbor opened, and where its frames stand.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: TcpStream,
    input: BytesMut,
    decoder: Decoder,
}

impl Incoming {
    pub(crate) fn new(stream: TcpStream, framing: Framing, octets_max: u64) -> Self {
        Self { stream, input: BytesMut::new(), decoder: Decoder::new(framing, octets_max) }
    }

    /// Whether it can be handed on: the next octet begins a frame.
    pub(crate) fn is_between(&self) -> bool {
        self.decoder.is_between()
    }
}

/// What a step showed.
#[derive(Debug)]
pub(crate) enum Step {
    /// There is more to do.
    Done,
    /// The connection that came in is gone: why.
    Lost(String),
    /// The agent wants the link closed, or has dropped it.
    Close(&'static str),
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Receiving {
    events: mpsc::Sender<Event>,
    control: mpsc::UnboundedReceiver<Control>,
    gauge: Arc<Gauge>,
    reception: Reception,
    /// The connection, with its place in the link where it was joined to one.
    incoming: Option<(Incoming, Option<Place>)>,
    is_ending: bool,
    is_moving: bool,
}

impl Receiving {
    pub(crate) fn new(
        events: mpsc::Sender<Event>,
        control: mpsc::UnboundedReceiver<Control>,
        gauge: Arc<Gauge>,
    ) -> Self {
        let (reception, incoming) = (Reception::default(), None);
        Self { events, control, gauge, reception, incoming, is_ending: false, is_moving: false }
    }

    pub(crate) fn join(&mut self, incoming: Incoming, place: Option<Place>) {
        self.incoming = Some((incoming, place));
    }

    /// The connection, if it stands between two frames. From now on no frame is begun: it is to go on elsewhere.
    pub(crate) fn take_between(&mut self) -> Option<Incoming> {
        self.is_moving = true;
        let (incoming, _) = self.incoming.take_if(|(incoming, _)| incoming.is_between())?;
        Some(incoming)
    }

    /// From now on silence is the end.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
    }

    /// Whether there is anything left to hand over or to wait for.
    pub(crate) fn is_drained(&self) -> bool {
        self.incoming.is_none() && !self.reception.has_events()
    }

    /// Does the next thing that there is to do; waits for it.
    pub(crate) async fn step(&mut self) -> Step {
        if self.take_what_is_here() {
            return Step::Done;
        }
        tokio::select! {
            biased;
            control = self.control.recv() => match control {
                None => Step::Close("the link is no longer used"),
                Some(Control::Close(_)) => Step::Close("closed by this node"),
                Some(control) => {
                    self.reception.decide(control);
                    Step::Done
                }
            },
            () = self.events.closed() => Step::Close("the link is no longer used"),
            () = room(&self.events), if self.reception.has_events() => {
                self.hand_over();
                Step::Done
            }
            () = readable(self.incoming.as_ref()), if self.reception.takes_octets() => self.read(),
            () = time::sleep(ENDING_SILENCE), if self.is_ending && self.reception.takes_octets() => {
                self.lose("nothing more came".to_owned())
            }
        }
    }

    fn hand_over(&mut self) {
        while self.reception.has_events()
            && let Ok(permit) = self.events.try_reserve()
            && let Some(event) = self.reception.poll_event()
        {
            permit.send(event);
        }
    }

    /// Makes events of octets that were read before there was room for them. Whether there were any.
    fn take_what_is_here(&mut self) -> bool {
        let held = self.incoming.as_ref().map_or(0, |(incoming, _)| incoming.input.len());
        if held == 0 || !self.reception.takes_octets() {
            return false;
        }
        if let Err(fault) = self.make_events() {
            self.gauge.fault(&fault.to_string());
            self.lose(fault.to_string());
            return true;
        }
        self.incoming.as_ref().is_none_or(|(incoming, _)| incoming.input.len() < held)
    }

    fn make_events(&mut self) -> Result<(), NotAFrame> {
        let Some((incoming, _)) = &mut self.incoming else { return Ok(()) };
        let frames = if self.is_moving { Frames::One } else { Frames::All };
        while let Some(octets) = self.reception.take(&mut incoming.decoder, &mut incoming.input, frames)? {
            self.gauge
                .fault(&format!("the neighbor sent a bundle of {octets} octets, more than is taken here"));
        }
        Ok(())
    }

    fn read(&mut self) -> Step {
        let Some((incoming, _)) = &mut self.incoming else { return Step::Done };
        incoming.input.reserve(READ);
        let outcome = incoming.stream.try_read_buf(&mut incoming.input);
        match outcome {
            Ok(0) => self.lose("the neighbor closed its connection".to_owned()),
            Ok(octets) => {
                self.gauge.read(octets as u64);
                match self.make_events() {
                    Ok(()) => Step::Done,
                    Err(fault) => {
                        self.gauge.fault(&fault.to_string());
                        self.lose(fault.to_string())
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Step::Done,
            Err(error) => self.lose(format!("the neighbor's connection broke: {error}")),
        }
    }

    fn lose(&mut self, why: String) -> Step {
        self.incoming = None;
        self.reception.broken();
        Step::Lost(why)
    }

    /// The last event.
    pub(crate) async fn closed(self, reason: String) {
        // Who dropped the link needs no word.
        let _ = self.events.send(Event::Closed { reason }).await;
    }
}

/// Until an event could be handed over.
async fn room(events: &mpsc::Sender<Event>) {
    if events.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn readable(incoming: Option<&(Incoming, Option<Place>)>) {
    match incoming {
        // An error shows again when the socket is next used.
        Some((incoming, _)) => drop(incoming.stream.readable().await),
        None => std::future::pending().await,
    }
}
