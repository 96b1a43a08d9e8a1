//! Cells as octets: sum (16), checksum (6), and the count as its small distance from what is to be expected.

use thiserror::Error;

use crate::sketch::Cell;

const SUM_OCTETS: usize = 16;
const CHECKSUM_OCTETS: usize = 6;
/// The most that a count takes: 64 bits, seven an octet.
const COUNT_OCTETS_MAX: usize = 10;

/// The octets are no cells.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("these octets are no cells of a sketch")]
pub struct MalformedCells;

/// Writes cells that begin with index `from`, of a set with `size` ids, as many as fit into `room` octets; how many did.
pub fn encode_cells(size: i64, from: usize, cells: &[Cell], room: usize) -> (Vec<u8>, usize) {
    let mut octets = Vec::new();
    let mut written = 0;
    for (index, cell) in (from..).zip(cells) {
        let mut one = Vec::with_capacity(SUM_OCTETS + CHECKSUM_OCTETS + COUNT_OCTETS_MAX);
        one.extend_from_slice(&cell.sum.to_be_bytes());
        one.extend_from_slice(
            cell.checksum.to_be_bytes().last_chunk::<CHECKSUM_OCTETS>().map_or(&[], |sum| sum),
        );
        put_varint(&mut one, zigzag(cell.count.wrapping_sub(expected(size, index))));
        if octets.len() + one.len() > room {
            break;
        }
        octets.append(&mut one);
        written += 1;
    }
    (octets, written)
}

/// Reads what [`encode_cells`] wrote.
pub fn decode_cells(size: i64, from: usize, mut octets: &[u8]) -> Result<Vec<Cell>, MalformedCells> {
    let mut cells = Vec::with_capacity(octets.len() / (SUM_OCTETS + CHECKSUM_OCTETS + 1));
    for index in from.. {
        if octets.is_empty() {
            break;
        }
        let (sum, rest) = octets.split_first_chunk::<SUM_OCTETS>().ok_or(MalformedCells)?;
        let (checksum, rest) = rest.split_first_chunk::<CHECKSUM_OCTETS>().ok_or(MalformedCells)?;
        let (count, rest) = take_varint(rest)?;
        let checksum = checksum.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet));
        let count = unzigzag(count).wrapping_add(expected(size, index));
        cells.push(Cell { sum: u128::from_be_bytes(*sum), checksum, count });
        octets = rest;
    }
    Ok(cells)
}

/// How many of `size` ids are in a cell: `2 / (index + 2)` of them, rounded down.
fn expected(size: i64, index: usize) -> i64 {
    let index = i128::try_from(index).unwrap_or(i128::MAX - 2);
    i64::try_from(i128::from(size).max(0) * 2 / (index + 2)).unwrap_or(i64::MAX)
}

/// Small numbers of either sign as small numbers: 0, -1, 1, -2, 2 ...
fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Seven bits an octet, the lowest first; the highest bit says that more follow.
fn put_varint(octets: &mut Vec<u8>, mut number: u64) {
    while let Some(low) = u8::try_from(number & 0x7f).ok().filter(|_| number > 0x7f) {
        octets.push(low | 0x80);
        number >>= 7;
    }
    octets.push(number.to_le_bytes()[0]);
}

fn take_varint(octets: &[u8]) -> Result<(u64, &[u8]), MalformedCells> {
    let mut number = 0_u64;
    for (place, octet) in octets.iter().take(COUNT_OCTETS_MAX).enumerate() {
        let bits = u64::from(octet & 0x7f);
        let shift = 7 * u32::try_from(place).map_err(|_| MalformedCells)?;
        let shifted = bits << shift;
        // Bits that do not fit, and a last octet that adds nothing, make a second form of the same number.
        if shifted >> shift != bits || (*octet == 0 && place > 0) {
            return Err(MalformedCells);
        }
        number |= shifted;
        if octet & 0x80 == 0 {
            return Ok((number, octets.get(place + 1..).unwrap_or_default()));
        }
    }
    Err(MalformedCells)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let cell = (any::<u128>(), 0..1_u64 << 48, any::<i64>());
        proptest::collection::vec(
            cell.prop_map(|(sum, checksum, count)| Cell { sum, checksum, count }),
            0..20,
        )
    }

    proptest! {
        #[test]
        fn cells_come_back_as_they_went(cells in cells(), size: i64, from in 0_usize..1 << 20) {
            let (octets, written) = encode_cells(size, from, &cells, usize::MAX);
            prop_assert_eq!(written, cells.len());
            prop_assert_eq!(decode_cells(size, from, &octets), Ok(cells));
        }

        #[test]
        fn any_octets_are_cells_or_not_and_written_again_they_are_the_same(octets: Vec<u8>, size: i64) {
            if let Ok(cells) = decode_cells(size, 3, &octets) {
                prop_assert_eq!(encode_cells(size, 3, &cells, usize::MAX).0, octets);
            }
        }

        #[test]
        fn no_more_is_written_than_fits(cells in cells(), room in 0_usize..200) {
            let (octets, written) = encode_cells(0, 1, &cells, room);
            prop_assert!(octets.len() <= room);
            prop_assert_eq!(decode_cells(0, 1, &octets).unwrap(), &cells[..written]);
        }
    }

    #[test]
    fn a_count_that_is_as_expected_takes_one_octet() {
        let cell = Cell { sum: 0, checksum: 0, count: 200_000 };
        assert_eq!(encode_cells(1_000_000, 8, &[cell], usize::MAX).0.len(), 23);
    }

    #[test]
    fn cut_cells_are_malformed() {
        let (octets, _) = encode_cells(5, 0, &[Cell { sum: 1, checksum: 2, count: 3 }], usize::MAX);
        for end in 1..octets.len() {
            assert_eq!(decode_cells(5, 0, &octets[..end]), Err(MalformedCells));
        }
    }
}
