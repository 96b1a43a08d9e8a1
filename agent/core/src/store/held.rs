//! Which bundles a neighbor is known to have, as bitmaps over numbers: a bit costs less than a row, and numbers that
//! were given out together are looked at together. Bits are set for bundles that are here only.

use bundle_format::Eid;

use crate::store::facts::behind;
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View, WriteTxn};

/// Numbers in a bitmap; with ten neighbors a block fills a page.
const BLOCK_NUMBERS: u64 = 2048;
const BLOCK_OCTETS: usize = 256;

type Bitmap = [u8; BLOCK_OCTETS];

/// Where the bit of a number is: the octet, and the bit within it.
fn place(number: Number) -> (usize, u8) {
    let [.., high, low] = (number.value() % BLOCK_NUMBERS).to_be_bytes();
    let bit = u16::from_be_bytes([high, low]);
    (usize::from(bit / 8), 1 << (bit % 8))
}

fn block_prefix(number: Number) -> [u8; 8] {
    (number.value() / BLOCK_NUMBERS).to_be_bytes()
}

fn key(number: Number, neighbor: u32) -> [u8; 12] {
    block_key(number.value() / BLOCK_NUMBERS, neighbor)
}

fn block_key(block: u64, neighbor: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (first, second) = key.split_at_mut(8);
    first.copy_from_slice(&block.to_be_bytes());
    second.copy_from_slice(&neighbor.to_be_bytes());
    key
}

pub(crate) fn bitmap(key: &[u8], body: &[u8]) -> Result<Bitmap, StoreError> {
    body.try_into().map_err(|_| misshapen(Table::Held, key))
}

pub(crate) fn neighbor_at(key: &[u8]) -> Result<u32, StoreError> {
    key.last_chunk().map(|neighbor| u32::from_be_bytes(*neighbor)).ok_or_else(|| misshapen(Table::Held, key))
}

/// The numbers whose bits are set in a block.
pub(crate) fn numbers_in(key: &[u8], bitmap: &Bitmap) -> Result<Vec<Number>, StoreError> {
    let block = key
        .first_chunk()
        .map(|block| u64::from_be_bytes(*block))
        .ok_or_else(|| misshapen(Table::Held, key))?;
    let bits = bitmap.iter().zip(0_u64..).flat_map(|(octet, at)| {
        (0..8_u64).filter(move |bit| octet & (1 << bit) != 0).map(move |bit| at * 8 + bit)
    });
    Ok(bits.map(|bit| Number::new(block.saturating_mul(BLOCK_NUMBERS).saturating_add(bit))).collect())
}

impl View<'_> {
    fn held_block(&self, number: Number, neighbor: u32) -> Result<Option<Bitmap>, StoreError> {
        let key = key(number, neighbor);
        self.get(Table::Held, &key)?.map(|body| bitmap(&key, body)).transpose()
    }

    /// Whether a neighbor is known to have a bundle.
    pub fn holds(&self, neighbor: &Eid, number: Number) -> Result<bool, StoreError> {
        let Some(neighbor) = self.endpoint(neighbor)? else { return Ok(false) };
        let (octet, bit) = place(number);
        let block = self.held_block(number, neighbor)?;
        Ok(block.and_then(|block| block.get(octet).copied()).is_some_and(|octet| octet & bit != 0))
    }

    /// Neighbors that are known to have a bundle.
    pub fn holders(&self, number: Number) -> Result<Vec<Eid>, StoreError> {
        let (octet, bit) = place(number);
        let mut holding = Vec::new();
        for row in self.rows(Table::Held, &block_prefix(number))? {
            let (key, body) = row?;
            if bitmap(key, body)?.get(octet).is_some_and(|octet| octet & bit != 0) {
                holding.push(neighbor_at(key)?);
            }
        }
        if holding.is_empty() {
            return Ok(Vec::new());
        }
        let neighbors = self.neighbors()?.into_iter();
        Ok(neighbors
            .filter(|neighbor| holding.contains(&neighbor.number))
            .map(|neighbor| neighbor.node)
            .collect())
    }

    /// How many of the bundles here a neighbor is known to have.
    pub fn held_count(&self, neighbor: &Eid) -> Result<u64, StoreError> {
        let Some(neighbor) = self.endpoint(neighbor)? else { return Ok(0) };
        let mut count = 0_u64;
        self.each_block(neighbor, |_, bitmap| {
            count += bitmap.iter().map(|octet| u64::from(octet.count_ones())).sum::<u64>();
        })?;
        Ok(count)
    }

    fn each_block(&self, neighbor: u32, mut look: impl FnMut(&[u8], &Bitmap)) -> Result<(), StoreError> {
        let mut after = None;
        while let Some(row) =
            self.rows_from(Table::Held, b"", behind(after.as_ref().map(|key: &[u8; 12]| &key[..])))?.next()
        {
            let (found, _) = row?;
            let block = found.first_chunk().ok_or_else(|| misshapen(Table::Held, found))?;
            let wanted = block_key(u64::from_be_bytes(*block), neighbor);
            if let Some(body) = self.get(Table::Held, &wanted)? {
                look(&wanted, &bitmap(&wanted, body)?);
            }
            after = Some(block_key(u64::from_be_bytes(*block), u32::MAX));
        }
        Ok(())
    }

    /// Keys of all bitmaps of a neighbor.
    fn blocks_of(&self, neighbor: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        self.each_block(neighbor, |key, _| keys.push(key.to_vec()))?;
        Ok(keys)
    }
}

impl WriteTxn<'_> {
    /// Notes that a neighbor has a bundle. Nothing is noted about bundles that are not here.
    pub fn mark_held(&mut self, neighbor: &Eid, number: Number) -> Result<(), StoreError> {
        if !self.view().has(Table::Facts, &number.key())? {
            return Ok(());
        }
        let neighbor = self.number_neighbor(neighbor)?;
        let mut block = self.view().held_block(number, neighbor)?.unwrap_or([0; BLOCK_OCTETS]);
        let (octet, bit) = place(number);
        if let Some(octet) = block.get_mut(octet) {
            *octet |= bit;
        }
        self.put(Table::Held, &key(number, neighbor), &block)
    }

    /// A neighbor says that it does not have a bundle.
    pub fn unmark_held(&mut self, neighbor: &Eid, number: Number) -> Result<(), StoreError> {
        let Some(neighbor) = self.view().endpoint(neighbor)? else { return Ok(()) };
        let Some(mut block) = self.view().held_block(number, neighbor)? else { return Ok(()) };
        let (octet, bit) = place(number);
        if let Some(octet) = block.get_mut(octet) {
            *octet &= !bit;
        }
        if block.iter().all(|octet| *octet == 0) {
            return self.delete(Table::Held, &key(number, neighbor)).map(drop);
        }
        self.put(Table::Held, &key(number, neighbor), &block)
    }

    /// Forgets what a neighbor has: it lost its store, or is gone.
    pub(crate) fn forget_held(&mut self, neighbor: u32) -> Result<(), StoreError> {
        for key in self.view().blocks_of(neighbor)? {
            self.delete(Table::Held, &key)?;
        }
        Ok(())
    }

    /// Forgets who has a bundle.
    pub(crate) fn forget_holders(&mut self, number: Number) -> Result<(), StoreError> {
        let rows = self.view().rows(Table::Held, &block_prefix(number))?;
        let blocks = rows
            .filter(|row| !matches!(row, Err(StoreError::Damaged { .. })))
            .map(|row| row.and_then(|(key, body)| Ok((key.to_vec(), bitmap(key, body)?))))
            .collect::<Result<Vec<_>, _>>()?;
        let (octet, bit) = place(number);
        for (key, mut block) in blocks {
            if let Some(octet) = block.get_mut(octet) {
                if *octet & bit == 0 {
                    continue;
                }
                *octet &= !bit;
            }
            if block.iter().all(|octet| *octet == 0) {
                self.delete(Table::Held, &key)?;
            } else {
                self.put(Table::Held, &key, &block)?;
            }
        }
        Ok(())
    }
}
