//! Large bundles over contacts that break off: what came stays, and any neighbor may go on.

use crate::meetings::Field;
use crate::support::{Node, config, eid, key, order};
use agent_core::Agent;
use agent_core::config::{Config, Stance};
use agent_core::input::{Input, Way};
use agent_core::output::Notice;
use bundle_format::{BundleId, Limits, Profile};
use bytes::Bytes;
use proptest::prelude::*;

const MIB: usize = 1 << 20;
const PLENTY: usize = usize::MAX;

fn payload(octets: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..octets).map(|_| next()).collect()
}

/// All trust each other.
fn nodes(names: &[&str]) -> Vec<Node> {
    let others = |name: &str| names.iter().copied().filter(|other| *other != name).collect::<Vec<_>>();
    names.iter().map(|name| Node::trusting(name, &others(name))).collect()
}

/// a has a bundle of so many octets for c.
fn field(names: &[&str], octets: usize) -> (Field, BundleId) {
    let mut field = Field::new(nodes(names));
    let id = field.nodes[0].transmit(order("dtn://c/inbox"), &payload(octets));
    (field, id)
}

fn partials(node: &Node) -> Vec<(u64, u64)> {
    let partials = node.store.read().unwrap().view().partials().unwrap();
    partials.iter().map(|partial| (partial.octets, partial.octets_in_all())).collect()
}

fn is_whole(node: &Node, octets: usize) -> bool {
    let number = node.queued("dtn://c/inbox").expect("it was delivered");
    node.payload(number) == payload(octets)
}

fn assert_sound(node: &Node) {
    let findings = node.store.read().unwrap().view().check(&mut |_| {}).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

/// The process ends and starts again; what was only in memory is gone.
fn restart(node: &mut Node, config: Config) {
    let mut txn = node.store.write().unwrap();
    txn.abandon_leftovers().unwrap();
    txn.commit().unwrap();
    let view = node.store.read().unwrap();
    node.agent = Agent::open(config.into(), [8; 32], node.now, view.view()).unwrap();
}

#[test]
fn a_mebibyte_arrives_over_contacts_that_each_carry_200_kilobytes() {
    let (mut field, id) = field(&["a", "c"], MIB);
    let mut contacts = 0;
    while !field.nodes[1].has(&id) {
        field.meet(0, 1, 200_000);
        contacts += 1;
        assert!(contacts <= 7, "{:?}", partials(&field.nodes[1]));
    }
    assert!(is_whole(&field.nodes[1], MIB) && field.deliveries(1) == 1);
    // One Part a contact at most was cut through.
    assert!(field.arrived[1] < MIB + 7 * (17 << 10), "{}", field.arrived[1]);
    assert_eq!(partials(&field.nodes[1]), []);
    assert_sound(&field.nodes[1]);
    field.meet(0, 1, PLENTY);
    assert_eq!((field.deliveries(1), field.take_resumes()), (1, contacts));
}

#[test]
fn another_neighbor_goes_on_where_the_first_one_stopped() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet(0, 1, 200_000);
    let [(here, 300_000)] = partials(&field.nodes[1])[..] else { panic!("{:?}", partials(&field.nodes[1])) };
    assert!(here > 190_000);
    field.arrived[1] = 0;
    field.meet(2, 1, PLENTY);
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert!(field.arrived[1] < 115_000, "{}", field.arrived[1]);
    assert_sound(&field.nodes[1]);
}

#[test]
fn two_neighbors_at_a_time_send_it_once() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet_all(&[(0, 1, PLENTY), (2, 1, PLENTY)]);
    assert!(field.nodes[1].has(&id) && field.deliveries(1) == 1);
    assert!(field.arrived[1] < 310_000, "{}", field.arrived[1]);
}

#[test]
fn the_second_of_two_neighbors_takes_over_when_the_first_one_goes() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet(0, 1, 100_000);
    field.meet_all(&[(0, 1, 100_000), (2, 1, PLENTY)]);
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert_eq!(field.take_resumes(), 3, "two go on, and one is told that it is whole");
}

#[test]
fn a_neighbor_that_offered_it_too_goes_on_at_once_when_the_whole_breaks_off() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet_all(&[(0, 1, 150_000), (2, 1, PLENTY)]);
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert!(field.arrived[1] < 310_000, "{}", field.arrived[1]);
}

#[test]
fn a_neighbor_that_offered_it_too_is_asked_when_the_first_one_goes_before_anything_came() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet_all(&[(0, 1, 4_000), (2, 1, PLENTY)]);
    assert!(field.nodes[1].has(&id) && field.deliveries(1) == 1);
}

#[test]
fn what_came_survives_a_crash_of_the_receiver() {
    let (mut field, id) = field(&["a", "c"], 300_000);
    field.meet(0, 1, 150_000);
    field.meet(0, 1, 60_000);
    let before = partials(&field.nodes[1]);
    restart(&mut field.nodes[1], config("c"));
    assert_eq!(partials(&field.nodes[1]), before);
    field.arrived[1] = 0;
    field.meet(0, 1, PLENTY);
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert!(field.arrived[1] < 130_000, "{}", field.arrived[1]);
    assert_sound(&field.nodes[1]);
}

#[test]
fn lost_parts_are_asked_for_again() {
    let (mut field, id) = field(&["a", "c"], 300_000);
    field.meet(0, 1, 100_000);
    field.loses_every = Some(7);
    field.open(0, 1, PLENTY);
    field.settle();
    for _ in 0..10 {
        field.wait_ms(31_000);
    }
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
}

#[test]
fn a_liar_costs_time_and_no_data() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet(0, 1, 150_000);
    field.liar = Some(2);
    field.meet(2, 1, PLENTY);
    let spoiled =
        |field: &Field| field.told.iter().filter(|(_, n)| matches!(n, Notice::PartialSpoiled { .. })).count();
    assert_eq!(spoiled(&field), 1);
    // What b sends as a whole is right, and taken.
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert_eq!(partials(&field.nodes[1]), []);
    assert_sound(&field.nodes[1]);
}

#[test]
fn who_lies_alone_is_not_asked_again() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet(0, 1, 150_000);
    field.liar = Some(2);
    // Parts do not fit; the whole is begun, and its rest is wrong again.
    for _ in 0..4 {
        field.meet(2, 1, 200_000);
        field.meet(2, 1, 200_000);
    }
    assert!(!field.nodes[1].has(&id));
    field.meet(0, 1, PLENTY);
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert_sound(&field.nodes[1]);
}

/// A Part with these numbers, of octets that are all 9.
fn part(id: &BundleId, offset: u64, total: u64, octets: usize) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(6).unwrap().u8(1).unwrap().u8(9).unwrap().bytes(id.as_bytes()).unwrap();
    encoder.u64(offset).unwrap().u64(total).unwrap().bytes(&vec![9; octets]).unwrap();
    encoder.into_writer()
}

#[test]
fn parts_that_were_not_asked_for_or_do_not_follow_are_ignored() {
    let (mut field, id) = field(&["a", "c", "b"], 300_000);
    field.meet(0, 2, PLENTY);
    field.meet(0, 1, 100_000);
    let [(here, total)] = partials(&field.nodes[1])[..] else { panic!("a partial") };
    // From a, who is asked to go on and says nothing; and from b, who is not asked.
    field.is_mute = Some(0);
    let asked = field.open(0, 1, PLENTY);
    field.settle();
    let other = field.open(2, 1, PLENTY);
    field.settle();
    let stranger = BundleId::from_bytes([1; 16]);
    let wrong = [
        part(&id, 0, total, 5_000),
        part(&id, here - 1, total, 5_000),
        part(&id, here + 1, total, 5_000),
        part(&id, here, total + 1, 5_000),
        part(&id, here, here, 5_000),
        part(&id, total - 1, total, 2),
        part(&id, u64::MAX, total, 5_000),
        part(&id, here, total, 0),
        part(&id, here, total, 20_000),
        part(&stranger, here, total, 5_000),
        vec![],
    ];
    for payload in wrong {
        field.say(1, asked, payload);
    }
    field.say(1, other, part(&id, here, total, 5_000));
    assert_eq!(partials(&field.nodes[1]), [(here, total)]);
    field.say(1, asked, part(&id, here, total, 5_000));
    assert_eq!(partials(&field.nodes[1]), [(here + 5_000, total)]);
    field.is_mute = None;
    field.cut(asked);
    field.settle();
    // b went on, found that the whole was none, and sent it whole.
    assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], 300_000));
    assert_sound(&field.nodes[1]);
}

#[test]
fn partials_of_bundles_that_expired_go() {
    let (mut field, _) = field(&["a", "c"], 300_000);
    field.meet(0, 1, 150_000);
    assert_eq!(partials(&field.nodes[1]).len(), 1);
    field.wait_ms(31 * 86_400_000);
    assert_eq!(partials(&field.nodes[1]), []);
    assert_sound(&field.nodes[1]);
}

#[test]
fn a_bundle_that_comes_whole_by_another_way_ends_its_partial() {
    let (mut field, id) = field(&["a", "c"], 300_000);
    field.meet(0, 1, 150_000);
    let number = match field.nodes[0].store.read().unwrap().view().find(&id).unwrap() {
        Some(agent_core::store::Presence::Held(number)) => number,
        other => panic!("{other:?}"),
    };
    let stored = field.nodes[0].store.read().unwrap().view().bundle(number).unwrap().unwrap();
    let octets = [&stored.head[..], &field.nodes[0].payload(number), &stored.tail].concat();
    let bundle = bundle_format::Bundle::parse(octets.into(), &Limits::default()).unwrap();
    assert_eq!(field.nodes[1].import(bundle.check(&Profile::default())), Ok(id));
    assert_eq!(partials(&field.nodes[1]), []);
    assert_sound(&field.nodes[1]);
}

#[test]
fn the_rest_of_a_transfer_whose_bundle_came_by_another_way_is_not_kept() {
    let mut node = Node::trusting("c", &["a"]);
    let Input::TransferBroken { head, .. } = beginning("a", 1, 200_000) else { unreachable!() };
    let number = match node.step(Input::StagingRequested { ticket: 1 }).first() {
        Some(agent_core::output::Output::StagingReady { number, .. }) => *number,
        other => panic!("{other:?}"),
    };
    node.step(Input::TransferStaged { way: Way::Contact(1), number, head: head.clone() });
    let whole = vec![7; 200_000];
    let octets: Bytes = [&head.bytes()[..], &whole, &[0xff]].concat().into();
    let bundle = bundle_format::Bundle::parse(octets, &Limits::default()).unwrap();
    let id = node.import(bundle.check(&Profile::default())).unwrap();
    let endpoint = eid("dtn://c/inbox");
    let queued = node.queued("dtn://c/inbox").unwrap();
    node.ask(agent_core::request::Request::Consume { endpoint, number: queued });
    assert!(!node.has(&id));
    let octets = vec![7; 30_000].into();
    node.step(Input::TransferBroken { way: Way::Contact(1), head, staging: Some(number), octets });
    assert_eq!(partials(&node), []);
    assert_sound(&node);
}

/// The head and the first octets of a large bundle of this node.
fn beginning(source: &str, sequence: u64, octets: usize) -> Input {
    let draft = bundle_format::NewBundle {
        destination: eid("dtn://c/inbox"),
        source: eid(&format!("dtn://{source}/")),
        report_to: bundle_format::Eid::Null,
        creation: bundle_format::CreationTimestamp {
            time: bundle_format::DtnTime(800_000_000_000),
            sequence,
        },
        lifetime_ms: 3_600_000,
        flags: bundle_format::BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    };
    let bundle = draft.sign(&Profile::default(), &key(source), vec![7; octets].into()).unwrap();
    let head = bundle.head().clone();
    Input::TransferBroken { way: Way::Contact(1), head, staging: None, octets: vec![7; 20_000].into() }
}

#[test]
fn partials_are_bounded_and_the_oldest_go_first() {
    let mut node = Node::trusting("c", &["a"]);
    for sequence in 0..100 {
        node.step(beginning("a", sequence, 70_000));
        node.now.node = node.now.node.after_ms(1);
    }
    assert_eq!(partials(&node).len(), 64);
    assert_sound(&node);
}

#[test]
fn beginnings_that_will_be_refused_are_not_kept() {
    let mut node = Node::trusting("c", &["a"]);
    node.step(beginning("stranger", 1, 70_000));
    node.step(beginning("a", 2, 2 << 30));
    node.step(beginning("a", 3, 60_000));
    assert_eq!(partials(&node), []);
}

#[test]
fn beginnings_of_strangers_stay_within_the_quota_of_strangers() {
    let mut node = Node::with(Config { strangers: Stance::Carry, ..config("c") });
    node.trust("a");
    node.step(beginning("a", 1, 70_000));
    for sequence in 0..20 {
        node.step(beginning("stranger", sequence, 100_000));
        node.now.node = node.now.node.after_ms(1);
    }
    assert_eq!(partials(&node).len(), 11, "ten of them are a megabyte");
    assert_sound(&node);
}

#[test]
fn pieces_of_a_transfer_that_was_given_up_do_not_reach_its_partial() {
    let mut node = Node::trusting("c", &["a"]);
    let Input::TransferBroken { head, .. } = beginning("a", 1, 200_000) else { unreachable!() };
    let number = match node.step(Input::StagingRequested { ticket: 1 }).first() {
        Some(agent_core::output::Output::StagingReady { number, .. }) => *number,
        other => panic!("{other:?}"),
    };
    let piece = |index| Input::ChunkArrived {
        number,
        index,
        octets: Bytes::from(vec![7; agent_core::store::CHUNK_OCTETS]),
    };
    node.step(Input::TransferStaged { way: Way::Contact(1), number, head: head.clone() });
    node.step(piece(0));
    // The store failed, and the next piece with it; the transfer does not know yet.
    restart(&mut node, config("c"));
    node.step(piece(2));
    node.step(Input::TransferBroken {
        way: Way::Contact(1),
        head,
        staging: Some(number),
        octets: vec![7; 9].into(),
    });
    node.step(Input::StagingAbandoned { number });
    assert_eq!(partials(&node), [(agent_core::store::CHUNK_OCTETS as u64, 200_000)]);
    assert_sound(&node);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_cut_the_bundle_arrives_once(
        octets in 66_000_usize..400_000,
        meetings in prop::collection::vec((0_u8..4, 5_000_usize..200_000), 0..12),
    ) {
        let (mut field, id) = field(&["a", "c", "b"], octets);
        field.meet(0, 2, PLENTY);
        for (who, carries) in meetings {
            match who {
                0 => field.meet(0, 1, carries),
                1 => field.meet(2, 1, carries),
                2 => field.meet_all(&[(0, 1, carries), (2, 1, carries / 2)]),
                _ => restart(&mut field.nodes[1], config("c")),
            }
        }
        field.meet(2, 1, PLENTY);
        prop_assert!(field.nodes[1].has(&id) && is_whole(&field.nodes[1], octets));
        prop_assert_eq!(field.deliveries(1), 1);
        prop_assert_eq!(partials(&field.nodes[1]), vec![]);
        assert_sound(&field.nodes[1]);
    }
}
