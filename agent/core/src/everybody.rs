//! What every node has that a drive visits (`docs/volume.md`): the rest is news to somebody.
//!
//! Whoever docks a drive fills it from the inventories that count, and asks it what need not go onto the drive, and what may go from a full one.
//! Only nodes that have an inventory on the drive are known: a node that docks it for the first time later gets what was put out then, and what
//! is put out for it when the drive comes by again.
//!
//! An inventory tells of bundles that its node had and let go for want of room, too. So a bundle for one node alone is news until that
//! node itself has it: all others are only on its way.

use std::collections::BTreeSet;

use bundle_format::{BundleId, Eid};

/// What all have, as far as they were heard.
#[derive(Debug, Default)]
pub struct Everybody {
    /// Sorted; `None` while nobody was heard.
    ids: Option<Vec<BundleId>>,
    nodes: BTreeSet<Eid>,
}

impl Everybody {
    /// Another node has these, in ascending order.
    pub fn hear(&mut self, node: Eid, ids: &[BundleId]) {
        self.nodes.insert(node);
        match &mut self.ids {
            Some(shared) => shared.retain(|id| ids.binary_search(id).is_ok()),
            None => self.ids = Some(ids.to_vec()),
        }
    }

    /// An inventory cannot be read: its node may lack anything.
    pub fn miss(&mut self) {
        self.ids = Some(Vec::new());
    }

    /// Whether all that were heard have a bundle, and there are any: a cheaper question than [`Self::has`], for which the destination must be known.
    pub fn may_have(&self, id: BundleId) -> bool {
        self.ids.as_ref().is_some_and(|ids| ids.binary_search(&id).is_ok())
    }

    /// Whether a bundle is no news to anybody.
    pub fn has(&self, id: BundleId, destination: &Eid) -> bool {
        self.may_have(id) && destination.node_id().is_none_or(|node| self.nodes.contains(&node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(octet: u8) -> BundleId {
        BundleId::from_bytes([octet; 16])
    }

    fn eid(text: &str) -> Eid {
        text.parse().unwrap()
    }

    #[test]
    fn everybody_has_what_each_has() {
        let news = eid("dtn://all/~news");
        let mut everybody = Everybody::default();
        assert!(!everybody.has(id(1), &news), "nobody was heard");
        everybody.hear(eid("dtn://a/"), &[id(1), id(2), id(3)]);
        assert!(everybody.has(id(1), &news));
        everybody.hear(eid("dtn://b/"), &[id(2), id(3), id(4)]);
        assert_eq!([1, 2, 3, 4].map(|octet| everybody.has(id(octet), &news)), [false, true, true, false]);
        everybody.miss();
        everybody.hear(eid("dtn://c/"), &[id(2)]);
        assert!(!everybody.has(id(2), &news));
    }

    #[test]
    fn what_one_node_is_to_have_is_news_until_that_one_has_it() {
        let mut everybody = Everybody::default();
        everybody.hear(eid("dtn://a/"), &[id(1)]);
        assert!(everybody.may_have(id(1)) && !everybody.has(id(1), &eid("dtn://c/inbox")));
        everybody.hear(eid("dtn://c/"), &[id(1)]);
        assert!(everybody.has(id(1), &eid("dtn://c/inbox")));
    }
}
