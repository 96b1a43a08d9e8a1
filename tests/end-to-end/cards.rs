//! What nodes tell of themselves over a link: from a neighbor's card `show` knows what it has, and `status` when it was heard of.

use std::time::Instant;

use serde_json::Value;

use crate::files::{file, word};
use crate::node::{ANY_PORT, Node, text};
use crate::process::PATIENCE;

/// Asks until the answer is right.
fn ask_until(node: &Node, words: &[&str], is_right: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = node.ask(words).remove(0);
        if is_right(&said) {
            return;
        }
        assert!(Instant::now() < deadline, "{words:?} still says {said}");
    }
}

#[test]
fn a_card_that_comes_over_a_link_tells_what_a_node_has() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [alpha, bravo] = ["alpha", "bravo"].map(|name| Node::new(at, name));
    alpha.befriend(&bravo);
    for node in [&alpha, &bravo] {
        node.configure("card_interval = \"1s\"");
    }
    let letter = file(at, "letter.txt", b"To somebody far away.\n");
    let id = text(&alpha.ask(&["send", "dtn://far/inbox", word(&letter)])[0], "id");
    let listening = bravo.agent(ANY_PORT);
    let dialling = alpha.agent(ANY_PORT);
    alpha.verb(&["peer", "add", &listening.url]).done();

    let of_bravo = |list: &Value| {
        let nodes = list.as_array().expect("nodes").iter();
        nodes.into_iter().find(|node| node["node"] == "dtn://bravo/").cloned().unwrap_or(Value::Null)
    };
    ask_until(&alpha, &["show", &id], |shown| {
        let bravo = of_bravo(&shown["nodes"]);
        // Only a card says what a node wants.
        bravo["has"] == "yes" && bravo["wants"] == true && bravo["way"].is_string()
    });
    ask_until(&alpha, &["status"], |status| {
        let bravo = of_bravo(&status["nodes"]);
        bravo["heard_ago_ms"].is_u64() && bravo["way"].is_string()
    });
    dialling.stop();
    listening.stop();
}
