//! Why a node does not do what a program asks, sorted by who can do something about it.

use std::io;
use std::path::PathBuf;

use bundle_format::BundleId;
use thiserror::Error;

use crate::driver::DriverError;
use crate::engine::EngineError;
use crate::home::HomeError;
use crate::local_api::{Failure, FrameError};

/// A node did not do what it was asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No agent runs, and this needs one.
    #[error("no agent runs on {}: start it with 'packmule run'", folder.display())]
    NoAgent {
        /// The home.
        folder: PathBuf,
    },
    /// Somebody else has been working on the home for too long.
    #[error("{} is in use by {} and does not answer; try again later", folder.display(), holder(*pid))]
    Busy {
        /// The home.
        folder: PathBuf,
        /// Who has it, where that is known.
        pid: Option<u32>,
    },
    /// There is no room.
    #[error("the store is full: remove bundles ('packmule ls', 'packmule rm'), or make room on its disk")]
    StoreFull,
    /// There is no such bundle or entry.
    #[error("there is no such thing")]
    NotFound,
    /// Several bundles begin so.
    #[error("several bundles begin so: {}", list(candidates))]
    Ambiguous {
        /// Which.
        candidates: Vec<BundleId>,
    },
    /// Policy does not allow it.
    #[error("refused: {reason}")]
    Refused {
        /// In a word: `stranger`, `unsigned`, `bad_signature`, `too_large`, `quota`, ...
        kind: String,
        /// In a sentence.
        reason: String,
    },
    /// The time is up.
    #[error("the time is up")]
    TimedOut,
    /// It cannot be asked so.
    #[error("{0}")]
    Usage(String),
    /// The store failed.
    #[error("{0}")]
    Store(String),
    /// The node's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The node could not be started in this process.
    #[error(transparent)]
    Engine(EngineError),
    /// What was to be sent could not be read to its end; nothing of it was kept.
    #[error("what is to be sent cannot be read: {0}")]
    Body(io::Error),
    /// What was sent was given up; nothing of it was kept.
    #[error("given up: {0}")]
    Aborted(String),
    /// The agent went away.
    #[error("the agent ended the connection; look at its log")]
    Gone,
    /// The agent is stopping.
    #[error("the agent is stopping")]
    Stopping,
    /// The socket cannot be used.
    #[error("cannot connect to the agent at {}: {error}", socket.display())]
    Socket {
        /// Where.
        socket: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The agent is of another version.
    #[error(
        "the agent speaks version {theirs} of the local protocol, this program version {ours}: use programs of one version"
    )]
    Version {
        /// The agent's.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The connection failed.
    #[error("the connection to the agent failed: {0}")]
    Connection(#[from] io::Error),
    /// The agent does not keep to the protocol.
    #[error("the agent said something that is not part of the protocol")]
    Protocol,
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::NotFound,
            Failure::Ambiguous { candidates } => Self::Ambiguous { candidates },
            Failure::Refused { kind, reason } => Self::Refused { kind, reason },
            Failure::StoreFull => Self::StoreFull,
            Failure::TimedOut => Self::TimedOut,
            Failure::Usage(text) => Self::Usage(text),
            Failure::Store(text) => Self::Store(text),
            Failure::Stopping => Self::Stopping,
            Failure::Aborted(text) => Self::Aborted(text),
        }
    }
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) if is_gone(&error) => Self::Gone,
            FrameError::Io(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Self::Usage(error.to_string())
            }
            FrameError::Io(error) => Self::Connection(error),
            FrameError::Kind | FrameError::Unexpected | FrameError::Message(_) => Self::Protocol,
        }
    }
}

impl From<EngineError> for ClientError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Home(error) => Self::Home(error),
            other => Self::Engine(other),
        }
    }
}

impl From<DriverError> for ClientError {
    fn from(error: DriverError) -> Self {
        Self::Engine(EngineError::Driver(error))
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

fn list(ids: &[BundleId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
