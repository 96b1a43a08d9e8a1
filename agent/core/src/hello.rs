//! Who is at the other end: the exchange that opens every contact (`docs/contact.md`).
//!
//! Each side sends a signed Hello with a nonce, and answers the other's nonce in a second one. A neighbor whose key is
//! the one trusted for its name, and who answered our nonce, is authenticated, unless it told the layer below another
//! name; nobody else learns what we hold.

use bundle_format::CheckedBundle;

use crate::agent::Agent;
use crate::backlog::Backlog;
use crate::config::Carry;
use crate::contact::{Claim, Contact};
use crate::custody::Watch;
use crate::giving::Giving;
use crate::input::ContactId;
use crate::listing::Listing;
use crate::message::{ContactMessage, GROUPS_MAX, Hello};
use crate::output::{Notice, Output, Standing};
use crate::publishing::everybodys;
use crate::reconciling::Exchanges;
use crate::store::{NeighborContact, StoreError, WriteTxn};
use crate::time::Now;
use crate::vicinity::Surroundings;

/// How long a neighbor may stay silent before it counts as foreign: three times a slow satellite round trip and a
/// store that is busy.
const HELLO_PATIENCE_MS: u64 = 10_000;
/// What a Hello and the answer to it take on the link together, amply: slow lines need that much longer.
const HELLOS_OCTETS: u64 = 2_048;
/// Groups that a Hello names which asks for everything.
const NAMED_MAX: usize = 64;

impl Agent {
    pub(crate) fn contact_opened(
        &mut self,
        now: Now,
        id: ContactId,
        mut contact: Contact,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        contact.nonce = self.dice.roll();
        let patience = HELLO_PATIENCE_MS.saturating_add(contact.transit_ms(HELLOS_OCTETS));
        contact.hello_deadline = Some(now.node.after_ms(patience));
        self.contacts.insert(id, contact);
        self.say_hello(now, id, None, store)
    }

    fn say_hello(
        &mut self,
        now: Now,
        id: ContactId,
        answer: Option<[u8; 16]>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get(&id) else { return Ok(()) };
        let hello = self.introduction(contact.nonce, answer);
        self.send_message(now, id, &ContactMessage::Hello(hello), store)
    }

    /// What we say of ourselves.
    pub(crate) fn introduction(&self, nonce: [u8; 16], answer: Option<[u8; 16]>) -> Hello {
        let mut groups = self.subscriptions.clone();
        let everybodys = everybodys();
        let wants_all =
            self.config.carry == Carry::All || (groups.len() + everybodys.len()) as u64 > GROUPS_MAX;
        if wants_all {
            // It only tells members from carriers.
            groups = groups.into_iter().take(NAMED_MAX).collect();
        } else {
            groups.extend(everybodys);
        }
        Hello {
            nonce,
            answer,
            epoch: self.epoch,
            wants_all,
            groups: groups.into_iter().collect(),
            also: self.config.ipn.iter().cloned().collect(),
        }
    }

    /// A Hello arrived. Only a valid signature makes it one; whose, decides what the neighbor is to us.
    pub(crate) fn hello_received(
        &mut self,
        now: Now,
        id: ContactId,
        (bundle, hello): (&CheckedBundle, Hello),
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(key) = bundle.signer() else { return Ok(()) };
        let node = bundle.head().primary().source.clone();
        if self.is_self(&node) {
            if key != self.config.key.public() {
                self.tell(Notice::NameTaken { contact: id });
            }
            self.emit(Output::CloseContact {
                contact: id,
                reason: format!("the neighbor calls itself {node}, as we do"),
            });
            return Ok(());
        }
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        // Who proved who it is stays that: somebody else's Hello on this contact is a recording.
        if contact.authenticated().is_some()
            && contact.claim.as_ref().is_some_and(|claim| claim.node != node || claim.key != key)
        {
            return Ok(());
        }
        let fresh = hello.answer == Some(contact.nonce);
        let already_fresh =
            contact.claim.as_ref().is_some_and(|claim| claim.fresh && claim.key == key && claim.node == node);
        let answered = contact.claim.as_ref().is_some_and(|claim| claim.hello.nonce == hello.nonce);
        let nonce = hello.nonce;
        contact.claim = Some(Claim { node, key, fresh: fresh || already_fresh, hello });
        if !answered {
            self.say_hello(now, id, Some(nonce), store)?;
        }
        self.judge(now, id, store)
    }

    /// Decides what a neighbor is to us, from its claim and from whom we trust; again whenever trust changes.
    pub(crate) fn judge(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get(&id) else { return Ok(()) };
        let Some(claim) = &contact.claim else { return Ok(()) };
        let trusted = self.config.trusted_key(store.view(), &claim.node)? == Some(claim.key);
        // A layer that encrypts has proved the declared node ID: somebody else's Hello there was passed on by whoever sits
        // between the two, and can read along.
        let is_passed_on = contact.declared.as_ref().is_some_and(|declared| *declared != claim.node);
        let standing = match (trusted && !is_passed_on, claim.fresh) {
            (true, true) => Standing::Authenticated,
            // The proof is on its way: the deadline decides if it is not.
            (true, false) => return Ok(()),
            (false, _) => Standing::Foreign,
        };
        if contact.standing == Some(standing) {
            return Ok(());
        }
        if standing == Standing::Authenticated {
            let met =
                NeighborContact { key: claim.key, epoch: claim.hello.epoch, link: contact.link.clone(), now };
            store.neighbor_met(&claim.node.clone(), &met)?;
        }
        let early = contact.exchanges.early;
        self.settle_standing(now, id, standing);
        match (standing, early) {
            (Standing::Foreign, Some(summary)) => self.summary_received(now, id, &summary, store),
            _ => Ok(()),
        }
    }

    fn settle_standing(&mut self, now: Now, id: ContactId, standing: Standing) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        contact.standing = Some(standing);
        contact.hello_deadline = None;
        contact.start_over();
        contact.custody = Watch::default();
        contact.custody.arm(now.node, self.dice.roll());
        contact.exchanges = contact.exchanges.early.map_or_else(Exchanges::default, Exchanges::after);
        contact.surroundings = Surroundings::after(std::mem::take(&mut contact.surroundings.theirs));
        contact.giving = Giving::default();
        contact.listing = Listing::Idle;
        if standing == Standing::Foreign {
            contact.backlog = Backlog::everything();
        }
        let neighbor =
            contact.claim.as_ref().map(|claim| claim.node.clone()).or_else(|| contact.declared.clone());
        if let Some(neighbor) = neighbor {
            self.tell(Notice::NeighborKnown { contact: id, neighbor, standing });
        }
        if standing == Standing::Authenticated {
            self.begin_unshared(id);
            self.begin_exchange(now, id);
        }
    }

    /// A neighbor that kept silent for too long is foreign.
    pub(crate) fn settle_silent_contacts(&mut self, now: Now) {
        let silent: Vec<ContactId> = self
            .contacts
            .iter()
            .filter(|(_, contact)| contact.hello_deadline.is_some_and(|deadline| deadline <= now.node))
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            self.settle_standing(now, id, Standing::Foreign);
        }
    }
}
