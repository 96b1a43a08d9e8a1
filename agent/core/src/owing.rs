//! What is still owed to a neighbor, for `status`: how far it is known to have everything, and what it lacks of the rest.
//!
//! What two nodes share is not noted one by one when they compare sketches; instead the store has, for each neighbor, up to which
//! number nothing is owed. Invariant: of the bundles below that number that the neighbor wanted, each was found to be there, or was sent
//! since and taken, during a contact in which nothing was left to be sent.

use bundle_format::Eid;

use crate::agent::Agent;
use crate::config::Config;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::knowledge::card_of;
use crate::listing::Listing;
use crate::routing::Interest;
use crate::store::{BundleFacts, NeighborRecord, Number, StoreError, View, WriteTxn};
use crate::time::NodeTime;

/// Bundles that come after an exchange are noted one by one; so many of them make one note of them all.
const NOTED_EVERY: u64 = 1024;
/// Facts read at a time.
const PAGE: usize = 1024;

/// What a neighbor lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owed {
    /// Bundles that it wants and is not known to have.
    pub bundles: u64,
    /// Not all bundles were looked at: there may be more.
    pub may_be_more: bool,
}

impl Agent {
    /// Notes how far a neighbor has everything, once all that it was found to lack was sent and taken.
    pub(crate) fn note_agreement(
        &mut self,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(told) = contact.exchanges.tells_up_to.filter(|_| contact.is_drained()) else {
            return Ok(());
        };
        let Some(neighbor) = contact.authenticated().cloned() else { return Ok(()) };
        let next = Number::new(store.view().settings()?.next_number);
        let upto = contact.first_refused().map_or(next, |refused| refused.min(next));
        let before = contact.exchanges.agreed.unwrap_or(Number::new(0));
        let is_due = before < told || upto.value() >= before.value().saturating_add(NOTED_EVERY);
        if upto <= before || !is_due {
            return Ok(());
        }
        contact.exchanges.agreed = Some(upto);
        store.note_agreed(&neighbor, upto)
    }
}

impl Contact {
    /// Nothing is to be found out or sent, and nothing is under way.
    fn is_drained(&self) -> bool {
        matches!(self.listing, Listing::Idle)
            && self.backlog.is_empty()
            && self.pending.is_empty()
            && self.pours.is_empty()
            && !self.has_bundles_in_flight()
    }

    /// The first bundle that the neighbor did not take, or has not answered for.
    fn first_refused(&self) -> Option<Number> {
        self.settled.first().into_iter().chain(self.offered.keys().next()).min().copied()
    }
}

impl Config {
    /// What a neighbor is still to get. Looks at no more than `most` bundles.
    pub fn owed(
        &self,
        view: View<'_>,
        neighbor: &NeighborRecord,
        (now, most): (NodeTime, usize),
    ) -> Result<Owed, StoreError> {
        let card = card_of(view, &neighbor.node)?;
        let wants = |destination: &Eid| {
            let interest = match &card {
                _ if destination.node_id().as_ref() == Some(&neighbor.node) => Interest::Member,
                Some(card) => card.interest(&neighbor.node, destination),
                None => Interest::Carrier,
            };
            self.policies.lead_to(&[&neighbor.node], interest, destination)
        };
        let mut owed = Owed::default();
        let mut after = neighbor.agreed.value().checked_sub(1).map(Number::new);
        let mut left = most;
        while left > 0 {
            let page = view.facts_from(after, PAGE.min(left))?;
            let Some(last) = page.last() else { return Ok(owed) };
            after = Some(last.number);
            left -= page.len();
            for facts in &page {
                let is_wanted =
                    self.is_for_others(facts) && facts.deadline > now && wants(&facts.destination);
                if is_wanted && !view.holds(&neighbor.node, facts.number)? {
                    owed.bundles += 1;
                }
            }
        }
        owed.may_be_more = !view.numbers_from(after, 1)?.is_empty();
        Ok(owed)
    }

    /// Whether there is somebody to give a bundle to: it is not for this node alone, nor has its one destination had it.
    pub(crate) fn is_for_others(&self, facts: &BundleFacts) -> bool {
        !facts.is_needless() && facts.destination.node_id().is_none_or(|node| !self.is_self(&node))
    }
}
