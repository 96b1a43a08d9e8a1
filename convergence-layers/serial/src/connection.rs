//! Drives one [`Line`] over one device: first within [`connect`], until somebody is heard, then as the task of a contact.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use convergence_layer::{Control, Event, Gauge, Link, Outgoing};
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::device::Device;
use crate::line::{Lane, Line, Local};
use crate::settings::Settings;

/// Events, and outgoing octets, that wait in a channel.
const CHANNEL_DEPTH: usize = 16;
/// Octets that one read may take.
const READ: usize = 4 * 1024;
/// Frames that are handed to the system at once: pacing allows a few on fast lines.
const WRITE: usize = 16 * 1024;
/// Things of the agent's that are taken before another duty has its turn.
const TURN_MESSAGES: usize = 64;
/// How long a device may take no octets: the line is paced, so that its buffer is all but empty.
const STUCK: Duration = Duration::from_secs(10);
/// How often is looked whether it is stuck.
const LOOK: Duration = Duration::from_millis(200);
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// A device cannot be used, or stopped working before anybody was heard: why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// Opens the device and waits until a node at the other end hears us. May be dropped while it waits; then the device is free again.
pub async fn connect(settings: &Settings, local: Local) -> Result<Link, Unreachable> {
    let device = Device::open(settings).map_err(Unreachable)?;
    let seed = getrandom::u64().map_err(|error| Unreachable(format!("no random numbers: {error}")))?;
    let (events, agent_events) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_outgoing, outgoing) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_express, express) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_control, control) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::default());
    let mut connection = Connection {
        device,
        line: Line::new(settings.clone(), local, seed, now()),
        output: Vec::new(),
        stuck_since: None,
        is_lost: false,
        events,
        event: None,
        outgoing,
        express,
        control,
        repeated: 0,
        gauge: Arc::clone(&gauge),
    };
    while !connection.line.is_open() && !connection.line.is_ending() {
        connection.step().await;
    }
    if let Some(Event::Closed { reason }) =
        connection.line.is_ending().then(|| connection.line.poll_event()).flatten()
    {
        return Err(Unreachable(reason));
    }
    tokio::spawn(connection.run());
    Ok(Link {
        events: agent_events,
        outgoing: agent_outgoing,
        express: Some(agent_express),
        control: agent_control,
        gauge,
    })
}

struct Connection {
    device: Device,
    line: Line,
    /// What the device has not taken yet.
    output: Vec<u8>,
    stuck_since: Option<Instant>,
    is_lost: bool,
    events: mpsc::Sender<Event>,
    /// One that waits for room.
    event: Option<Event>,
    outgoing: mpsc::Receiver<Outgoing>,
    express: mpsc::Receiver<Outgoing>,
    control: mpsc::UnboundedReceiver<Control>,
    /// Octets that were sent again, as far as the gauge knows.
    repeated: u64,
    gauge: Arc<Gauge>,
}

impl Connection {
    async fn run(mut self) {
        while !self.line.is_ending() {
            // A busy line gives way to others on the same thread.
            tokio::task::consume_budget().await;
            self.step().await;
        }
        self.finish().await;
    }

    /// Does what can be done at once, then waits for something new.
    async fn step(&mut self) {
        self.take_decisions();
        self.take_outgoing();
        self.line.handle_timeout(now());
        self.hand_over_events();
        // Nothing is put behind what the device does not take, or what is urgent would wait there.
        let may_write = self.output.is_empty();
        while may_write && self.output.len() < WRITE && self.line.poll_frame(now(), &mut self.output) {}
        self.measure();
        if !self.line.is_ending() {
            self.wait().await;
        }
    }

    fn take_decisions(&mut self) {
        while let Ok(control) = self.control.try_recv() {
            self.line.decide(now(), control);
        }
    }

    fn take_outgoing(&mut self) {
        for _ in 0..TURN_MESSAGES {
            let express = self.line.takes_outgoing(Lane::Express).then(|| self.express.try_recv().ok());
            if let Some(outgoing) = express.flatten() {
                self.line.take(Lane::Express, outgoing);
                continue;
            }
            let ordinary = self.line.takes_outgoing(Lane::Ordinary).then(|| self.outgoing.try_recv().ok());
            let Some(outgoing) = ordinary.flatten() else { return };
            self.line.take(Lane::Ordinary, outgoing);
        }
    }

    /// While somebody is there to take them: before, the line is not open and has none.
    fn hand_over_events(&mut self) {
        while self.line.is_open() || self.event.is_some() {
            self.event = self.event.take().or_else(|| self.line.poll_event());
            if self.event.is_none() {
                return;
            }
            let Ok(permit) = self.events.try_reserve() else { return };
            if let Some(event) = self.event.take() {
                permit.send(event);
            }
        }
    }

    fn measure(&mut self) {
        let (round_trip, repeated) = self.line.measured();
        if let Some(round_trip) = round_trip {
            self.gauge.round_trip(round_trip);
        }
        self.gauge.repeated(repeated.saturating_sub(self.repeated));
        self.repeated = repeated;
        while let Some(fault) = self.line.poll_fault() {
            self.gauge.fault(fault);
        }
    }

    /// Sleeps until the device, the agent or the clock has something new.
    async fn wait(&mut self) {
        let mut input = [0; READ];
        let is_writing = !self.output.is_empty();
        let deadline = if is_writing {
            // What is due waits for the device.
            Some(Instant::now() + LOOK)
        } else {
            self.line.poll_timeout(now()).map(Instant::from_std)
        };
        let (takes_express, takes_ordinary) =
            (self.line.takes_outgoing(Lane::Express), self.line.takes_outgoing(Lane::Ordinary));
        tokio::select! {
            read = self.device.port.read(&mut input) => self.read(read, &input),
            written = self.device.port.write(&self.output), if is_writing => self.written(written),
            () = room(&self.events, self.event.is_some()) => {}
            control = self.control.recv() => match control {
                Some(control) => self.line.decide(now(), control),
                None => self.line.link_dropped(),
            },
            () = self.events.closed() => self.line.link_dropped(),
            Some(outgoing) = self.express.recv(), if takes_express => self.line.take(Lane::Express, outgoing),
            Some(outgoing) = self.outgoing.recv(), if takes_ordinary => self.line.take(Lane::Ordinary, outgoing),
            () = sleep_until(deadline) => self.look(is_writing),
        }
    }

    fn read(&mut self, read: io::Result<usize>, input: &[u8]) {
        match read {
            Ok(0) => self.lost("the device is gone"),
            Ok(octets) => {
                self.gauge.read(octets as u64);
                self.line.receive(now(), input.get(..octets).unwrap_or_default());
            }
            Err(error) => self.lost(&format!("the device is gone: {error}")),
        }
    }

    fn written(&mut self, written: io::Result<usize>) {
        match written {
            Ok(octets) => {
                self.gauge.wrote(octets as u64);
                self.output.drain(..octets.min(self.output.len()));
                self.stuck_since = None;
            }
            Err(error) => self.lost(&format!("the device is gone: {error}")),
        }
    }

    fn look(&mut self, is_writing: bool) {
        if is_writing && self.stuck_since.get_or_insert_with(Instant::now).elapsed() > STUCK {
            self.lost("the device takes no octets");
        }
    }

    fn lost(&mut self, reason: &str) {
        self.is_lost = true;
        self.line.device_lost(reason);
    }

    /// Says the last words, frees the device, and hands over the last events.
    async fn finish(self) {
        let Self { device, mut line, is_lost, events, event, outgoing, express, control, .. } = self;
        // An agent that waits for room to send must learn that there will be none, or it never takes the last events.
        drop((outgoing, express, control));
        if !is_lost {
            let words = line.farewell();
            let say = async {
                if device.port.write_all(&words).await.is_ok() {
                    time::sleep(line.time_for(words.len())).await;
                }
            };
            let _ = time::timeout(FAREWELL, say).await;
        }
        // Closing would wait for what a stuck device never takes.
        let _ = device.port.discard_buffers();
        drop(device);
        for event in event.into_iter().chain(std::iter::from_fn(|| line.poll_event())) {
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

/// Until an event could be handed over.
async fn room(events: &mpsc::Sender<Event>, has_event: bool) {
    if !has_event || events.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
