//! Room for a bundle, where the quota is used up: what is worth less goes, the least valuable first (`store::eviction` has the
//! order), never what this node answers for or an application waits for. A full disk is another matter: deletions need
//! room themselves, so that new bundles are refused until it has some.
//!
//! The ids of what was evicted stay in the set that is reconciled until the bundles would have expired, so that neighbors do
//! not offer them again.

use bundle_format::{Head, Profile};

use crate::agent::Agent;
use crate::output::Notice;
use crate::refusal::Refusal;
use crate::store::{StoreError, Worth, WriteTxn};

/// Bundles that go for one that comes: more is a matter of the next try, so that a step stays short.
const EVICTED_MAX: usize = 1024;

impl Agent {
    /// Makes room within the quota; why there is none, where that cannot be. What went for it has gone in any case.
    pub(crate) fn make_room(
        &mut self,
        octets: u64,
        worth: Worth,
        store: &mut WriteTxn<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let quota_octets = self.config.quota_octets;
        let (mut bundles, before) = (0, store.view().usage()?.octets);
        let mut usage = before;
        while usage.saturating_add(octets) > quota_octets && bundles < EVICTED_MAX {
            let Some(number) = store.view().least_valuable(worth)? else { break };
            self.discard(number, store)?;
            usage = store.view().usage()?.octets;
            bundles += 1;
        }
        self.tell_evicted(bundles, before.saturating_sub(usage));
        let is_full = usage.saturating_add(octets) > quota_octets;
        Ok(is_full.then_some(Refusal::Quota { whose: "this node", quota_octets }))
    }

    fn tell_evicted(&mut self, bundles: usize, octets: u64) {
        if bundles > 0 {
            self.tell(Notice::Evicted { bundles: bundles as u64, octets });
        }
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
