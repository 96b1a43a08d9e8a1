//! What this node publishes of itself, as records (`docs/records.md`): its card, and what was delivered here.
//!
//! Nothing is published that was said before, but a card once a day, so that a node that is silent can be told from one that has
//! nothing new to say. Both timers survive a restart: when an edition was made, and what it said, is in the store.

use bundle_format::{Eid, Metadata, Priority, REVISION_MAX, RecordTag};
use bytes::Bytes;

use crate::agent::Agent;
use crate::cards::{self, Card, cards_group};
use crate::config::Carry;
use crate::deliveries::{self, Deliveries, deliveries_group};
use crate::holding::Holding;
use crate::receiving::{Arrival, Origin};
use crate::runs::Series;
use crate::store::{
    BundleFacts, DeliveredRun, Number, PayloadPlace, Publication, RecordKey, StoreError, View, WriteTxn,
};
use crate::time::{NodeTime, Now};

/// A card lives for so long: what `show` and `status` know of a node that is silent.
const CARD_LIFETIME_MS: u64 = 30 * 24 * 3_600_000;
/// A card that says nothing new comes after this.
const HEARTBEAT_MS: u64 = 24 * 3_600_000;
/// Between two steps of reading what the store holds.
const WALK_PAUSE_MS: u64 = 100;
/// What is taken within this time of a first delivery is told together with it.
const DELIVERIES_DELAY_MS: u64 = 1_000;
/// Deliveries are told at most this often.
const DELIVERIES_INTERVAL_MS: u64 = 30_000;
/// After a store without room for a record, the next try.
const NO_ROOM_PAUSE_MS: u64 = 60_000;
/// A record of deliveries lives for at least this long.
const DELIVERIES_LIFETIME_MS: u64 = 3_600_000;

/// When something is to be published, and what.
#[derive(Debug)]
pub(crate) struct Publishing {
    pub(crate) holding: Holding,
    /// Where the node listens now.
    addresses: Vec<String>,
    card_due: NodeTime,
    deliveries_due: Option<NodeTime>,
}

impl Publishing {
    pub(crate) fn open(
        config: &crate::config::Config,
        now: NodeTime,
        store: View<'_>,
    ) -> Result<Self, StoreError> {
        let card = store.publication(cards::NAME)?;
        let card_due = if card.revision == 0 {
            NodeTime::from_ms(config.cards.first_ms)
        } else {
            card.made.after_ms(config.cards.interval_ms)
        };
        let has_deliveries = !store.delivered_runs()?.is_empty();
        let deliveries_due = has_deliveries.then_some(now);
        let addresses = config.cards.addresses.clone();
        Ok(Self { holding: Holding::new(), addresses, card_due, deliveries_due })
    }

    pub(crate) fn deadline(&self) -> NodeTime {
        self.deliveries_due.map_or(self.card_due, |due| due.min(self.card_due))
    }
}

/// Groups that every node wants, whatever else it carries.
pub(crate) fn everybodys() -> [Eid; 2] {
    [cards_group(), deliveries_group()]
}

/// Whether a group is one of those.
pub(crate) fn is_everybodys(destination: &Eid) -> bool {
    everybodys().contains(destination)
}

impl Agent {
    /// Publishes what is due.
    pub(crate) fn publish_due(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        if self.publishing.deliveries_due.is_some_and(|due| due <= now.node) {
            self.publishing.deliveries_due = None;
            self.publish_deliveries(now, store)?;
        }
        if self.publishing.card_due <= now.node {
            if self.publishing.holding.walk(store.view())? {
                self.publish_card(now, store)?;
            } else {
                self.publishing.card_due = now.node.after_ms(WALK_PAUSE_MS);
            }
        }
        Ok(())
    }

    /// A bundle is here that was not: the card may have to say so, and a record may have to be acted upon.
    pub(crate) fn listed(
        &mut self,
        now: Now,
        number: Number,
        arrival: &Arrival<'_>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(facts) = store.view().facts(number)? else { return Ok(()) };
        if self.publishing.holding.came(&facts) {
            self.card_changed(store)?;
        }
        if facts.record.is_none() {
            return Ok(());
        }
        let contact = arrival.contact.and_then(|contact| self.contacts.get(&contact));
        let way = contact.map_or_else(|| arrival.way.to_owned(), |contact| contact.link.clone());
        self.record_came(now, &facts, &way, store)
    }

    /// A bundle is going.
    pub(crate) fn note_went(&mut self, facts: &BundleFacts, store: &WriteTxn<'_>) -> Result<(), StoreError> {
        if self.publishing.holding.went(facts) { self.card_changed(store) } else { Ok(()) }
    }

    /// The card says something that is not so any more: another is made, when the last is old enough.
    pub(crate) fn card_changed(&mut self, store: &WriteTxn<'_>) -> Result<(), StoreError> {
        let last = store.view().publication(cards::NAME)?;
        if last.revision > 0 {
            let due = last.made.after_ms(self.config.cards.interval_ms);
            self.publishing.card_due = self.publishing.card_due.min(due);
        }
        Ok(())
    }

    /// The card is to name other addresses.
    pub(crate) fn addresses_changed(
        &mut self,
        addresses: Vec<String>,
        store: &WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        self.publishing.addresses = addresses;
        self.card_changed(store)
    }

    /// An application has taken a bundle that was for this node alone.
    pub(crate) fn note_taken(
        &mut self,
        now: Now,
        facts: &BundleFacts,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let is_foreign = facts.destination.node_id().as_ref() != Some(&self.config.node);
        if is_foreign || facts.source.node_id().is_some_and(|node| self.is_self(&node)) {
            return Ok(());
        }
        let sequence = facts.creation.sequence;
        store.note_delivered(DeliveredRun {
            destination: facts.destination.clone(),
            series: Series::of_facts(facts),
            run: (sequence, sequence),
            until: facts.deadline,
        })?;
        let earliest = store.view().publication(deliveries::NAME)?;
        let earliest =
            if earliest.revision > 0 { earliest.made.after_ms(DELIVERIES_INTERVAL_MS) } else { now.node };
        self.publishing.deliveries_due.get_or_insert(earliest.max(now.node.after_ms(DELIVERIES_DELAY_MS)));
        Ok(())
    }

    /// Somebody has a newer edition of a record of ours than we remember: this store was put back to an old state. It is replaced at
    /// once by one that says how things are now.
    pub(crate) fn own_record_came(
        &mut self,
        now: Now,
        facts: &BundleFacts,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let revision = facts.record.map_or(0, |place| place.revision);
        let name = if facts.destination == cards_group() { cards::NAME } else { deliveries::NAME };
        if revision <= store.view().publication(name)?.revision {
            return Ok(());
        }
        let made = NodeTime::default();
        let forgotten = Publication { revision, made, digest: [0; 16] };
        if facts.destination == cards_group() {
            store.put_publication(cards::NAME, &forgotten)?;
            self.publishing.card_due = now.node;
        } else if facts.destination == deliveries_group() {
            store.put_publication(deliveries::NAME, &forgotten)?;
            let node = self.config.node.clone();
            let said = self.deliveries_of(&node, store.view())?.unwrap_or_default();
            for (destination, runs) in &said.at {
                for (series, run) in runs.iter() {
                    let (destination, series) = (destination.clone(), series.clone());
                    store.note_delivered(DeliveredRun { destination, series, run, until: facts.deadline })?;
                }
            }
            self.publishing.deliveries_due = Some(now.node);
        }
        Ok(())
    }

    fn publish_card(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let mut card = self.card();
        let last = store.view().publication(cards::NAME)?;
        let digest = digest(&card.encode());
        let heartbeat = last.made.after_ms(HEARTBEAT_MS);
        if last.revision > 0 && digest == last.digest && now.node < heartbeat {
            self.publishing.card_due = heartbeat;
            return Ok(());
        }
        card.clock = now.utc;
        self.publishing.card_due = now.node.after_ms(HEARTBEAT_MS);
        let publication = Publication { revision: last.revision, made: now.node, digest };
        let payload = (card.encode(), CARD_LIFETIME_MS);
        if !self.publish(now, (&cards_group(), cards::NAME), payload, publication, store)? {
            self.publishing.card_due = now.node.after_ms(NO_ROOM_PAUSE_MS);
        }
        Ok(())
    }

    /// The card as it is now, without the time.
    fn card(&self) -> Card {
        let (runs, is_kept) = self.publishing.holding.runs();
        let (held, is_all) = runs.within(cards::HELD_OCTETS_MAX);
        let carries_all = self.config.carry == Carry::All || self.subscriptions.len() > cards::GROUPS_MAX;
        Card {
            software: self.config.cards.software.clone(),
            carries_all,
            groups: if carries_all { Vec::new() } else { self.subscriptions.iter().cloned().collect() },
            also: self.config.ipn.iter().cloned().collect(),
            addresses: self.publishing.addresses.clone(),
            clock: None,
            is_complete: is_kept && is_all,
            held,
        }
    }

    fn publish_deliveries(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let (said, until) = delivered(now, store)?;
        let last = store.view().publication(deliveries::NAME)?;
        let payload = said.encode();
        let digest = digest(&payload);
        if said.at.is_empty() || digest == last.digest {
            return Ok(());
        }
        let lifetime_ms = until.since_ms(now.node).max(DELIVERIES_LIFETIME_MS);
        let publication = Publication { revision: last.revision, made: now.node, digest };
        let payload = (payload, lifetime_ms);
        if !self.publish(now, (&deliveries_group(), deliveries::NAME), payload, publication, store)? {
            self.publishing.deliveries_due = Some(now.node.after_ms(NO_ROOM_PAUSE_MS));
        }
        Ok(())
    }

    /// Makes the next edition of a record of this node, and remembers it; whether there was room for it.
    fn publish(
        &mut self,
        now: Now,
        (group, name): (&Eid, &str),
        (payload, lifetime_ms): (Vec<u8>, u64),
        mut publication: Publication,
        store: &mut WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        let before = publication.revision;
        let key = RecordKey::new(&self.config.key.public(), &self.config.node, group, name);
        let seen = store.view().record(&key)?.map_or(0, |row| row.revision);
        publication.revision = publication.revision.max(seen).saturating_add(1).min(REVISION_MAX);
        let tag = RecordTag { name: name.to_owned(), revision: publication.revision };
        let mut draft = self.draft(group.clone(), lifetime_ms, Self::take_timestamp(now, store)?);
        draft.metadata =
            Some(Metadata { priority: Priority::Bulk, record: Some(tag), ..Metadata::default() });
        let bundle = draft
            .sign(&self.config.profile, &self.config.key, Bytes::from(payload))
            .expect("a record of bounded size in a bundle of our own making");
        // First, so that the edition is not taken for one that came from elsewhere.
        store.put_publication(name, &publication)?;
        let has_room = self.originate(now, &bundle, (PayloadPlace::Inline, Origin::Report), store)?.is_ok();
        if !has_room {
            // Nobody saw that edition: what it says is not taken for said, and its revision is free.
            (publication.digest, publication.revision) = ([0; 16], before);
            store.put_publication(name, &publication)?;
        }
        Ok(has_room)
    }
}

/// What was delivered here and would still be alive, as much of it as fits, with the time until which that is so. What is over or
/// does not fit is forgotten.
fn delivered(now: Now, store: &mut WriteTxn<'_>) -> Result<(Deliveries, NodeTime), StoreError> {
    let mut runs = store.view().delivered_runs()?;
    runs.sort_by_key(|run| std::cmp::Reverse(run.until));
    let until = runs.first().map(|run| run.until).unwrap_or_default();
    let (mut said, mut left) = (Deliveries::default(), deliveries::OCTETS_MAX);
    for run in &runs {
        let octets = said.octets_for(run);
        if run.until <= now.node || octets > left {
            store.forget_delivered(run)?;
            continue;
        }
        left -= octets;
        let listed = said.at.entry(run.destination.clone()).or_default();
        listed.insert(run.series.clone(), run.run.0, run.run.1);
    }
    Ok((said, until))
}

fn digest(payload: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    blake3::Hasher::new().update(payload).finalize_xof().fill(&mut digest);
    digest
}
