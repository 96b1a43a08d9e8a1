//! Who comes into a mesh with next to nothing is given everything by one neighbor, not by all of them (`docs/sync.md`, "A node with nothing").
//!
//! It says that it has nothing as long as one of its neighbors gives it everything; the others see from its vicinity that there is such
//! a neighbor, and wait. Whatever anybody says, they wait twice at most, and a new exchange finds out what is left.

use std::collections::BTreeSet;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::message::{NodeHash, node_hash};
use crate::time::{NodeTime, Now};

/// How long a neighbor that has nothing may take to get one bundle from another: a multiple of what slow machines take.
const GIVEN_US: u64 = 500;
/// How long it may take to get all, whatever there is.
const GIVEN_MS_MAX: u64 = 600_000;
/// Who gives everything does not pause for longer.
const PAUSE_MS: u64 = 2_000;
/// How long others wait besides, and as much again by lot.
const PATIENCE_MS: u64 = 2_000;

/// Where a contact is with giving everything.
#[derive(Debug, Default)]
pub(crate) struct Giving {
    /// The neighbor has nothing and gets everything from another until then.
    spared_until: Option<NodeTime>,
    /// How often that was believed.
    spared: u8,
    /// The neighbor gives us everything, as far as can be seen: until then, and at the latest until then.
    given: Option<(NodeTime, NodeTime)>,
}

/// What a neighbor is told of our set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    AsItIs,
    /// That we have nothing: it is in contact with the one that gives us everything, and leaves that to it.
    Nothing,
    /// Whom it is in contact with, it says before its summary, which has not come.
    Later,
}

impl Giving {
    /// We have nothing, and the neighbor has something.
    pub(crate) fn begins(&mut self, now: NodeTime) {
        self.given = Some((now.after_ms(PAUSE_MS), now.after_ms(GIVEN_MS_MAX)));
    }

    /// A bundle came from the neighbor.
    pub(crate) fn goes_on(&mut self, now: NodeTime) {
        if self.is_under_way(now)
            && let Some((until, latest)) = &mut self.given
        {
            *until = now.after_ms(PAUSE_MS).min(*latest);
        }
    }

    fn is_under_way(&self, now: NodeTime) -> bool {
        self.given.is_some_and(|(until, _)| until > now)
    }

    /// Until when all that the neighbor lacks is left to others: at first to whoever it is in contact with, then to the first
    /// among them. `others`: those of them that we are in contact with, too.
    fn spare(
        &mut self,
        (now, patience_ms): (NodeTime, u64),
        ours: NodeHash,
        others: &BTreeSet<NodeHash>,
    ) -> Option<NodeTime> {
        if self.spared_until.is_none_or(|until| until <= now) {
            let first = others.first();
            let is_spared = match self.spared {
                0 => first.is_some(),
                1 => first.is_some_and(|first| *first < ours),
                _ => false,
            };
            self.spared += u8::from(is_spared);
            self.spared_until = is_spared.then(|| now.after_ms(patience_ms));
        }
        self.spared_until
    }
}

impl Agent {
    /// What a neighbor is told of our set, while another one may be giving us everything.
    pub(crate) fn telling(&self, now: NodeTime, contact: &Contact) -> Telling {
        if contact.giving.is_under_way(now) {
            return Telling::AsItIs;
        }
        let givers = self.contacts.values().filter(|contact| contact.giving.is_under_way(now));
        let givers: BTreeSet<NodeHash> = givers.filter_map(Contact::authenticated).map(node_hash).collect();
        if !contact.surroundings.theirs.is_disjoint(&givers) {
            Telling::Nothing
        } else if givers.is_empty() || contact.exchanges.is_heard_or_late(now) {
            Telling::AsItIs
        } else {
            Telling::Later
        }
    }

    /// Whether a neighbor that has nothing is given everything by another node; looks again when that should be done.
    pub(crate) fn is_given_by_others(&mut self, now: Now, id: ContactId) -> bool {
        let carriers = self.carriers_beside(id);
        let [jitter, ..] = self.dice.roll();
        let bundles = self.set.whole().map_or(0, |cells| cells.digest().count.unsigned_abs());
        let giving_ms = (bundles.saturating_mul(GIVEN_US) / 1000).min(GIVEN_MS_MAX);
        let patience_ms = PATIENCE_MS + u64::from(jitter) * PATIENCE_MS / 256 + giving_ms;
        let ours = node_hash(&self.config.node);
        let Some(contact) = self.contacts.get_mut(&id) else { return false };
        let others = contact.surroundings.theirs.intersection(&carriers).copied().collect();
        let until = contact.giving.spare((now.node, patience_ms), ours, &others);
        if let Some(until) = until {
            contact.surroundings.look_again(until);
        }
        until.is_some()
    }

    /// A neighbor told anew whom it is in contact with. Where nobody is left who could give it what it lacks, that is for us.
    pub(crate) fn giver_may_be_gone(&mut self, now: Now, id: ContactId) {
        let carriers = self.carriers_beside(id);
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let is_spared = contact.giving.spared_until.is_some_and(|until| until > now.node);
        if is_spared && contact.surroundings.theirs.is_disjoint(&carriers) {
            contact.giving.spared_until = None;
            contact.surroundings.look_again(now.node);
        }
    }

    /// Neighbors on other contacts that carry everything.
    fn carriers_beside(&self, id: ContactId) -> BTreeSet<NodeHash> {
        let others = self.contacts.iter().filter(|(other, _)| **other != id).map(|(_, contact)| contact);
        let carriers =
            others.filter(|contact| contact.claim.as_ref().is_some_and(|claim| claim.hello.wants_all));
        carriers.filter_map(Contact::authenticated).map(node_hash).collect()
    }
}
