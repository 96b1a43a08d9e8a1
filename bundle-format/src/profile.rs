//! What a community agrees on beyond the standards: code points for private use and the version of the signature profile
//! (`docs/signature-profile.md`).

use crate::sound_keys::SoundKeys;

/// Code points and rules that all nodes of a network share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The block type of the metadata block: 192 to 255 are for private use (RFC 9171 §4.3.2).
    pub metadata_block_type: u64,
    /// The block type of the Custody Transfer Extension Block: 13, or 15 in drafts of CCSDS 734.6.
    pub custody_block_type: u64,
    /// The record type of Compressed Custody Signals: 13, or 4 in drafts of CCSDS 734.6.
    pub custody_record_type: u64,
    /// How bundles are signed and what a signature must cover.
    pub signature: SignatureProfile,
    /// Keys that need not be examined again. Keep one profile, or clones of it, for as long as the node runs.
    pub sound_keys: SoundKeys,
}

/// The versions of the signature profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SignatureProfile {
    /// Ed25519 in `COSE_Sign1`, as in draft-ietf-dtn-bpsec-cose-17.
    #[default]
    V1,
}

impl Default for Profile {
    /// Metadata in blocks of type 193, custody as in CCSDS 734.6-O-1, signatures of version 1.
    fn default() -> Self {
        Self {
            metadata_block_type: 193,
            custody_block_type: 13,
            custody_record_type: 13,
            signature: SignatureProfile::V1,
            sound_keys: SoundKeys::default(),
        }
    }
}
