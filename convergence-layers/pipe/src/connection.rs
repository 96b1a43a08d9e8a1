//! Drives one [`Session`] over one program: first within [`connect`], until its Hello is there, then as the task of a contact.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use convergence_layer::{Control, Event, Gauge, Link, Outgoing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time;

use crate::process::{GRACE, Process};
use crate::session::{Lane, Local, Session};
use crate::stderr;

/// Events, and outgoing octets, that wait in a channel.
const CHANNEL_DEPTH: usize = 16;
/// Octets that one read may take.
const READ: usize = 64 * 1024;
/// Things of the agent's that are taken before another duty has its turn.
const TURN_MESSAGES: usize = 64;
/// How long the last words on stderr may take when the program is gone.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A program cannot be started, or ended before it was ready: why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// Starts a program and waits until it is ready. May be dropped while it waits; then the program is killed.
pub async fn connect(command: &str, local: &Local) -> Result<Link, Unreachable> {
    let (process, pipes) =
        Process::start(command).map_err(|error| Unreachable(format!("cannot start /bin/sh: {error}")))?;
    let (events, agent_events) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_outgoing, outgoing) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_express, express) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_control, control) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::default());
    let (last, said) = watch::channel(String::new());
    let listening = tokio::spawn(stderr::listen(pipes.stderr, command.to_owned(), last, Arc::clone(&gauge)));
    let mut connection = Connection {
        process,
        stdin: pipes.stdin,
        stdout: pipes.stdout,
        session: Session::new(local),
        input: BytesMut::new(),
        ending: None,
        agent: Agent { events, event: None, outgoing, express, control },
        stderr: Stderr { listening, said },
        gauge: Arc::clone(&gauge),
    };
    while !connection.session.is_open() && connection.ending.is_none() {
        connection.step().await;
    }
    if !connection.session.is_open() {
        let Connection { process, stdin, stdout, ending, stderr, .. } = connection;
        drop((stdin, stdout));
        return Err(Unreachable(why(ending, process, stderr).await));
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

/// Why a contact ends.
enum Ending {
    /// The program closed its output or its input.
    Program,
    /// What it said makes no sense.
    Violation(String),
    /// This node wants no more.
    Closed,
    /// The agent dropped the link.
    Dropped,
}

/// The agent's side of the link.
struct Agent {
    events: mpsc::Sender<Event>,
    /// One that waits for room.
    event: Option<Event>,
    outgoing: mpsc::Receiver<Outgoing>,
    express: mpsc::Receiver<Outgoing>,
    control: mpsc::UnboundedReceiver<Control>,
}

struct Stderr {
    listening: JoinHandle<()>,
    said: watch::Receiver<String>,
}

struct Connection {
    process: Process,
    stdin: ChildStdin,
    stdout: ChildStdout,
    session: Session,
    input: BytesMut,
    ending: Option<Ending>,
    agent: Agent,
    stderr: Stderr,
    gauge: Arc<Gauge>,
}

impl Connection {
    async fn run(mut self) {
        while self.ending.is_none() {
            // A fast program gives way to others on the same thread.
            tokio::task::consume_budget().await;
            self.step().await;
        }
        if let Some(Ending::Closed) = self.ending {
            self.session.begin_no_more();
            // What has begun is sent to its end, if that does not take long.
            let _ = time::timeout(GRACE, self.finish()).await;
        }
        self.close().await;
    }

    /// Takes what the agent has said, waits for something new, and makes events of it.
    async fn step(&mut self) {
        while let Ok(control) = self.agent.control.try_recv() {
            self.decide(control);
        }
        self.take_outgoing();
        if self.ending.is_none() {
            self.wait().await;
        }
        self.make_events();
    }

    async fn finish(&mut self) {
        while matches!(self.ending, Some(Ending::Closed))
            && !(self.session.is_between() && self.session.output().is_empty())
        {
            self.take_outgoing();
            self.wait().await;
            self.make_events();
        }
    }

    fn decide(&mut self, control: Control) {
        match control {
            Control::Close(_) if self.ending.is_none() => self.ending = Some(Ending::Closed),
            control => self.session.decide(control),
        }
    }

    fn take_outgoing(&mut self) {
        let (session, agent) = (&mut self.session, &mut self.agent);
        for _ in 0..TURN_MESSAGES {
            let lanes = [(Lane::Express, &mut agent.express), (Lane::Ordinary, &mut agent.outgoing)];
            let next = lanes.into_iter().find_map(|(lane, channel)| {
                let outgoing = session.takes_outgoing(lane).then(|| channel.try_recv().ok());
                outgoing.flatten().map(|outgoing| (lane, outgoing))
            });
            let Some((lane, outgoing)) = next else { return };
            session.take(lane, outgoing);
        }
    }

    /// Makes events of what was read, as far as there is room for them.
    fn make_events(&mut self) {
        loop {
            let held = self.input.len();
            self.receive();
            self.hand_over_events();
            if self.input.len() == held {
                return;
            }
        }
    }

    fn receive(&mut self) {
        if let Err(violation) = self.session.receive(&mut self.input) {
            self.ending = Some(Ending::Violation(violation.to_string()));
        }
        if let Some(fault) = self.session.poll_fault() {
            self.gauge.fault(&fault);
        }
    }

    /// While somebody is there to take them: before the Hello there are none.
    fn hand_over_events(&mut self) {
        loop {
            self.agent.event = self.agent.event.take().or_else(|| self.session.poll_event());
            if self.agent.event.is_none() {
                return;
            }
            let Ok(permit) = self.agent.events.try_reserve() else { return };
            if let Some(event) = self.agent.event.take() {
                permit.send(event);
            }
        }
    }

    /// Sleeps until the program or the agent has something new.
    async fn wait(&mut self) {
        let Self { stdin, stdout, session, input, agent, .. } = &mut *self;
        let (takes_express, takes_ordinary) =
            (session.takes_outgoing(Lane::Express), session.takes_outgoing(Lane::Ordinary));
        if session.takes_octets() {
            input.reserve(READ);
        }
        tokio::select! {
            read = stdout.read_buf(input), if session.takes_octets() => self.read(&read),
            written = stdin.write(session.output()), if !session.output().is_empty() => self.written(&written),
            () = room(&agent.events, agent.event.is_some()) => {}
            control = agent.control.recv() => match control {
                Some(control) => self.decide(control),
                None => self.ending = Some(Ending::Dropped),
            },
            () = agent.events.closed() => self.ending = Some(Ending::Dropped),
            Some(outgoing) = agent.express.recv(), if takes_express => session.take(Lane::Express, outgoing),
            Some(outgoing) = agent.outgoing.recv(), if takes_ordinary => session.take(Lane::Ordinary, outgoing),
        }
    }

    fn read(&mut self, read: &io::Result<usize>) {
        match read {
            Ok(octets @ 1..) => self.gauge.read(*octets as u64),
            Ok(0) | Err(_) => self.ending = Some(Ending::Program),
        }
    }

    fn written(&mut self, written: &io::Result<usize>) {
        match written {
            Ok(octets) => {
                self.gauge.wrote(*octets as u64);
                self.session.written(*octets);
            }
            Err(_) => self.ending = Some(Ending::Program),
        }
    }

    /// Ends the program, and hands over what it still says and the last events.
    async fn close(self) {
        let Self { process, stdin, stdout, mut session, input, ending, agent, stderr, .. } = self;
        let Agent { events, event, outgoing, express, control } = agent;
        // An agent that waits for room to send must learn that there will be none, or it never takes the last events. The end of
        // its input is what tells the program to end.
        drop((outgoing, express, control, stdin));
        let event = event.into_iter();
        if let Some(Ending::Program | Ending::Closed) = ending {
            let drained = time::timeout(GRACE, drain((stdout, input), &mut session, &events, event));
            let _ = drained.await;
        } else {
            drop(stdout);
        }
        let reason = why(ending, process, stderr).await;
        session.ended();
        for event in std::iter::from_fn(|| session.poll_event()).chain([Event::Closed { reason }]) {
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// Hands over what the program still says: it may not say it again.
async fn drain(
    (mut stdout, mut input): (ChildStdout, BytesMut),
    session: &mut Session,
    events: &mpsc::Sender<Event>,
    first: impl Iterator<Item = Event>,
) {
    for event in first {
        let _ = events.send(event).await;
    }
    while session.receive(&mut input).is_ok() {
        while let Some(event) = session.poll_event() {
            if events.send(event).await.is_err() {
                return;
            }
        }
        // Nobody hears decisions any more: what needs them is left.
        if !session.takes_octets() || !matches!(stdout.read_buf(&mut input).await, Ok(1..)) {
            return;
        }
    }
}

/// Waits for the program's end; why the contact ends, in words.
async fn why(ending: Option<Ending>, process: Process, stderr: Stderr) -> String {
    let status = process.end().await;
    let _ = time::timeout(LAST_WORDS, stderr.listening).await;
    let how = match ending {
        Some(Ending::Violation(fault)) => fault,
        Some(Ending::Closed) => return "closed by this node".to_owned(),
        Some(Ending::Dropped) | None => return "the link is no longer used".to_owned(),
        Some(Ending::Program) => status.map_or_else(
            || "the program closed its pipes, did not end, and was killed".to_owned(),
            |status| format!("the program ended with {status}"),
        ),
    };
    match stderr.said.borrow().as_str() {
        "" => how,
        last => format!("{how}; it said: {last}"),
    }
}

/// Until an event could be handed over.
async fn room(events: &mpsc::Sender<Event>, has_event: bool) {
    if !has_event || events.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}
