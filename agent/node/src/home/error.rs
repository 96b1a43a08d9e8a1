//! What can be wrong with a node's folder.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::key_file::KeyTextError;
use crate::settings::ConfigError;

/// A node's folder cannot be made or used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is none.
    #[error("{} is not a packmule home: make one with 'packmule init', or name another with --home", folder.display())]
    NoHome {
        /// Where one was expected.
        folder: PathBuf,
    },
    /// There is one already.
    #[error("{} is a packmule home already; nothing was changed", folder.display())]
    Exists {
        /// Where.
        folder: PathBuf,
    },
    /// The name cannot be a node's.
    #[error("'{name}' cannot be a node's name: use letters, digits, '.', '-' and '_', such as clinic-3")]
    Name {
        /// As it was given, without control characters.
        name: String,
    },
    /// Somebody else works on it.
    #[error("{} is in use by {}", folder.display(), holder(*pid))]
    Locked {
        /// Which.
        folder: PathBuf,
        /// The process that holds the lock, where it said so.
        pid: Option<u32>,
    },
    /// Others may read the private key.
    #[error("{} may be read by others (mode {mode:03o}): run 'chmod 600 {}'", file.display(), file.display())]
    KeyExposed {
        /// The key file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key file does not hold a key.
    #[error("{} holds no private key: {fault}. If there is an export of it, use 'packmule key import'", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: KeyTextError,
    },
    /// A file is too long to be what it should be.
    #[error("{} is longer than {octets_max} octets: it is something else", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The limit.
        octets_max: u64,
    },
    /// A line of `config.toml` cannot stand.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key: {0}")]
    Random(String),
    /// The file system says no.
    #[error("cannot {verb} {}: {error}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl HomeError {
    pub(crate) fn io(verb: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io { verb, path: path.to_owned(), error }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
