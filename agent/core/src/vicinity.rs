//! Who serves whom while contacts are open (`docs/sync.md`, "While a contact is open"): neighbors tell each other whom else
//! they are in contact with, so that in a mesh a bundle reaches each node from the one that brought it, and not from all.
//!
//! What is held back is never lost: a little later a new exchange finds out whether the neighbor has it by then.

use std::collections::BTreeSet;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::listing::Listing;
use crate::message::{ContactMessage, NodeHash, VICINITY_MAX, Vicinity, node_hash};
use crate::output::Standing;
use crate::store::{StoreError, WriteTxn};
use crate::time::{NodeTime, Now};

/// Changes within this time are told together.
const TOLD_EVERY_MS: u64 = 1_000;
/// How soon it is looked whether a neighbor has what was left to another: two to four seconds after the last of it.
const RECHECKED_MS: u64 = 2_000;
/// How long after the first of it at the latest.
const RECHECKED_MS_MAX: u64 = 8_000;
/// Octets of a vicinity besides its nodes.
const VICINITY_AROUND: usize = 6;

/// Where a contact is with what each side knows of the other's neighbors.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// What the neighbor said.
    pub(crate) theirs: BTreeSet<NodeHash>,
    /// What it was told.
    told: BTreeSet<NodeHash>,
    /// Before then it is not told more.
    next: NodeTime,
    /// When it is to be told of a change.
    due: Option<NodeTime>,
    /// When it is looked whether it has what was left to others.
    recheck: Option<NodeTime>,
    /// The latest time for that.
    recheck_latest: NodeTime,
}

impl Surroundings {
    /// None yet, but what the neighbor said is here.
    pub(crate) fn after(early: BTreeSet<NodeHash>) -> Self {
        Self { theirs: early, ..Self::default() }
    }

    /// Something is left to another neighbor.
    pub(crate) fn hold_back(&mut self, now: NodeTime, jitter: u8) {
        if self.recheck.is_none() {
            self.recheck_latest = now.after_ms(RECHECKED_MS_MAX);
        }
        let at = now.after_ms(RECHECKED_MS + u64::from(jitter) * RECHECKED_MS / 256);
        self.recheck = Some(at.min(self.recheck_latest));
    }

    /// A new exchange is to begin then.
    pub(crate) fn look_again(&mut self, at: NodeTime) {
        self.recheck = Some(at);
        self.recheck_latest = at;
    }

    /// An exchange begins: it finds out about all that was held back.
    pub(crate) fn exchange_begins(&mut self) {
        self.recheck = None;
    }

    /// When something is due.
    pub(crate) fn deadline(&self, may_say_more: bool) -> Option<NodeTime> {
        [self.due.filter(|_| may_say_more), self.recheck].into_iter().flatten().min()
    }
}

impl Agent {
    /// The neighbors that proved who they are, as they are named to others.
    pub(crate) fn vicinity(&self) -> BTreeSet<NodeHash> {
        self.contacts.values().filter_map(Contact::authenticated).map(node_hash).collect()
    }

    /// Tells a neighbor of changes among the others, and looks again whether it has what was left to them.
    pub(crate) fn drive_vicinity(
        &mut self,
        now: Now,
        id: ContactId,
        all: &BTreeSet<NodeHash>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if contact.surroundings.recheck.is_some_and(|at| at <= now.node) {
            if matches!(contact.listing, Listing::Idle) {
                self.begin_exchange(now, id);
                self.unfinished = true;
            } else {
                contact.surroundings.recheck = Some(now.node.after_ms(RECHECKED_MS));
            }
        }
        self.tell_vicinity(now, id, all, store)
    }

    fn tell_vicinity(
        &mut self,
        now: Now,
        id: ContactId,
        all: &BTreeSet<NodeHash>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(itself) = contact.authenticated().map(node_hash) else { return Ok(()) };
        let most = contact.message_octets_max().saturating_sub(VICINITY_AROUND) / size_of::<NodeHash>();
        let others = all.iter().filter(|hash| **hash != itself);
        let nodes: BTreeSet<NodeHash> = others.copied().take(most.min(VICINITY_MAX)).collect();
        let may_say_more = contact.may_say_more();
        let surroundings = &mut contact.surroundings;
        if nodes == surroundings.told {
            surroundings.due = None;
            return Ok(());
        }
        surroundings.due = Some(surroundings.next);
        if surroundings.next > now.node || !may_say_more {
            return Ok(());
        }
        surroundings.due = None;
        surroundings.next = now.node.after_ms(TOLD_EVERY_MS);
        surroundings.told.clone_from(&nodes);
        self.send_message(now, id, &ContactMessage::Vicinity(Vicinity { nodes }), store)
    }

    /// A neighbor tells whom else it is in contact with, perhaps before it is known who it is. Strangers' words change nothing.
    pub(crate) fn vicinity_received(&mut self, now: Now, id: ContactId, vicinity: Vicinity) {
        if let Some(contact) = self.contacts.get_mut(&id)
            && contact.standing != Some(Standing::Foreign)
        {
            contact.surroundings.theirs = vicinity.nodes;
            self.giver_may_be_gone(now, id);
        }
    }

    /// Whether a bundle that this node brought is left to it to bring to a neighbor, for now.
    pub(crate) fn is_left_to(&mut self, now: NodeTime, contact: &mut Contact, bringer: NodeHash) -> bool {
        let is_served = contact.authenticated().is_some()
            && !contact.exchanges.is_deaf
            && contact.surroundings.theirs.contains(&bringer);
        if is_served {
            let [jitter, ..] = self.dice.roll();
            contact.surroundings.hold_back(now, jitter);
        }
        is_served
    }
}
