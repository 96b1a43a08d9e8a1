//! Taking out a bundle whose records are damaged, so that it can be received again from whoever has it.

use bundle_format::BundleId;

use crate::store::bundles::IdRow;
use crate::store::examination::sound;
use crate::store::facts::number_at;
use crate::store::payloads::chunk_key;
use crate::store::{Number, RecordRow, StoreError, Table, Tombstone, View, WriteTxn};

impl WriteTxn<'_> {
    /// Takes a bundle out of the store and all indexes, whatever its records look like, and remembers nothing: it can
    /// be received again. Gives its id where that could be found.
    ///
    /// Where the record of the facts itself is damaged, this reads through the indexes, which takes time in proportion to the store;
    /// totals and usage are right again after `repair`.
    pub fn quarantine(&mut self, number: Number) -> Result<Option<BundleId>, StoreError> {
        match self.view().facts(number) {
            Ok(Some(facts)) => {
                self.remove_known(&facts, Tombstone::None)?;
                Ok(Some(facts.id))
            }
            Ok(None) | Err(StoreError::Damaged { .. }) => self.take_out_blindly(number),
            Err(error) => Err(error),
        }
    }

    fn take_out_blindly(&mut self, number: Number) -> Result<Option<BundleId>, StoreError> {
        let traces = self.view().traces_of(number)?;
        for (table, key) in &traces.rows {
            self.delete(*table, key)?;
        }
        if let Some(id) = &traces.id {
            self.put_id(id, None)?;
        }
        self.delete(Table::Facts, &number.key())?;
        self.delete(Table::Contents, &number.key())?;
        for payload in traces.payloads {
            self.delete(Table::Payloads, &payload.key())?;
            let chunks = self.view().count_chunks(payload)?;
            self.abandon_chunks(payload, chunks)?;
        }
        self.forget_holders(number)?;
        self.forget_issued(number)?;
        Ok(traces.id)
    }
}

/// Tables whose keys end with a bundle's number.
const NAMING_TABLES: [Table; 6] =
    [Table::Identities, Table::Expiry, Table::Destinations, Table::Queue, Table::Eviction, Table::Shares];

/// Rows that name a bundle.
#[derive(Debug, Default)]
struct Traces {
    rows: Vec<(Table, Vec<u8>)>,
    payloads: Vec<Number>,
    id: Option<BundleId>,
}

impl View<'_> {
    fn traces_of(&self, number: Number) -> Result<Traces, StoreError> {
        let mut traces = Traces::default();
        for row in self.rows(Table::Ids, b"")? {
            let Some((key, body)) = sound(row)? else { continue };
            if matches!(IdRow::decode(key, body), Ok(IdRow::Held { number: here, .. }) if here == number) {
                traces.id = key.try_into().ok().map(BundleId::from_bytes);
            }
        }
        for table in NAMING_TABLES {
            for row in self.rows(table, b"")? {
                let Some((key, _)) = sound(row)? else { continue };
                if number_at(table, key)? == number {
                    traces.rows.push((table, key.to_vec()));
                }
            }
        }
        for row in self.rows(Table::Records, b"")? {
            let Some((key, body)) = sound(row)? else { continue };
            if RecordRow::decode(body).is_some_and(|row| row.number == number) {
                traces.rows.push((Table::Records, key.to_vec()));
            }
        }
        for row in self.rows(Table::Payloads, b"")? {
            let Some((key, body)) = sound(row)? else { continue };
            if body == number.key() {
                traces.payloads.push(number_at(Table::Payloads, key)?);
            }
        }
        Ok(traces)
    }

    /// How many pieces a payload has, whatever they look like.
    pub(crate) fn count_chunks(&self, payload: Number) -> Result<u32, StoreError> {
        let mut count = 0_u32;
        while self.has(Table::Chunks, &chunk_key(payload, count))? {
            count += 1;
        }
        Ok(count)
    }
}
