//! What this node holds, as runs of sequence numbers for its card. Kept up with every bundle that comes or goes, so that no card costs a
//! look through the store; only after a start the facts are gone through once, some at a time.

use crate::runs::{Runs, Series};
use crate::store::{BundleFacts, Number, StoreError, View};

/// Facts read in one step: a few milliseconds. With a pause of 100 ms, a store of 1,000,000 bundles takes 50 seconds.
const WALKED_PER_STEP: usize = 2048;
/// Most runs that are kept in memory, about 4 MiB of them; what is beyond is not listed.
const KEPT_MAX: usize = 65_536;

/// How far the walk after a start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// Nobody has asked yet.
    Waiting,
    /// Behind this number.
    At(Option<Number>),
    Done,
}

/// What is held. All that it lists is held; what it does not list may be held too, if it says that it is not complete.
#[derive(Debug)]
pub(crate) struct Holding {
    walk: Walk,
    runs: Runs,
    is_complete: bool,
}

impl Holding {
    pub(crate) fn new() -> Self {
        Self { walk: Walk::Waiting, runs: Runs::default(), is_complete: true }
    }

    /// Reads some more of the store; whether all of it was read.
    pub(crate) fn walk(&mut self, view: View<'_>) -> Result<bool, StoreError> {
        let after = match self.walk {
            Walk::Done => return Ok(true),
            Walk::Waiting => None,
            Walk::At(after) => after,
        };
        let page = view.facts_from(after, WALKED_PER_STEP)?;
        for facts in &page {
            self.list(facts);
        }
        self.walk = match page.last() {
            Some(last) if page.len() == WALKED_PER_STEP => Walk::At(Some(last.number)),
            _ => Walk::Done,
        };
        Ok(self.walk == Walk::Done)
    }

    pub(crate) fn runs(&self) -> (&Runs, bool) {
        (&self.runs, self.is_complete)
    }

    /// A bundle has come; whether a card lists such bundles.
    pub(crate) fn came(&mut self, facts: &BundleFacts) -> bool {
        if self.walk != Walk::Waiting {
            self.list(facts);
        }
        is_listed(facts)
    }

    /// A bundle has gone; whether a card lists such bundles.
    pub(crate) fn went(&mut self, facts: &BundleFacts) -> bool {
        if is_listed(facts) {
            self.runs.remove(&Series::of_facts(facts), facts.creation.sequence);
        }
        is_listed(facts)
    }

    fn list(&mut self, facts: &BundleFacts) {
        if !is_listed(facts) {
            return;
        }
        if self.runs.len() >= KEPT_MAX {
            self.is_complete = false;
            return;
        }
        self.runs.insert(Series::of_facts(facts), facts.creation.sequence, facts.creation.sequence);
    }
}

/// Cards do not list cards, or each would change all others; nor what only nodes say to each other, nor parts of bundles.
fn is_listed(facts: &BundleFacts) -> bool {
    facts.record.is_none() && !facts.is_administrative && facts.fragment.is_none()
}
