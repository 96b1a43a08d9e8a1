//! Parts of the set that is reconciled, after where bundles go (`docs/sync.md`, "Partitions"): neighbors want whole ones of them.

use bundle_format::Eid;

use crate::store::endpoints::name_key;

/// All bundles to one node, or to one group: the first 8 octets of the BLAKE3 hash of the node ID or the group's EID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition([u8; 8]);

impl Partition {
    /// The partition that bundles to a destination are in.
    pub fn of(destination: &Eid) -> Self {
        let whose = destination.node_id().unwrap_or_else(|| destination.clone());
        Self(name_key(&whose.to_cbor()).first_chunk().copied().unwrap_or_default())
    }

    /// Its key.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    pub(crate) fn from_bytes(key: [u8; 8]) -> Self {
        Self(key)
    }
}
