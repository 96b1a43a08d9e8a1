//! Why octets are not a bundle: the fault, where it is, and what the sender is told.

use thiserror::Error;

use crate::reason::ReasonCode;

/// The octets do not conform to RFC 9171, or to RFC 9172 for their security blocks, or exceed a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{fault}, at octet {offset}")]
pub struct Malformed {
    /// Where the offending item begins, counted from the first octet that was given.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl Malformed {
    pub(crate) fn new(offset: u64, fault: Fault) -> Self {
        Self { offset, fault }
    }

    /// The reason code of the status report that deletes such a bundle (RFC 9171 §5.6 step 3, RFC 9172 §7.1).
    pub fn reason(&self) -> ReasonCode {
        match self.fault {
            Fault::Security(_) => ReasonCode::ConflictingSecurityOperation,
            Fault::BundleTooLarge => ReasonCode::DepletedStorage,
            _ => ReasonCode::BlockUnintelligible,
        }
    }
}

/// What is wrong with the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The octets end inside an item.
    #[error("the octets end too early")]
    Truncated,
    /// Octets follow the end.
    #[error("octets follow the end")]
    TrailingOctets,
    /// An item is of another CBOR type than required; the text says what was required.
    #[error("{0} was expected")]
    Expected(&'static str),
    /// A length or number is not in its shortest form (RFC 8949 §4.2.1).
    #[error("a number is not encoded in its shortest form")]
    NotShortest,
    /// An item of indefinite length other than the bundle itself.
    #[error("an item of indefinite length stands inside a block")]
    Indefinite,
    /// An octet that CBOR reserves.
    #[error("a reserved CBOR initial octet")]
    ReservedCbor,
    /// Keys of a map that are not in deterministic order, or twice there.
    #[error("the keys of a map are out of order")]
    KeyOrder,
    /// Items nested too deeply.
    #[error("CBOR items are nested too deeply")]
    TooDeep,
    /// A declared length that no head can hold.
    #[error("a declared length exceeds what a bundle's head may hold")]
    LengthTooLarge,
    /// The head exceeds [`crate::HEAD_OCTETS_MAX`].
    #[error("the blocks before the payload are larger than 64 KiB")]
    HeadTooLarge,
    /// The bundle exceeds [`crate::Limits::bundle_octets_max`].
    #[error("the bundle is larger than this node takes")]
    BundleTooLarge,
    /// More blocks than [`crate::BLOCKS_MAX`].
    #[error("the bundle has too many blocks")]
    TooManyBlocks,
    /// The bundle protocol version is not 7.
    #[error("the bundle protocol version is not 7")]
    Version,
    /// An array has another number of elements than its flags and CRC type demand.
    #[error("{0} has the wrong number of elements")]
    ElementCount(&'static str),
    /// A CRC type other than 0, 1 and 2 (§4.2.1).
    #[error("the CRC type is unknown")]
    CrcType,
    /// A CRC does not match its block.
    #[error("the CRC does not match")]
    Crc,
    /// An endpoint ID breaks the rules of its scheme.
    #[error("an endpoint ID is not valid: {0}")]
    Eid(&'static str),
    /// The primary block contradicts itself (§4.2.3).
    #[error("{0}")]
    Primary(&'static str),
    /// A block breaks the rules for its number, type or flags (§4.1, §4.2.4).
    #[error("{0}")]
    Block(&'static str),
    /// The content of an extension block is not what its type demands (§4.4).
    #[error("{0}")]
    Content(&'static str),
    /// A security block breaks RFC 9172 §3.
    #[error("{0}")]
    Security(&'static str),
}
