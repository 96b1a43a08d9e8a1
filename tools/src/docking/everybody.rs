//! What every node has that a drive visits: the rest is news to somebody.
//!
//! Only inventories that count say so (`inventories`), and only those of nodes that have one on the drive: a node that docks it for the
//! first time later gets what was put out then, and what is put out for it when the drive comes by again.

use bundle_format::BundleId;

/// The ids that all have, as far as they were heard.
#[derive(Debug, Default)]
pub(super) struct Everybody {
    /// Sorted; `None` while nobody was heard.
    ids: Option<Vec<BundleId>>,
}

impl Everybody {
    /// Another node has these, in ascending order.
    pub(super) fn hear(&mut self, ids: &[BundleId]) {
        match &mut self.ids {
            Some(shared) => shared.retain(|id| ids.binary_search(id).is_ok()),
            None => self.ids = Some(ids.to_vec()),
        }
    }

    /// An inventory cannot be read: its node may lack anything.
    pub(super) fn miss(&mut self) {
        self.ids = Some(Vec::new());
    }

    /// Whether all other visitors have it, and there are any.
    pub(super) fn has(&self, id: BundleId) -> bool {
        self.ids.as_ref().is_some_and(|ids| ids.binary_search(&id).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(octet: u8) -> BundleId {
        BundleId::from_bytes([octet; 16])
    }

    #[test]
    fn everybody_has_what_each_has() {
        let mut everybody = Everybody::default();
        assert!(!everybody.has(id(1)), "nobody was heard");
        everybody.hear(&[id(1), id(2), id(3)]);
        assert!(everybody.has(id(1)));
        everybody.hear(&[id(2), id(3), id(4)]);
        assert_eq!([1, 2, 3, 4].map(|octet| everybody.has(id(octet))), [false, true, true, false]);
        everybody.miss();
        everybody.hear(&[id(2)]);
        assert!(!everybody.has(id(2)));
    }
}
