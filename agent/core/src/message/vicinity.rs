//! Vicinity: with whom else the sender has contacts now (`docs/sync.md`, "While a contact is open").

use std::collections::BTreeSet;

use bundle_format::Eid;
use minicbor::{Decoder, Encoder};

use super::{Encoded, Unintelligible, VERSION};

/// A vicinity names at most this many neighbors; of more, some are left out.
pub(crate) const VICINITY_MAX: usize = 64;
const HASH_OCTETS: usize = 8;

/// A node, as a vicinity names it: the first octets of the BLAKE3 hash of its node ID's CBOR.
pub(crate) type NodeHash = [u8; HASH_OCTETS];

/// The neighbors of the sender that proved who they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Vicinity {
    pub(crate) nodes: BTreeSet<NodeHash>,
}

/// How a vicinity names a node.
pub(crate) fn node_hash(node: &Eid) -> NodeHash {
    blake3::hash(&node.to_cbor()).as_bytes().first_chunk().copied().expect("a hash is longer")
}

impl Vicinity {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        let nodes: Vec<u8> = self.nodes.iter().flatten().copied().collect();
        encoder.array(3)?.u64(VERSION)?.u8(11)?.bytes(&nodes)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let (nodes, rest) = decoder.bytes()?.as_chunks::<HASH_OCTETS>();
        if !rest.is_empty() || nodes.len() > VICINITY_MAX {
            return Err(Unintelligible);
        }
        Ok(Self { nodes: nodes.iter().copied().collect() })
    }
}
