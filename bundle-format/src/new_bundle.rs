//! Bundles of our own: what they carry, and how they become octets.
//!
//! Whatever is built is parsed again before it is given out, so that no value of this module can make a bundle that the
//! next node would refuse as malformed.

use bytes::Bytes;
use thiserror::Error;

use crate::block::{BlockHead, HopCount, block_type};
use crate::cbor::{BUNDLE_START, Writer};
use crate::checked::{CheckedBundle, PayloadCheck, payload_crc, tail_of};
use crate::crc::CrcType;
use crate::eid::Eid;
use crate::flags::{BlockFlags, BundleFlags};
use crate::head::Head;
use crate::malformed::Malformed;
use crate::metadata::{Metadata, MetadataError};
use crate::primary::PrimaryBlock;
use crate::profile::Profile;
use crate::time::CreationTimestamp;

/// Block numbers in bundles of our own. Fixed, because a signature covers them.
pub(crate) const SIGNATURE_NUMBER: u64 = 2;
pub(crate) const METADATA_NUMBER: u64 = 3;
const AGE_NUMBER: u64 = 4;
const HOP_COUNT_NUMBER: u64 = 5;

/// What a new bundle is to say, its payload aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBundle {
    /// Whom it is for.
    pub destination: Eid,
    /// The endpoint that sends it.
    pub source: Eid,
    /// Who receives status reports; null for nobody.
    pub report_to: Eid,
    /// When it is created, and its number. Never used twice by one source.
    pub creation: CreationTimestamp,
    /// How long it is of use, in milliseconds.
    pub lifetime_ms: u64,
    /// What holds for the bundle as a whole.
    pub flags: BundleFlags,
    /// Its age in milliseconds, for a Bundle Age block; needed where the creation time is zero.
    pub age_ms: Option<u64>,
    /// How many hops it may take, for a Hop Count block.
    pub hop_limit: Option<u8>,
    /// What is said about the payload. Metadata that say nothing are left out.
    pub metadata: Option<Metadata>,
}

/// Why a bundle cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The metadata cannot be sent.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A bundle without a source has nobody who could have signed it.
    #[error("a bundle with an anonymous source cannot be signed")]
    Anonymous,
    /// The fields contradict each other or are too large.
    #[error("such a bundle would not be valid: {0}")]
    Invalid(#[from] Malformed),
}

/// Why a bundle with a streamed payload cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StreamError<E> {
    /// The bundle cannot be made whatever the payload.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The payload could not be read.
    #[error("the payload could not be read: {0}")]
    Read(E),
    /// The payload has another length than was said.
    #[error("the payload has {found} octets instead of {expected}")]
    Length {
        /// What was said.
        expected: u64,
        /// What was read.
        found: u64,
    },
    /// The second reading gave other octets than the first.
    #[error("the payload changed while it was being signed")]
    Changed,
}

impl NewBundle {
    /// Makes the bundle without a signature, with CRCs on all blocks.
    pub fn unsigned(self, profile: &Profile, payload: Bytes) -> Result<CheckedBundle, BuildError> {
        let draft = Draft::new(self, profile, payload.len() as u64, CrcType::Castagnoli)?;
        let head = draft.head(None)?;
        let mut crc = payload_crc(&head);
        crc.update(&payload);
        let tail = Bytes::from(tail_of(crc));
        let mut check = PayloadCheck::begin(&head, profile);
        check.update(&payload);
        Ok(CheckedBundle::new(head, tail, Some(payload), check.finish()))
    }
}

/// A bundle that lacks only its signature.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) primary: PrimaryBlock,
    /// Block type and data.
    pub(crate) metadata: Option<(u64, Vec<u8>)>,
    /// The CRC of blocks that a signature may cover, the payload among them.
    crc: CrcType,
    age_ms: Option<u64>,
    hop_limit: Option<u8>,
    payload_octets: u64,
}

impl Draft {
    pub(crate) fn new(
        new: NewBundle,
        profile: &Profile,
        payload_octets: u64,
        crc: CrcType,
    ) -> Result<Self, BuildError> {
        let metadata = new.metadata.filter(|metadata| *metadata != Metadata::default());
        let metadata = metadata.map(|metadata| metadata.encode()).transpose()?;
        let primary = PrimaryBlock {
            flags: new.flags,
            crc: CrcType::Castagnoli,
            destination: new.destination,
            source: new.source,
            report_to: new.report_to,
            creation: new.creation,
            lifetime_ms: new.lifetime_ms,
            fragment: None,
        };
        Ok(Self {
            primary,
            metadata: metadata.map(|data| (profile.metadata_block_type, data)),
            crc,
            age_ms: new.age_ms,
            hop_limit: new.hop_limit,
            payload_octets,
        })
    }

    /// The head, with the data of a signature block if it has one.
    pub(crate) fn head(&self, signature: Option<&[u8]>) -> Result<Head, BuildError> {
        let mut writer = Writer::new();
        writer.raw(&[BUNDLE_START]);
        self.primary.encode(&mut writer);
        let mut put = |block_type: u64, number: u64, crc: CrcType, data: &[u8]| {
            BlockHead { block_type, number, flags: BlockFlags::empty(), crc }.encode(data, &mut writer);
        };
        if let Some(data) = signature {
            put(block_type::INTEGRITY, SIGNATURE_NUMBER, CrcType::None, data);
        }
        if let Some((block_type, data)) = &self.metadata {
            put(*block_type, METADATA_NUMBER, self.crc, data);
        }
        if let Some(age_ms) = self.age_ms {
            let mut age = Writer::new();
            age.uint(age_ms);
            put(block_type::BUNDLE_AGE, AGE_NUMBER, CrcType::Castagnoli, &age.finish());
        }
        if let Some(limit) = self.hop_limit {
            let hops = HopCount { limit, count: 0 }.encode();
            put(block_type::HOP_COUNT, HOP_COUNT_NUMBER, CrcType::Castagnoli, &hops);
        }
        let (flags, crc) = (BlockFlags::empty(), self.crc);
        let payload = BlockHead { block_type: block_type::PAYLOAD, number: 1, flags, crc };
        payload.encode_payload_head(self.payload_octets, &mut writer);
        Ok(Head::parse(Bytes::from(writer.finish()))?)
    }
}
