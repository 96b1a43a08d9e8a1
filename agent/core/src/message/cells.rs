//! Summary, Cells and More: what differs between two sets is found out from sketches of them (`docs/sync.md`,
//! "Reconciliation").

use minicbor::{Decoder, Encoder};

use super::{Encoded, Unintelligible, VERSION};
use crate::sketch::{CELLS_MAX, Cell, decode_cells, encode_cells};

/// Octets of cells in one message that are looked at: as many cells as are ever of use, with small counts.
const OCTETS_MAX: usize = CELLS_MAX * 24;
/// Octets of a cell whose count is no other than its index and the size of a set allow, at most.
const CELL_OCTETS_MAX: usize = 16 + 6 + 10;

/// The size and the digest of the sender's set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// What is compared: both sides derive it from both Hellos.
    pub(crate) interest: [u8; 8],
    /// Whether the receiver is to send its own.
    pub(crate) asks: bool,
    /// Cell 0: everything in the set.
    pub(crate) cell: Cell,
}

/// Cells of the sender's set, beginning at an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells {
    /// The size of the set.
    pub(crate) size: i64,
    pub(crate) from: usize,
    /// One after another.
    pub(crate) run: Vec<Cell>,
}

/// Send so many cells, beginning at an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct More {
    pub(crate) from: usize,
    pub(crate) most: usize,
}

impl Summary {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        let (sum, checksum) = (self.cell.sum.to_be_bytes(), self.cell.checksum.to_be_bytes());
        encoder.array(7)?.u64(VERSION)?.u8(3)?.bytes(&self.interest)?.u8(u8::from(self.asks))?;
        encoder.u64(self.cell.count.unsigned_abs())?.bytes(&sum)?;
        encoder.bytes(checksum.last_chunk::<6>().map_or(&[], |checksum| checksum))
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let interest = decoder.bytes()?.try_into().map_err(|_| Unintelligible)?;
        let asks = decoder.u64()? == 1;
        let count = i64::try_from(decoder.u64()?).map_err(|_| Unintelligible)?;
        let sum = u128::from_be_bytes(decoder.bytes()?.try_into().map_err(|_| Unintelligible)?);
        let checksum: [u8; 6] = decoder.bytes()?.try_into().map_err(|_| Unintelligible)?;
        let checksum = checksum.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet));
        Ok(Self { interest, asks, cell: Cell { sum, checksum, count } })
    }
}

impl More {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(4)?.u64(VERSION)?.u8(5)?.u64(self.from as u64)?.u64(self.most as u64)
    }

    /// What is beyond all cells is as good as their number.
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let (from, most) = (decoder.u64()?, decoder.u64()?);
        let within = |index: u64| usize::try_from(index).unwrap_or(CELLS_MAX).min(CELLS_MAX);
        Ok(Self { from: within(from), most: within(most) })
    }
}

impl Cells {
    /// As many of these cells as a message of so many octets has room for; one at least.
    pub(crate) fn fitting(size: i64, from: usize, cells: &[Cell], octets_max: usize) -> Self {
        let octets_max = octets_max.min(OCTETS_MAX);
        let around =
            3 + head_octets(size.unsigned_abs()) + head_octets(from as u64) + head_octets(octets_max as u64);
        let room = octets_max.saturating_sub(around).max(CELL_OCTETS_MAX);
        let (_, written) = encode_cells(size, from, cells, room);
        Self { size, from, run: cells.iter().take(written).copied().collect() }
    }

    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        let (octets, _) = encode_cells(self.size, self.from, &self.run, usize::MAX);
        encoder.array(5)?.u64(VERSION)?.u8(4)?.u64(self.size.unsigned_abs())?;
        encoder.u64(self.from as u64)?.bytes(&octets)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let size = i64::try_from(decoder.u64()?).map_err(|_| Unintelligible)?;
        let from = usize::try_from(decoder.u64()?).map_err(|_| Unintelligible)?;
        let octets = decoder.bytes()?;
        if octets.is_empty() || octets.len() > OCTETS_MAX || from >= CELLS_MAX {
            return Err(Unintelligible);
        }
        let run = decode_cells(size, from, octets).map_err(|_| Unintelligible)?;
        Ok(Self { size, from, run })
    }
}

/// Octets of the head of a CBOR item with this argument.
fn head_octets(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ContactMessage;
    use proptest::prelude::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
    }

    fn cell(count: i64) -> Cell {
        Cell { sum: u128::from_be_bytes([0xa5; 16]), checksum: 0x0102_0304_0506, count }
    }

    #[test]
    fn the_octets_are_those_of_the_specification() {
        let summary = Summary { interest: *b"interest", asks: true, cell: cell(100_000) };
        let expected = "87010348696e746572657374011a000186a050a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a546010203040506";
        assert_eq!(hex(&ContactMessage::Summary(summary).encode()), expected);
        // 100,000 ids: 20,000 are to be expected in cell 8, and 18,181 in cell 9.
        let cells = Cells { size: 100_000, from: 8, run: vec![cell(20_003), cell(18_081)] };
        let expected = "8501041a000186a008582fa5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a501020304050606\
                        a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5010203040506c701";
        assert_eq!(hex(&ContactMessage::Cells(cells).encode()), expected);
        assert_eq!(hex(&ContactMessage::More(More { from: 25, most: 100 }).encode()), "84010518191864");
    }

    #[test]
    fn a_summary_fits_50_octets_whatever_it_says() {
        let summary = Summary { interest: [9; 8], asks: true, cell: cell(i64::MAX) };
        assert!(ContactMessage::Summary(summary).encode().len() <= 50);
    }

    #[test]
    fn counts_in_a_longer_form_than_they_need_are_unintelligible() {
        let mut octets = vec![0x85, 1, 4, 0, 0, 0x58, 24];
        octets.extend_from_slice(&[7; 22]);
        octets.extend_from_slice(&[0x80, 0]);
        assert_eq!(ContactMessage::decode(&octets), Err(Unintelligible));
    }

    fn any_cell() -> impl Strategy<Value = Cell> {
        (any::<u128>(), 0..1_u64 << 48, 0..1_i64 << 40).prop_map(|(sum, checksum, count)| Cell {
            sum,
            checksum,
            count,
        })
    }

    proptest! {
        #[test]
        fn cells_come_back_as_they_went_and_cut_ones_do_not(
            (size, from) in (0..i64::MAX, 0..CELLS_MAX),
            cells in prop::collection::vec(any_cell(), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let message = ContactMessage::Cells(Cells { size, from, run: cells });
            let octets = message.encode();
            prop_assert_eq!(ContactMessage::decode(&octets), Ok(message));
            prop_assert_eq!(ContactMessage::decode(&octets[..cut.index(octets.len())]), Err(Unintelligible));
            prop_assert_eq!(ContactMessage::decode(&[&octets[..], &[0]].concat()), Err(Unintelligible));
        }

        #[test]
        fn cells_are_cut_to_what_fits(
            (size, from) in (0..i64::from(u32::MAX), 0..CELLS_MAX),
            cells in prop::collection::vec(any_cell(), 1..50),
            octets_max in 64..2_000_usize,
        ) {
            let fitting = Cells::fitting(size, from, &cells, octets_max);
            prop_assert!(!fitting.run.is_empty());
            prop_assert!(ContactMessage::Cells(fitting).encode().len() <= octets_max);
        }

        #[test]
        fn whatever_octets_come_nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ContactMessage::decode(&octets);
            let _ = ContactMessage::decode(&[&[0x85, 1, 4][..], &octets].concat());
        }
    }
}
