//! Every limit of the volume, with its derivation, and the relations between them.

/// Largest file that FAT32 can hold: its length field has 32 bits.
pub const FAT32_FILE_OCTETS_MAX: u64 = u32::MAX as u64;

/// Largest segment that a writer fills with more than one record: small enough that a pulled drive loses little,
/// large enough that its one fsync costs nothing beside the copy.
pub const SEGMENT_OCTETS_MAX: u64 = 64 << 20;

/// Largest bundle in one record, as the agent's largest bundle.
pub const RECORD_OCTETS_MAX: u64 = 1 << 30;

/// Up to this length a bundle is compressed in memory as a whole; above it, its first octets of this number decide
/// whether compression pays.
pub const BUFFER_OCTETS: usize = 1 << 20;

/// Largest inventory. It is held in memory as a whole; 1,000,000 ids of 16 octets fit.
pub const INVENTORY_OCTETS_MAX: usize = 32 << 20;

/// How many directory entries are looked at: a FAT32 directory holds no more.
pub const ENTRIES_MAX: usize = 65_536;

/// Largest label in octets of UTF-8, as room in the volume block.
pub const LABEL_OCTETS_MAX: usize = 64;

/// zstd windows are at most 2^20 octets, so that a small machine can read what a large one wrote.
pub const WINDOW_LOG_MAX: u32 = 20;

/// Largest segment that a reader looks at: one record of the largest size that zstd could not shrink (it adds at
/// most one part in 256), and its frame. What follows is reported as damage.
pub(crate) const SEGMENT_READ_OCTETS_MAX: u64 =
    RECORD_OCTETS_MAX + RECORD_OCTETS_MAX / 256 + SEGMENT_OCTETS_MAX;

/// Largest number of damages that a check names; the rest is counted.
pub(crate) const DAMAGES_NAMED_MAX: usize = 10_000;

const _: () = assert!(SEGMENT_READ_OCTETS_MAX < FAT32_FILE_OCTETS_MAX);
const _: () = assert!(SEGMENT_OCTETS_MAX < RECORD_OCTETS_MAX);
