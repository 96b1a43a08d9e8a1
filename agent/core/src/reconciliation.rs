//! What two nodes' sets differ in, found out from sketches (`docs/sync.md`, "Reconciliation"): one side of one exchange.
//!
//! Pure: it is given a prefix of our set, messages and the time, and gives messages and, once, what came of it.
//! `reconciling` connects it with a contact. A lost batch of cells is skipped; every other loss is made up for by asking
//! again, a few times, and by sorted lists in the end. Whatever the neighbor says, memory is bounded by our own prefix.

use std::collections::VecDeque;
use std::ops::Range;

use bundle_format::BundleId;

use crate::message::{Cells, ContactMessage, More, Summary};
use crate::sketch::{Cell, Decoder, Outcome, Prefix};
use crate::time::NodeTime;

/// Cells that are sent without having been asked for: enough for some ten differences in 560 octets.
pub(crate) const FIRST_CELLS: usize = 24;
/// How long an answer may take before it is asked for again; doubled each time.
const PATIENCE_MS: u64 = 5_000;
/// How often that is done.
const ASKED_MAX: u8 = 3;
/// How long cells are kept ready for a neighbor that asks for no more of them.
const SERVING_MS: u64 = 120_000;
/// Cells that one neighbor is sent in one exchange, repetitions included.
const SERVED_MAX: usize = 2 * crate::sketch::CELLS_MAX;
/// A side with less than this part of what the other has is sent everything: what it has crosses needlessly then.
const LITTLE: i64 = 16;
/// Octets of an id in a sorted list, and of a cell, about: what is cheaper is used.
const LISTED_OCTETS: u64 = 16;
const CELL_OCTETS: u64 = 23;

/// What both sides agree upon before they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What is compared.
    pub(crate) interest: [u8; 8],
    /// Whether this side sends its cells, and the other decodes: that with the lower node ID does.
    pub(crate) sends_cells: bool,
    /// Octets that a message may have.
    pub(crate) octets_max: usize,
}

/// What came of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both have the same.
    Equal,
    /// The neighbor has nothing, or next to nothing beside us: it lacks all that we have.
    TheyHaveLittle,
    /// We have nothing, or next to nothing beside the neighbor: it sends what it has without having been asked.
    WeHaveLittle,
    /// The difference is known.
    Decoded { ours: Vec<BundleId>, theirs: Vec<BundleId> },
    /// The neighbor was sent all the cells that it asked for.
    Served,
    /// Sorted lists are cheaper, or sketches led nowhere.
    UseLists,
    /// The neighbor does not trust us.
    Unwelcome,
}

/// One side of an exchange.
#[derive(Debug)]
pub(crate) struct Reconciliation {
    terms: Terms,
    ours: Prefix,
    stage: Stage,
    say: VecDeque<ContactMessage>,
    /// When the neighbor's answer is overdue, and how often it was.
    again: NodeTime,
    asked: u8,
}

#[derive(Debug)]
enum Stage {
    /// The neighbor's summary is awaited.
    Comparing,
    /// These cells are to be sent, and so many were.
    Serving { due: Range<usize>, served: usize },
    /// The neighbor's set has this size, and cells up to this index were asked for.
    Decoding { decoder: Box<Decoder>, size: i64, until: usize },
}

impl Reconciliation {
    /// Begins; the first message is our summary. `asks`: the neighbor is to send its own, if it has not yet.
    pub(crate) fn begin(terms: Terms, ours: Prefix, asks: bool, now: NodeTime) -> Self {
        let again = now.after_ms(PATIENCE_MS);
        let mut this = Self { terms, ours, stage: Stage::Comparing, say: VecDeque::new(), again, asked: 0 };
        this.say_summary(asks);
        this
    }

    /// The next message, where there is one.
    pub(crate) fn poll_message(&mut self) -> Option<ContactMessage> {
        if let Some(message) = self.say.pop_front() {
            return Some(message);
        }
        let Stage::Serving { due, served } = &mut self.stage else { return None };
        let cells = self.ours.cells().get(due.clone()).filter(|cells| !cells.is_empty())?;
        let message = Cells::fitting(self.ours.digest().count, due.start, cells, self.terms.octets_max);
        due.start += message.run.len();
        *served += message.run.len();
        Some(ContactMessage::Cells(message))
    }

    /// When [`Reconciliation::timeout`] is to be called.
    pub(crate) fn deadline(&self) -> NodeTime {
        self.again
    }

    /// The neighbor told the size and the digest of its set.
    pub(crate) fn summary_received(&mut self, now: NodeTime, summary: &Summary) -> Option<Verdict> {
        if summary.interest == [0; 8] {
            return Some(Verdict::Unwelcome);
        }
        if summary.interest != self.terms.interest {
            return Some(Verdict::UseLists);
        }
        if matches!(self.stage, Stage::Comparing) {
            return self.compare(now, summary.cell);
        }
        if summary.asks {
            self.say_summary(false);
        }
        None
    }

    /// Both summaries are here: what they say, or who begins with what.
    fn compare(&mut self, now: NodeTime, theirs: Cell) -> Option<Verdict> {
        let ours = self.ours.digest();
        let listed = ours.count.unsigned_abs().saturating_add(theirs.count.unsigned_abs());
        if ours == theirs {
            return Some(Verdict::Equal);
        } else if theirs.count == 0 {
            return Some(Verdict::TheyHaveLittle);
        } else if ours.count == 0 {
            return Some(Verdict::WeHaveLittle);
        } else if listed.saturating_mul(LISTED_OCTETS) < FIRST_CELLS as u64 * CELL_OCTETS {
            return Some(Verdict::UseLists);
        } else if is_little(theirs.count, ours.count) {
            return Some(Verdict::TheyHaveLittle);
        } else if is_little(ours.count, theirs.count) {
            return Some(Verdict::WeHaveLittle);
        }
        self.wait(now);
        self.stage = if self.terms.sends_cells {
            self.again = now.after_ms(SERVING_MS);
            let end = (1 + FIRST_CELLS).min(self.ours.cells().len());
            Stage::Serving { due: 1..end, served: 0 }
        } else {
            let decoder = Box::new(Decoder::new(self.ours.clone(), theirs));
            Stage::Decoding { decoder, size: theirs.count, until: 1 + FIRST_CELLS }
        };
        None
    }

    /// Cells came. Those of another set than the summary's are of no use.
    pub(crate) fn cells_received(&mut self, now: NodeTime, cells: &Cells) -> Option<Verdict> {
        let Stage::Decoding { decoder, size, until } = &mut self.stage else { return None };
        if cells.size != *size || cells.from > *until {
            return None;
        }
        let before = decoder.end();
        decoder.push(cells.from, &cells.run);
        if decoder.end() == before {
            return None;
        }
        let is_batch_complete = decoder.end() >= *until;
        self.wait(now);
        self.read_off(is_batch_complete)
    }

    /// What the decoder knows; more cells are asked for if that is not all.
    fn read_off(&mut self, may_ask: bool) -> Option<Verdict> {
        let Stage::Decoding { decoder, size, until } = &mut self.stage else { return None };
        let needed = match decoder.outcome() {
            Outcome::Decoded(difference) => {
                return Some(Verdict::Decoded { ours: difference.ours, theirs: difference.theirs });
            }
            Outcome::Contradictory => return Some(Verdict::UseLists),
            Outcome::More { needed } if may_ask => needed,
            Outcome::More { .. } => return None,
        };
        let listed = self.ours.digest().count.saturating_add(*size).unsigned_abs();
        let from = decoder.end();
        let wanted = batch_end(from, needed);
        if wanted as u64 * CELL_OCTETS > listed.saturating_mul(LISTED_OCTETS)
            || wanted > self.ours.cells().len()
        {
            return Some(Verdict::UseLists);
        }
        *until = wanted;
        self.say.push_back(ContactMessage::More(More { from, most: wanted - from }));
        None
    }

    /// The neighbor asks for more cells. It gets no more than a multiple of those that there are.
    pub(crate) fn more_received(&mut self, now: NodeTime, more: &More) {
        let Stage::Serving { due, served } = &mut self.stage else { return };
        let end = more.from.saturating_add(more.most).min(self.ours.cells().len());
        if more.from < end && *served < SERVED_MAX {
            *due = more.from..end;
            self.again = now.after_ms(SERVING_MS);
        }
    }

    /// An answer is overdue: it is asked for again, or given up.
    pub(crate) fn timeout(&mut self, now: NodeTime) -> Option<Verdict> {
        if now < self.again {
            return None;
        }
        if matches!(self.stage, Stage::Serving { .. }) {
            return Some(Verdict::Served);
        }
        if self.asked >= ASKED_MAX {
            return Some(Verdict::UseLists);
        }
        self.asked += 1;
        self.again = now.after_ms(PATIENCE_MS << self.asked);
        if matches!(self.stage, Stage::Comparing) {
            self.say_summary(true);
            return None;
        }
        // Whatever of the batch was lost is skipped.
        self.read_off(true)
    }

    fn wait(&mut self, now: NodeTime) {
        self.asked = 0;
        self.again = now.after_ms(PATIENCE_MS);
    }

    fn say_summary(&mut self, asks: bool) {
        let summary = Summary { interest: self.terms.interest, asks, cell: self.ours.digest() };
        self.say.push_back(ContactMessage::Summary(summary));
    }
}

/// Whether one side has so little beside the other that all is cheaper sent than compared.
fn is_little(few: i64, many: i64) -> bool {
    few.saturating_mul(LITTLE) <= many
}

/// Up to which index cells are asked for, where so many are here and about so many are needed. The estimate from few cells is
/// rough: most of it first, the rest in steps of 5 %.
fn batch_end(here: usize, needed: usize) -> usize {
    let trusted = if here < 8 * FIRST_CELLS { needed / 4 * 3 } else { needed / 100 * 97 };
    trusted.max(here + here / 20).max(here + 8)
}

#[cfg(test)]
mod tests;
