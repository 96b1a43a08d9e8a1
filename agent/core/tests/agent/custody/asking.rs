//! Custody where no answer comes, or a refusal: what is asked again, and when.

use agent_core::input::Input;
use agent_core::output::{NotTaken, Notice, Output};
use agent_core::request::Request;
use bundle_format::Profile;
use bytes::Bytes;

use super::{friends, heard};
use crate::support::{CONTACT, Node, Pair, Side, config, order};

#[test]
fn a_refusal_leaves_custody_where_it_was() {
    let mut settings = config("b");
    settings.custodians = Some(vec![]);
    let mut b = Node::with(settings);
    b.trust("a");
    let own = b.transmit(order("dtn://c/inbox"), b"nobody could take it over");
    assert!(!b.is_custodian(&own));
    let mut a = Node::trusting("a", &["b"]);
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let mut pair = Pair::meet(a, b);
    pair.wait_ms(600);
    assert_eq!(heard(&pair.told, Side::A), [(0, 1, 0)]);
    let is_told = |(_, notice): &(Side, Notice)| matches!(notice, Notice::NotTaken { id: which, why: NotTaken::CustodyRefused, .. } if *which == id);
    assert!(pair.told.iter().any(is_told));
    assert!(pair.a.is_custodian(&id) && !pair.b.is_custodian(&id) && pair.b.has(&id));
    let crossed = pair.crossed;
    for _ in 0..40 {
        pair.wait_ms(600_000);
    }
    assert_eq!(pair.crossed, crossed, "it is neither sent nor asked about again in this contact");
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again_and_given() {
    let (mut a, b) = friends();
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let mut pair = Pair::meet(a, b);
    // b loses the row of its answer, and what it knew with its power.
    pair.b.forget_owed();
    pair.b.restart([2; 32]);
    let (a, b) = (pair.a, pair.b);
    assert!(a.is_custodian(&id) && b.is_custodian(&id));
    let mut again = Pair::meet(a, b);
    assert_eq!(again.crossed, 0);
    again.wait_ms(2_500);
    again.wait_ms(600);
    assert!(!again.a.is_custodian(&id) && again.b.is_custodian(&id));
    assert_eq!(again.crossed, 0, "the bundle was not sent again");
}

#[test]
fn a_bundle_that_the_neighbor_lost_is_sent_again_when_it_says_so() {
    let (mut a, b) = friends();
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let mut pair = Pair::meet(a, b);
    let number = pair.b.number(&id).unwrap();
    pair.b.forget_owed();
    pair.b.step(Input::RecordDamaged { number });
    assert!(!pair.b.has(&id) && pair.a.is_custodian(&id));
    pair.wait_ms(2_500);
    assert!(pair.b.has(&id) && pair.b.is_custodian(&id));
    pair.wait_ms(600);
    assert!(!pair.a.is_custodian(&id));
}

#[test]
fn one_neighbor_is_asked_at_a_time_and_the_destination_always() {
    let mut a = Node::trusting("a", &["b", "c"]);
    a.open(1, "b");
    a.open(2, "c");
    let outputs = a.ask_and_hear(Request::Transmit {
        order: order("dtn://d/inbox"),
        payload: Bytes::from_static(b"for d"),
    });
    let asked: Vec<bool> = a
        .sent(&outputs.1)
        .iter()
        .map(|bundle| bundle.head().custody(&Profile::default()).is_some())
        .collect();
    assert_eq!(asked, [true, false]);
    let outputs = a.ask_and_hear(Request::Transmit {
        order: order("dtn://c/inbox"),
        payload: Bytes::from_static(b"for c"),
    });
    let asked: Vec<bool> = a
        .sent(&outputs.1)
        .iter()
        .map(|bundle| bundle.head().custody(&Profile::default()).is_some())
        .collect();
    assert_eq!(asked, [true, true]);
}

#[test]
fn questions_come_at_growing_intervals_and_end_with_the_contact() {
    let (mut a, b) = friends();
    a.transmit(order("dtn://c/inbox"), b"for c");
    let pair = Pair::meet(a, b);
    let mut a = pair.a;
    // Nobody answers at the other end any more.
    let mut asked = Vec::new();
    for second in 0..4_000_u64 {
        let outputs = a.wait_ms(1_000);
        if outputs.iter().any(|output| matches!(output, Output::Send { .. })) {
            asked.push(second);
        }
    }
    let gaps: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(asked.len() >= 7, "{asked:?}");
    for (at, gap) in gaps.iter().take(6).enumerate() {
        let middle = 4 << at;
        assert!((middle * 3 / 4..=middle * 5 / 4 + 1).contains(gap), "{gaps:?}");
    }
    a.step(Input::ContactClosed { contact: CONTACT });
    for _ in 0..100 {
        let outputs = a.wait_ms(600_000);
        assert!(!outputs.iter().any(|output| matches!(output, Output::Send { .. })));
    }
}
