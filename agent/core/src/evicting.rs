//! Room for a bundle, where the quota is used up: what is worth less goes, the least valuable first (`store::eviction` has the
//! order), never what this node answers for or an application waits for. A full disk is another matter: deletions need
//! room themselves, so that new bundles are refused until it has some.
//!
//! The ids of what was evicted stay in the set that is reconciled until the bundles would have expired, so that neighbors do
//! not offer them again.

use bundle_format::{Head, Profile};

use crate::agent::Agent;
use crate::output::Notice;
use crate::refusal::{QuotaOf, Refusal};
use crate::store::{BundleFacts, StoreError, Worth, WriteTxn};

/// Bundles that go for one that comes: more is a matter of the next try, so that a step stays short.
const EVICTED_MAX: usize = 1024;

impl Agent {
    /// Makes room within the quota, if enough of what is here is worth no more; why there is none, otherwise. Nothing goes for
    /// a bundle that does not come in.
    pub(crate) fn make_room(
        &mut self,
        octets: u64,
        worth: Worth,
        store: &mut WriteTxn<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let quota_octets = self.config.quota_octets;
        let excess = store.view().usage()?.octets.saturating_add(octets).saturating_sub(quota_octets);
        if excess == 0 {
            return Ok(None);
        }
        // Nobody else has use for it, and its sender is told "delivered" of what its destination had and has no more.
        let stays = |facts: &BundleFacts| {
            !facts.delivered && facts.destination.node_id().is_some_and(|node| self.is_self(&node))
        };
        let Some(victims) = store.view().least_valuable((worth, stays), excess, EVICTED_MAX)? else {
            return Ok(Some(Refusal::Quota { whose: QuotaOf::Node, quota_octets }));
        };
        let before = store.view().usage()?.octets;
        for number in &victims {
            self.discard(*number, store)?;
        }
        let octets = before.saturating_sub(store.view().usage()?.octets);
        self.tell(Notice::Evicted { bundles: victims.len() as u64, octets });
        Ok(None)
    }
}

impl Worth {
    /// What a bundle with this head is worth, when it is weighed against others.
    pub(crate) fn of_head(head: &Head, profile: &Profile) -> Self {
        let metadata = head.metadata(profile);
        let is_record = metadata.as_ref().is_some_and(|metadata| metadata.record.is_some());
        if head.is_administrative_record() || is_record {
            Self::PROTOCOL
        } else {
            Self::of_message(metadata.map(|metadata| metadata.priority).unwrap_or_default())
        }
    }
}
