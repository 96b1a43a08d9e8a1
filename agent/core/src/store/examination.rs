//! Whether the rows of the store account for each other: from a bundle's facts to every row that derives from them, and from
//! every row back to what it derives from. `check` tells what these find, `repair` acts upon it.

use bundle_format::{BundleId, Eid};

use crate::store::bundles::{IdRow, endpoint_key};
use crate::store::facts::{BundleFacts, number_at};
use crate::store::finding::{Fault, Finding};
use crate::store::insertion::held_row;
use crate::store::payloads::{CHUNK_OCTETS, Staging, chunk_count, chunk_key};
use crate::store::{
    DeliveredRun, Hearing, NeighborRecord, Number, Owed, Publication, StoreError, Table, TrustEntry, View,
    endpoints, eviction, expiry, held, identities, records, set_log,
};

impl View<'_> {
    /// Everything wrong with what is stored for a bundle. Reads all its octets.
    pub(crate) fn examine_bundle(&self, number: Number) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        let facts = match self.facts(number) {
            Ok(Some(facts)) => facts,
            Ok(None) => return Ok(findings),
            Err(StoreError::Damaged { table, key, .. }) => {
                findings.push(Finding { table, key, number: Some(number), fault: Fault::Damaged });
                return Ok(findings);
            }
            Err(error) => return Err(error),
        };
        self.examine_octets(&facts, &mut findings)?;
        self.examine_rows(&facts, &mut findings)?;
        self.examine_endpoints(&facts, &mut findings)?;
        Ok(findings)
    }

    pub(crate) fn examine_octets(
        &self,
        facts: &BundleFacts,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        if let Err(error) = self.bundle(facts.number) {
            findings.push(damage(error, facts.number)?);
        }
        let Some(payload) = facts.payload else { return Ok(()) };
        let mut left = facts.payload_octets;
        for index in 0..chunk_count(facts.payload_octets) {
            let expected = left.min(CHUNK_OCTETS as u64);
            left -= expected;
            let fault = match self.payload_chunk(facts.number, index) {
                Ok(Some(chunk)) if chunk.len() as u64 == expected => continue,
                Ok(Some(_)) => Fault::Wrong,
                Ok(None) => Fault::Missing,
                Err(error) => damage(error, facts.number)?.fault,
            };
            let key = chunk_key(payload, index).to_vec();
            findings.push(Finding { table: Table::Chunks, key, number: Some(facts.number), fault });
            return Ok(());
        }
        Ok(())
    }

    fn examine_rows(&self, facts: &BundleFacts, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let number = facts.number;
        let mut expect = |table: Table, key: &[u8], body: &[u8]| -> Result<(), StoreError> {
            let fault = match self.get(table, key) {
                Ok(Some(found)) if found == body => return Ok(()),
                Ok(Some(_)) => Fault::Wrong,
                Ok(None) => Fault::Missing,
                Err(error) => damage(error, number)?.fault,
            };
            findings.push(Finding { table, key: key.to_vec(), number: Some(number), fault });
            Ok(())
        };
        expect(Table::Ids, facts.id.as_bytes(), &held_row(facts).encode())?;
        for (table, key) in held_row(facts).index_rows(&facts.id) {
            expect(table, &key, b"")?;
        }
        expect(Table::Identities, &identities::key(facts), facts.id.as_bytes())?;
        expect(Table::Expiry, &expiry::key(facts.deadline, number), b"")?;
        expect(Table::Destinations, &endpoint_key(facts.destination_number, number), b"")?;
        if self.is_evictable(facts)? {
            for (table, key) in eviction::rows(facts) {
                expect(table, &key, b"")?;
            }
        }
        if let Some((key, body)) = records::row(facts) {
            expect(Table::Records, &key, &body)?;
        }
        match facts.payload {
            Some(payload) => expect(Table::Payloads, &payload.key(), &number.key()),
            None => Ok(()),
        }
    }

    fn examine_endpoints(&self, facts: &BundleFacts, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let node = facts.charged_node();
        let named = [
            (&facts.source, facts.source_number),
            (&facts.destination, facts.destination_number),
            (&node, facts.node_number),
        ];
        for (eid, number) in named {
            let fault = match self.endpoint(eid) {
                Ok(Some(found)) if found == number => continue,
                Ok(Some(_)) => Fault::Wrong,
                Ok(None) => Fault::Missing,
                Err(error) => damage(error, facts.number)?.fault,
            };
            let key = endpoints::name_key(&eid.to_cbor()).to_vec();
            findings.push(Finding { table: Table::Endpoints, key, number: Some(facts.number), fault });
        }
        Ok(())
    }

    /// What is wrong with a row that derives from others; `None` if it is accounted for. What should be there and is not
    /// is found from the other side.
    pub(crate) fn examine_row(
        &self,
        table: Table,
        key: &[u8],
        body: &[u8],
    ) -> Result<Option<Fault>, StoreError> {
        let accounted = match table {
            // The cells of the set are compared with it as a whole.
            Table::Facts | Table::Settings | Table::Usage | Table::SetCells => true,
            Table::Contents => self.knows(number_at(table, key)?)?,
            Table::Chunks => self.is_chunk_needed(key)?,
            Table::Payloads => {
                let payload = number_at(table, key)?;
                self.sound_facts(number_at(table, body)?)?.is_some_and(|facts| facts.payload == Some(payload))
            }
            Table::Ids => self.is_id_row_true(key, body)?,
            Table::Identities => {
                self.sound_facts(number_at(table, key)?)?.is_some_and(|facts| identities::key(&facts) == key)
            }
            Table::Expiry => self
                .sound_facts(number_at(table, key)?)?
                .is_some_and(|facts| expiry::key(facts.deadline, facts.number) == key),
            Table::Tombstones | Table::Departures | Table::Members => self.is_index_row_true(table, key)?,
            Table::SetLog => return Ok(misshapen_if(set_log::decode_log(body).is_none())),
            Table::Destinations | Table::Queue => self
                .sound_facts(number_at(table, key)?)?
                .is_some_and(|facts| endpoint_key(facts.destination_number, facts.number) == key),
            Table::Eviction | Table::Shares => match self.sound_facts(number_at(table, key)?)? {
                Some(facts) => {
                    eviction::rows(&facts).any(|(of, row)| (of, row.as_slice()) == (table, key))
                        && self.is_evictable(&facts)?
                }
                None => false,
            },
            Table::Endpoints => {
                let (number, eid): (u32, Eid) = endpoints::decode(key, body)?;
                self.is_endpoint_needed(number, &eid)?
            }
            Table::Held => self.is_block_true(key, body)?,
            Table::CustodyIssued | Table::CustodyNumbers => self.is_issued_row_true(table, key, body)?,
            Table::Records => self.is_record_true(key, body)?,
            // These derive from nothing; all that can be wrong with them is their shape.
            Table::Trust => return Ok(misshapen_if(TrustEntry::decode(body).is_none())),
            Table::CustodyOwed => return Ok(misshapen_if(Owed::decode(key, body).is_none())),
            Table::Hearings => return Ok(misshapen_if(Hearing::decode(body).is_none())),
            Table::Delivered => return Ok(misshapen_if(DeliveredRun::decode(body).is_none())),
            Table::Publications => return Ok(misshapen_if(Publication::decode(body).is_none())),
            Table::Peers => return Ok(misshapen_if(std::str::from_utf8(body).is_err())),
            Table::Subscriptions | Table::Purges => return Ok(misshapen_if(Eid::from_cbor(body).is_err())),
            Table::Neighbors => {
                let Some(record) = NeighborRecord::decode(body) else { return Ok(Some(Fault::Damaged)) };
                let listed = sound(self.endpoint(&record.node))?.flatten();
                return Ok((listed != Some(record.number)).then_some(Fault::Wrong));
            }
            Table::Partials => match sound(self.is_partial_true(body))?.flatten() {
                Some(is_true) => is_true,
                None => return Ok(Some(Fault::Damaged)),
            },
            Table::Stagings => {
                let Some(staging) = Staging::decode(body) else { return Ok(Some(Fault::Damaged)) };
                let is_whole = self.is_staged_whole(number_at(table, key)?, staging.chunks)?;
                return Ok((!is_whole).then_some(Fault::Wrong));
            }
        };
        Ok((!accounted).then_some(Fault::Orphan))
    }

    fn knows(&self, number: Number) -> Result<bool, StoreError> {
        self.has(Table::Facts, &number.key())
    }

    fn is_id_row_true(&self, key: &[u8], body: &[u8]) -> Result<bool, StoreError> {
        match IdRow::decode(key, body)? {
            IdRow::Held { number, .. } => {
                Ok(self.sound_facts(number)?.is_some_and(|facts| facts.id.as_bytes() == key))
            }
            row @ IdRow::Gone { .. } => {
                let Ok(id) = key.try_into() else { return Ok(false) };
                self.is_indexed(&BundleId::from_bytes(id), row)
            }
        }
    }

    fn is_chunk_needed(&self, key: &[u8]) -> Result<bool, StoreError> {
        let (Some(payload), Some(index)) = (key.first_chunk::<8>(), key.last_chunk::<4>()) else {
            return Ok(false);
        };
        let index = u32::from_be_bytes(*index);
        if let Some(staging) = sound(self.staging(Number::new(u64::from_be_bytes(*payload))))?.flatten() {
            return Ok(index < staging.chunks);
        }
        let Some(owner) = sound(self.get(Table::Payloads, payload))?.flatten() else { return Ok(false) };
        let facts = self.sound_facts(number_at(Table::Payloads, owner)?)?;
        Ok(facts.is_some_and(|facts| index < chunk_count(facts.payload_octets)))
    }

    fn is_staged_whole(&self, staging: Number, chunks: u32) -> Result<bool, StoreError> {
        for index in 0..chunks {
            if sound(self.get(Table::Chunks, &chunk_key(staging, index)))?.flatten().is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_block_true(&self, key: &[u8], body: &[u8]) -> Result<bool, StoreError> {
        let bitmap = held::bitmap(key, body)?;
        let neighbor = held::neighbor_at(key)?;
        let Some(neighbors) = sound(self.neighbors())? else { return Ok(true) };
        if !neighbors.iter().any(|known| known.number == neighbor) {
            return Ok(false);
        }
        for number in held::numbers_in(key, &bitmap)? {
            if !self.knows(number)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn sound_facts(&self, number: Number) -> Result<Option<BundleFacts>, StoreError> {
        Ok(sound(self.facts(number))?.flatten())
    }
}

/// What was read, or `None` if it is damaged, which is found elsewhere.
pub(crate) fn sound<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn misshapen_if(is_misshapen: bool) -> Option<Fault> {
    is_misshapen.then_some(Fault::Damaged)
}

/// Damage as a finding; any other error stays one.
fn damage(error: StoreError, number: Number) -> Result<Finding, StoreError> {
    match error {
        StoreError::Damaged { table, key, .. } => {
            Ok(Finding { table, key, number: Some(number), fault: Fault::Damaged })
        }
        other => Err(other),
    }
}
