//! What happened, as lines of text: hashed always, shown on request. Two runs with the same hash did the same things.

use std::fmt;

use crate::plan::Millis;

/// The record of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    line: String,
    show: Show,
    pub(crate) lines: u64,
}

/// Whether the lines are shown as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// No.
    Nothing,
    /// On standard error.
    Lines,
}

impl Trace {
    pub(crate) fn new(show: Show) -> Self {
        Self { hasher: blake3::Hasher::new(), line: String::new(), show, lines: 0 }
    }

    pub(crate) fn note(&mut self, at: Millis, what: fmt::Arguments<'_>) {
        self.line.clear();
        fmt::write(&mut self.line, format_args!("{at:>12} {what}\n"))
            .expect("writing to a string cannot fail");
        self.hasher.update(self.line.as_bytes());
        self.lines += 1;
        if self.show == Show::Lines {
            eprint!("{}", self.line);
        }
    }

    /// The hash of all lines so far.
    pub(crate) fn hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}
