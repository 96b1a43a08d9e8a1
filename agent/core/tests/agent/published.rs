//! What nodes publish of themselves: cards, and what was delivered; and what comes of it elsewhere.

use agent_core::cards::cards_group;
use agent_core::config::{CardSettings, Config};
use agent_core::deliveries::deliveries_group;
use agent_core::input::Input;
use agent_core::knowledge::Has;
use agent_core::output::{Notice, Output};
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Repair, Request};
use bundle_format::{BundleId, CheckedBundle, Eid};

use crate::support::{Node, Pair, eid, order};

const MINUTE_MS: u64 = 60_000;

/// Nodes of other tests publish no cards.
fn config(name: &str) -> Config {
    Config { cards: CardSettings::default(), ..crate::support::config(name) }
}

fn node(name: &str, others: &[&str]) -> Node {
    let mut node = Node::with(config(name));
    for other in others {
        node.trust(other);
    }
    node
}

/// Every bundle that a node holds for a group.
fn bundles_for(node: &Node, group: &Eid) -> Vec<CheckedBundle> {
    let txn = node.store.read().unwrap();
    let numbers = txn.view().bundles_for(group, None, 100).unwrap();
    numbers.into_iter().map(|number| node.whole(number)).collect()
}

fn the_only(node: &Node, group: &Eid) -> CheckedBundle {
    let mut bundles = bundles_for(node, group);
    assert_eq!(bundles.len(), 1);
    bundles.remove(0)
}

fn bundle(node: &Node, id: &BundleId) -> CheckedBundle {
    let txn = node.store.read().unwrap();
    let Some(agent_core::store::Presence::Held(number)) = txn.view().find(id).unwrap() else {
        panic!("held")
    };
    node.whole(number)
}

fn check(node: &mut Node) {
    let Answer::Checked { findings, .. } = node.ask(Request::Check { repair: Repair::Nothing }) else {
        panic!("it was checked")
    };
    assert_eq!(findings, Vec::<String>::new());
}

/// Time in which nothing but timers happens.
fn idle(node: &mut Node, ms: u64) {
    let until = node.now.node.after_ms(ms);
    while let Some(at) = node.agent.poll_timeout().filter(|at| *at <= until) {
        node.wait_ms(at.since_ms(node.now.node));
    }
    node.wait_ms(until.since_ms(node.now.node));
}

fn consume(node: &mut Node, endpoint: &str) {
    let number = node.queued(endpoint).expect("something waits");
    let request = Request::Consume { endpoint: eid(endpoint), number };
    assert_eq!(node.ask(request), Answer::Done { changed: true });
}

#[test]
fn a_card_is_made_when_something_changed_and_once_a_day() {
    let mut node = self::node("n", &[]);
    idle(&mut node, 50_000);
    assert_eq!(node.bundles(), 0);
    idle(&mut node, MINUTE_MS);
    let first = the_only(&node, &cards_group());
    idle(&mut node, 20 * 60 * MINUTE_MS);
    assert_eq!(the_only(&node, &cards_group()).id(), first.id(), "nothing has changed");
    idle(&mut node, 5 * 60 * MINUTE_MS);
    let second = the_only(&node, &cards_group());
    assert_ne!(second.id(), first.id(), "a day is over");
    node.transmit(order("dtn://m/inbox"), b"hello");
    idle(&mut node, 20_000);
    let third = the_only(&node, &cards_group());
    assert_ne!(third.id(), second.id(), "the last one was made long ago");
    node.transmit(order("dtn://m/inbox"), b"hello again");
    idle(&mut node, 14 * MINUTE_MS);
    assert_eq!(the_only(&node, &cards_group()).id(), third.id(), "not yet");
    idle(&mut node, MINUTE_MS);
    assert_ne!(the_only(&node, &cards_group()).id(), third.id());
    check(&mut node);
}

#[test]
fn a_card_says_where_a_node_listens_now() {
    let mut node = self::node("n", &[]);
    let mut reader = self::node("reader", &["n"]);
    idle(&mut node, 2 * MINUTE_MS);
    let said = |reader: &mut Node, node: &Node| {
        // It may be there.
        let _ = reader.import(the_only(node, &cards_group()));
        let txn = reader.store.read().unwrap();
        let trusted = reader.agent.config().trusted_nodes(txn.view()).unwrap();
        assert_eq!(trusted.into_iter().collect::<Vec<_>>(), [eid("dtn://n/")]);
        agent_core::knowledge::card_of(txn.view(), &eid("dtn://n/")).unwrap().unwrap().addresses
    };
    assert_eq!(said(&mut reader, &node), [""; 0]);
    let addresses = vec!["tcp://[::]:4556".to_owned(), "tcp://192.0.2.7:4556".to_owned()];
    node.step(Input::AddressesChanged { addresses: addresses.clone() });
    idle(&mut node, 10 * MINUTE_MS);
    assert_eq!(said(&mut reader, &node), [""; 0], "not yet");
    idle(&mut node, 5 * MINUTE_MS);
    assert_eq!(said(&mut reader, &node), addresses);
}

#[test]
fn cards_tell_who_has_a_bundle_and_who_is_to_have_it() {
    let mut leaf = config("leaf");
    leaf.carry = agent_core::config::Carry::Wanted;
    let mut leaf = Node::with(leaf);
    let mut hub = node("hub", &["leaf"]);
    leaf.trust("hub");
    leaf.ask(Request::Subscribe { group: eid("dtn://all/~news") });
    idle(&mut leaf, 2 * MINUTE_MS);
    let news = hub.transmit(order("dtn://all/~news"), b"news");
    let other = hub.transmit(order("dtn://all/~other"), b"other");
    hub.import(the_only(&leaf, &cards_group())).unwrap();
    let whereabouts = |hub: &Node, id: &BundleId| {
        let txn = hub.store.read().unwrap();
        let Some(agent_core::store::Presence::Held(number)) = txn.view().find(id).unwrap() else {
            panic!("held")
        };
        let facts = txn.view().facts(number).unwrap().unwrap();
        let all = hub.agent.config().whereabouts(txn.view(), &facts).unwrap();
        all.iter().map(|one| (one.known.node.to_string(), one.has, one.wants)).collect::<Vec<_>>()
    };
    assert_eq!(whereabouts(&hub, &news), [("dtn://leaf/".to_owned(), Has::No, Some(true))]);
    assert_eq!(whereabouts(&hub, &other), [("dtn://leaf/".to_owned(), Has::No, Some(false))]);
    leaf.import(bundle(&hub, &news)).unwrap();
    idle(&mut leaf, 20 * MINUTE_MS);
    hub.import(the_only(&leaf, &cards_group())).unwrap();
    assert_eq!(whereabouts(&hub, &news), [("dtn://leaf/".to_owned(), Has::Yes, Some(true))]);
}

#[test]
fn leaf_nodes_get_the_cards_and_deliveries_of_all() {
    let mut config = config("leaf");
    config.carry = agent_core::config::Carry::Wanted;
    let mut leaf = Node::with(config);
    leaf.trust("hub");
    let mut hub = node("hub", &["leaf"]);
    idle(&mut hub, 2 * MINUTE_MS);
    let card = the_only(&hub, &cards_group()).id();
    let pair = Pair::meet(hub, leaf);
    assert!(pair.b.has(&card));
}

#[test]
fn what_was_delivered_is_dropped_everywhere_and_marked_at_its_source() {
    // In either order of arrival, at a carrier and at the source.
    for delivery_first in [false, true] {
        let mut source = node("s", &["d"]);
        let mut carrier = node("c", &["s", "d"]);
        let mut destination = node("d", &["s"]);
        let taken = source.transmit(order("dtn://d/inbox"), b"taken");
        let waiting = source.transmit(order("dtn://d/inbox"), b"waiting");
        let elsewhere = source.transmit(order("dtn://e/inbox"), b"elsewhere");
        let all = [taken, waiting, elsewhere].map(|id| bundle(&source, &id));
        destination.import(all[0].clone()).unwrap();
        consume(&mut destination, "dtn://d/inbox");
        idle(&mut destination, 10_000);
        let said = the_only(&destination, &deliveries_group());
        if delivery_first {
            carrier.import(said.clone()).unwrap();
        }
        for bundle in &all {
            let came = carrier.import(bundle.clone());
            let is_late = delivery_first && bundle.id() == taken;
            assert_eq!(came, if is_late { Err(Refusal::Delivered) } else { Ok(bundle.id()) });
        }
        if !delivery_first {
            carrier.import(said.clone()).unwrap();
        }
        idle(&mut carrier, 1_000);
        assert!(!carrier.has(&taken) && carrier.has(&waiting) && carrier.has(&elsewhere));
        assert_eq!(carrier.import(all[0].clone()), Err(Refusal::Gone));
        check(&mut carrier);
        let request = crate::support::import_request(said);
        let (_, mut told) = source.ask_and_hear(request);
        told.extend(source.wait_ms(1));
        let delivered =
            |output: &Output| matches!(output, Output::Tell(Notice::Delivered { id, .. }) if *id == taken);
        assert_eq!(told.iter().filter(|output| delivered(output)).count(), 1);
        assert!(source.has(&taken));
    }
}

/// Bundles that a purge looks at in one step, and some more.
const MORE_THAN_A_STEP: usize = 300;

#[test]
fn a_crash_at_any_step_of_a_purge_leaves_none_of_it_undone() {
    let mut source = node("s", &["d"]);
    let mut carrier = node("c", &["s", "d"]);
    let mut destination = node("d", &["s"]);
    let sent: Vec<BundleId> =
        (0..MORE_THAN_A_STEP).map(|_| source.transmit(order("dtn://d/inbox"), b"one of many")).collect();
    for id in &sent {
        let bundle = bundle(&source, id);
        carrier.import(bundle.clone()).unwrap();
        destination.import(bundle).unwrap();
        consume(&mut destination, "dtn://d/inbox");
    }
    let waiting = source.transmit(order("dtn://d/inbox"), b"waits");
    carrier.import(bundle(&source, &waiting)).unwrap();
    idle(&mut destination, 40_000);
    let said = the_only(&destination, &deliveries_group());
    carrier.import(said.clone()).unwrap();
    let (_, mut told) = source.ask_and_hear(crate::support::import_request(said));
    let left = |node: &Node| sent.iter().filter(|id| node.has(id)).count();
    let after_record = left(&carrier);
    assert!((1..MORE_THAN_A_STEP).contains(&after_record), "it is in the middle: {after_record}");
    // The power goes after each step: no step sees what an earlier one had in memory.
    for round in 1..6 {
        carrier.restart([round; 32]);
        carrier.wait_ms(1);
    }
    assert_eq!(left(&carrier), 0);
    assert!(carrier.has(&waiting));
    check(&mut carrier);
    assert_eq!(carrier.store.read().unwrap().view().purges().unwrap(), [], "nothing is left to do");
    // The source keeps them, and says of each once that it arrived, although it looks through them from the beginning again.
    source.restart([1; 32]);
    for _ in 0..3 {
        told.extend(source.wait_ms(1));
    }
    let told = told.iter().filter_map(|output| match output {
        Output::Tell(Notice::Delivered { id, .. }) => Some(*id),
        _ => None,
    });
    assert!(sorted(told) == sorted(sent.iter().copied()), "each once, and no other");
    assert_eq!(left(&source), MORE_THAN_A_STEP);
    check(&mut source);
}

#[test]
fn what_was_delivered_is_told_once_there_is_room_to_tell_it() {
    let mut source = node("s", &["d"]);
    let id = source.transmit(order("dtn://d/inbox"), b"for d");
    let mut settings = config("d");
    settings.quota_octets = 3_000;
    let mut destination = Node::with(settings);
    destination.trust("s");
    destination.import(bundle(&source, &id)).unwrap();
    consume(&mut destination, "dtn://d/inbox");
    // Nothing that is in custody makes room for a record.
    let in_custody = destination.transmit(order("dtn://e/inbox"), &[7; 2_600]);
    idle(&mut destination, 5 * MINUTE_MS);
    assert_eq!(bundles_for(&destination, &deliveries_group()).len(), 0);
    destination.ask(Request::Remove { id: in_custody });
    idle(&mut destination, MINUTE_MS);
    let said = the_only(&destination, &deliveries_group());
    let record = said.head().metadata(&bundle_format::Profile::default()).unwrap().record.unwrap();
    assert_eq!(record.revision, 1, "nobody saw the editions for which there was no room");
    check(&mut destination);
}

fn sorted(ids: impl Iterator<Item = BundleId>) -> Vec<BundleId> {
    let mut ids: Vec<BundleId> = ids.collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_card_that_was_replaced_leaves_no_id_in_the_set() {
    let mut node = self::node("n", &[]);
    idle(&mut node, 2 * MINUTE_MS);
    let first = the_only(&node, &cards_group()).id();
    idle(&mut node, 25 * 60 * MINUTE_MS);
    let second = the_only(&node, &cards_group()).id();
    assert_ne!(first, second);
    let mut cells = agent_core::sketch::Prefix::new(agent_core::sketch::CELLS_MAX);
    cells.insert(&second);
    assert_eq!(node.agent.prefix(), Some(&cells));
}

#[test]
fn nobody_but_the_destination_says_what_was_delivered() {
    let mut source = node("s", &["m"]);
    let id = source.transmit(order("dtn://d/inbox"), b"for d");
    let sent = bundle(&source, &id);
    let mut carrier = node("c", &["s", "d", "m"]);
    carrier.import(sent.clone()).unwrap();
    // A node of another name that says it took that very bundle.
    let mut liar = Node::with(config("d"));
    liar.trust("s");
    liar.import(sent).unwrap();
    consume(&mut liar, "dtn://d/inbox");
    idle(&mut liar, 10_000);
    let said = the_only(&liar, &deliveries_group());
    let payload = said.payload().unwrap().clone();
    let forged = crate::support::record_of("m", "deliveries", deliveries_group(), payload);
    carrier.import(forged).unwrap();
    idle(&mut carrier, 1_000);
    assert!(carrier.has(&id));
    carrier.import(said).unwrap();
    idle(&mut carrier, 1_000);
    assert!(!carrier.has(&id));
}

#[test]
fn many_deliveries_are_told_together_and_forgotten_when_they_are_over() {
    let mut source = node("s", &["d"]);
    let mut destination = node("d", &["s"]);
    for _ in 0..40 {
        let id = source.transmit(order("dtn://d/inbox"), b"one of many");
        destination.import(bundle(&source, &id)).unwrap();
        consume(&mut destination, "dtn://d/inbox");
    }
    idle(&mut destination, 10_000);
    let said = the_only(&destination, &deliveries_group());
    assert!(said.payload().unwrap().len() < 80, "one run");
    let revision = |bundle: &CheckedBundle| {
        bundle.head().metadata(&bundle_format::Profile::default()).unwrap().record.unwrap().revision
    };
    assert_eq!(revision(&said), 1);
    for node in [&mut source, &mut destination] {
        idle(node, 31 * 24 * 60 * MINUTE_MS);
    }
    assert!(bundles_for(&destination, &deliveries_group()).is_empty());
    let id = source.transmit(order("dtn://d/inbox"), b"much later");
    destination.import(bundle(&source, &id)).unwrap();
    consume(&mut destination, "dtn://d/inbox");
    idle(&mut destination, 10_000);
    assert_eq!(revision(&the_only(&destination, &deliveries_group())), 2);
    assert_eq!(destination.store.read().unwrap().view().delivered_runs().unwrap().len(), 1);
    check(&mut destination);
}
