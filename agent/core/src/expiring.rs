//! Expiration (RFC 9171 §5.5), on the node's own scale of time: a clock that jumps makes nothing expire.

use bundle_format::{Head, ReasonCode};

use crate::agent::Agent;
use crate::output::Notice;
use crate::reporting::Assertion;
use crate::store::{StoreError, WriteTxn};
use crate::time::Now;

/// Bundles that expire in one step; deleting is cheap, but a transaction is not to grow without bound.
const EXPIRED_PER_STEP: usize = 256;
/// Ids forgotten at a time, how often to look for some, and how soon to go on where there are more: together more than a
/// node can delete.
const PURGED_PER_STEP: usize = 4096;
const PURGE_INTERVAL_MS: u64 = 600_000;
const PURGE_PAUSE_MS: u64 = 100;
/// Pieces of large payloads that nobody needs any more and that are deleted in one step, and how soon to go on: LMDB
/// reads a page of each, which takes a slow card a tenth of a second, and others wait meanwhile.
const DISCARDED_PER_STEP: u32 = 64;
const DISCARD_PAUSE_MS: u64 = 1;
/// How long the id of a deleted bundle is remembered beyond its lifetime, however it was deleted: neighbors without
/// clocks do not know of the time that it spent between nodes or without power, and may still think that it lives.
pub(crate) const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// For so many octets of the quota the id of one bundle may be remembered that is gone: with its rows it takes a quarter of a KiB, so that
/// all take a sixteenth of what bundles may take.
const QUOTA_OCTETS_PER_ID: u64 = 4096;
/// As many may be remembered however small the quota is.
const IDS_MIN: u64 = 1024;
/// Ids beyond that which are forgotten in one step: more than are added in one by evicting, expiring and purging.
const IDS_FORGOTTEN_PER_STEP: usize = 2048;

impl Agent {
    /// Deletes what is over, with what is left of large payloads, and now and then forgets the ids of what has long been.
    pub(crate) fn expire(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        self.next_expiry = store.view().next_expiry()?;
        if self.next_expiry.is_some_and(|due| due <= now.node) {
            self.delete_expired(now, store)?;
            self.next_expiry = store.view().next_expiry()?;
            self.unfinished |= self.next_expiry.is_some_and(|due| due <= now.node);
        }
        if self.next_purge <= now.node {
            let more = store.purge_departures(now.node, PURGED_PER_STEP)?
                | store.purge_tombstones(now.node, PURGED_PER_STEP)?;
            if !more {
                self.forget_silent(now, store)?;
            }
            self.next_purge = now.node.after_ms(if more { PURGE_PAUSE_MS } else { PURGE_INTERVAL_MS });
        }
        // Whoever sends much that is soon gone is not to fill the disk with memories of it.
        let ids_max = (self.config.quota_octets / QUOTA_OCTETS_PER_ID).max(IDS_MIN);
        self.unfinished |= store.forget_tombstones_beyond(ids_max, IDS_FORGOTTEN_PER_STEP)?;
        if self.next_discard.is_some_and(|due| due <= now.node) {
            let more = store.discard_abandoned(DISCARDED_PER_STEP)?;
            self.next_discard = more.then(|| now.node.after_ms(DISCARD_PAUSE_MS));
        }
        Ok(())
    }

    fn delete_expired(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let over = store.view().expired(now.node, EXPIRED_PER_STEP)?;
        for number in &over {
            if let Some(stored) = store.view().bundle(*number)?
                && let Ok(head) = Head::parse(stored.head)
            {
                self.report(now, &head, Assertion::Deleted(ReasonCode::LifetimeExpired), store)?;
            }
            self.discard(*number, store)?;
        }
        if !over.is_empty() {
            self.tell(Notice::Deleted { bundles: over.len() as u64 });
        }
        Ok(())
    }
}
