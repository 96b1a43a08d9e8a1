//! Reassembly of others' fragments at their destination (RFC 9171 §5.9). packmule makes none itself.

use bundle_format::{CheckedBundle, Head, Reassembly};
use bytes::{Bytes, BytesMut};

use crate::agent::Agent;
use crate::receiving::{Arrival, Origin};
use crate::refusal::Refusal;
use crate::store::{CHUNK_OCTETS, PayloadPlace, StoreError, StoredBundle, WriteTxn};
use crate::time::Now;

/// Fragments looked at for one application data unit; a sender that cuts finer is not one that we can serve.
const FRAGMENTS_MAX: usize = 4096;
/// The largest application data unit put together here. It is copied within one transaction, so it must not stall the
/// node; what is larger waits, as fragments, for its lifetime.
const REASSEMBLED_OCTETS_MAX: u64 = 64 << 20;

impl Agent {
    /// A fragment for a local endpoint arrived: if it was the last that was missing, the whole takes the fragments' place.
    pub(crate) fn reassemble(
        &mut self,
        now: Now,
        head: &Head,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(fragment) = &head.primary().fragment else { return Ok(()) };
        if fragment.total > REASSEMBLED_OCTETS_MAX {
            return Ok(());
        }
        let fragments = fellows(head, store)?;
        let heads: Vec<Head> =
            fragments.iter().filter_map(|stored| Head::parse(stored.head.clone()).ok()).collect();
        let Some(plan) = Reassembly::plan(&heads) else { return Ok(()) };
        let mut payload = BytesMut::new();
        for piece in plan.pieces() {
            let Some(stored) = fragments.get(piece.fragment) else { return Ok(()) };
            payload.extend_from_slice(&octets_of(stored, piece.octets.clone(), store)?);
        }
        let whole: CheckedBundle = plan.whole(&self.config.profile, payload.freeze());
        // Where the whole cannot be kept its fragments stay. No quota is a hindrance: they give back what it takes.
        let arrival = Arrival {
            bundle: &whole,
            payload: PayloadPlace::Inline,
            contact: None,
            holder: None,
            dormant_ms: 0,
            way: "",
            origin: Origin::Reassembled,
        };
        match self.question(now, &arrival, store)? {
            Ok(_) | Err(Refusal::Duplicate | Refusal::Gone) => {}
            Err(_) => return Ok(()),
        }
        for stored in &fragments {
            self.discard(stored.number, store)?;
        }
        let _refused = self.receive(now, &arrival, store)?;
        Ok(())
    }
}

/// All stored fragments of the same application data unit.
fn fellows(head: &Head, store: &WriteTxn<'_>) -> Result<Vec<StoredBundle>, StoreError> {
    let view = store.view();
    let mut fragments = Vec::new();
    for (number, _) in view.find_fragments(&head.identity(), FRAGMENTS_MAX)? {
        fragments.extend(view.bundle(number)?);
    }
    Ok(fragments)
}

/// A range of a stored payload.
fn octets_of(
    stored: &StoredBundle,
    range: std::ops::Range<u64>,
    store: &WriteTxn<'_>,
) -> Result<Bytes, StoreError> {
    let cut = |octets: &Bytes, from: u64, to: u64| {
        let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(octets.len());
        octets.slice(bound(from)..bound(to))
    };
    if let Some(inline) = &stored.inline_payload {
        return Ok(cut(inline, range.start, range.end));
    }
    let size = CHUNK_OCTETS as u64;
    let mut octets = BytesMut::new();
    let mut at = range.start;
    while at < range.end {
        let index = u32::try_from(at / size).expect("a payload has fewer than 2^32 chunks");
        let Some(chunk) = store.view().payload_chunk(stored.number, index)? else { break };
        let start = u64::from(index) * size;
        octets.extend_from_slice(&cut(&chunk, at - start, (range.end - start).min(size)));
        at = start + size;
    }
    Ok(octets.freeze())
}
