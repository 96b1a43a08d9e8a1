//! The octets of a volume's files (`docs/volume.md`): fixed blocks, each closed by its own CRC-32.
//!
//! Pure: arrays in, values out. Every number is in network order. A block that parses is what some writer wrote in
//! full; whether it is where it belongs is for [`crate::scan`] to say.

use crate::limits::{LABEL_OCTETS_MAX, RECORD_OCTETS_MAX};

/// The format version that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 1;

/// A bundle's id: the volume carries it and never computes it.
pub type RecordId = [u8; 16];

/// A hash of a node's name, made by the caller. Unauthenticated: anybody may write any.
pub type NodeHash = [u8; 16];

pub(crate) const VOLUME_BLOCK: usize = 128;
pub(crate) const SEGMENT_BLOCK: usize = 64;
pub(crate) const RECORD_HEADER: usize = 64;
pub(crate) const END_MARK: usize = 32;
pub(crate) const INVENTORY_HEADER: usize = 64;

/// Octets before a segment's first record.
pub(crate) const SEGMENT_HEAD_OCTETS: usize = VOLUME_BLOCK + SEGMENT_BLOCK;
/// The same as a position.
pub(crate) const SEGMENT_HEAD: u64 = SEGMENT_HEAD_OCTETS as u64;

const VOLUME_MAGIC: &[u8; 8] = b"PMVOLUME";
const SEGMENT_MAGIC: &[u8; 8] = b"PMSEGMNT";
const INVENTORY_MAGIC: &[u8; 8] = b"PMINVTRY";
/// Common to records and end marks: what a reader looks for after damage. Its first octet is in no text.
pub(crate) const SEARCHED: &[u8; 3] = b"\x9dPM";
const RECORD_MAGIC: &[u8; 4] = b"\x9dPMR";
const END_MAGIC: &[u8; 4] = b"\x9dPME";

const FLAG_ZSTD: u8 = 1;

/// What the volume file says, and what every segment repeats at its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeBlock {
    pub(crate) id: [u8; 16],
    pub(crate) created: Option<u64>,
    pub(crate) label: String,
}

/// Why a block is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockError {
    Damaged,
    Newer(u16),
}

impl VolumeBlock {
    pub(crate) fn encode(&self) -> [u8; VOLUME_BLOCK] {
        let label = self.label.as_bytes();
        let mut out = Block::<VOLUME_BLOCK>::new(VOLUME_MAGIC);
        out.put(&FORMAT_VERSION.to_be_bytes());
        out.put(&u16::try_from(label.len()).expect("a label has at most 64 octets").to_be_bytes());
        out.skip(4);
        out.put(&self.id);
        out.put(&self.created.unwrap_or(0).to_be_bytes());
        out.put(label);
        out.close()
    }

    pub(crate) fn parse(octets: &[u8; VOLUME_BLOCK]) -> Result<Self, BlockError> {
        let mut fields = Fields::open(octets, VOLUME_MAGIC).ok_or(BlockError::Damaged)?;
        let version = u16::from_be_bytes(fields.take());
        if version != FORMAT_VERSION {
            return Err(BlockError::Newer(version));
        }
        let length = usize::from(u16::from_be_bytes(fields.take()));
        fields.take::<4>();
        let id = fields.take();
        let created = time(fields.take());
        let label: [u8; LABEL_OCTETS_MAX] = fields.take();
        let label = label.get(..length).ok_or(BlockError::Damaged)?;
        // The label is printed: whoever wrote it must not move the cursor of the one who reads.
        let label = String::from_utf8_lossy(label).replace(char::is_control, "\u{fffd}");
        Ok(Self { id, created, label })
    }
}

/// Who wrote a segment, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentBlock {
    /// Random; repeated by every record of the segment, so that a payload which holds an image of another volume
    /// is never taken for records of this one.
    pub(crate) tag: [u8; 8],
    pub(crate) writer: NodeHash,
    pub(crate) written: Option<u64>,
    pub(crate) number: u32,
}

impl SegmentBlock {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_BLOCK] {
        let mut out = Block::<SEGMENT_BLOCK>::new(SEGMENT_MAGIC);
        out.put(&self.tag);
        out.put(&self.writer);
        out.put(&self.written.unwrap_or(0).to_be_bytes());
        out.put(&self.number.to_be_bytes());
        out.close()
    }

    pub(crate) fn parse(octets: &[u8; SEGMENT_BLOCK]) -> Option<Self> {
        let mut fields = Fields::open(octets, SEGMENT_MAGIC)?;
        Some(Self {
            tag: fields.take(),
            writer: fields.take(),
            written: time(fields.take()),
            number: u32::from_be_bytes(fields.take()),
        })
    }
}

/// What stands before each bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) zstd: bool,
    pub(crate) tag: [u8; 8],
    pub(crate) id: RecordId,
    pub(crate) written: Option<u64>,
    /// Length of the body that follows.
    pub(crate) stored: u64,
    /// Length of the bundle.
    pub(crate) original: u64,
    /// CRC-32 of the body as stored.
    pub(crate) body_crc: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; RECORD_HEADER] {
        let mut out = Block::<RECORD_HEADER>::new(RECORD_MAGIC);
        out.put(&[if self.zstd { FLAG_ZSTD } else { 0 }, 0, 0, 0]);
        out.put(&self.tag);
        out.put(&self.id);
        out.put(&self.written.unwrap_or(0).to_be_bytes());
        out.put(&self.stored.to_be_bytes());
        out.put(&self.original.to_be_bytes());
        out.put(&self.body_crc.to_be_bytes());
        out.close()
    }

    pub(crate) fn parse(octets: &[u8; RECORD_HEADER]) -> Option<Self> {
        let mut fields = Fields::open(octets, RECORD_MAGIC)?;
        let [flags, ..] = fields.take::<4>();
        let header = Self {
            zstd: flags & FLAG_ZSTD != 0,
            tag: fields.take(),
            id: fields.take(),
            written: time(fields.take()),
            stored: u64::from_be_bytes(fields.take()),
            original: u64::from_be_bytes(fields.take()),
            body_crc: u32::from_be_bytes(fields.take()),
        };
        let lengths_hold = (1..=RECORD_OCTETS_MAX).contains(&header.original)
            && header.stored >= 1
            && if header.zstd {
                header.stored <= RECORD_OCTETS_MAX + RECORD_OCTETS_MAX / 256
            } else {
                header.stored == header.original
            };
        (flags & !FLAG_ZSTD == 0 && lengths_hold).then_some(header)
    }

    /// Length of the whole record: header and body.
    pub(crate) fn octets(&self) -> u64 {
        RECORD_HEADER as u64 + self.stored
    }
}

/// What closes a segment: a copy that lacks it is torn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndMark {
    pub(crate) records: u32,
    pub(crate) tag: [u8; 8],
    /// Length of the segment, this mark included.
    pub(crate) length: u64,
}

impl EndMark {
    pub(crate) fn encode(&self) -> [u8; END_MARK] {
        let mut out = Block::<END_MARK>::new(END_MAGIC);
        out.put(&self.records.to_be_bytes());
        out.put(&self.tag);
        out.put(&self.length.to_be_bytes());
        out.close()
    }

    pub(crate) fn parse(octets: &[u8; END_MARK]) -> Option<Self> {
        let mut fields = Fields::open(octets, END_MAGIC)?;
        Some(Self {
            records: u32::from_be_bytes(fields.take()),
            tag: fields.take(),
            length: u64::from_be_bytes(fields.take()),
        })
    }
}

/// What stands before an inventory's octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InventoryHeader {
    pub(crate) node: NodeHash,
    pub(crate) generation: u64,
    pub(crate) written: Option<u64>,
    pub(crate) length: u64,
    pub(crate) body_crc: u32,
}

impl InventoryHeader {
    pub(crate) fn encode(&self) -> [u8; INVENTORY_HEADER] {
        let mut out = Block::<INVENTORY_HEADER>::new(INVENTORY_MAGIC);
        out.put(&FORMAT_VERSION.to_be_bytes());
        out.skip(6);
        out.put(&self.node);
        out.put(&self.generation.to_be_bytes());
        out.put(&self.written.unwrap_or(0).to_be_bytes());
        out.put(&self.length.to_be_bytes());
        out.put(&self.body_crc.to_be_bytes());
        out.close()
    }

    pub(crate) fn parse(octets: &[u8; INVENTORY_HEADER]) -> Result<Self, BlockError> {
        let mut fields = Fields::open(octets, INVENTORY_MAGIC).ok_or(BlockError::Damaged)?;
        let version = u16::from_be_bytes(fields.take());
        if version != FORMAT_VERSION {
            return Err(BlockError::Newer(version));
        }
        fields.take::<6>();
        Ok(Self {
            node: fields.take(),
            generation: u64::from_be_bytes(fields.take()),
            written: time(fields.take()),
            length: u64::from_be_bytes(fields.take()),
            body_crc: u32::from_be_bytes(fields.take()),
        })
    }

    /// Whether octets begin like an inventory, damaged or not: only such a file is ours to delete.
    pub(crate) fn begins(octets: &[u8]) -> bool {
        octets.starts_with(INVENTORY_MAGIC)
    }
}

/// A time on a drive: milliseconds since 2000-01-01 UTC as in RFC 9171 §4.2.6, 0 where the writer had no clock.
fn time(octets: [u8; 8]) -> Option<u64> {
    Some(u64::from_be_bytes(octets)).filter(|&time| time != 0)
}

/// A block of `N` octets being written: a magic, fields, zeros, and the CRC-32 of all of it in the last four.
struct Block<const N: usize> {
    octets: [u8; N],
    at: usize,
}

impl<const N: usize> Block<N> {
    fn new(magic: &[u8]) -> Self {
        let mut block = Self { octets: [0; N], at: 0 };
        block.put(magic);
        block
    }

    fn put(&mut self, field: &[u8]) {
        let end = self.at + field.len();
        self.octets.get_mut(self.at..end).expect("a block's fields fit into it").copy_from_slice(field);
        self.at = end;
    }

    fn skip(&mut self, octets: usize) {
        self.at += octets;
    }

    fn close(mut self) -> [u8; N] {
        assert!(self.at <= N - 4, "a block's fields end before its CRC");
        self.at = N - 4;
        let crc = crc32fast::hash(self.octets.get(..N - 4).unwrap_or_default());
        self.put(&crc.to_be_bytes());
        self.octets
    }
}

/// The fields of a block whose magic and CRC-32 hold.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn open<const N: usize>(octets: &'a [u8; N], magic: &[u8]) -> Option<Self> {
        let fields = octets.strip_prefix(magic)?;
        let (covered, crc) = octets.split_last_chunk::<4>()?;
        (crc32fast::hash(covered) == u32::from_be_bytes(*crc)).then_some(Self(fields))
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("a block's fields fit into it");
        self.0 = rest;
        *field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of the example in `docs/volume.md`, byte by byte.
    fn example() -> (VolumeBlock, SegmentBlock, RecordHeader, EndMark) {
        let volume = VolumeBlock { id: [0x11; 16], created: Some(820_454_400_000), label: "RED".into() };
        let segment =
            SegmentBlock { tag: [0x22; 8], writer: [0x33; 16], written: Some(820_454_400_000), number: 1 };
        let record = RecordHeader {
            zstd: false,
            tag: [0x22; 8],
            id: [0x44; 16],
            written: Some(820_454_400_000),
            stored: 5,
            original: 5,
            body_crc: crc32fast::hash(b"hello"),
        };
        let end = EndMark { records: 1, tag: [0x22; 8], length: 192 + 64 + 5 + 32 };
        (volume, segment, record, end)
    }

    fn hex(octets: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(octets)
    }

    #[test]
    fn the_example_in_the_documentation_is_what_is_written_and_read() {
        let page = include_str!("../../../docs/volume.md");
        let documented: Vec<u8> = page
            .lines()
            .skip_while(|line| *line != "```hex")
            .skip(1)
            .take_while(|line| *line != "```")
            .flat_map(|line| {
                let octets = line.split("  ").nth(1).unwrap().replace(' ', "");
                data_encoding::HEXLOWER.decode(octets.as_bytes()).unwrap()
            })
            .collect();
        let (volume, segment, record, end) = example();
        let mut written = volume.encode().to_vec();
        written.extend(segment.encode());
        written.extend(record.encode());
        written.extend(b"hello");
        written.extend(end.encode());
        assert_eq!(hex(&documented), hex(&written));

        assert_eq!(VolumeBlock::parse(documented[..128].try_into().unwrap()), Ok(volume));
        assert_eq!(SegmentBlock::parse(documented[128..192].try_into().unwrap()), Some(segment));
        assert_eq!(RecordHeader::parse(documented[192..256].try_into().unwrap()), Some(record));
        assert_eq!(EndMark::parse(documented[261..].try_into().unwrap()), Some(end));
    }

    #[test]
    fn an_inventory_header_has_these_octets() {
        let header = InventoryHeader {
            node: [0x33; 16],
            generation: 7,
            written: None,
            length: 5,
            body_crc: crc32fast::hash(b"hello"),
        };
        let octets = header.encode();
        assert_eq!(
            hex(&octets[..60]),
            "504d494e565452590001000000000000333333333333333333333333333333330000000000000007\
             000000000000000000000000000000053610a686"
        );
        assert_eq!(InventoryHeader::parse(&octets), Ok(header));
    }

    #[test]
    fn a_block_with_any_bit_turned_is_refused() {
        let (volume, segment, record, end) = example();
        for bit in 0..VOLUME_BLOCK * 8 {
            let mut octets = volume.encode();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(VolumeBlock::parse(&octets), Err(BlockError::Damaged), "bit {bit}");
        }
        for bit in 0..SEGMENT_BLOCK * 8 {
            let (mut a, mut b) = (segment.encode(), record.encode());
            a[bit / 8] ^= 1 << (bit % 8);
            b[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentBlock::parse(&a), None, "bit {bit}");
            assert_eq!(RecordHeader::parse(&b), None, "bit {bit}");
        }
        for bit in 0..END_MARK * 8 {
            let mut octets = end.encode();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(EndMark::parse(&octets), None, "bit {bit}");
        }
    }

    #[test]
    fn lengths_that_no_writer_declares_are_refused() {
        let (_, _, record, _) = example();
        for (zstd, stored, original) in [
            (false, 5, 6),
            (false, 0, 0),
            (true, 0, 5),
            (true, 5, 0),
            (true, u64::MAX, 5),
            (true, 5, RECORD_OCTETS_MAX + 1),
            (false, u64::MAX, u64::MAX),
        ] {
            let octets = RecordHeader { zstd, stored, original, ..record.clone() }.encode();
            assert_eq!(RecordHeader::parse(&octets), None, "{stored} stored of {original}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let (volume, ..) = example();
        let mut octets = volume.encode();
        octets[9] = 2;
        let crc = crc32fast::hash(&octets[..124]);
        octets[124..].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(VolumeBlock::parse(&octets), Err(BlockError::Newer(2)));
    }

    #[test]
    fn a_label_cannot_move_the_cursor() {
        let (mut volume, ..) = example();
        volume.label = "RED\x1b[2J\n".into();
        assert_eq!(VolumeBlock::parse(&volume.encode()).unwrap().label, "RED\u{fffd}[2J\u{fffd}");
    }
}
