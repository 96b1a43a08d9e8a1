//! The index of BPv7 identities (RFC 9171 §4.2.7): source, creation timestamp, and which fragment.
//!
//! Clustered by source, as identities come: what one source made lies together, which costs a third of the pages that
//! random keys would. Several bundles may have one identity, so that the number closes the key.

use bundle_format::{BundleId, CreationTimestamp, FragmentExtent, Identity};

use crate::store::facts::{BundleFacts, number_at};
use crate::store::record::Writer;
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View};

/// Bundles of one identity that are worth looking at: more than one is a fault of their source.
const SAME_IDENTITY_MAX: usize = 16;

pub(crate) fn key(facts: &BundleFacts) -> Vec<u8> {
    let prefix = prefix(facts.source_number, facts.creation, facts.fragment);
    Writer::with_capacity(prefix.len() + 8).octets(&prefix).octets(&facts.number.key()).done()
}

fn prefix(source: u32, creation: CreationTimestamp, fragment: Option<FragmentExtent>) -> Vec<u8> {
    let start = fellows_prefix(source, creation, u8::from(fragment.is_some()));
    match fragment {
        Some(fragment) => {
            Writer::with_capacity(37).octets(&start).u64(fragment.offset).u64(fragment.octets).done()
        }
        None => start,
    }
}

/// What all fragments of one bundle have in common; or all bundles of one identity that are no fragments.
fn fellows_prefix(source: u32, creation: CreationTimestamp, is_fragment: u8) -> Vec<u8> {
    Writer::with_capacity(21).u32(source).u64(creation.time.0).u64(creation.sequence).u8(is_fragment).done()
}

impl View<'_> {
    /// Bundles with this identity. Different bundles can have the same one, where a source's key or its
    /// counter was copied; 16 of them are looked at.
    pub fn find_identity(&self, identity: &Identity) -> Result<Vec<(Number, BundleId)>, StoreError> {
        let Some(source) = self.endpoint(&identity.source)? else { return Ok(Vec::new()) };
        self.identity_rows(&prefix(source, identity.creation, identity.fragment), SAME_IDENTITY_MAX)
    }

    /// Fragments of the bundle with this identity, by their offsets.
    pub fn find_fragments(
        &self,
        identity: &Identity,
        limit: usize,
    ) -> Result<Vec<(Number, BundleId)>, StoreError> {
        let Some(source) = self.endpoint(&identity.source)? else { return Ok(Vec::new()) };
        self.identity_rows(&fellows_prefix(source, identity.creation, 1), limit)
    }

    fn identity_rows(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Number, BundleId)>, StoreError> {
        self.rows(Table::Identities, prefix)?
            .take(limit)
            .map(|row| {
                let (key, body) = row?;
                let id = body.try_into().map_err(|_| misshapen(Table::Identities, key))?;
                Ok((number_at(Table::Identities, key)?, BundleId::from_bytes(id)))
            })
            .collect()
    }
}
