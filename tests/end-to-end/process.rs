//! Processes that do not outlive their tests, and what they say.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that takes a moment. Far more than it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a process ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    command: String,
    status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn is_done(&self) -> bool {
        self.status.success()
    }

    /// What it said on its standard output; it has to have succeeded.
    pub(crate) fn done(self) -> String {
        assert!(self.is_done(), "{} failed ({}):\n{}", self.command, self.status, self.err);
        String::from_utf8(self.out).expect("text")
    }

    /// What it said on its standard error; it has to have failed with this exit code, and in words.
    pub(crate) fn fails(self, code: i32) -> String {
        let Self { command, status, out, err } = self;
        assert_eq!(status.code(), Some(code), "{command}:\n{err}\n{}", String::from_utf8_lossy(&out));
        let is_told = err.lines().any(|line| line.starts_with("error: ") || line.starts_with("{\"error\":"));
        assert!(is_told, "{command} gives no reason: {err:?}");
        assert!(!err.contains("panicked"), "{command}: {err}");
        err
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let mut process = Process::start(command);
    let (lines, out) = mpsc::channel();
    let stdout = process.0.stdout.take().unwrap();
    thread::spawn(move || lines.send(read_all(stdout)));
    let err = Text::of(process.0.stderr.take().unwrap());
    let command = format!("{command:?}");
    let out = out.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{command} does not end"));
    let status = process.0.wait().unwrap();
    Outcome { status, out, err: err.whole(), command }
}

fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut octets = Vec::new();
    from.read_to_end(&mut octets).unwrap();
    octets
}

/// What a process says on its standard error, kept until somebody wants it.
struct Text(thread::JoinHandle<Vec<u8>>);

impl Text {
    fn of(from: impl Read + Send + 'static) -> Self {
        Self(thread::spawn(|| read_all(from)))
    }

    /// All of it, once the process has ended.
    fn whole(self) -> String {
        String::from_utf8_lossy(&self.0.join().unwrap()).into_owned()
    }
}

/// A running process, which is killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; what counts is that it has, and is reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that runs on and says something line by line.
pub(crate) struct Speaker {
    process: Process,
    lines: Receiver<String>,
    /// Taken when it has ended.
    err: Option<Text>,
    command: String,
}

impl Speaker {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let (told, lines) = mpsc::channel();
        let stdout = BufReader::new(process.0.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let err = Some(Text::of(process.0.stderr.take().unwrap()));
        Self { process, lines, err, command: format!("{command:?}") }
    }

    /// The next line; `None` where it ended instead. `awaited` says what is missing where nothing comes.
    pub(crate) fn line(&self, awaited: &impl Debug) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} says nothing; awaited: {awaited:?}", self.command),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits for its end and what it said last.
    pub(crate) fn end(mut self) -> Outcome {
        let mut out = String::new();
        while let Some(line) = self.line(&"its end") {
            out += &line;
            out.push('\n');
        }
        let status = self.process.0.wait().unwrap();
        let err = self.err.take().unwrap().whole();
        Outcome { command: self.command.clone(), status, out: out.into_bytes(), err }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        if let Some(err) = self.err.take().filter(|_| thread::panicking()) {
            let _ = self.process.0.kill();
            eprintln!("--- {} said:\n{}", self.command, err.whole());
        }
    }
}
