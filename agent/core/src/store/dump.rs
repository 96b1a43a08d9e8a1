//! Writing all that matters about a store to a stream: to move it to another machine, another format, another disk.
//!
//! A dump is a CBOR sequence (RFC 8742). Every item is closed by a checksum, and the last says how many bundles there were, so
//! that a dump that was cut off or changed is noticed. What can be read is written; a damaged bundle is left out and named.

use std::io::Write;

use crate::store::bundles::IdRow;
use crate::store::dump_item::{DUMP_VERSION, ItemWriter, TITLE, kind};
use crate::store::facts::{BundleFacts, number_at, priority_code};
use crate::store::finding::{Fault, Finding};
use crate::store::payloads::chunk_count;
use crate::store::{Number, Progress, RecordRow, Standing, StoreError, StoredBundle, Table, View};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dumped {
    /// Bundles in the dump.
    pub bundles: u64,
    /// What was damaged and is not in the dump.
    pub skipped: Vec<Finding>,
}

impl View<'_> {
    /// Writes settings that must survive, trust, peers, subscriptions, every bundle, what waits for applications, and the
    /// ids that are remembered as gone. What neighbors have is not among it: they are asked again.
    pub fn dump(
        &self,
        output: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Dumped, StoreError> {
        let mut dump = Dump { view: *self, output: ItemWriter::new(output), dumped: Dumped::default() };
        dump.header()?;
        dump.settings()?;
        dump.trust()?;
        dump.peers()?;
        dump.bundles(progress)?;
        dump.records()?;
        dump.waiting()?;
        dump.tombstones()?;
        dump.end()?;
        Ok(dump.dumped)
    }
}

struct Dump<'d, 't> {
    view: View<'t>,
    output: ItemWriter<'d>,
    dumped: Dumped,
}

impl Dump<'_, '_> {
    fn header(&mut self) -> Result<(), StoreError> {
        self.output.begin(kind::HEADER, 2)?;
        self.output.text(TITLE)?;
        self.output.uint(u64::from(DUMP_VERSION))?;
        self.output.end()
    }

    /// A store whose settings are damaged is dumped all the same: that is its way out.
    fn settings(&mut self) -> Result<(), StoreError> {
        let Some(settings) = self.sound(self.view.settings())? else { return Ok(()) };
        self.output.begin(kind::SETTINGS, 3)?;
        self.output.uint(settings.epoch)?;
        self.output.uint(settings.node_time.as_ms())?;
        self.output.bytes(&settings.node.map(|node| node.to_cbor()).unwrap_or_default())?;
        self.output.end()
    }

    fn trust(&mut self) -> Result<(), StoreError> {
        for entry in self.sound(self.view.trust_list())?.unwrap_or_default() {
            self.output.begin(kind::TRUST, 4)?;
            self.output.bytes(&entry.node.to_cbor())?;
            self.output.bytes(entry.key.as_bytes())?;
            self.output.uint(entry.added.as_ms())?;
            self.output.uint(entry.added_utc.map_or(0, |time| time.0))?;
            self.output.end()?;
        }
        Ok(())
    }

    fn peers(&mut self) -> Result<(), StoreError> {
        for url in self.sound(self.view.peers())?.unwrap_or_default() {
            self.output.begin(kind::PEER, 1)?;
            self.output.text(&url)?;
            self.output.end()?;
        }
        for group in self.sound(self.view.subscriptions())?.unwrap_or_default() {
            self.output.begin(kind::SUBSCRIPTION, 1)?;
            self.output.bytes(&group.to_cbor())?;
            self.output.end()?;
        }
        Ok(())
    }

    /// What was read, or nothing and a finding if it is damaged.
    fn sound<T>(&mut self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(StoreError::Damaged { table, key, number }) => {
                self.dumped.skipped.push(Finding { table, key, number, fault: Fault::Damaged });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn bundles(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), StoreError> {
        let of = self.view.len(Table::Facts)?;
        for (rows, row) in (1_u64..).zip(self.view.rows(Table::Facts, b"")?) {
            let number = row.and_then(|(key, _)| number_at(Table::Facts, key));
            if let Some(number) = self.sound(number)? {
                self.bundle(number)?;
            }
            progress(Progress { table: Table::Facts, rows, of });
        }
        Ok(())
    }

    fn bundle(&mut self, number: Number) -> Result<(), StoreError> {
        let Some(Some(stored)) = self.sound(self.view.bundle(number))? else { return Ok(()) };
        // Lengths are written before octets: only what is whole can be begun.
        let mut findings = Vec::new();
        self.view.examine_octets(&stored, &mut findings)?;
        if !findings.is_empty() {
            self.dumped.skipped.append(&mut findings);
            return Ok(());
        }
        self.facts(&stored)?;
        self.octets(&stored)?;
        self.dumped.bundles += 1;
        self.output.end()
    }

    fn facts(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        self.output.begin(kind::BUNDLE, 13)?;
        self.output.bytes(facts.id.as_bytes())?;
        self.output.uint(facts.received.as_ms())?;
        self.output.uint(facts.received_utc.map_or(0, |time| time.0))?;
        self.output.uint(facts.age_at_reception_ms)?;
        self.output.uint(facts.deadline.as_ms())?;
        self.output.uint(u64::from(priority_code(facts.priority)))?;
        self.output.uint(u64::from(facts.retention.bits()))?;
        self.output.uint(u64::from(facts.delivered))?;
        self.output.uint(u64::from(facts.standing == Standing::Unvouched))?;
        self.output.bytes(facts.signer.as_ref().map_or(&[], |key| key.as_bytes().as_slice()))
    }

    /// Head, payload and tail, which make up the bundle as it is sent.
    fn octets(&mut self, stored: &StoredBundle) -> Result<(), StoreError> {
        self.output.bytes(&stored.head)?;
        self.output.begin_bytes(stored.payload_octets)?;
        match &stored.inline_payload {
            Some(payload) => self.output.raw(payload)?,
            None => {
                for index in 0..chunk_count(stored.payload_octets) {
                    self.output.raw(&self.view.payload_chunk(stored.number, index)?.unwrap_or_default())?;
                }
            }
        }
        self.output.bytes(&stored.tail)
    }

    /// Which bundles are records: a loader need not know where the metadata of a network are.
    fn records(&mut self) -> Result<(), StoreError> {
        for row in self.view.rows(Table::Records, b"")? {
            let number = row.map(|(_, body)| RecordRow::decode(body).map(|row| row.number));
            let Some(Some(number)) = self.sound(number)? else { continue };
            let Some(Some(facts)) = self.sound(self.view.facts(number))? else { continue };
            let Some(place) = facts.record else { continue };
            self.output.begin(kind::RECORD, 3)?;
            self.output.bytes(facts.id.as_bytes())?;
            self.output.bytes(place.key.as_bytes())?;
            self.output.uint(place.revision)?;
            self.output.end()?;
        }
        Ok(())
    }

    fn waiting(&mut self) -> Result<(), StoreError> {
        for row in self.view.rows(Table::Queue, b"")? {
            let facts = row.and_then(|(key, _)| self.view.facts(number_at(Table::Queue, key)?));
            let Some(Some(facts)) = self.sound(facts)? else { continue };
            self.output.begin(kind::WAITING, 1)?;
            self.output.bytes(facts.id.as_bytes())?;
            self.output.end()?;
        }
        Ok(())
    }

    fn tombstones(&mut self) -> Result<(), StoreError> {
        for row in self.view.rows(Table::Ids, b"")? {
            let row = row.and_then(|(key, body)| Ok((key, IdRow::decode(key, body)?)));
            let Some((key, IdRow::Gone { until, member })) = self.sound(row)? else { continue };
            let (kind, fields) =
                if member.is_some() { (kind::TOMBSTONE_IN_SET, 4) } else { (kind::TOMBSTONE, 2) };
            self.output.begin(kind, fields)?;
            self.output.bytes(key)?;
            self.output.uint(until.as_ms())?;
            if let Some(member) = member {
                self.output.bytes(member.partition.as_bytes())?;
                self.output.uint(member.leaves.as_ms())?;
            }
            self.output.end()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.output.begin(kind::END, 1)?;
        self.output.uint(self.dumped.bundles)?;
        self.output.end()?;
        self.output.flush()
    }
}
