//! The vectors of `docs/custody.md` and `docs/records.md`, made by the code: whoever changes either hears of it here.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{
    BundleFlags, CheckedBundle, CreationTimestamp, CustodyBlock, CustodySignal, DtnTime, Eid, Head,
    HopCustody, Metadata, NewBundle, NodeKey, Priority, Profile, RecordTag,
};
use bytes::Bytes;

use crate::cards::{self, Card, cards_group};
use crate::deliveries::{self, Deliveries, deliveries_group};
use crate::message::{ContactMessage, CustodyQuery, CustodyRefusals, Queried, Reason};
use crate::runs::{Runs, Series};
use crate::store::RecordKey;

const CUSTODY: &str = include_str!("../../../docs/custody.md");
const RECORDS: &str = include_str!("../../../docs/records.md");

const HOUR_MS: u64 = 3_600_000;
const SEQUENCE: u64 = (1 << 32) + 2;

fn eid(text: &str) -> Eid {
    text.parse().unwrap()
}

/// Every node's key is made from a seed of 32 equal octets.
fn key(seed: u8) -> NodeKey {
    NodeKey::from_seed([seed; 32])
}

fn draft(source: &str, destination: Eid) -> NewBundle {
    NewBundle {
        destination,
        source: eid(source),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence: (7 << 32) + 5 },
        lifetime_ms: HOUR_MS,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(64),
        metadata: None,
    }
}

fn octets_of(bundle: &CheckedBundle, head: &Head) -> Vec<u8> {
    [&head.bytes()[..], bundle.payload().unwrap(), bundle.tail()].concat()
}

fn hello() -> CheckedBundle {
    let draft = draft("dtn://a/", eid("dtn://c/inbox"));
    draft.sign(&Profile::default(), &key(1), Bytes::from_static(b"hello")).unwrap()
}

/// The bundle as its custodian sends it on.
fn asking() -> Vec<u8> {
    let bundle = hello();
    let block = CustodyBlock { number: 7, sequence: SEQUENCE, custodian: eid("dtn://a/") };
    let custody = HopCustody::By(block);
    let head = bundle.head().forwarded_under(&eid("dtn://a/"), Some(1_000), &Profile::default(), &custody);
    octets_of(&bundle, &head.unwrap())
}

fn signal() -> Vec<u8> {
    let accepted = BTreeMap::from([(SEQUENCE, BTreeSet::from([7, 8, 10]))]);
    let refused = BTreeMap::from([(SEQUENCE, BTreeSet::from([9]))]);
    let record = CustodySignal::about(&accepted, &refused).record(&Profile::default());
    let mut draft = draft("dtn://b/", eid("dtn://a/"));
    draft.flags |= BundleFlags::ADMINISTRATIVE_RECORD;
    let bundle = draft.sign(&Profile::default(), &key(2), record.encode().into()).unwrap();
    octets_of(&bundle, bundle.head())
}

fn query() -> Vec<u8> {
    let items = vec![Queried { number: 7, id: hello().id(), yours: false }];
    ContactMessage::CustodyQuery(CustodyQuery { sequence: SEQUENCE, items }).encode()
}

fn refusals() -> Vec<u8> {
    let items = vec![(7, Reason::NotHere), (8, Reason::Gone), (9, Reason::Policy)];
    ContactMessage::CustodyRefusals(CustodyRefusals { sequence: SEQUENCE, items }).encode()
}

fn held() -> Runs {
    let mut held = Runs::default();
    let a = Series { source: eid("dtn://a/"), time: None };
    held.insert(a.clone(), (7 << 32) + 5, (7 << 32) + 9);
    held.insert(a, (7 << 32) + 12, (7 << 32) + 12);
    held.insert(Series { source: Eid::ipn(0, 1, 2), time: Some(DtnTime(100)) }, 3, 3);
    held
}

fn card() -> Card {
    Card {
        software: "packmule 0.1.0".to_owned(),
        carries_all: false,
        groups: vec![eid("dtn://all/~news")],
        also: vec![Eid::ipn(0, 5, 0)],
        addresses: vec!["tcp://192.0.2.7:4556".to_owned()],
        clock: Some(DtnTime(800_000_000_000)),
        is_complete: true,
        held: held(),
    }
}

fn deliveries() -> Deliveries {
    Deliveries { at: BTreeMap::from([(eid("dtn://b/inbox"), held())]) }
}

/// An edition of a record of `dtn://b/`.
fn record(group: Eid, name: &str, payload: Vec<u8>) -> Vec<u8> {
    let record = Some(RecordTag { name: name.to_owned(), revision: 7 });
    let metadata = Metadata { file_name: None, media_type: None, priority: Priority::Bulk, record };
    let draft = NewBundle { metadata: Some(metadata), ..draft("dtn://b/", group) };
    let bundle = draft.sign(&Profile::default(), &key(2), payload.into()).unwrap();
    octets_of(&bundle, bundle.head())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

/// The blocks of a page that are fenced as vectors: name and digits.
fn vectors(page: &str) -> BTreeMap<String, String> {
    let mut vectors = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("```vector ") {
            let digits: String = lines.by_ref().take_while(|line| *line != "```").map(str::trim).collect();
            assert!(vectors.insert(name.to_owned(), digits).is_none(), "{name} is there twice");
        }
    }
    vectors
}

/// A page has exactly these vectors. What it should have is printed as it is to stand there.
fn has_vectors(page: &str, made: &[(&str, Vec<u8>)]) {
    let there = vectors(page);
    for (name, octets) in made {
        let digits = hex(octets);
        if there.get(*name) != Some(&digits) {
            let lines: Vec<&str> =
                digits.as_bytes().chunks(128).map(|line| str::from_utf8(line).unwrap()).collect();
            panic!("the page should have\n```vector {name}\n{}\n```", lines.join("\n"));
        }
    }
    let names: BTreeSet<&str> = made.iter().map(|(name, _)| *name).collect();
    let unmade: Vec<&String> = there.keys().filter(|name| !names.contains(name.as_str())).collect();
    assert!(unmade.is_empty(), "nothing makes {unmade:?}");
}

#[test]
fn the_vectors_of_custody_are_what_the_code_makes() {
    let made = [
        ("bundle-in-custody", asking()),
        ("bundle-id", hello().id().as_bytes().to_vec()),
        ("custody-signal", signal()),
        ("custody-query", query()),
        ("custody-refusals", refusals()),
    ];
    has_vectors(CUSTODY, &made);
}

#[test]
fn the_vectors_of_records_are_what_the_code_makes() {
    let record_key = |group: Eid, name| {
        RecordKey::new(&key(2).public(), &eid("dtn://b/"), &group, name).as_bytes().to_vec()
    };
    let made = [
        ("card", card().encode()),
        ("card-bundle", record(cards_group(), cards::NAME, card().encode())),
        ("card-key", record_key(cards_group(), cards::NAME)),
        ("deliveries", deliveries().encode()),
        ("deliveries-bundle", record(deliveries_group(), deliveries::NAME, deliveries().encode())),
        ("deliveries-key", record_key(deliveries_group(), deliveries::NAME)),
    ];
    has_vectors(RECORDS, &made);
}

#[test]
fn the_vectors_are_read_as_what_they_say() {
    let parse = |octets: Vec<u8>| {
        let bundle = bundle_format::Bundle::parse(octets.into(), &bundle_format::Limits::default()).unwrap();
        bundle.check(&Profile::default())
    };
    let bundle = parse(asking());
    assert_eq!((bundle.id(), bundle.signer()), (hello().id(), Some(key(1).public())));
    assert_eq!(bundle.head().custody(&Profile::default()).map(|block| block.number), Some(7));
    assert_eq!(parse(signal()).signer(), Some(key(2).public()));
    assert_eq!(Card::decode(&card().encode()), Ok(card()));
    assert_eq!(Deliveries::decode(&deliveries().encode(), &eid("dtn://b/")), Ok(deliveries()));
}
