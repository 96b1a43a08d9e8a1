//! What is going to happen, in the order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use agent_core::input::{ContactId, SendOutcome, TransferId};
use bytes::Bytes;

use crate::plan::{Millis, NodeIndex};

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// Two nodes come into reach of each other, or try again after their contact broke.
    MeetingOpens { meeting: usize },
    /// They go out of reach.
    MeetingCloses { meeting: usize },
    /// A node notices that a contact is over.
    ContactLost { contact: ContactId },
    /// A parcel's turn on the link has come.
    ParcelDeparts { contact: ContactId, transfer: TransferId },
    /// A parcel's last octet reaches the other side, which calls the contact by this number.
    ParcelArrives { contact: ContactId, transfer: TransferId, octets: Bytes },
    /// The answer to a transfer reaches the node that sent it.
    AnswerArrives { contact: ContactId, transfer: TransferId, outcome: SendOutcome },
    /// A node takes what lies in its inbox into one step. Void if its agent was opened again since.
    StepDue { node: NodeIndex, life: u32 },
    /// Power comes back.
    NodeStarts { node: NodeIndex },
    /// Somebody at a node wants something sent.
    OrderPlaced { order: usize },
    /// Somebody at a node wants a setting changed.
    ChoreDue { chore: usize },
    /// The applications of a node look into their queues.
    ApplicationsLook { node: NodeIndex, life: u32 },
    /// A drive is brought to a node.
    DriveDocks { drive: usize, node: NodeIndex },
    /// Its dock goes on.
    DockGoesOn { drive: usize },
    /// The checkers look into every store, whether or not its node does anything.
    CheckersLook,
    /// A backup of a node's store is made.
    BackupMade,
    /// It is put back.
    BackupPutBack,
    /// From here on nothing goes wrong any more.
    FaultsEnd,
}

#[derive(Debug)]
struct Entry {
    at: Millis,
    sequence: u64,
    event: Event,
}

/// All that is going to happen. Of two things at the same time the one that was put down first comes first.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Millis, event: Event) {
        self.sequence += 1;
        self.entries.push(Reverse(Entry { at, sequence: self.sequence, event }));
    }

    /// The next thing that happens, if that is before `end`.
    pub(crate) fn next_before(&mut self, end: Millis) -> Option<(Millis, Event)> {
        if self.entries.peek().is_none_or(|entry| entry.0.at >= end) {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_their_entry() {
        let mut agenda = Agenda::default();
        for (at, node) in [(5, 0), (1, 1), (5, 2), (1, 3), (9, 4)] {
            agenda.add(at, Event::NodeStarts { node });
        }
        let mut order = Vec::new();
        while let Some((at, Event::NodeStarts { node })) = agenda.next_before(9) {
            order.push((at, node));
        }
        assert_eq!(order, [(1, 1), (1, 3), (5, 0), (5, 2)]);
    }
}
