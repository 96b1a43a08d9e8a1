//! Reassembly of an application data unit from fragments (RFC 9171 §5.9). packmule makes no fragments; others do.
//!
//! The fragments may be hostile: they overlap, contradict each other, or claim lengths that nobody has. Fragments whose
//! primary blocks differ in more than their offset are not of one kind, and each kind is tried for itself. Where two
//! overlap, the octets of the one that begins earlier count.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use crate::block::BlockHead;
use crate::cbor::{BUNDLE_START, Writer};
use crate::checked::{CheckedBundle, PayloadCheck, payload_crc, tail_of};
use crate::flags::BundleFlags;
use crate::head::Head;
use crate::primary::{Fragment, PrimaryBlock};
use crate::profile::Profile;

/// A way to put an application data unit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassembly {
    head: Head,
    pieces: Vec<Piece>,
}

/// Octets to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which of the fragments, by its place in what was given to [`Reassembly::plan`].
    pub fragment: usize,
    /// Which octets of its payload.
    pub octets: Range<u64>,
}

impl Reassembly {
    /// Finds out whether these fragments, all of one source and creation timestamp, make a whole.
    pub fn plan(fragments: &[Head]) -> Option<Self> {
        let mut kinds: BTreeMap<Vec<u8>, Vec<Part<'_>>> = BTreeMap::new();
        for (index, head) in fragments.iter().enumerate() {
            if let Some(part) = Part::new(index, head) {
                kinds.entry(part.kind()).or_default().push(part);
            }
        }
        kinds.into_values().find_map(|mut parts| {
            parts.sort_by_key(|part| (part.place.offset, part.index));
            let pieces = cover(&parts)?;
            // A fragment that begins the unit gives the whole its blocks.
            let mut first = parts.iter().filter(|part| part.place.offset == 0);
            let head = first.find_map(|part| whole_head(part.head, part.place.total))?;
            Some(Self { head, pieces })
        })
    }

    /// What to copy, in order: together the whole application data unit.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The head of the whole.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The whole bundle, from the octets that [`Self::pieces`] names. Its signature is verified: it can be valid where
    /// the source signed before somebody fragmented.
    pub fn whole(self, profile: &Profile, payload: Bytes) -> CheckedBundle {
        assert!(payload.len() as u64 == self.head.payload_octets(), "the payload has all pieces");
        let mut crc = payload_crc(&self.head);
        crc.update(&payload);
        let mut check = PayloadCheck::begin(&self.head, profile);
        check.update(&payload);
        CheckedBundle::new(self.head, Bytes::from(tail_of(crc)), Some(payload), check.finish())
    }
}

/// A fragment and where it belongs.
struct Part<'f> {
    index: usize,
    head: &'f Head,
    place: Fragment,
    end: u64,
}

impl<'f> Part<'f> {
    fn new(index: usize, head: &'f Head) -> Option<Self> {
        let place = head.primary().fragment?;
        let end = place.offset.checked_add(head.payload_octets())?;
        Some(Self { index, head, place, end })
    }

    /// Equal for fragments of one application data unit: the primary block without the offset.
    fn kind(&self) -> Vec<u8> {
        let fragment = Some(Fragment { offset: 0, ..self.place });
        let mut writer = Writer::new();
        PrimaryBlock { fragment, ..self.head.primary().clone() }.encode(&mut writer);
        writer.finish()
    }
}

/// Pieces of parts of one kind, sorted by offset, that cover all octets.
fn cover(parts: &[Part<'_>]) -> Option<Vec<Piece>> {
    let total = parts.first()?.place.total;
    let mut pieces = Vec::new();
    let mut reached = 0;
    let mut candidates = parts.iter().peekable();
    while reached < total {
        // Of all parts that begin where we are or earlier, the one that reaches farthest.
        let mut best: Option<&Part<'_>> = None;
        while let Some(part) = candidates.next_if(|part| part.place.offset <= reached) {
            if best.is_none_or(|best| part.end > best.end) {
                best = Some(part);
            }
        }
        let best = best.filter(|best| best.end > reached)?;
        let octets = reached - best.place.offset..best.end - best.place.offset;
        pieces.push(Piece { fragment: best.index, octets });
        reached = best.end;
    }
    Some(pieces)
}

/// The head of the fragment at offset zero, as that of the whole.
fn whole_head(first: &Head, total: u64) -> Option<Head> {
    let flags = first.primary().flags.without(BundleFlags::IS_FRAGMENT);
    let primary = PrimaryBlock { flags, fragment: None, ..first.primary().clone() };
    let mut writer = Writer::new();
    writer.raw(&[BUNDLE_START]);
    primary.encode(&mut writer);
    for block in first.blocks() {
        writer.raw(first.block_octets(block));
    }
    BlockHead::of_payload(first.payload_block()).encode_payload_head(total, &mut writer);
    // Security blocks may miss blocks that only the original bundle had; then there is no whole.
    Head::parse(Bytes::from(writer.finish())).ok()
}
