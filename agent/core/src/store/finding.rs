//! What `check` finds wrong.

use crate::store::{Number, Table};

/// Most findings that a check gives; a store with more is better dumped and loaded.
pub const FINDINGS_MAX: usize = 1000;

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its checksum or its shape is wrong.
    Damaged,
    /// It should be there, and is not.
    Missing,
    /// It says something else than the facts that it derives from.
    Wrong,
    /// It derives from nothing.
    Orphan,
}

/// A row that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which table.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// The bundle that it is about, where that is known.
    pub number: Option<Number>,
    /// What is wrong.
    pub fault: Fault,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(number) = self.number {
            write!(f, "bundle {number}: ")?;
        }
        write!(f, "{}, key ", self.table)?;
        for octet in &self.key {
            write!(f, "{octet:02x}")?;
        }
        f.write_str(match self.fault {
            Fault::Damaged => ": the record is damaged",
            Fault::Missing => ": the record is missing",
            Fault::Wrong => ": the record contradicts what is known about the bundle",
            Fault::Orphan => ": nothing accounts for the record",
        })
    }
}
