//! Links that are seldom up, and links that lose what passes: everything arrives in the end, once.

use std::path::Path;

use crate::files::{contents, file, folder, octets, word};
use crate::node::{ANY_PORT, Agent, Node};
use crate::wire::Wire;

const GROUP: &str = "dtn://all/~news";

/// Four nodes in a row, each the peer of the next over a wire that can be cut.
struct Chain {
    nodes: [Node; 4],
    agents: [Agent; 4],
    wires: Vec<Wire>,
}

impl Chain {
    fn new(at: &Path) -> Self {
        let nodes = ["alpha", "bravo", "charlie", "delta"].map(|name| Node::new(at, name));
        for (place, node) in nodes.iter().enumerate() {
            nodes[place + 1..].iter().for_each(|other| node.befriend(other));
            node.verb(&["subscribe", GROUP]).done();
        }
        let agents = nodes.each_ref().map(|node| node.agent(ANY_PORT));
        let wires: Vec<Wire> = agents[1..].iter().map(|agent| Wire::to(agent.port(), 0)).collect();
        for (wire, node) in wires.iter().zip(&nodes) {
            wire.cut();
            node.verb(&["peer", "add", &wire.url()]).done();
        }
        Self { nodes, agents, wires }
    }

    /// Leaves only one wire of the chain whole.
    fn mend_only(&self, which: usize) {
        self.wires.iter().for_each(Wire::cut);
        self.wires[which].mend();
    }
}

/// Takes one file from an endpoint.
fn received(node: &Node, parent: &Path, endpoint: &str) -> (String, Vec<u8>) {
    let out = tempfile::tempdir_in(parent).unwrap();
    node.verb(&["recv", endpoint, "--out", word(out.path()), "--count", "1", "--timeout", "60s"]).done();
    contents(out.path()).remove(0)
}

/// Sends one file to a node, and one behind it to everybody, so that whoever has the second has the first.
fn send_both(node: &Node, folder: &Path, to: &str) {
    for (name, endpoint) in [("letter", to), ("notice", GROUP)] {
        let path = file(folder, &format!("{name}-{}", node.name), node.name.as_bytes());
        node.verb(&["send", endpoint, word(&path)]).done();
    }
}

#[test]
fn a_chain_whose_links_are_never_up_together_carries_to_its_end_and_back() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let chain = Chain::new(at);
    let files = folder(at, "files");
    let [alpha, _, _, delta] = &chain.nodes;

    send_both(alpha, &files, "delta");
    for hop in 0..3 {
        chain.mend_only(hop);
        let notice = received(&chain.nodes[hop + 1], at, GROUP);
        assert_eq!(notice, ("notice-alpha".to_owned(), b"alpha".to_vec()), "after hop {hop}");
    }
    assert_eq!(received(delta, at, "/inbox"), ("letter-alpha".to_owned(), b"alpha".to_vec()));

    // Its own notice waits at the sender too.
    received(alpha, at, GROUP);
    send_both(delta, &files, "alpha");
    for hop in (0..3).rev() {
        chain.mend_only(hop);
        let notice = received(&chain.nodes[hop], at, GROUP);
        assert_eq!(notice, ("notice-delta".to_owned(), b"delta".to_vec()), "after hop {hop}");
    }
    assert_eq!(received(alpha, at, "/inbox"), ("letter-delta".to_owned(), b"delta".to_vec()));

    chain.agents.into_iter().for_each(Agent::stop);
    for node in &chain.nodes {
        node.verb(&["store", "check"]).done();
    }
}

#[test]
fn a_link_that_loses_a_third_of_what_passes_delivers_everything_once() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let agents = [&near, &far].map(|node| node.agent(ANY_PORT));
    let wire = Wire::to(agents[1].port(), 30);
    near.verb(&["peer", "add", &wire.url()]).done();

    let files = folder(at, "files");
    let sent: Vec<(String, Vec<u8>)> =
        (0..16).map(|number| (format!("{number:02}.bin"), octets(number, 1_500))).collect();
    for (name, octets) in &sent {
        near.verb(&["send", "far", word(&file(&files, name, octets))]).done();
    }
    let out = folder(at, "out");
    far.verb(&["recv", "--out", word(&out), "--count", "16", "--timeout", "60s"]).done();
    assert!(contents(&out) == sent, "what arrived is not what was sent");
    assert_ne!(wire.losses(), 0, "nothing was lost, so nothing was shown");

    // Nothing is delivered a second time: the probe is all that still comes.
    let probe = file(at, "probe", b"?");
    near.verb(&["send", "far", word(&probe)]).done();
    assert_eq!(received(&far, at, "/inbox").0, "probe");
    agents.into_iter().for_each(Agent::stop);
    for node in [&near, &far] {
        node.verb(&["store", "check"]).done();
    }
}
