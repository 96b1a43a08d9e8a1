//! Bundles as they go onto a drive and come off it, and what nodes write there about what they hold: the driver's part
//! of a dock, as `tools/src/docking` and the node's socket do it.

use std::io::Read;

use agent_core::config::Config;
use agent_core::store::{Issued, Number, Presence, Retention, StoreError, StoredBundle, View};
use agent_core::time::Now;
use bundle_format::{
    Bundle, BundleFlags, BundleId, BundleReader, CheckedBundle, CreationTimestamp, CustodyBlock, Eid, Head,
    HopCustody, Limits, NewBundle, Profile,
};
use bytes::Bytes;
use drive_volume::{Appended, NodeHash, RecordInfo, Reserve, Volume, VolumeError, WriterOptions};

/// Where every inventory is addressed to.
const INVENTORY: (&str, &str) = ("packmule", "~inventory");
/// How long one is of use.
const INVENTORY_LIFETIME_MS: u64 = 365 * 86_400_000;

/// A bundle that may be written onto a drive.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) id: BundleId,
    pub(crate) destination: Eid,
    number: Number,
}

/// What a node says that it holds.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) holder: Eid,
    pub(crate) ids: Vec<BundleId>,
}

/// What a node may give away, in the order in which it came.
pub(crate) fn candidates(view: View<'_>, config: &Config, now: Now) -> Result<Vec<Candidate>, StoreError> {
    let mut held = Vec::new();
    for facts in view.facts_from(None, usize::MAX)? {
        let is_ours = facts.destination.node_id().is_some_and(|node| config.is_self(&node));
        if !is_ours && facts.deadline > now.node && view.is_in_set(&facts.id)? {
            held.push(Candidate { id: facts.id, destination: facts.destination, number: facts.number });
        }
    }
    held.sort_by_key(|candidate| candidate.number);
    Ok(held)
}

/// A bundle as it leaves for a drive, with the custody number that it was given for it; `None` where it is gone.
pub(crate) fn outgoing(
    view: View<'_>,
    (config, now): (&Config, Now),
    candidate: &Candidate,
    volume: &Eid,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(Presence::Held(number)) = view.find(&candidate.id)? else { return Ok(None) };
    let Some(stored) = view.bundle(number)? else { return Ok(None) };
    let Some(head) = forwarded(config, (&stored, view.handed_to(number, volume)?), now) else {
        return Ok(None);
    };
    let payload = crate::inspection::payload_of(view, &stored)?;
    Ok(Some([&head[..], &payload[..], &stored.tail[..]].concat()))
}

fn forwarded(config: &Config, (stored, issued): (&StoredBundle, Option<Issued>), now: Now) -> Option<Bytes> {
    let is_ours = stored.retention.contains(Retention::CUSTODY);
    let age_ms = stored.age_at_reception_ms.saturating_add(now.node.since_ms(stored.received));
    let custody = match issued.filter(|_| is_ours) {
        Some(Issued { sequence, number }) => {
            HopCustody::By(CustodyBlock { number, sequence, custodian: config.node.clone() })
        }
        None if is_ours => HopCustody::Removed,
        None => HopCustody::Unchanged,
    };
    let head = Head::parse(stored.head.clone()).ok()?;
    let head = head.forwarded_under(&config.node, Some(age_ms), &config.profile, &custody).ok()?;
    Some(head.bytes().clone())
}

/// The octets of a record; `None` where it is damaged.
pub(crate) fn octets(volume: &Volume, record: &RecordInfo) -> Option<Bytes> {
    let mut octets = Vec::new();
    volume.read(record).ok()?.read_to_end(&mut octets).ok()?;
    Some(octets.into())
}

/// The bundle in octets from a drive, checked; `None` where it is none.
pub(crate) fn bundle(octets: Bytes) -> Option<CheckedBundle> {
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let payload = reader.push(octets).ok()?;
    reader.finish_with_payload(payload).ok()
}

/// The head of the bundle in a record; `None` where it is damaged.
pub(crate) fn head(volume: &Volume, record: &RecordInfo) -> Option<Head> {
    octets(volume, record).as_ref().and_then(crate::reception::head_of)
}

/// Whether a bundle is of no use any more, as far as its creation time tells.
pub(crate) fn has_expired(head: &Head, now: u64) -> bool {
    let made = head.primary().creation.time.0;
    made != 0 && made.saturating_add(head.primary().lifetime_ms) < now
}

/// The machine's own room means nothing here, or the same world would not always go the same way.
pub(crate) const ROOMY: Reserve = Reserve { percent: 0, octets_min: 0 };
/// A reserve that leaves no room at all.
const FULL: Reserve = Reserve { percent: 100, octets_min: u64::MAX };

/// Writes bundles, of which so many fit; answers those that are on the drive. Who pulls it before the end loses the segment.
pub(crate) fn write(
    volume: &Volume,
    options: WriterOptions,
    (outgoing, room): (&[(BundleId, Vec<u8>)], usize),
    abandoned: bool,
) -> Result<Vec<BundleId>, VolumeError> {
    let (fit, rest) = outgoing.split_at(room.min(outgoing.len()));
    let mut writer = volume.writer(options)?;
    let mut written = Vec::new();
    for (id, octets) in fit {
        if let Ok(Appended::Taken { .. }) = writer.append(*id.as_bytes(), octets.len() as u64, &octets[..]) {
            written.push(*id);
        }
    }
    if abandoned {
        return Ok(Vec::new());
    }
    writer.finish()?;
    let mut writer = volume.writer(WriterOptions { reserve: FULL, ..options })?;
    for (id, octets) in rest {
        let appended = writer.append(*id.as_bytes(), octets.len() as u64, &octets[..]);
        assert!(matches!(appended, Ok(Appended::NoRoom { .. })), "a full drive took {id}: {appended:?}");
    }
    writer.finish()?;
    Ok(written)
}

/// How a volume calls a node.
pub(crate) fn node_hash(node: &Eid) -> NodeHash {
    let mut hash = [0; 16];
    blake3::Hasher::new().update(node.to_string().as_bytes()).finalize_xof().fill(&mut hash);
    hash
}

/// What a node says, by its signature, that it holds.
pub(crate) fn inventory(
    view: View<'_>,
    config: &Config,
    creation: CreationTimestamp,
) -> Result<Vec<u8>, StoreError> {
    let ids = view.ids_from(None, usize::MAX)?;
    let payload: Vec<u8> = ids.iter().flat_map(|(id, _)| *id.as_bytes()).collect();
    let draft = NewBundle {
        destination: Eid::dtn(INVENTORY.0, INVENTORY.1).expect("a valid constant"),
        source: config.node.clone(),
        report_to: Eid::Null,
        creation,
        lifetime_ms: INVENTORY_LIFETIME_MS,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    };
    let bundle = draft.sign(&config.profile, &config.key, payload.into()).expect("ids of a small world");
    let payload = bundle.payload().cloned().unwrap_or_default();
    Ok([&bundle.head().bytes()[..], &payload[..], &bundle.tail()[..]].concat())
}

/// What others say that they hold, as far as their signature is by the key that is trusted for them; `None` stands for one whose octets
/// cannot be read.
pub(crate) fn held_by_others(
    volume: &Volume,
    config: &Config,
    view: View<'_>,
) -> Result<Vec<Option<Inventory>>, StoreError> {
    let Ok((inventories, damages)) = volume.inventories() else { return Ok(vec![None]) };
    let mut held: Vec<_> = damages.iter().map(|_| None).collect();
    for info in inventories.iter().filter(|info| info.node != node_hash(&config.node)) {
        let Ok(octets) = volume.read_inventory(info) else {
            held.push(None);
            continue;
        };
        let Some(bundle) = signed(octets, &config.profile) else { continue };
        let Some(node) = bundle.head().primary().source.node_id() else { continue };
        let key = config.trusted_key(view, &node)?;
        if key.is_some() && bundle.signer() == key {
            let (ids, _) = bundle.payload().map_or(&[][..], |payload| &payload[..]).as_chunks::<16>();
            let ids = ids.iter().map(|id| BundleId::from_bytes(*id)).collect();
            held.push(Some(Inventory { holder: node, ids }));
        }
    }
    Ok(held)
}

fn signed(octets: Vec<u8>, profile: &Profile) -> Option<CheckedBundle> {
    let bundle = Bundle::parse(Bytes::from(octets), &Limits::default()).ok()?;
    let is_inventory =
        Eid::dtn(INVENTORY.0, INVENTORY.1).is_ok_and(|eid| bundle.head().primary().destination == eid);
    is_inventory.then(|| bundle.check(profile))
}
