//! What went wrong, in the form in which every verb reports it: what happened, to which thing, what to do next, and an
//! exit code by kind (`docs/cli.md`).

use std::io::Write;

use serde::Serialize;

use crate::printable::printable;

/// The kinds of failure; each is an exit code that scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It did not work, and none of the kinds below says why.
    Failed,
    /// The command line asks for something that cannot be.
    Usage,
    /// Some of what was asked for is done.
    Partly,
    /// It needs a running agent, and none runs.
    NoAgent,
    /// The store has no room.
    StoreFull,
    /// A signature or a key is not trusted.
    NotTrusted,
    /// A drive cannot be used as it should.
    Drive,
    /// The time that was given is over.
    TimedOut,
    /// A signal asked to stop.
    Interrupted,
    /// Whoever read the output has closed it: nobody is left to tell, and nothing is wrong.
    OutputClosed,
}

impl Kind {
    /// The process's exit code.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partly => 3,
            Self::NoAgent => 10,
            Self::StoreFull => 11,
            Self::NotTrusted => 12,
            Self::Drive => 13,
            Self::TimedOut => 14,
            Self::Interrupted => 130,
        }
    }
}

/// A verb that did not do (all of) what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    message: String,
    hint: Option<String>,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    error: &'a str,
    code: u8,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The same, with what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An operation on a file or folder that the system refused.
    pub(crate) fn io(verb: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::failed(format!("cannot {verb} {}: {}", path.display(), plain(error)))
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Writes it to stderr: for people, or as one JSON object, the last line there.
    pub(crate) fn report(&self, json: bool) {
        if self.kind == Kind::OutputClosed {
            return;
        }
        let (message, hint) = (printable(&self.message), self.hint.as_deref().map(printable));
        let mut text = String::new();
        if json {
            let (code, hint) = (self.kind.exit_code(), hint.as_deref());
            let line = FailureLine { error: &message, code, kind: self.kind, hint };
            text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        } else {
            text.push_str("error: ");
            text.push_str(&message);
            if let Some(hint) = hint {
                text.push_str("\nhint: ");
                text.push_str(&hint);
            }
        }
        text.push('\n');
        // Where stderr is closed, the exit code has to do.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// A system error without Rust's "(os error 2)".
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_exit_code() {
        let kinds = [
            Kind::OutputClosed,
            Kind::Failed,
            Kind::Usage,
            Kind::Partly,
            Kind::NoAgent,
            Kind::StoreFull,
            Kind::NotTrusted,
            Kind::Drive,
            Kind::TimedOut,
            Kind::Interrupted,
        ];
        let codes: Vec<u8> = kinds.into_iter().map(Kind::exit_code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 10, 11, 12, 13, 14, 130]);
    }

    #[test]
    fn system_errors_lose_their_number() {
        let error = std::fs::File::open("/nowhere/at/all").unwrap_err();
        assert_eq!(plain(&error), "no such file or directory");
    }
}
