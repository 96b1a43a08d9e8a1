//! Agents on one network find each other, and are not found where they are not to be.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::files::{file, word};
use crate::network::Network;
use crate::node::{Node, text};
use crate::process::PATIENCE;

/// Looks again and again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
    }
}

fn status(node: &Node) -> Value {
    node.ask(&["status"]).remove(0)
}

/// What is announced on the network, as `status` lists it.
fn found(node: &Node) -> Vec<String> {
    let peers = status(node)["peers"].as_array().unwrap().clone();
    let found = peers.iter().filter(|peer| peer["origin"] == "found");
    found.map(|peer| peer["url"].as_str().unwrap().to_owned()).collect()
}

/// Whom it has a contact with.
fn met(node: &Node) -> Vec<(Value, Value)> {
    let contacts = status(node)["contacts"].as_array().unwrap().clone();
    contacts.iter().map(|contact| (contact["node"].clone(), contact["authenticated"].clone())).collect()
}

fn letter(folder: &Path) -> std::path::PathBuf {
    file(folder, "letter.txt", b"To somebody near.\n")
}

#[test]
fn two_agents_without_peers_find_each_other_and_forget_who_has_gone() {
    let Some(network) = Network::new() else { return };
    let folders = tempfile::tempdir().unwrap();
    let [alpha, bravo] = ["alpha", "bravo"].map(|name| Node::new(folders.path(), name));
    alpha.befriend(&bravo);
    let _stays = network.agent(0, &alpha, &[]);
    let goes = network.agent(1, &bravo, &[]);

    let sent = letter(folders.path());
    alpha.verb(&["send", "dtn://bravo/inbox", word(&sent), "--wait", "delivered", "--timeout", "60s"]).done();
    assert_eq!(bravo.verb(&["recv"]).out, b"To somebody near.\n");
    until("each has one contact, with the other", || {
        met(&alpha) == [("dtn://bravo/".into(), true.into())]
            && met(&bravo) == [("dtn://alpha/".into(), true.into())]
    });
    until("each sees where the other is, and not itself", || {
        let (by_alpha, by_bravo) = (found(&alpha), found(&bravo));
        !by_alpha.is_empty()
            && !by_bravo.is_empty()
            && !by_alpha.iter().any(|url| url.contains("10.9.0.1"))
            && !by_bravo.iter().any(|url| url.contains("10.9.0.2"))
    });
    goes.stop();
    until("the one that has gone is forgotten", || found(&alpha).is_empty());
}

#[test]
fn a_found_node_that_is_not_trusted_gets_nothing_in() {
    let Some(network) = Network::new() else { return };
    let folders = tempfile::tempdir().unwrap();
    let [alpha, bravo] = ["alpha", "bravo"].map(|name| Node::new(folders.path(), name));
    alpha.verb(&["trust", "add", bravo.line()]).done();
    let sent = letter(folders.path());
    alpha.verb(&["send", "dtn://bravo/inbox", word(&sent)]).done();
    let _agents = [network.agent(0, &alpha, &[]), network.agent(1, &bravo, &[])];

    until("the letter is refused", || status(&bravo)["refusals"][0]["reason"] == "stranger");
    assert!(bravo.ids().is_empty());
    let of_alpha = met(&bravo);
    assert!(of_alpha.iter().all(|contact| *contact == ("dtn://alpha/".into(), false.into())), "{of_alpha:?}");
}

#[test]
fn where_discovery_is_off_nothing_is_said_and_nobody_is_found() {
    let Some(network) = Network::new() else { return };
    let folders = tempfile::tempdir().unwrap();
    let [silent, open] = ["silent", "open"].map(|name| Node::new(folders.path(), name));
    silent.befriend(&open);
    let by_word = network.agent(0, &silent, &["--no-discovery"]);
    let _open = network.agent(1, &open, &[]);
    until("the open one has asked for others", || network.datagrams_said(1) >= 4);
    assert_eq!(network.datagrams_said(0), 0);
    by_word.stop();

    silent.configure("discovery = false");
    let _by_configuration = network.agent(0, &silent, &[]);
    let before = network.datagrams_said(1);
    until("the open one has asked again", || network.datagrams_said(1) > before);
    assert_eq!(network.datagrams_said(0), 0);
    for node in [&silent, &open] {
        assert_eq!((found(node).len(), met(node).len()), (0, 0));
    }
}

#[test]
fn somebody_who_claims_to_be_this_node_is_dialled_once() {
    let Some(network) = Network::new() else { return };
    let folders = ["here", "there"].map(|_| tempfile::tempdir().unwrap());
    let [this, other] = folders.each_ref().map(|folder| Node::new(folder.path(), "alpha"));
    let _agents = [network.agent(0, &this, &[]), network.agent(1, &other, &[])];
    until("they have tried", || network.connections_tried(0) + network.connections_tried(1) >= 1);
    let before = network.datagrams_said(0);
    until("they have looked around for a while", || network.datagrams_said(0) >= before + 6);
    assert!(network.connections_tried(0) <= 1 && network.connections_tried(1) <= 1);
    until("nothing is left of it", || found(&this).is_empty() && met(&this).is_empty());
}

#[test]
fn where_a_card_says_that_a_trusted_node_listens_is_tried() {
    let Some(network) = Network::new() else { return };
    let folders = tempfile::tempdir().unwrap();
    let [alpha, bravo] = ["alpha", "bravo"].map(|name| Node::new(folders.path(), name));
    alpha.befriend(&bravo);
    bravo.configure("card_interval = \"1s\"");
    let _alpha = network.agent(0, &alpha, &[]);
    let _bravo = network.agent(1, &bravo, &["--no-discovery", "--listen", "tcp://10.9.0.2:4556"]);
    let mut card = None;
    until("a card is made", || {
        let all = bravo.ask(&["ls", "--all"]);
        card = all.iter().find(|bundle| bundle["destination"] == "dtn://packmule/~cards").cloned();
        card.is_some()
    });
    let id = text(&card.unwrap(), "id");
    bravo.verb(&["export", &id, "--out", word(folders.path())]).done();
    alpha.verb(&["import", word(&folders.path().join(format!("{id}.bundle")))]).done();
    until("they meet", || met(&alpha) == [("dtn://bravo/".into(), true.into())]);
    let peer = status(&alpha)["peers"][0].clone();
    assert_eq!((&peer["url"], &peer["origin"]), (&"tcp://10.9.0.2:4556".into(), &"learnt".into()));
}

#[test]
fn a_configured_peer_takes_the_place_of_one_that_was_found() {
    let Some(network) = Network::new() else { return };
    network.name_also(1, "10.9.0.12");
    let folders = tempfile::tempdir().unwrap();
    let [alpha, bravo] = ["alpha", "bravo"].map(|name| Node::new(folders.path(), name));
    alpha.befriend(&bravo);
    let _agents = [network.agent(0, &alpha, &[]), network.agent(1, &bravo, &[])];
    until("they meet", || met(&alpha) == [("dtn://bravo/".into(), true.into())]);
    alpha.verb(&["peer", "add", "tcp://10.9.0.12"]).done();
    until("the configured way is the one", || {
        let contacts = status(&alpha)["contacts"].as_array().unwrap().clone();
        contacts.len() == 1 && contacts[0]["link"] == "tcp://10.9.0.12:4556"
    });
}
