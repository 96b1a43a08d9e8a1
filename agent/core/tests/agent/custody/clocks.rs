//! Custody between nodes whose clocks are years apart: who is answered hears it, whatever the time is there.

use agent_core::config::Stance;
use agent_core::refusal::Refusal;
use agent_core::store::Issued;
use bundle_format::DtnTime;

use super::{friends, heard, signal};
use crate::support::{Node, Pair, Side, config, key, order};

const YEAR_MS: u64 = 365 * 86_400_000;

#[test]
fn who_is_years_ahead_hears_that_its_bundle_was_taken_over() {
    let (mut a, b) = friends();
    a.now.utc = a.now.utc.map(|utc| DtnTime(utc.0 + YEAR_MS));
    is_relieved_for_good(a, b);
}

#[test]
fn who_is_years_behind_can_say_that_it_took_a_bundle_over() {
    let (a, mut b) = friends();
    b.now.utc = b.now.utc.map(|utc| DtnTime(utc.0 - YEAR_MS));
    is_relieved_for_good(a, b);
}

/// Custody of a bundle of `a` goes on to `b`, and neither has anything to say about it when they meet again.
fn is_relieved_for_good(mut a: Node, b: Node) {
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let mut pair = Pair::meet(a, b);
    pair.wait_ms(600);
    assert_eq!(heard(&pair.told, Side::A), [(1, 0, 0)]);
    assert!(!pair.a.is_custodian(&id) && pair.b.is_custodian(&id));
    assert_eq!((pair.a.bundles(), pair.b.bundles()), (1, 1), "the signal has served its purpose");
    let mut again = Pair::meet(pair.a, pair.b);
    let said = again.said.len();
    again.wait_ms(10_000);
    assert_eq!((again.crossed, again.said.len()), (0, said));
    assert!(heard(&again.told, Side::A).is_empty());
}

#[test]
fn a_signal_that_is_over_is_for_its_destination_only_and_from_a_key_that_it_trusts() {
    let mut settings = config("a");
    settings.strangers = Stance::Carry;
    let mut a = Node::with(settings);
    a.trust("b");
    a.now.utc = a.now.utc.map(|utc| DtnTime(utc.0 + YEAR_MS));
    let issued = [Issued { sequence: 1, number: 1 }];
    let theirs = a.import(signal("b", &key("b"), "dtn://c/", &issued, 1));
    assert_eq!(theirs, Err(Refusal::Expired));
    let strange = a.import(signal("mallory", &key("mallory"), "dtn://a/", &issued, 2));
    assert_eq!(strange, Err(Refusal::Expired));
    let heard = a.import(signal("b", &key("b"), "dtn://a/", &issued, 3)).unwrap();
    assert!(!a.has(&heard), "it is read and gone");
    assert_eq!(a.import(signal("b", &key("b"), "dtn://a/", &issued, 3)), Err(Refusal::Gone));
}
