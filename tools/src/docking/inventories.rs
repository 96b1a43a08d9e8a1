//! What other nodes held when they docked here last, by their own signature.
//!
//! An inventory is a bundle from the node to [`DESTINATION`], whose payload is ids of 16 octets, ascending. It counts if
//! the key that is trusted for that node signed it; anything else on the drive may have been put there by whoever
//! carried it.

use std::collections::BTreeMap;

use agent_node::{Call, Reply};
use bundle_format::{Bundle, BundleId, Eid, Limits, PublicKey};
use bytes::Bytes;
use drive_volume::{InventoryInfo, Volume};

use super::Docked;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;

/// Where every inventory is addressed to, so that no other signed bundle can be passed off as one.
const DESTINATION: &str = "dtn://packmule/~inventory";

impl Docked<'_> {
    /// Notes what trusted nodes hold, so that they are not counted among those who lack it.
    pub(super) fn read_inventories(&mut self, volume: &Volume) -> Result<(), Failure> {
        let trusted = self.trusted()?;
        let (inventories, damages) = volume.inventories()?;
        for damage in damages {
            self.everybody.miss();
            self.summary.damaged(damage);
        }
        let own = super::node_hash(&self.node);
        for info in inventories {
            if self.is_stopped() {
                return Ok(());
            }
            if info.node == own {
                continue;
            }
            if let Some((node, ids)) = self.read_inventory(volume, &info, &trusted) {
                self.visitors.push(node.clone());
                self.everybody.hear(node.clone(), &ids);
                self.note_held(node, ids)?;
            }
        }
        Ok(())
    }

    fn trusted(&mut self) -> Result<BTreeMap<Eid, PublicKey>, Failure> {
        match self.ask(Call::TrustList)? {
            Reply::Trust(entries) => Ok(entries.into_iter().map(|entry| (entry.node, entry.key)).collect()),
            other => Err(unexpected(&other)),
        }
    }

    fn read_inventory(
        &mut self,
        volume: &Volume,
        info: &InventoryInfo,
        trusted: &BTreeMap<Eid, PublicKey>,
    ) -> Option<(Eid, Vec<BundleId>)> {
        let octets = match volume.read_inventory(info) {
            Ok(octets) => octets,
            Err(damage) => {
                self.everybody.miss();
                self.summary.damaged(damage);
                return None;
            }
        };
        let bundle = Bundle::parse(Bytes::from(octets), &Limits::default()).ok()?;
        let primary = bundle.head().primary();
        if primary.destination.to_string() != DESTINATION {
            return None;
        }
        let node = primary.source.node_id()?;
        // Looked up before the signature is checked: strangers must not cost more than a look.
        let key = trusted.get(&node)?;
        let bundle = bundle.check(&self.profile);
        if bundle.signer() != Some(*key) {
            return None;
        }
        Some((node, ids(bundle.payload()?)?))
    }
}

/// The ids of an inventory's payload.
fn ids(payload: &[u8]) -> Option<Vec<BundleId>> {
    let (ids, rest) = payload.as_chunks::<16>();
    let ascending = ids.is_sorted_by(|a, b| a < b);
    (rest.is_empty() && ascending).then(|| ids.iter().map(|id| BundleId::from_bytes(*id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(ids: &[[u8; 16]]) -> Vec<u8> {
        ids.concat()
    }

    #[test]
    fn ids_are_read_in_ascending_order() {
        let found = ids(&payload(&[[1; 16], [2; 16]])).unwrap();
        assert_eq!(found, [BundleId::from_bytes([1; 16]), BundleId::from_bytes([2; 16])]);
        assert_eq!(ids(&[]).unwrap(), []);
    }

    #[test]
    fn what_is_no_inventory_says_nothing() {
        let mut cut = payload(&[[1; 16]]);
        cut.pop();
        for wrong in [b"PMHELD".to_vec(), cut, payload(&[[2; 16], [1; 16]]), payload(&[[1; 16], [1; 16]])] {
            assert!(ids(&wrong).is_none());
        }
    }
}
