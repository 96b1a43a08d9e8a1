//! Who answers for a bundle, and until when (`docs/custody.md`).

use crate::support::{Node, Pair, Side, config, eid, key, order};
use agent_core::output::{Notice, Output};
use agent_core::request::{Answer, CustodyTransfer, Order, Request};
use agent_core::store::{Issued, Number, Presence};
use bundle_format::{
    AdministrativeRecord, Bundle, BundleFlags, BundleId, CheckedBundle, CreationTimestamp, CustodyBlock,
    CustodySignal, DtnTime, Eid, HopCustody, Limits, NewBundle, NodeKey, Profile,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

mod asking;
mod clocks;

impl Node {
    fn number(&self, id: &BundleId) -> Option<Number> {
        match self.store.read().unwrap().view().find(id).unwrap() {
            Some(Presence::Held(number)) => Some(number),
            _ => None,
        }
    }

    fn is_custodian(&self, id: &BundleId) -> bool {
        let number = self.number(id);
        number.is_some_and(|number| self.store.read().unwrap().view().is_custodian(number).unwrap())
    }

    fn issued(&self, id: &BundleId) -> Vec<Issued> {
        let number = self.number(id);
        number.map(|number| self.store.read().unwrap().view().custody(number).unwrap()).unwrap_or_default()
    }

    fn owed(&self) -> usize {
        self.store.read().unwrap().view().owed(100_000).unwrap().len()
    }

    /// The bundles among what an agent wants sent, messages aside, as their receiver sees them.
    fn sent(&self, outputs: &[Output]) -> Vec<CheckedBundle> {
        let parcels = outputs.iter().filter_map(|output| match output {
            Output::Send { parcel, .. } => Some(self.octets_of(parcel)),
            _ => None,
        });
        parcels
            .map(|octets| Bundle::parse(octets, &Limits::default()).unwrap().check(&Profile::default()))
            .filter(|bundle| bundle.head().primary().destination != agent_core::contact_endpoint())
            .collect()
    }
}

fn friends() -> (Node, Node) {
    (Node::trusting("a", &["b"]), Node::trusting("b", &["a"]))
}

/// A bundle of `from`, as it asks a neighbor for custody with this number.
fn asking(from: &str, destination: &str, number: u64) -> CheckedBundle {
    asking_for(from, (from, number), destination, &format!("{from} {number}").into())
}

fn asking_for(source: &str, (custodian, number): (&str, u64), to: &str, payload: &Bytes) -> CheckedBundle {
    let bundle = draft(source, to, BundleFlags::MUST_NOT_FRAGMENT, number)
        .sign(&Profile::default(), &key(source), payload.clone())
        .unwrap();
    let block = CustodyBlock { number, sequence: 9, custodian: eid(&format!("dtn://{custodian}/")) };
    let head = bundle
        .head()
        .forwarded_under(&block.custodian, None, &Profile::default(), &HopCustody::By(block.clone()))
        .unwrap();
    let octets = [head.bytes(), &payload[..], bundle.tail()].concat();
    Bundle::parse(octets.into(), &Limits::default()).unwrap().check(&Profile::default())
}

fn draft(source: &str, to: &str, flags: BundleFlags, sequence: u64) -> NewBundle {
    NewBundle {
        destination: eid(to),
        source: eid(&format!("dtn://{source}/")),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence },
        lifetime_ms: 86_400_000,
        flags,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    }
}

/// A signal about numbers of a custodian, by whoever has a key.
fn signal(by: &str, key: &NodeKey, to: &str, issued: &[Issued], sequence: u64) -> CheckedBundle {
    let mut numbers: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for issued in issued {
        numbers.entry(issued.sequence).or_default().insert(issued.number);
    }
    let record = CustodySignal::about(&numbers, &BTreeMap::new()).record(&Profile::default());
    draft(by, to, BundleFlags::MUST_NOT_FRAGMENT | BundleFlags::ADMINISTRATIVE_RECORD, sequence)
        .sign(&Profile::default(), key, record.encode().into())
        .unwrap()
}

fn heard(told: &[(Side, Notice)], side: Side) -> Vec<(u64, u64, u64)> {
    let notices = told.iter().filter(|(at, _)| *at == side).filter_map(|(_, notice)| match notice {
        Notice::CustodySignal { accepted, refused, ignored, .. } => Some((*accepted, *refused, *ignored)),
        _ => None,
    });
    notices.collect()
}

#[test]
fn custody_goes_on_to_the_neighbor_that_took_the_bundle() {
    let (mut a, b) = friends();
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    assert!(a.is_custodian(&id));
    let mut pair = Pair::meet(a, b);
    assert!(pair.a.is_custodian(&id) && pair.b.is_custodian(&id), "until the signal has arrived");
    assert_eq!((pair.a.issued(&id).len(), pair.b.owed()), (1, 1));
    pair.wait_ms(600);
    assert!(!pair.a.is_custodian(&id) && pair.b.is_custodian(&id));
    assert_eq!(heard(&pair.told, Side::A), [(1, 0, 0)]);
    assert!(pair.a.has(&id) && pair.a.issued(&id).is_empty());
    // The signal has served its purpose on both sides.
    assert_eq!((pair.a.bundles(), pair.b.bundles(), pair.b.owed()), (1, 1, 0));
    // What goes on from here names the new custodian, with a number of its own.
    let number = pair.b.number(&id).unwrap();
    let stored = pair.b.store.read().unwrap().view().bundle(number).unwrap().unwrap();
    let head = bundle_format::Head::parse(stored.head.clone()).unwrap();
    assert_eq!(head.custody(&Profile::default()), None);
}

#[test]
fn the_destination_takes_a_bundle_over_and_keeps_no_custody() {
    let (mut a, b) = friends();
    let id = a.transmit(order("dtn://b/inbox"), b"for b");
    let mut pair = Pair::meet(a, b);
    pair.wait_ms(600);
    assert!(!pair.a.is_custodian(&id) && !pair.b.is_custodian(&id));
    assert!(pair.b.queued("dtn://b/inbox").is_some());
}

#[test]
fn what_nobody_is_to_answer_for_asks_for_no_custody() {
    let (mut a, b) = friends();
    let id = a.transmit(Order { custody: CustodyTransfer::NotWanted, ..order("dtn://c/inbox") }, b"x");
    let own = a.transmit(order("dtn://a/inbox"), b"to myself");
    assert!(!a.is_custodian(&id) && !a.is_custodian(&own));
    let mut pair = Pair::meet(a, b);
    pair.wait_ms(600);
    assert!(!pair.b.is_custodian(&id) && pair.b.has(&id));
    assert_eq!((pair.b.owed(), heard(&pair.told, Side::A).len()), (0, 0));
}

#[test]
fn many_acceptances_go_into_one_signal_as_ranges() {
    let mut b = Node::trusting("b", &["a"]);
    for number in (1..=300).filter(|number| *number != 100) {
        b.import(asking("a", "dtn://c/inbox", number)).unwrap();
    }
    b.hello();
    let outputs = b.wait_ms(600);
    assert!(b.sent(&outputs).is_empty(), "nobody is there who could carry it");
    let txn = b.store.read().unwrap();
    let signals: Vec<_> = txn.view().facts_from(None, 1000).unwrap();
    let signals: Vec<_> = signals.iter().filter(|facts| facts.is_administrative).collect();
    let [signal] = &signals[..] else { panic!("{} signals", signals.len()) };
    assert_eq!((signal.rank(), signal.destination.clone()), (0, eid("dtn://a/")));
    let stored = txn.view().bundle(signal.number).unwrap().unwrap();
    let payload = stored.inline_payload.unwrap();
    let record = AdministrativeRecord::decode(&payload).unwrap();
    let signal = record.custody_signal(&Profile::default()).unwrap().unwrap();
    let [sequence] = &signal.accepted[..] else { panic!("{signal:?}") };
    let runs: Vec<(u64, u64)> = sequence.runs.iter().map(|run| (run.first, run.count)).collect();
    assert_eq!(runs, [(1, 99), (101, 200)]);
    assert!(payload.len() < 30, "{} octets", payload.len());
}

#[test]
fn an_acceptance_survives_a_crash_before_its_signal() {
    let mut b = Node::trusting("b", &["a"]);
    let id = b.import(asking("a", "dtn://c/inbox", 7)).unwrap();
    assert!(b.is_custodian(&id));
    b.restart([1; 32]);
    assert_eq!((b.owed(), b.bundles()), (1, 1));
    b.wait_ms(0);
    assert_eq!((b.owed(), b.bundles()), (0, 2), "the signal took the place of the row");
}

#[test]
fn a_signal_counts_only_from_a_trusted_key_and_for_numbers_that_are_open() {
    let (mut a, _) = friends();
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let number = Issued { sequence: 1, number: 1 };
    let ids = vec![id];
    a.ask(Request::HandToVolume { volume: eid("dtn://drive/"), ids: ids.clone() });
    let issued = a.issued(&id);
    assert_eq!(issued.len(), 1);
    // Forged: another key signs in b's name; a stranger signs in its own; an open number beside an unknown one.
    assert!(a.import(signal("b", &key("mallory"), "dtn://a/", &issued, 1)).is_err());
    assert!(a.import(signal("mallory", &key("mallory"), "dtn://a/", &issued, 2)).is_err());
    a.import(signal("b", &key("b"), "dtn://a/", &[number], 3)).unwrap();
    assert!(a.is_custodian(&id));
    a.import(signal("b", &key("b"), "dtn://a/", &[number, issued[0]], 4)).unwrap();
    assert!(!a.is_custodian(&id) && a.issued(&id).is_empty());
    // A replay of what was true once finds nothing.
    let again = a.transmit(order("dtn://c/inbox"), b"the next");
    a.ask(Request::HandToVolume { volume: eid("dtn://drive/"), ids: vec![again] });
    let outputs = a.ask_and_hear(import(signal("b", &key("b"), "dtn://a/", &issued, 5))).1;
    let told = outputs.into_iter().filter_map(|output| match output {
        Output::Tell(notice) => Some((Side::A, notice)),
        _ => None,
    });
    assert_eq!(heard(&told.collect::<Vec<_>>(), Side::A), [(0, 0, 1)]);
    assert!(a.is_custodian(&again));
}

fn import(bundle: CheckedBundle) -> Request {
    Request::Import {
        bundle: Box::new(bundle),
        payload: agent_core::store::PayloadPlace::Inline,
        from: None,
        dormant_ms: 0,
        way: String::new(),
    }
}

#[test]
fn numbers_are_given_once_and_kept_over_restarts() {
    let (mut a, _) = friends();
    let first = a.transmit(order("dtn://c/inbox"), b"1");
    let second = a.transmit(order("dtn://c/inbox"), b"2");
    let hand = |a: &mut Node, volume: &str, ids: &[BundleId]| {
        a.ask(Request::HandToVolume { volume: eid(volume), ids: ids.to_vec() })
    };
    assert_eq!(hand(&mut a, "dtn://drive/", &[first]), Answer::Done { changed: true });
    let issued = a.issued(&first);
    // The same seed would draw the same sequence: what is taken is not given again.
    a.restart([9; 32]);
    hand(&mut a, "dtn://drive/", &[first, second]);
    assert_eq!(a.issued(&first), issued);
    assert_ne!(a.issued(&second), issued);
    hand(&mut a, "dtn://other/", &[first]);
    assert_eq!(a.issued(&first).len(), 2);
    let findings = a.store.read().unwrap().view().check(&mut |_| {}).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(a.ask(Request::Remove { id: first }), Answer::Done { changed: true });
    let findings = a.store.read().unwrap().view().check(&mut |_| {}).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn policy_decides_with_whom_custody_is_exchanged() {
    let mut settings = config("b");
    settings.custodians = Some(vec![eid("dtn://hub/")]);
    let mut b = Node::with(settings);
    b.trust("a");
    b.trust("hub");
    let from_a = b.import(asking("a", "dtn://c/inbox", 1)).unwrap();
    let from_hub = b.import(asking("hub", "dtn://c/inbox", 2)).unwrap();
    assert!(!b.is_custodian(&from_a) && b.is_custodian(&from_hub));
    assert_eq!(b.owed(), 2);
    let number = b.number(&from_a).unwrap();
    let stored = b.store.read().unwrap().view().bundle(number).unwrap().unwrap();
    let head = bundle_format::Head::parse(stored.head.clone()).unwrap();
    assert!(head.custody(&Profile::default()).is_some(), "custody spans a node that refuses it");
    // Who is not trusted is not answered: a forged block would have signals sent to anybody.
    let theirs = asking_for("hub", ("victim", 3), "dtn://c/inbox", &Bytes::from_static(b"x"));
    let id = b.import(theirs).unwrap();
    assert!(!b.is_custodian(&id));
    assert_eq!(b.owed(), 2);
}

#[test]
fn a_bundle_that_is_here_already_is_taken_over_when_it_comes_again() {
    let mut b = Node::trusting("b", &["a"]);
    let plain = draft("a", "dtn://c/inbox", BundleFlags::MUST_NOT_FRAGMENT, 5)
        .sign(&Profile::default(), &key("a"), Bytes::from_static(b"twice"))
        .unwrap();
    let id = b.import(plain).unwrap();
    assert!(!b.is_custodian(&id));
    let again = asking_for("a", ("a", 5), "dtn://c/inbox", &Bytes::from_static(b"twice"));
    assert_eq!(again.id(), id);
    assert!(b.import(again).is_err());
    assert!(b.is_custodian(&id));
    assert_eq!(b.owed(), 1);
}

#[test]
fn two_custodians_that_accept_from_each_other_are_not_both_relieved() {
    let (mut a, _) = friends();
    let text = Bytes::from_static(b"round and round");
    let plain = draft("a", "dtn://c/inbox", BundleFlags::MUST_NOT_FRAGMENT, 5)
        .sign(&Profile::default(), &key("a"), text.clone())
        .unwrap();
    let id = a.import(plain).unwrap();
    a.trust("d");
    assert!(a.import(asking_for("a", ("d", 5), "dtn://c/inbox", &text)).is_err());
    a.ask(Request::HandToVolume { volume: eid("dtn://drive/"), ids: vec![id] });
    let issued = a.issued(&id);
    assert_eq!((a.is_custodian(&id), issued.len()), (true, 1));
    // b took it from the drive, and asks for custody before its signal has come.
    assert!(a.import(asking_for("a", ("b", 5), "dtn://c/inbox", &text)).is_err());
    assert!(a.issued(&id).is_empty());
    a.import(signal("b", &key("b"), "dtn://a/", &issued, 7)).unwrap();
    assert!(a.is_custodian(&id), "b was promised that a answers for it");
}

#[test]
fn custody_ends_with_the_bundle() {
    let (mut a, _) = friends();
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    a.ask(Request::HandToVolume { volume: eid("dtn://drive/"), ids: vec![id] });
    let issued = a.issued(&id);
    a.wait_ms(31 * 86_400_000);
    assert!(!a.has(&id));
    let txn = a.store.read().unwrap();
    assert_eq!(txn.view().bundle_of(issued[0]).unwrap(), None);
    assert!(txn.view().check(&mut |_| {}).unwrap().is_empty());
}
