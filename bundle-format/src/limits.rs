//! Every limit of this crate, its derivation, and the relations between limits. Nothing larger is parsed or built.

/// Largest head in octets: what is kept in memory per bundle under way. A primary block takes at most
/// `PRIMARY_OCTETS_MAX`, a signature block about 300, so this leaves ample room for blocks of others.
pub const HEAD_OCTETS_MAX: usize = 64 * 1024;

/// Largest encoded endpoint ID in octets: a URI of 1,000 characters and its CBOR framing. DNS names end at 253.
pub const EID_OCTETS_MAX: usize = 1_006;

/// Largest primary block in octets: three endpoint IDs, and 100 octets that cover all its numbers (11 heads of at most
/// 9 octets are 99, of which three belong to the endpoint IDs) and the CRC.
pub(crate) const PRIMARY_OCTETS_MAX: usize = 3 * EID_OCTETS_MAX + 100;

/// Most extension blocks in one bundle. Bundles seen in the wild have fewer than ten; each costs work at every hop.
pub const BLOCKS_MAX: usize = 128;

/// Largest tail in octets: a CRC-32C, its byte string head and the "break".
pub const TAIL_OCTETS_MAX: usize = 6;

/// Nesting of CBOR items in what is skipped without being understood.
pub(crate) const DEPTH_MAX: usize = 16;

/// Largest payload that can be spoken of at all, in octets. Far beyond any disk, and far from overflowing a sum of
/// lengths in 64 bits.
pub(crate) const PAYLOAD_OCTETS_MAX: u64 = 1 << 62;

/// Longest file name in octets of UTF-8: what file systems take.
pub const FILE_NAME_OCTETS_MAX: usize = 255;

/// Longest media type in octets: RFC 6838 §4.2 allows 127 on each side of the slash.
pub const MEDIA_TYPE_OCTETS_MAX: usize = 255;

/// Longest name of a record in octets of UTF-8: as long as a file's.
pub const RECORD_NAME_OCTETS_MAX: usize = 255;

/// Largest revision of a record, which an author that counts never reaches. Beyond it, nothing is a revision: an author whose
/// record somehow had the largest number of 64 bits could never replace it. JSON writes it exactly (2^53 - 1).
pub const REVISION_MAX: u64 = (1 << 53) - 1;

/// Most numbers that one collection of bundle sequences may name: what a node looks up in one step, at a few microseconds
/// each.
pub const COLLECTION_NUMBERS_MAX: u64 = 65_536;

/// Most runs of consecutive numbers in one collection. A run takes two octets or more of a record of at most 64 KiB.
pub const COLLECTION_RUNS_MAX: usize = 16_384;

const _: () = assert!(PRIMARY_OCTETS_MAX * 2 < HEAD_OCTETS_MAX, "a head has room beside its primary block");
const _: () =
    assert!(BLOCKS_MAX * 32 < HEAD_OCTETS_MAX, "as many small blocks as are allowed fit into a head");
const _: () = assert!(FILE_NAME_OCTETS_MAX + MEDIA_TYPE_OCTETS_MAX < 1024, "metadata are small");

/// What a node takes. Set by its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest bundle in octets, all blocks and framing included.
    pub bundle_octets_max: u64,
}

impl Default for Limits {
    /// 1 GiB, or 256 MiB where addresses have 32 bits.
    fn default() -> Self {
        let mebibytes = if usize::BITS < 64 { 256 } else { 1024 };
        Self { bundle_octets_max: mebibytes << 20 }
    }
}
