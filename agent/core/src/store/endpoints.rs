//! Short numbers for endpoint IDs, so that keys are small and what belongs to one endpoint lies together.
//!
//! An endpoint keeps its number as long as any row needs it; then it is forgotten, so that names made up by senders do
//! not fill the store. Numbers are not used twice.

use bundle_format::Eid;

use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};

/// The key of rows about something whose name may be long: the first half of a BLAKE3 hash.
pub(crate) fn name_key(name: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(name);
    let mut key = [0; 16];
    for (octet, hashed) in key.iter_mut().zip(hash.as_bytes()) {
        *octet = *hashed;
    }
    key
}

pub(crate) fn decode(key: &[u8], body: &[u8]) -> Result<(u32, Eid), StoreError> {
    let mut fields = Reader::new(body);
    fields
        .u32()
        .zip(fields.counted())
        .and_then(|(number, name)| Some((number, Eid::from_cbor(name).ok()?)))
        .ok_or_else(|| misshapen(Table::Endpoints, key))
}

impl View<'_> {
    /// The number of an endpoint, if any row needed one.
    pub(crate) fn endpoint(&self, eid: &Eid) -> Result<Option<u32>, StoreError> {
        let name = eid.to_cbor();
        let key = name_key(&name);
        let Some(body) = self.get(Table::Endpoints, &key)? else { return Ok(None) };
        let mut fields = Reader::new(body);
        match (fields.u32(), fields.counted()) {
            (Some(number), Some(stored)) if stored == name => Ok(Some(number)),
            _ => Err(misshapen(Table::Endpoints, &key)),
        }
    }

    /// Whether any row needs the number of an endpoint.
    pub(crate) fn is_endpoint_needed(&self, number: u32, eid: &Eid) -> Result<bool, StoreError> {
        let prefix = number.to_be_bytes();
        for table in [Table::Identities, Table::Destinations, Table::Usage] {
            if self.rows(table, &prefix)?.next().is_some() {
                return Ok(true);
            }
        }
        self.has(Table::Neighbors, &name_key(&eid.to_cbor()))
    }
}

impl WriteTxn<'_> {
    /// The number of an endpoint; a new one if it had none.
    pub(crate) fn number_endpoint(&mut self, eid: &Eid) -> Result<u32, StoreError> {
        if let Some(number) = self.view().endpoint(eid)? {
            return Ok(number);
        }
        let number = self.settings().next_endpoint;
        self.settings_mut().next_endpoint =
            number.checked_add(1).expect("fewer endpoints than 2^32 in a life");
        self.put_endpoint(number, eid)?;
        Ok(number)
    }

    pub(crate) fn put_endpoint(&mut self, number: u32, eid: &Eid) -> Result<(), StoreError> {
        let name = eid.to_cbor();
        let body = Writer::with_capacity(8 + name.len()).u32(number).counted(&name).done();
        self.put(Table::Endpoints, &name_key(&name), &body)
    }

    /// Forgets the number of an endpoint that no row needs.
    pub(crate) fn release_endpoint(&mut self, number: u32, eid: &Eid) -> Result<(), StoreError> {
        if !self.view().is_endpoint_needed(number, eid)? {
            self.delete(Table::Endpoints, &name_key(&eid.to_cbor()))?;
        }
        Ok(())
    }
}
