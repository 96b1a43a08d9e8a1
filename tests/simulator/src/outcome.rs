//! What came of a world.

use std::fmt;

use thiserror::Error;

use crate::contact::Cargo;
use crate::violation::Violation;

/// What was counted while a world ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Things that happened.
    pub events: u64,
    /// Steps that agents took.
    pub steps: u64,
    /// Contacts that opened.
    pub contacts: u64,
    /// Power cuts.
    pub crashes: u64,
    /// Contact messages that were sent.
    pub messages: u64,
    /// Octets of them.
    pub message_octets: u64,
    /// Bundles that were sent.
    pub bundles: u64,
    /// Octets of them.
    pub bundle_octets: u64,
    /// Transfers that a node accepted.
    pub accepted: u64,
    /// Bundles among them, at nodes with ample room.
    pub taken_in: u64,
    /// Bundles that were there already, between nodes that tell each other what they have.
    pub redundant: u64,
    /// Transfers that a full disk had no room for.
    pub without_room: u64,
    /// Parcels or answers that were lost.
    pub lost: u64,
    /// Parcels whose bits changed.
    pub disturbed: u64,
    /// Bundles that applications took.
    pub delivered: u64,
    /// Docks of drives.
    pub docks: u64,
    /// Bundles that drives brought.
    pub brought: u64,
    /// Custody signals and reports among them.
    pub signals_brought: u64,
}

impl Counts {
    pub(crate) fn sent(&mut self, cargo: Cargo, octets: u64) {
        let (count, sum) = match cargo {
            Cargo::Message => (&mut self.messages, &mut self.message_octets),
            Cargo::Bundle => (&mut self.bundles, &mut self.bundle_octets),
        };
        *count += 1;
        *sum += octets;
    }

    /// Adds another world's counts.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.steps += other.steps;
        self.contacts += other.contacts;
        self.crashes += other.crashes;
        self.messages += other.messages;
        self.message_octets += other.message_octets;
        self.bundles += other.bundles;
        self.bundle_octets += other.bundle_octets;
        self.accepted += other.accepted;
        self.taken_in += other.taken_in;
        self.redundant += other.redundant;
        self.without_room += other.without_room;
        self.lost += other.lost;
        self.disturbed += other.disturbed;
        self.delivered += other.delivered;
        self.docks += other.docks;
        self.brought += other.brought;
        self.signals_brought += other.signals_brought;
    }
}

/// A world that kept every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was counted.
    pub counts: Counts,
    /// The hash of everything that happened, in order.
    pub trace: [u8; 32],
}

/// A world that broke a rule, or could not be built.
#[derive(Debug, Error)]
pub enum Failure {
    /// A checker found something.
    Broken {
        /// The world.
        seed: u64,
        /// How many nodes it had.
        nodes: usize,
        /// What the checker found.
        violation: Violation,
    },
    /// The same, in a world that follows a plan. Whoever has the plan knows how it is replayed.
    Planned {
        /// What the checker found.
        violation: Violation,
    },
    /// The machine has no room for the stores.
    Machine(#[from] std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { seed, nodes, violation } => write!(
                formatter,
                "{violation}\nReplay it with: cargo run -p simulator -- --seed {seed} --nodes {nodes} --trace"
            ),
            Self::Planned { violation } => write!(formatter, "{violation}"),
            Self::Machine(error) => write!(formatter, "the world's folder could not be made: {error}"),
        }
    }
}
