//! What a node's refusals and errors mean for the user: a kind, which is an exit code, and what to do next.

use agent_node::{ClientError, EngineError, HomeError, Reply, RunError};

use crate::failure::{Failure, Kind};

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let kind = match &error {
            HomeError::Name { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let hint = match &error {
            HomeError::Locked { .. } => Some("one agent runs on a home; verbs find it by themselves"),
            _ => None,
        };
        let failure = Self::new(kind, error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::NoAgent { .. } | ClientError::Gone | ClientError::Stopping => {
                Self::new(Kind::NoAgent, message)
            }
            ClientError::StoreFull => Self::new(Kind::StoreFull, message),
            ClientError::Refused { kind, reason } => refused(&kind, &reason),
            ClientError::TimedOut => Self::new(Kind::TimedOut, message),
            ClientError::Usage(_) => Self::usage(message),
            ClientError::NotFound => {
                Self::failed("there is no such bundle here").hint("see 'packmule ls --all'")
            }
            ClientError::Ambiguous { .. } => {
                Self::usage(message).hint("give more letters of the one that is meant")
            }
            ClientError::Home(error) => error.into(),
            _ => Self::failed(message),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Engine(EngineError::Home(error)) => error.into(),
            other => Self::failed(other.to_string()),
        }
    }
}

/// A refusal by policy, by its word in the local protocol.
pub(crate) fn refused(kind: &str, reason: &str) -> Failure {
    match kind {
        "stranger" | "unsigned" | "bad_signature" | "impostor" => Failure::new(Kind::NotTrusted, reason),
        "quota" | "store_full" => {
            Failure::new(Kind::StoreFull, reason).hint("see 'packmule status' and 'packmule rm'")
        }
        _ => Failure::failed(reason),
    }
}

/// The entry stands in `config.toml`, which the command line does not write.
pub(crate) fn configured(what: &str) -> Failure {
    Failure::failed(format!("{what} is set in config.toml"))
        .hint("change it there, and start the agent again")
}

/// An answer that does not belong to the question: the two programs are of different versions.
pub(crate) fn unexpected(reply: &Reply) -> Failure {
    Failure::failed(format!("the agent gave an answer that does not belong to the question: {reply:?}"))
        .hint("use an agent and a command line of the same version")
}
