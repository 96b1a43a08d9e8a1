//! Custody again, where no answer came: an authenticated neighbor is asked by a small message what became of the bundles that
//! it was handed (CCSDS 734.6-O-1 §4.3, retransmission). Anybody else gets its bundles again with the next contact.
//!
//! What was handed over and is unanswered is in the store, so that a round of asking goes on after any restart: each contact
//! begins one. What the neighbor is not known to have is not asked about; it is sent in any case.

use std::collections::BTreeMap;

use bundle_format::Eid;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::message::{CUSTODY_ITEMS_MAX, ContactMessage, CustodyQuery, CustodyRefusals, Queried, Reason};
use crate::output::{NotTaken, Notice};
use crate::store::{Disposition, Issued, Number, Owed, Presence, StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// Numbers looked at in one step of one contact.
const LOOKED_AT_PER_STEP: usize = CUSTODY_ITEMS_MAX;
/// Between two such steps.
const STEP_PAUSE_MS: u64 = 100;
/// How long the destination's answer is of use where nobody here knows when the bundle expires.
const GONE_ANSWER_MS: u64 = 86_400_000;

impl Agent {
    /// Goes on with a contact's round of asking, if it is time. A round in which nothing was left to ask is the last until
    /// something else is handed over.
    pub(crate) fn ask_for_custody(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if contact.custody.due.is_none_or(|due| due > now.node) {
            return Ok(());
        }
        if contact.authenticated().is_none() {
            contact.custody.rest();
            return Ok(());
        }
        let taker = Self::taker_at(contact, store)?;
        let rows = store.view().unanswered(taker, contact.custody.asked, LOOKED_AT_PER_STEP)?;
        let queries = queries(contact, &rows, store.view())?;
        let most = CustodyQuery::items_in(contact.message_octets_max());
        contact.custody.has_asked |= !queries.is_empty();
        match rows.last() {
            Some((last, _)) if rows.len() == LOOKED_AT_PER_STEP => {
                contact.custody.asked = Some(*last);
                contact.custody.due = Some(now.node.after_ms(STEP_PAUSE_MS));
            }
            _ if contact.custody.has_asked => contact.custody.round_ended(now.node, self.dice.roll()),
            _ => contact.custody.rest(),
        }
        for (sequence, items) in queries {
            for items in items.chunks(most) {
                let query = CustodyQuery { sequence, items: items.to_vec() };
                self.send_message(now, id, &ContactMessage::CustodyQuery(query), store)?;
            }
        }
        Ok(())
    }

    /// A custodian asks what became of its bundles.
    pub(crate) fn custody_queried(
        &mut self,
        now: Now,
        id: ContactId,
        query: CustodyQuery,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let CustodyQuery { sequence, items } = query;
        let Some(custodian) = self.contacts.get(&id).and_then(Contact::authenticated).cloned() else {
            let items = items.iter().map(|item| (item.number, Reason::Policy)).collect();
            let message = ContactMessage::CustodyRefusals(CustodyRefusals { sequence, items });
            return self.send_message(now, id, &message, store);
        };
        let mut refusals = Vec::new();
        for item in items {
            let issued = Issued { sequence, number: item.number };
            match self.answer_for(now, &custodian, &item, store)? {
                Ok((disposition, deadline)) => {
                    let owed = Owed { custodian: custodian.clone(), issued, disposition, deadline };
                    self.owe(now, &owed, store)?;
                    if disposition == Disposition::Refused {
                        refusals.push((item.number, Reason::Policy));
                    }
                }
                Err(reason) => refusals.push((item.number, reason)),
            }
        }
        if refusals.is_empty() {
            return Ok(());
        }
        let message = ContactMessage::CustodyRefusals(CustodyRefusals { sequence, items: refusals });
        self.send_message(now, id, &message, store)
    }

    fn answer_for(
        &mut self,
        now: Now,
        custodian: &Eid,
        item: &Queried,
        store: &mut WriteTxn<'_>,
    ) -> Result<Result<(Disposition, NodeTime), Reason>, StoreError> {
        Ok(match store.view().find(&item.id)? {
            Some(Presence::Held(number)) => self.take_over(number, custodian, store)?.ok_or(Reason::Policy),
            // It arrived at its end, and the application has it.
            Some(Presence::Gone) if item.yours => {
                Ok((Disposition::Accepted, now.node.after_ms(GONE_ANSWER_MS)))
            }
            Some(Presence::Gone) => Err(Reason::Gone),
            None => Err(Reason::NotHere),
        })
    }

    /// A neighbor does not take over what it was handed. What it does not have it gets again.
    pub(crate) fn custody_refused(
        &mut self,
        id: ContactId,
        refusals: &CustodyRefusals,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        if let (Some(neighbor), Some(taker)) = (contact.authenticated().cloned(), contact.custody.taker()) {
            for (number, reason) in &refusals.items {
                let issued = Issued { sequence: refusals.sequence, number: *number };
                let Some(number) = store.view().bundle_of(issued)?.filter(|_| issued.taker() == taker) else {
                    continue;
                };
                if *reason == Reason::NotHere {
                    store.unmark_held(&neighbor, number)?;
                    if let Some(rank) = self.offerable(&contact, number, store.view())? {
                        contact.queue(rank);
                    }
                } else {
                    store.withdraw(number, issued)?;
                    let why = if *reason == Reason::Gone {
                        NotTaken::CustodyGone
                    } else {
                        NotTaken::CustodyRefused
                    };
                    self.tell_not_taken(number, (&neighbor, why), store)?;
                }
            }
        }
        self.contacts.insert(id, contact);
        Ok(())
    }

    /// Says that a node does not answer for a bundle; it is not asked again.
    pub(crate) fn tell_not_taken(
        &mut self,
        number: Number,
        (by, why): (&Eid, NotTaken),
        store: &WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(facts) = store.view().facts(number)? else { return Ok(()) };
        self.tell(Notice::NotTaken { id: facts.id, neighbor: Some(by.clone()), why, again: None });
        Ok(())
    }
}

/// What is asked about these numbers, by sequence: bundles that the neighbor is known to have.
fn queries(
    contact: &Contact,
    rows: &[(Issued, Number)],
    view: View<'_>,
) -> Result<BTreeMap<u64, Vec<Queried>>, StoreError> {
    let mut queries: BTreeMap<u64, Vec<Queried>> = BTreeMap::new();
    let Some(neighbor) = contact.authenticated() else { return Ok(queries) };
    for (issued, number) in rows {
        if !view.holds(neighbor, *number)? {
            continue;
        }
        let Some(facts) = view.facts(*number)? else { continue };
        let yours = facts.destination.node_id().as_ref() == Some(neighbor);
        let item = Queried { number: issued.number, id: facts.id, yours };
        queries.entry(issued.sequence).or_default().push(item);
    }
    Ok(queries)
}
