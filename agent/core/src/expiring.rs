//! Expiration (RFC 9171 §5.5), on the node's own scale of time: a clock that jumps makes nothing expire.

use bundle_format::{Head, ReasonCode};

use crate::agent::Agent;
use crate::output::Notice;
use crate::reporting::Assertion;
use crate::store::{StoreError, WriteTxn};
use crate::time::Now;

/// Bundles that expire in one step; deleting is cheap, but a transaction is not to grow without bound.
const EXPIRED_PER_STEP: usize = 256;
/// Ids forgotten at a time, and how often: together many more than a node can delete.
const PURGED_PER_STEP: usize = 4096;
const PURGE_INTERVAL_MS: u64 = 600_000;
/// Pieces of large payloads that nobody needs any more and that are deleted in one step: LMDB reads a page of each,
/// which takes a slow card some tenths of a second.
const DISCARDED_PER_STEP: u32 = 256;
/// How long the id of a deleted bundle is remembered beyond its lifetime, however it was deleted: neighbors without
/// clocks do not know of the time that it spent between nodes or without power, and may still think that it lives.
pub(crate) const REMEMBERED_MS: u64 = 24 * 3_600_000;

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
            store.purge_tombstones(now.node, PURGED_PER_STEP)?;
            self.next_purge = now.node.after_ms(PURGE_INTERVAL_MS);
        }
        self.unfinished |= store.discard_abandoned(DISCARDED_PER_STEP)?;
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
