//! Asking the next node to take a bundle over: a number for each bundle and taker, kept over retries and restarts.

use bundle_format::{BundleId, CustodyBlock, Eid, HopCustody};

use crate::agent::Agent;
use crate::contact::Contact;
use crate::custody::draw;
use crate::input::ContactId;
use crate::request::Answer;
use crate::store::{BundleFacts, Issued, Number, Presence, Retention, StoreError, Taker, WriteTxn};
use crate::time::Now;

impl Agent {
    /// What the head of a bundle says of custody when it goes to this neighbor.
    pub(crate) fn custody_on_hop(
        &mut self,
        contact: &mut Contact,
        facts: &BundleFacts,
        store: &mut WriteTxn<'_>,
    ) -> Result<HopCustody, StoreError> {
        if !facts.retention.contains(Retention::CUSTODY) {
            return Ok(HopCustody::Unchanged);
        }
        let taker = Self::taker_at(contact, store)?;
        let neighbor = contact.authenticated();
        let is_destination = neighbor.is_some() && facts.destination.node_id().as_ref() == neighbor;
        if !is_destination && self.others_are_asked(facts.number, taker, store)? {
            return Ok(HopCustody::Removed);
        }
        self.custody_by_us(facts.number, taker, store).map(HopCustody::By)
    }

    /// Who is asked at the other end of a contact. Neighbors that nobody authenticated share their numbers.
    pub(crate) fn taker_at(contact: &mut Contact, store: &mut WriteTxn<'_>) -> Result<Taker, StoreError> {
        if let Some(taker) = contact.custody.taker() {
            return Ok(taker);
        }
        let taker = match contact.authenticated() {
            Some(neighbor) => store.number_taker(neighbor)?,
            None => Taker::ANYBODY,
        };
        contact.custody.set_taker(taker);
        Ok(taker)
    }

    /// A neighbor came by all of a bundle without a head of ours: it is asked by message to take it over.
    pub(crate) fn custody_of_parts(
        &mut self,
        now: Now,
        id: ContactId,
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if !store.view().is_custodian(number)? {
            return Ok(());
        }
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let taker = Self::taker_at(contact, store)?;
        contact.custody.arm(now.node, self.dice.roll());
        if self.others_are_asked(number, taker, store)? {
            return Ok(());
        }
        self.issue(number, taker, store).map(drop)
    }

    /// Gives numbers for a volume to bundles in this node's custody, before they are written onto it. Of one that is not
    /// written after all nothing comes but a number that nobody answers. Answers that wait become signals now, so that the
    /// volume can carry them.
    pub(crate) fn hand_to_volume(
        &mut self,
        now: Now,
        volume: &Eid,
        ids: &[BundleId],
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        self.custody.due = self.custody.due.map(|due| due.min(now.node));
        let taker = store.number_taker(volume)?;
        let mut changed = false;
        for id in ids {
            if let Some(Presence::Held(number)) = store.view().find(id)?
                && store.view().is_custodian(number)?
            {
                self.issue(number, taker, store)?;
                changed = true;
            }
        }
        Ok(Answer::Done { changed })
    }

    /// Whether a neighbor of another contact that is open is expected to answer for the bundle any moment. One custodian is
    /// enough, and what has no custodian can be evicted.
    fn others_are_asked(
        &self,
        number: Number,
        taker: Taker,
        store: &WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        let others: Vec<Taker> =
            self.contacts.values().filter_map(|contact| contact.custody.is_expected()).collect();
        for other in others.into_iter().filter(|other| *other != taker && *other != Taker::ANYBODY) {
            if store.view().issued(number, other)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn custody_by_us(
        &mut self,
        number: Number,
        taker: Taker,
        store: &mut WriteTxn<'_>,
    ) -> Result<CustodyBlock, StoreError> {
        let issued = self.issue(number, taker, store)?;
        let custodian = self.config.node.clone();
        Ok(CustodyBlock { number: issued.number, sequence: issued.sequence, custodian })
    }

    /// The number of a bundle for a taker: the one that it has, or the next.
    fn issue(
        &mut self,
        number: Number,
        taker: Taker,
        store: &mut WriteTxn<'_>,
    ) -> Result<Issued, StoreError> {
        if let Some(issued) = store.view().issued(number, taker)? {
            return Ok(issued);
        }
        loop {
            let next = self.custody.next.entry(taker).or_insert(1);
            let sequence = Issued::sequence_of(taker, self.custody.run);
            let issued = Issued { sequence, number: *next };
            *next += 1;
            if store.issue(number, issued)? {
                return Ok(issued);
            }
            // Another run of this agent drew the same.
            self.custody.run = draw(&mut self.dice);
            self.custody.next.clear();
        }
    }
}
