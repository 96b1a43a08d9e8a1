//! Payloads too large for one record: pieces of a fixed size, which can arrive over many transactions.
//!
//! A payload is *staged* under a number of its own. Inserting its bundle makes it the bundle's; abandoning it, or a
//! crash, leaves pieces that are deleted a few at a time, because LMDB reads every page that it frees.

use bytes::Bytes;

use crate::store::examination::sound;
use crate::store::record::{CHECKSUM_OCTETS, Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View, WriteTxn};

/// Octets of a piece of a payload; only the last may be shorter. With its checksum and LMDB's page header (16 octets) it fills 64 KiB
/// of pages exactly, and no value is larger: LMDB looks for that many free pages in a row.
pub const CHUNK_OCTETS: usize = 65_536 - 16 - CHECKSUM_OCTETS;

/// Pieces that are deleted in the transaction that no longer needs them; more wait for `discard_abandoned`.
const DELETED_AT_ONCE: u32 = 64;

/// How far a staged payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Staging {
    pub(crate) abandoned: bool,
    pub(crate) octets: u64,
    pub(crate) chunks: u32,
}

impl Staging {
    fn encode(self) -> Vec<u8> {
        Writer::with_capacity(13).u8(u8::from(self.abandoned)).u64(self.octets).u32(self.chunks).done()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        Some(Self { abandoned: fields.u8()? != 0, octets: fields.u64()?, chunks: fields.u32()? })
    }
}

pub(crate) fn chunk_key(payload: Number, index: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (first, second) = key.split_at_mut(8);
    first.copy_from_slice(&payload.key());
    second.copy_from_slice(&index.to_be_bytes());
    key
}

/// Pieces that a payload of this length is cut into.
pub(crate) fn chunk_count(octets: u64) -> u32 {
    u32::try_from(octets.div_ceil(CHUNK_OCTETS as u64)).expect("a payload within the limits of bundles")
}

impl View<'_> {
    /// A piece of a bundle's payload, where that is not in the bundle's own record; `None` behind its end. An error that
    /// names the bundle means that the bundle is damaged.
    pub fn payload_chunk(&self, number: Number, index: u32) -> Result<Option<Bytes>, StoreError> {
        let Some(facts) = self.facts(number)? else { return Ok(None) };
        let Some(payload) = facts.payload else { return Ok(None) };
        if index >= chunk_count(facts.payload_octets) {
            return Ok(None);
        }
        let key = chunk_key(payload, index);
        let damaged =
            || StoreError::Damaged { table: Table::Chunks, key: key.to_vec(), number: Some(number) };
        match self.get(Table::Chunks, &key) {
            Ok(Some(octets)) => Ok(Some(Bytes::copy_from_slice(octets))),
            Ok(None) | Err(StoreError::Damaged { .. }) => Err(damaged()),
            Err(error) => Err(error),
        }
    }

    /// Octets of a bundle's payload from `offset` on, at most `most`, and none beyond the end of a piece. For a payload that
    /// is not in the bundle's own record.
    pub(crate) fn payload_octets_from(
        &self,
        number: Number,
        offset: u64,
        most: usize,
    ) -> Result<Option<Bytes>, StoreError> {
        let Ok(index) = u32::try_from(offset / CHUNK_OCTETS as u64) else { return Ok(None) };
        let Some(piece) = self.payload_chunk(number, index)? else { return Ok(None) };
        let start = usize::try_from(offset % CHUNK_OCTETS as u64).unwrap_or(usize::MAX).min(piece.len());
        let end = start.saturating_add(most).min(piece.len());
        Ok(Some(piece.slice(start..end)))
    }

    /// A piece of a payload that is still being staged.
    pub fn staged_chunk(&self, staging: Number, index: u32) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get(Table::Chunks, &chunk_key(staging, index))?.map(Bytes::copy_from_slice))
    }

    /// Whether a payload of so many octets has been staged, whole.
    pub fn is_staged(&self, staging: Number, octets: u64) -> Result<bool, StoreError> {
        Ok(self.staging(staging)?.is_some_and(|row| !row.abandoned && row.octets == octets))
    }

    pub(crate) fn staging(&self, number: Number) -> Result<Option<Staging>, StoreError> {
        let key = number.key();
        let Some(body) = self.get(Table::Stagings, &key)? else { return Ok(None) };
        Staging::decode(body).map(Some).ok_or_else(|| misshapen(Table::Stagings, &key))
    }

    /// Stagings, those with more than `DELETED_AT_ONCE` pieces that were abandoned among them.
    pub(crate) fn stagings(&self) -> Result<Vec<(Number, Staging)>, StoreError> {
        self.rows(Table::Stagings, b"")?
            .map(|row| {
                let (key, body) = row?;
                let number = super::facts::number_at(Table::Stagings, key)?;
                Ok((number, Staging::decode(body).ok_or_else(|| misshapen(Table::Stagings, key))?))
            })
            .collect()
    }
}

impl WriteTxn<'_> {
    /// Begins to stage a payload.
    pub fn begin_staging(&mut self) -> Result<Number, StoreError> {
        self.take_room(0)?;
        let number = self.take_number();
        self.put_staging(number, Staging { abandoned: false, octets: 0, chunks: 0 })?;
        Ok(number)
    }

    /// Adds the next piece of a staged payload. Every piece but the last has [`CHUNK_OCTETS`] octets; the caller keeps
    /// to that and to the order, since the pieces are its own. Pieces of a staging that is gone are dropped.
    pub fn put_chunk(&mut self, staging: Number, index: u32, octets: &[u8]) -> Result<(), StoreError> {
        let Some(row) = self.view().staging(staging)?.filter(|row| !row.abandoned) else { return Ok(()) };
        assert!(octets.len() <= CHUNK_OCTETS, "a piece of a payload has at most {CHUNK_OCTETS} octets");
        assert!(index == row.chunks, "pieces of a payload are staged in their order");
        assert!(
            row.octets == u64::from(index) * CHUNK_OCTETS as u64,
            "only the last piece of a payload is shorter than the others"
        );
        self.take_room(octets.len() as u64)?;
        self.put(Table::Chunks, &chunk_key(staging, index), octets)?;
        let chunks = row.chunks.checked_add(1).expect("a payload within the limits of bundles");
        self.put_staging(
            staging,
            Staging { abandoned: false, octets: row.octets + octets.len() as u64, chunks },
        )
    }

    /// Adds octets behind those that are staged already, wherever the last piece ends. `octets` begin at `offset` of the
    /// payload; whether they fitted, which they do not where the last piece is damaged.
    pub(crate) fn extend_staging(
        &mut self,
        staging: Number,
        offset: u64,
        octets: &[u8],
    ) -> Result<bool, StoreError> {
        let row = self.view().staging(staging)?.filter(|row| !row.abandoned && row.octets == offset);
        let Some(mut row) = row else { return Ok(false) };
        self.take_room(octets.len() as u64)?;
        let mut rest = octets;
        while !rest.is_empty() {
            let index = u32::try_from(row.octets / CHUNK_OCTETS as u64).expect("a payload within the limits");
            let mut piece = Vec::new();
            if index < row.chunks {
                let Some(begun) = sound(self.view().staged_chunk(staging, index))?.flatten() else {
                    return Ok(false);
                };
                piece = begun.to_vec();
            }
            let (now, later) = rest.split_at(rest.len().min(CHUNK_OCTETS.saturating_sub(piece.len())));
            assert!(!now.is_empty(), "a piece that is full is followed by another");
            piece.extend_from_slice(now);
            self.put(Table::Chunks, &chunk_key(staging, index), &piece)?;
            row = Staging { abandoned: false, octets: row.octets + now.len() as u64, chunks: index + 1 };
            rest = later;
        }
        self.put_staging(staging, row)?;
        Ok(true)
    }

    /// Gives up a staged payload. Its pieces are deleted, the many of a large one by `discard_abandoned`.
    pub fn abandon_staging(&mut self, staging: Number) -> Result<(), StoreError> {
        match self.view().staging(staging)? {
            Some(row) => self.abandon_chunks(staging, row.chunks),
            None => Ok(()),
        }
    }

    /// Gives up every payload that was being staged, but those of partials: what a crash left. Call it once, before
    /// anything is staged.
    pub fn abandon_leftovers(&mut self) -> Result<u64, StoreError> {
        let kept: Vec<Number> =
            self.view().partials()?.iter().map(|partial| partial.record.staging).collect();
        let open = self.view().stagings()?.into_iter();
        let open = open.filter(|(number, row)| !row.abandoned && !kept.contains(number));
        let mut abandoned = 0;
        for (number, row) in open.collect::<Vec<_>>() {
            self.abandon_chunks(number, row.chunks)?;
            abandoned += 1;
        }
        Ok(abandoned)
    }

    /// Deletes at most `limit` pieces of payloads that nobody needs any more; whether some are left.
    pub fn discard_abandoned(&mut self, limit: u32) -> Result<bool, StoreError> {
        let mut left = limit;
        for (number, row) in self.view().stagings()? {
            if !row.abandoned {
                continue;
            }
            let now = row.chunks.min(left);
            let rest = row.chunks - now;
            self.delete_chunks(number, rest..row.chunks)?;
            if rest > 0 {
                self.put_staging(number, Staging { abandoned: true, octets: 0, chunks: rest })?;
                return Ok(true);
            }
            self.delete(Table::Stagings, &number.key())?;
            left -= now;
        }
        Ok(false)
    }

    /// Deletes pieces that nobody needs any more, or puts them down for later if they are many.
    pub(crate) fn abandon_chunks(&mut self, payload: Number, chunks: u32) -> Result<(), StoreError> {
        if chunks > DELETED_AT_ONCE {
            return self.put_staging(payload, Staging { abandoned: true, octets: 0, chunks });
        }
        self.delete_chunks(payload, 0..chunks)?;
        self.delete(Table::Stagings, &payload.key())?;
        Ok(())
    }

    fn delete_chunks(&mut self, payload: Number, indexes: std::ops::Range<u32>) -> Result<(), StoreError> {
        for index in indexes {
            self.delete(Table::Chunks, &chunk_key(payload, index))?;
        }
        Ok(())
    }

    fn put_staging(&mut self, number: Number, row: Staging) -> Result<(), StoreError> {
        self.put(Table::Stagings, &number.key(), &row.encode())
    }

    /// Makes a staged payload a bundle's own. The caller staged all of it.
    pub(crate) fn adopt_payload(
        &mut self,
        staging: Number,
        owner: Number,
        octets: u64,
    ) -> Result<(), StoreError> {
        let row = self.view().staging(staging)?.filter(|row| !row.abandoned);
        assert!(
            row.is_some_and(|row| row.octets == octets),
            "the whole payload of a bundle is staged before the bundle is inserted"
        );
        self.delete(Table::Stagings, &staging.key())?;
        self.put(Table::Payloads, &staging.key(), &owner.key())
    }

    /// Writes a payload that is in memory as pieces under the bundle's own number.
    pub(crate) fn put_payload(&mut self, number: Number, payload: &[u8]) -> Result<(), StoreError> {
        for (index, chunk) in (0_u32..).zip(payload.chunks(CHUNK_OCTETS)) {
            self.append(Table::Chunks, &chunk_key(number, index), chunk)?;
        }
        self.put(Table::Payloads, &number.key(), &number.key())
    }

    pub(crate) fn take_number(&mut self) -> Number {
        let settings = self.settings_mut();
        let number = Number::new(settings.next_number);
        settings.next_number =
            settings.next_number.checked_add(1).expect("fewer bundles than 2^64 in a life");
        number
    }
}
