//! What a bundle is: BPv7 (RFC 9171), its signature profile and its identity. Octets in, values out.
//!
//! On the wire a bundle is *head ‖ payload octets ‖ tail*. The [`Head`] is everything up to and including the length of
//! the payload: small, contiguous, parsed and checked as a whole. The tail is the payload block's CRC, if it has one,
//! and the octet that ends the bundle. The payload in between may be a gigabyte and is never needed in one piece.
//!
//! - [`BundleReader`] takes octets of unknown origin as they arrive, [`Bundle`] takes a whole bundle; both end in a
//!   [`CheckedBundle`], which only this crate can make.
//! - [`NewBundle`] makes bundles, signed or not.
//! - [`Reassembly`] puts the fragments of others together; [`AdministrativeRecord`] reads and writes status reports,
//!   [`CustodySignal`] those about custody.
//!
//! The crate reads no clock, no file and no socket, and has no randomness of its own.

#![forbid(unsafe_code)]

mod administrative;
mod block;
mod bundle;
mod cbor;
mod checked;
mod cose;
mod crc;
mod custody;
mod custody_signal;
mod eid;
mod flags;
mod forwarding;
mod framing;
mod head;
mod id;
mod key;
mod limits;
mod malformed;
mod metadata;
mod new_bundle;
mod passing;
mod primary;
mod profile;
mod reader;
mod reason;
mod reassembly;
mod reception;
mod security;
mod security_rules;
mod sequences;
mod signature;
mod signing;
mod sound_keys;
mod status_report;
#[cfg(test)]
mod test_vectors;
mod time;

pub use administrative::AdministrativeRecord;
pub use block::{CanonicalBlock, HopCount, PayloadBlock, block_type};
pub use bundle::Bundle;
pub use checked::CheckedBundle;
pub use crc::CrcType;
pub use custody::{CustodyBlock, HopCustody};
pub use custody_signal::CustodySignal;
pub use eid::{DtnEid, Eid, EidError, OtherEid};
pub use flags::{BlockFlags, BundleFlags};
pub use forwarding::ForwardError;
pub use head::Head;
pub use id::{BundleId, BundleIdError};
pub use key::{KeyError, NodeKey, PublicKey};
pub use limits::{
    BLOCKS_MAX, COLLECTION_NUMBERS_MAX, COLLECTION_RUNS_MAX, EID_OCTETS_MAX, FILE_NAME_OCTETS_MAX,
    HEAD_OCTETS_MAX, Limits, MEDIA_TYPE_OCTETS_MAX, RECORD_NAME_OCTETS_MAX, REVISION_MAX, TAIL_OCTETS_MAX,
};
pub use malformed::{Fault, Malformed};
pub use metadata::{Metadata, MetadataError, Priority, RecordTag};
pub use new_bundle::{BuildError, NewBundle, StreamError};
pub use passing::PassingPayload;
pub use primary::{Fragment, FragmentExtent, Identity, PrimaryBlock};
pub use profile::{Profile, SignatureProfile};
pub use reader::BundleReader;
pub use reason::ReasonCode;
pub use reassembly::{Piece, Reassembly};
pub use reception::Reception;
pub use security::{AbstractSecurityBlock, SecurityOperation};
pub use sequences::{BundleSequence, Counter, Run};
pub use signature::{SignatureFault, SignatureVerdict};
pub use sound_keys::SoundKeys;
pub use status_report::{Asserted, StatusReport};
pub use time::{CreationTimestamp, DtnTime};
