//! Which bundles an agent takes in, and what becomes of them.

use crate::support::{Node, config, eid, key, order};
use agent_core::config::{Carry, Stance};
use agent_core::input::Input;
use agent_core::output::{Notice, Output};
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Conflict, Request};
use agent_core::store::Presence;
use bundle_format::{BundleFlags, CheckedBundle, CreationTimestamp, DtnTime, Eid, NewBundle, Profile};
use bytes::Bytes;

fn draft(source: &str, destination: &str) -> NewBundle {
    NewBundle {
        destination: eid(destination),
        source: eid(source),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence: 1 },
        lifetime_ms: 3_600_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(8),
        metadata: None,
    }
}

fn signed(draft: NewBundle, by: &str) -> CheckedBundle {
    draft.sign(&Profile::default(), &key(by), Bytes::from_static(b"payload")).unwrap()
}

fn unsigned(draft: NewBundle) -> CheckedBundle {
    draft.unsigned(&Profile::default(), Bytes::from_static(b"payload")).unwrap()
}

#[test]
fn the_key_that_is_trusted_for_the_source_opens_the_door() {
    let mut node = Node::trusting("n", &["a"]);
    let id = node.import(signed(draft("dtn://a/x", "dtn://n/inbox"), "a")).unwrap();
    assert!(node.has(&id) && node.queued("dtn://n/inbox").is_some());
}

#[test]
fn strangers_stay_outside_unless_configuration_lets_them_in() {
    let bundle = || signed(draft("dtn://s/x", "dtn://n/inbox"), "s");
    assert_eq!(Node::new("n").import(bundle()), Err(Refusal::Stranger { source_node: eid("dtn://s/") }));
    for (stance, is_delivered) in [(Stance::Carry, false), (Stance::Deliver, true)] {
        let mut settings = config("n");
        settings.strangers = stance;
        let mut node = Node::with(settings);
        assert!(node.import(bundle()).is_ok());
        assert_eq!(node.queued("dtn://n/inbox").is_some(), is_delivered, "{stance:?}");
    }
}

#[test]
fn what_a_stranger_sent_is_delivered_once_the_stranger_is_trusted() {
    let mut settings = config("n");
    settings.strangers = Stance::Carry;
    let mut node = Node::with(settings);
    node.import(signed(draft("dtn://s/x", "dtn://n/inbox"), "s")).unwrap();
    let unvouched = |node: &Node| node.store.read().unwrap().view().unvouched_usage().unwrap().bundles;
    assert_eq!((node.queued("dtn://n/inbox"), unvouched(&node)), (None, 1));
    node.trust("s");
    assert!(node.queued("dtn://n/inbox").is_some());
    assert_eq!(unvouched(&node), 0);
    assert!(node.store.read().unwrap().view().check(&mut |_| {}).unwrap().is_empty());
}

#[test]
fn unsigned_bundles_stay_outside_unless_configuration_lets_them_in() {
    let bundle = || unsigned(draft("dtn://s/x", "dtn://n/inbox"));
    assert_eq!(Node::new("n").import(bundle()), Err(Refusal::Unsigned { source_node: eid("dtn://s/") }));
    for (stance, is_delivered) in [(Stance::Carry, false), (Stance::Deliver, true)] {
        let mut settings = config("n");
        settings.unsigned = stance;
        let mut node = Node::with(settings);
        assert!(node.import(bundle()).is_ok());
        assert_eq!(node.queued("dtn://n/inbox").is_some(), is_delivered, "{stance:?}");
    }
}

#[test]
fn a_trusted_key_speaks_for_its_own_node_only() {
    let mut node = Node::trusting("n", &["a", "b"]);
    let refusal = node.import(signed(draft("dtn://a/x", "dtn://n/inbox"), "b"));
    assert_eq!(refusal, Err(Refusal::Stranger { source_node: eid("dtn://a/") }));
}

#[test]
fn nobody_else_speaks_for_this_node() {
    let mut settings = config("n");
    (settings.strangers, settings.unsigned) = (Stance::Deliver, Stance::Deliver);
    let mut node = Node::with(settings);
    assert_eq!(node.import(signed(draft("dtn://n/x", "dtn://n/inbox"), "s")), Err(Refusal::Impostor));
    assert_eq!(node.import(unsigned(draft("dtn://n/x", "dtn://n/inbox"))), Err(Refusal::Impostor));
}

#[test]
fn a_duplicate_is_not_stored_twice() {
    let mut node = Node::trusting("n", &["a"]);
    let bundle = signed(draft("dtn://a/x", "dtn://n/inbox"), "a");
    node.import(bundle.clone()).unwrap();
    assert_eq!(node.import(bundle), Err(Refusal::Duplicate));
    assert_eq!(node.bundles(), 1);
}

#[test]
fn a_verified_bundle_takes_the_place_of_an_unverified_one() {
    let mut settings = config("n");
    settings.unsigned = Stance::Carry;
    let mut node = Node::with(settings);
    node.trust("a");
    let doubtful = node.import(unsigned(draft("dtn://a/x", "dtn://n/inbox"))).unwrap();
    let verified = node.import(signed(draft("dtn://a/x", "dtn://n/inbox"), "a")).unwrap();
    assert!(node.has(&verified) && !node.has(&doubtful));
    assert_eq!(node.import(unsigned(draft("dtn://a/x", "dtn://n/inbox"))), Err(Refusal::Gone));
}

#[test]
fn a_stranger_who_is_here_first_does_not_keep_a_bundle_away() {
    let mut settings = config("n");
    settings.strangers = Stance::Carry;
    let mut node = Node::with(settings);
    node.trust("a");
    let forged = node.import(signed(draft("dtn://a/x", "dtn://n/inbox"), "a stranger")).unwrap();
    let genuine = signed(draft("dtn://a/x", "dtn://n/inbox"), "a");
    let refusal = {
        let txn = node.store.read().unwrap();
        agent_core::admission::consider(node.agent.config(), txn.view(), node.now, genuine.head()).unwrap()
    };
    assert_eq!(refusal, None, "the door lets it in");
    let genuine = node.import(genuine).unwrap();
    assert!(node.has(&genuine) && !node.has(&forged));
    let again = signed(draft("dtn://a/x", "dtn://n/inbox"), "another stranger");
    assert_eq!(node.import(again), Err(Refusal::Duplicate));
}

#[test]
fn a_copy_that_lost_its_signature_does_not_keep_the_signed_one_away() {
    let mut settings = config("n");
    (settings.strangers, settings.unsigned) = (Stance::Carry, Stance::Carry);
    let mut node = Node::with(settings);
    let damaged = node.import(unsigned(draft("dtn://s/x", "dtn://b/inbox"))).unwrap();
    let genuine = node.import(signed(draft("dtn://s/x", "dtn://b/inbox"), "s")).unwrap();
    assert!(node.has(&genuine) && !node.has(&damaged));
    let again = node.import(unsigned(draft("dtn://s/x", "dtn://b/inbox")));
    assert_eq!(again, Err(Refusal::Gone));
}

#[test]
fn what_is_for_the_other_end_of_a_contact_is_never_stored() {
    let mut node = Node::trusting("n", &["a"]);
    let contact = agent_core::contact_endpoint().to_string();
    assert_eq!(node.import(signed(draft("dtn://a/x", &contact), "a")), Err(Refusal::ForContactsOnly));
    let transmit = Request::Transmit { order: order(&contact), payload: Bytes::from_static(b"hello") };
    assert_eq!(node.ask(transmit), Answer::Refused(Refusal::ForContactsOnly));
    let vast = draft("dtn://a/x", &contact).unsigned(&Profile::default(), vec![0; 2 << 20].into()).unwrap();
    let txn = node.store.read().unwrap();
    let refusal =
        agent_core::admission::consider(node.agent.config(), txn.view(), node.now, vast.head()).unwrap();
    assert!(matches!(refusal, Some(Refusal::TooLarge { .. })), "{refusal:?}");
}

#[test]
fn what_was_consumed_stays_away_as_long_as_what_expired() {
    let mut node = Node::trusting("n", &["a"]);
    node.now.utc = None;
    let bundle = || signed(NewBundle { age_ms: Some(0), ..draft("dtn://a/x", "dtn://n/inbox") }, "a");
    node.import(bundle()).unwrap();
    let number = node.queued("dtn://n/inbox").unwrap();
    node.ask(Request::Consume { endpoint: eid("dtn://n/inbox"), number });
    // Whoever has it still lost count of its age.
    for _ in 0..3 {
        node.wait_ms(3_600_000);
    }
    assert_eq!(node.import(bundle()), Err(Refusal::Gone));
}

#[test]
fn two_verified_bundles_of_one_identity_raise_the_alarm() {
    let mut node = Node::trusting("n", &["a"]);
    node.import(signed(draft("dtn://a/x", "dtn://n/inbox"), "a")).unwrap();
    let other = draft("dtn://a/x", "dtn://n/inbox")
        .sign(&Profile::default(), &key("a"), Bytes::from_static(b"something else"))
        .unwrap();
    let (answer, outputs) = node.ask_and_hear(Request::Import {
        bundle: Box::new(other),
        payload: agent_core::store::PayloadPlace::Inline,
        from: None,
        dormant_ms: 0,
        way: String::new(),
    });
    assert!(matches!(answer, Answer::Imported { .. }));
    assert!(outputs.iter().any(|output| matches!(output, Output::Tell(Notice::Equivocation { .. }))));
}

#[test]
fn what_was_removed_does_not_come_back() {
    let mut node = Node::trusting("n", &["a"]);
    let bundle = signed(draft("dtn://a/x", "dtn://n/inbox"), "a");
    let id = node.import(bundle.clone()).unwrap();
    assert_eq!(node.ask(Request::Remove { id }), Answer::Done { changed: true });
    assert_eq!(node.ask(Request::Remove { id }), Answer::NotFound);
    assert_eq!(node.import(bundle), Err(Refusal::Gone));
    assert_eq!(node.queued("dtn://n/inbox"), None);
}

#[test]
fn a_large_bundle_that_was_removed_gives_its_room_back_step_by_step() {
    let mut node = Node::new("n");
    let id = node.transmit(order("dtn://a/x"), &vec![7; 20 << 20]);
    let Some(Presence::Held(number)) = node.store.read().unwrap().view().find(&id).unwrap() else { panic!() };
    assert!(node.store.read().unwrap().view().payload_chunk(number, 0).unwrap().is_some());
    assert_eq!(node.ask(Request::Remove { id }), Answer::Done { changed: true });
    for _ in 0..5 {
        let due = node.agent.poll_timeout().expect("more is to be deleted");
        assert!(due.since_ms(node.now.node) < 100, "soon");
        node.wait_ms(due.since_ms(node.now.node));
    }
    assert!(node.store.read().unwrap().view().staged_chunk(number, 0).unwrap().is_none(), "pieces are left");
    let due = node.agent.poll_timeout().expect("ids are forgotten now and then");
    assert!(due.since_ms(node.now.node) > 100, "nothing is left to do");
}

#[test]
fn what_was_consumed_is_delivered_no_second_time() {
    let mut node = Node::trusting("n", &["a"]);
    let bundle = signed(draft("dtn://a/x", "dtn://n/inbox"), "a");
    node.import(bundle.clone()).unwrap();
    let number = node.queued("dtn://n/inbox").unwrap();
    let consume = || Request::Consume { endpoint: eid("dtn://n/inbox"), number };
    assert_eq!(node.ask(consume()), Answer::Done { changed: true });
    assert_eq!(node.ask(consume()), Answer::NotFound);
    assert_eq!(node.import(bundle), Err(Refusal::Gone));
    assert_eq!(node.bundles(), 0);
}

#[test]
fn a_bundle_goes_when_its_lifetime_is_over_and_stays_away() {
    let mut node = Node::trusting("n", &["a"]);
    let bundle = signed(draft("dtn://a/x", "dtn://n/inbox"), "a");
    let id = node.import(bundle.clone()).unwrap();
    node.wait_ms(3_599_999);
    assert!(node.has(&id));
    assert!(node.agent.poll_timeout().is_some());
    node.wait_ms(3_600_001);
    assert!(!node.has(&id));
    assert!(node.import(bundle).is_err());
}

#[test]
fn a_clock_that_jumps_makes_nothing_expire() {
    let mut node = Node::trusting("n", &["a"]);
    let id = node.import(signed(draft("dtn://a/x", "dtn://n/inbox"), "a")).unwrap();
    node.now.utc = Some(DtnTime(900_000_000_000));
    node.step(Input::TimeoutReached);
    assert!(node.has(&id));
}

#[test]
fn without_a_clock_age_and_time_here_decide() {
    let mut node = Node::trusting("n", &["a"]);
    node.now.utc = None;
    let old = NewBundle { age_ms: Some(3_600_000), ..draft("dtn://a/x", "dtn://n/inbox") };
    assert_eq!(node.import(signed(old, "a")), Err(Refusal::Expired));
    let id = node
        .import(signed(NewBundle { age_ms: Some(3_000_000), ..draft("dtn://a/x", "dtn://n/inbox") }, "a"));
    node.wait_ms(4_200_000);
    assert!(!node.has(&id.unwrap()));
}

#[test]
fn nothing_is_taken_for_nowhere_or_beyond_the_quota() {
    let mut settings = config("n");
    settings.quota_octets = 1_000;
    let mut node = Node::with(settings);
    node.trust("a");
    assert_eq!(node.import(signed(draft("dtn://a/x", "dtn:none"), "a")), Err(Refusal::ToNowhere));
    let large = draft("dtn://a/x", "dtn://n/inbox")
        .sign(&Profile::default(), &key("a"), Bytes::from(vec![0; 1_000]))
        .unwrap();
    assert!(matches!(node.import(large), Err(Refusal::TooLarge { most: 1_000, .. })));
    node.transmit(order("dtn://n/inbox"), &[0; 500]);
    let next = draft("dtn://a/x", "dtn://n/inbox")
        .sign(&Profile::default(), &key("a"), Bytes::from(vec![0; 500]))
        .unwrap();
    assert!(matches!(node.import(next), Err(Refusal::Quota { .. })));
    let answer = node.ask(Request::Transmit { order: order("dtn:none"), payload: Bytes::new() });
    assert_eq!(answer, Answer::Refused(Refusal::ToNowhere));
}

#[test]
fn a_node_that_carries_nothing_for_others_still_sends() {
    let mut settings = config("n");
    settings.carry = Carry::Wanted;
    let mut node = Node::with(settings);
    node.trust("a");
    let id = node.transmit(order("dtn://a/inbox"), b"mine");
    assert!(node.has(&id));
    let refusal = node.import(signed(draft("dtn://a/x", "dtn://b/inbox"), "a"));
    assert_eq!(refusal, Err(Refusal::NotWanted { destination: eid("dtn://b/inbox") }));
}

#[test]
fn a_second_key_for_a_known_name_needs_a_word() {
    let mut node = Node::trusting("n", &["a"]);
    let add = |conflict| Request::TrustAdd { node: eid("dtn://a/"), key: key("b").public(), conflict };
    assert_eq!(node.ask(add(Conflict::Refuse)), Answer::OtherKey { trusted: key("a").public() });
    assert_eq!(node.ask(add(Conflict::Replace)), Answer::Done { changed: true });
    assert_eq!(node.ask(add(Conflict::Refuse)), Answer::Done { changed: false });
}

#[test]
fn who_subscribes_gets_what_is_here_already() {
    let mut node = Node::trusting("n", &["a"]);
    node.import(signed(draft("dtn://a/x", "dtn://all/~news"), "a")).unwrap();
    assert_eq!(node.queued("dtn://all/~news"), None);
    assert_eq!(
        node.ask(Request::Subscribe { group: eid("dtn://all/~news") }),
        Answer::Done { changed: true }
    );
    assert!(node.queued("dtn://all/~news").is_some());
    assert_eq!(
        node.ask(Request::Unsubscribe { group: eid("dtn://all/~news") }),
        Answer::Done { changed: true }
    );
    assert_eq!(node.queued("dtn://all/~news"), None);
}

#[test]
fn a_consumed_bundle_stays_away_even_if_a_neighbor_without_a_clock_thinks_that_it_still_lives() {
    const HOUR_MS: u64 = 3_600_000;
    let timeless = CreationTimestamp { time: DtnTime(0), sequence: 1 };
    let bundle = || signed(NewBundle { creation: timeless, ..draft("dtn://a/x", "dtn://n/inbox") }, "a");
    let mut node = Node::trusting("n", &["a"]);
    node.import(bundle()).unwrap();
    let number = node.queued("dtn://n/inbox").unwrap();
    node.ask(Request::Consume { endpoint: eid("dtn://n/inbox"), number });
    node.wait_ms(4 * HOUR_MS);
    assert_eq!(node.import(bundle()), Err(Refusal::Gone));
}

#[test]
fn a_late_subscriber_gets_what_is_here_except_from_strangers_who_are_only_carried() {
    let mut settings = config("n");
    settings.strangers = Stance::Carry;
    let mut node = Node::with(settings);
    node.import(signed(draft("dtn://s/x", "dtn://all/~news"), "s")).unwrap();
    node.ask(Request::Subscribe { group: eid("dtn://all/~news") });
    assert_eq!(node.queued("dtn://all/~news"), None);
    node.ask(Request::Unsubscribe { group: eid("dtn://all/~news") });
    node.trust("s");
    node.ask(Request::Subscribe { group: eid("dtn://all/~news") });
    assert!(node.queued("dtn://all/~news").is_some());
}
