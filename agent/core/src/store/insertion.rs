//! Storing a bundle: its records and every row of the indexes, in one transaction.

use bundle_format::{BundleId, CheckedBundle, Head, Priority};

use crate::store::bundles::{IdRow, endpoint_key};
use crate::store::facts::BundleFacts;
use crate::store::{
    Number, Partition, RecordPlace, Retention, StoreError, Table, WriteTxn, expiry, identities, records,
};
use crate::time::{NodeTime, Now};

/// What is known about how far a bundle's source can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The key that is trusted for its source signed it.
    Trusted,
    /// Nobody vouches for it; it counts towards what strangers may fill.
    Unvouched,
}

/// Where the payload of a bundle that is to be stored is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadPlace {
    /// In memory, with the bundle.
    Inline,
    /// In the store, staged chunk by chunk under this number.
    Staged(Number),
}

/// A bundle that is to be stored, with what is known of its reception.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'b> {
    /// The bundle, as the checks left it.
    pub bundle: &'b CheckedBundle,
    /// The head to store: the bundle's own, or that without blocks that could not be processed (RFC 9171 §5.6 step 4).
    pub head: &'b Head,
    /// When it was received.
    pub received: Now,
    /// How old it was then, in milliseconds (RFC 9171 §4.4.2).
    pub age_at_reception_ms: u64,
    /// When it expires.
    pub deadline: NodeTime,
    /// Its place in the order of forwarding.
    pub priority: Priority,
    /// Whether somebody vouches for it.
    pub standing: Standing,
    /// Why it is kept from the beginning.
    pub retention: Retention,
    /// Which edition of which record it is. The agent has removed the one that it replaces.
    pub record: Option<RecordPlace>,
}

impl NewRecord<'_> {
    fn facts(&self) -> BundleFacts {
        let identity = self.head.identity();
        let length =
            |octets: usize| u32::try_from(octets).expect("heads and tails are within the limits of bundles");
        BundleFacts {
            number: Number::new(0),
            id: self.bundle.id(),
            source: identity.source,
            destination: self.head.primary().destination.clone(),
            creation: identity.creation,
            fragment: identity.fragment,
            signer: self.bundle.signer(),
            standing: self.standing,
            priority: self.priority,
            is_administrative: self.head.is_administrative_record(),
            received: self.received.node,
            received_utc: self.received.utc,
            age_at_reception_ms: self.age_at_reception_ms,
            deadline: self.deadline,
            retention: self.retention,
            delivered: false,
            record: self.record,
            payload_octets: self.head.payload_octets(),
            head_octets: length(self.head.bytes().len()),
            tail_octets: length(self.bundle.tail().len()),
            payload: None,
            source_number: 0,
            destination_number: 0,
            node_number: 0,
        }
    }
}

/// The largest contents record that LMDB keeps on a page with others, on pages of 4 KiB: 2,038 octets for a node, less its
/// header (8), its key (8), our checksum (4), and some for good measure.
const INLINE_OCTETS_MAX: u64 = 2_000;

/// The octets of a bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contents<'c> {
    pub(crate) head: &'c [u8],
    pub(crate) tail: &'c [u8],
    /// `None` for a payload that is staged.
    pub(crate) payload: Option<&'c [u8]>,
}

impl WriteTxn<'_> {
    /// Stores a bundle, with all rows that follow from it, and gives its number. The agent has asked before that it is
    /// not here.
    pub fn insert(&mut self, record: &NewRecord<'_>, place: PayloadPlace) -> Result<Number, StoreError> {
        let payload = match place {
            PayloadPlace::Inline => record.bundle.payload().map(|payload| &payload[..]),
            PayloadPlace::Staged(_) => None,
        };
        let contents = Contents { head: record.head.bytes(), tail: record.bundle.tail(), payload };
        self.store_bundle(record.facts(), contents, place)
    }

    /// Stores a bundle. The numbers in `facts` are filled in here; all else is as it will be read back.
    pub(crate) fn store_bundle(
        &mut self,
        mut facts: BundleFacts,
        contents: Contents<'_>,
        place: PayloadPlace,
    ) -> Result<Number, StoreError> {
        let memory = contents.payload.map_or(0, <[u8]>::len);
        self.take_room((contents.head.len() + contents.tail.len() + memory) as u64)?;
        self.refuse_twice(&facts.id)?;
        facts.number = self.take_number();
        facts.source_number = self.number_endpoint(&facts.source)?;
        facts.destination_number = self.number_endpoint(&facts.destination)?;
        facts.node_number = self.number_endpoint(&facts.charged_node())?;
        facts.payload = self.place_payload(&facts, contents, place)?;
        self.write_records(&facts, contents)?;
        self.write_indexes(&facts)?;
        self.charge(&facts)?;
        self.write_evictability(&facts)?;
        Ok(facts.number)
    }

    /// An id that is remembered as gone may be stored again, if the agent says so; one that is here may not.
    fn refuse_twice(&self, id: &BundleId) -> Result<(), StoreError> {
        match self.view().id_row(id)? {
            Some(IdRow::Held { number, .. }) => panic!("bundle {id} is here already, as number {number}"),
            Some(IdRow::Gone { .. }) | None => Ok(()),
        }
    }

    fn place_payload(
        &mut self,
        facts: &BundleFacts,
        contents: Contents<'_>,
        place: PayloadPlace,
    ) -> Result<Option<Number>, StoreError> {
        match (place, contents.payload) {
            (PayloadPlace::Staged(staging), _) => {
                self.adopt_payload(staging, facts.number, facts.payload_octets)?;
                Ok(Some(staging))
            }
            (PayloadPlace::Inline, Some(payload)) if facts.octets() > INLINE_OCTETS_MAX => {
                self.put_payload(facts.number, payload)?;
                Ok(Some(facts.number))
            }
            (PayloadPlace::Inline, payload) => {
                assert!(payload.is_some(), "a payload that is not staged is with its bundle");
                Ok(None)
            }
        }
    }

    fn write_records(&mut self, facts: &BundleFacts, contents: Contents<'_>) -> Result<(), StoreError> {
        let key = facts.number.key();
        self.append(Table::Facts, &key, &facts.encode())?;
        let inline = if facts.payload.is_none() { contents.payload.unwrap_or_default() } else { &[] };
        let body = [contents.head, contents.tail, inline].concat();
        self.append(Table::Contents, &key, &body)
    }

    /// Writes every row that can be derived from the facts, but what counts.
    pub(crate) fn write_indexes(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        self.put_id(&facts.id, Some(held_row(facts)))?;
        self.put(Table::Identities, &identities::key(facts), facts.id.as_bytes())?;
        self.put(Table::Expiry, &expiry::key(facts.deadline, facts.number), b"")?;
        self.put(Table::Destinations, &endpoint_key(facts.destination_number, facts.number), b"")?;
        match records::row(facts) {
            Some((key, body)) => self.put(Table::Records, &key, &body),
            None => Ok(()),
        }
    }
}

/// What the index of ids says about a bundle that is here.
pub(crate) fn held_row(facts: &BundleFacts) -> IdRow {
    IdRow::Held { number: facts.number, partition: Partition::of(&facts.destination) }
}
