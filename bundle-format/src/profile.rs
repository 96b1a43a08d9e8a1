//! What a community agrees on beyond the standards: code points for private use and the version of the signature profile
//! (`docs/signature-profile.md`).

use crate::sound_keys::SoundKeys;

/// Code points and rules that all nodes of a network share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The block type of the metadata block: 192 to 255 are for private use (RFC 9171 §4.3.2).
    pub metadata_block_type: u64,
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
    /// Metadata in blocks of type 193, signatures of version 1.
    fn default() -> Self {
        Self { metadata_block_type: 193, signature: SignatureProfile::V1, sound_keys: SoundKeys::default() }
    }
}
