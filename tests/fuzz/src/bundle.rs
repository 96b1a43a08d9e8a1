//! Whole bundles (RFC 9171), read at once and as they arrive.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{
    AdministrativeRecord, Bundle, BundleFlags, BundleReader, BundleSequence, COLLECTION_NUMBERS_MAX,
    CheckedBundle, CreationTimestamp, CustodySignal, DtnTime, Eid, Head, Limits, Malformed, Metadata,
    NewBundle, NodeKey, Priority, Profile, Reassembly, StatusReport, block_type,
};
use bytes::{Bytes, BytesMut};

use crate::Octets;

/// The block types that a node processes, as far as `Head::reception` is concerned.
const KNOWN: [u64; 6] = [
    block_type::PAYLOAD,
    block_type::PREVIOUS_NODE,
    block_type::BUNDLE_AGE,
    block_type::HOP_COUNT,
    block_type::INTEGRITY,
    block_type::CONFIDENTIALITY,
];

/// Octets are the same bundle, or none, however they arrive. A bundle is written again octet by octet as it was, and
/// what a node makes of it for the next one is a bundle again.
pub fn bundle(octets: &[u8]) {
    let octets = Bytes::copy_from_slice(octets);
    let whole = Bundle::parse(octets.clone(), &Limits::default());
    let at_once = stream(&octets, octets.len().max(1));
    let one_by_one = stream(&octets, 1);
    assert_eq!(at_once, one_by_one, "pieces of another length make another bundle");
    assert_eq!(whole.is_ok(), at_once.is_ok(), "{whole:?} is not {at_once:?}");
    if let Ok(whole) = whole {
        let checked = whole.check(&Profile::default());
        assert_eq!(Ok(&checked), at_once.as_ref(), "streamed it is another bundle");
        assert_eq!(checked.encode().as_ref(), Some(&octets), "written again it is another bundle");
        assert_eq!(checked.octets(), octets.len() as u64);
        passed_on(&checked);
        understood(&checked);
    }
}

fn stream(octets: &Bytes, piece_octets: usize) -> Result<CheckedBundle, Malformed> {
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let mut payload = BytesMut::new();
    for piece in octets.chunks(piece_octets) {
        payload.extend_from_slice(&reader.push(octets.slice_ref(piece))?);
    }
    reader.finish_with_payload(payload.freeze())
}

/// What the next node is sent is a bundle with the same primary block, payload and id.
fn passed_on(bundle: &CheckedBundle) {
    let head = bundle.head();
    let by = Eid::ipn(0, 7, 0);
    for age_ms in [None, Some(u64::MAX)] {
        if let Ok(forwarded) = head.forwarded(&by, age_ms) {
            assert_eq!(
                forwarded.previous_node().filter(|_| !is_obscured(&forwarded)),
                shown(&forwarded, &by)
            );
            again(&forwarded, bundle);
        }
    }
    let reception = head.reception(&KNOWN);
    again(&head.without_blocks(&reception.drop), bundle);
    let all: Vec<u64> = head.blocks().iter().map(|block| block.number).collect();
    again(&head.without_blocks(&all), bundle);
}

/// Whether a Previous Node block is encrypted, so that nobody on the way replaces it.
fn is_obscured(head: &Head) -> bool {
    let mut blocks = head.blocks().iter();
    blocks.any(|block| block.block_type == block_type::PREVIOUS_NODE && head.is_encrypted(block.number))
}

fn shown(head: &Head, by: &Eid) -> Option<Eid> {
    Some(by.clone()).filter(|_| !is_obscured(head))
}

/// The bundle with another head is a bundle.
fn again(head: &Head, bundle: &CheckedBundle) {
    assert_eq!(Head::parse(head.bytes().clone()).as_ref(), Ok(head));
    assert_eq!(head.primary_octets(), bundle.head().primary_octets());
    let payload = bundle.payload().expect("the payload was kept");
    let octets = Bytes::from([head.bytes(), payload, bundle.tail()].map(AsRef::as_ref).concat());
    let parsed = Bundle::parse(octets, &Limits::default()).expect("a bundle stays one on its way");
    assert_eq!(parsed.payload(), payload);
}

/// A signal names a bounded number of bundles, and what is written of it says the same.
fn custody_signal(record: &AdministrativeRecord) {
    let profile = Profile::default();
    let Some(Ok(signal)) = record.custody_signal(&profile) else { return };
    let numbers = |sequences: &[BundleSequence]| -> u64 {
        sequences.iter().flat_map(|sequence| &sequence.runs).map(|run| run.count).sum()
    };
    assert!(numbers(&signal.accepted) + numbers(&signal.refused) <= COLLECTION_NUMBERS_MAX);
    let mut said = signal.clone();
    said.accepted.retain(|sequence| !sequence.runs.is_empty());
    said.refused.retain(|sequence| !sequence.runs.is_empty());
    let again = AdministrativeRecord::decode(&said.record(&profile).encode()).expect("a record is read back");
    let again = again.custody_signal(&profile).expect("a signal").expect("a signal is read back");
    assert_eq!(
        (numbers(&again.accepted), numbers(&again.refused)),
        (numbers(&said.accepted), numbers(&said.refused))
    );
}

/// What a node reads in a bundle.
fn understood(bundle: &CheckedBundle) {
    let (head, payload) = (bundle.head(), bundle.payload().expect("the payload was kept"));
    if let Some(metadata) = head.metadata(&Profile::default()) {
        let name = metadata.file_name.unwrap_or_default();
        assert!(!name.contains(['/', '\0']) && name != "." && name != "..", "{name:?} is the name of a file");
    }
    if let Ok(record) = AdministrativeRecord::decode(payload) {
        assert_eq!(AdministrativeRecord::decode(&record.encode()).as_ref(), Ok(&record));
        custody_signal(&record);
    }
    // Two of the same cover no more than one does.
    let once = Reassembly::plan(std::slice::from_ref(head));
    let twice = Reassembly::plan(&[head.clone(), head.clone()]);
    assert_eq!(once.is_some(), twice.is_some());
    for plan in once.iter().chain(&twice) {
        let octets: u64 = plan.pieces().iter().map(|piece| piece.octets.end - piece.octets.start).sum();
        assert_eq!(octets, head.payload_octets());
    }
}

/// Bundles of our own, and such as others make: without CRCs, so that mutations of them are bundles too.
pub fn bundle_seeds() -> Vec<Octets> {
    let (profile, key) = (Profile::default(), NodeKey::from_seed([7; 32]));
    let signed = ours(BundleFlags::empty()).sign(&profile, &key, Bytes::from_static(b"hello"));
    let signed = signed.expect("a valid bundle");
    let at = Some(DtnTime(820_454_400_000));
    let record = AdministrativeRecord::StatusReport(StatusReport::delivered(signed.head(), at)).encode();
    let report = ours(BundleFlags::ADMINISTRATIVE_RECORD).unsigned(&profile, record.clone().into());
    let accepted = BTreeMap::from([(1, BTreeSet::from([7, 8, 10, 11, 12, 13])), (9, BTreeSet::from([1]))]);
    let signal =
        CustodySignal::about(&accepted, &BTreeMap::from([(1, BTreeSet::from([20]))])).record(&profile);
    let signal = ours(BundleFlags::ADMINISTRATIVE_RECORD).unsigned(&profile, signal.encode().into());
    let unsigned = ours(BundleFlags::empty()).unsigned(&profile, Bytes::from(vec![b'x'; 300]));
    let ours = [Ok(signed), report, signal, unsigned].map(|bundle| bundle.expect("a valid bundle"));
    let mut seeds: Vec<Octets> = ours.iter().filter_map(CheckedBundle::encode).map(Octets::from).collect();
    seeds.push(theirs(0, &[], b"hello"));
    seeds.push(theirs(2, &[], &record));
    // A fragment: octets 3 to 8 of 10.
    seeds.push(theirs(1, &[0x03, 0x0a], b"hello"));
    seeds
}

fn ours(flags: BundleFlags) -> NewBundle {
    NewBundle {
        destination: Eid::dtn("clinic-3", "inbox").expect("a valid ID"),
        source: Eid::dtn("hub", "").expect("a valid ID"),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(820_454_400_000), sequence: 1 << 40 },
        lifetime_ms: 86_400_000,
        flags,
        age_ms: Some(1_000),
        hop_limit: Some(30),
        metadata: Some(Metadata {
            file_name: Some("report.pdf".into()),
            media_type: Some("application/pdf".into()),
            priority: Priority::Urgent,
            record: None,
        }),
    }
}

/// A bundle from `ipn:1.2` to `ipn:3.4` with a block of every kind and no CRC: an integrity block of an unknown context
/// stands in for that of the primary block (RFC 9171 §4.3.1). `flags` is one digit; `fragment` ends the primary block.
fn theirs(flags: u8, fragment: &[u8], payload: &[u8]) -> Octets {
    let elements = if fragment.is_empty() { 0x88 } else { 0x8a };
    let mut octets = vec![0x9f, elements, 0x07, flags, 0x00];
    octets.extend(
        b"\x82\x02\x82\x03\x04\x82\x02\x82\x01\x02\x82\x01\x00\x82\x1a\x00\x0f\x42\x40\x05\x19\x0e\x10",
    );
    octets.extend(fragment);
    // Targets, context, flags, source, and a result for each target (RFC 9172 §3.6).
    block(
        &mut octets,
        [11, 2, 0],
        b"\x82\x00\x01\x18\x63\x00\x82\x02\x82\x01\x00\x82\x81\x82\x01\x41\xaa\x81\x82\x01\x41\xbb",
    );
    block(&mut octets, [6, 3, 0], b"\x82\x02\x82\x09\x00");
    block(&mut octets, [7, 4, 0], b"\x19\x03\xe8");
    block(&mut octets, [10, 5, 0], b"\x82\x18\x20\x01");
    // A block of an unknown type that is encrypted, and the one that says so.
    block(&mut octets, [200, 6, 0], b"ciphertext");
    block(
        &mut octets,
        [12, 7, 1],
        b"\x81\x06\x18\x63\x01\x82\x02\x82\x01\x00\x81\x82\x01\x41\xcc\x81\x81\x82\x01\x41\xdd",
    );
    // To be discarded where it cannot be processed.
    block(&mut octets, [201, 8, 16], b"");
    block(&mut octets, [193, 9, 0], b"\xa1\x00\x61a");
    block(&mut octets, [1, 1, 0], payload);
    octets.push(0xff);
    octets
}

/// A canonical block without CRC: type, number and flags, and its data.
fn block(octets: &mut Octets, numbers: [u8; 3], data: &[u8]) {
    octets.push(0x85);
    for number in numbers {
        octets.extend(head(0x00, number));
    }
    octets.push(0x00);
    octets.extend(head(0x40, u8::try_from(data.len()).expect("a short block")));
    octets.extend(data);
}

/// The head of a CBOR item of a major type.
fn head(major: u8, number: u8) -> Octets {
    if number < 24 { vec![major | number] } else { vec![major | 0x18, number] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_a_bundle() {
        for octets in bundle_seeds() {
            let bundle = Bundle::parse(Bytes::from(octets.clone()), &Limits::default());
            assert!(bundle.is_ok(), "{bundle:?} of {octets:02x?}");
        }
    }
}
