//! Nodes that have numbers instead of names (`ipn`), and live among nodes with names.

use crate::args;
use crate::support::{Node, names};

/// A node with a number and a node with a name, who trust each other.
fn numbered_and_named() -> (Node, Node) {
    let numbered = Node::bare();
    let made = numbered.json(["init", "--node", "ipn:42.0"]);
    assert_eq!(made[0]["node"], "ipn:42.0");
    let named = Node::new("hub");
    numbered.befriend(&named);
    (numbered, named)
}

#[test]
fn files_go_both_ways_between_a_node_with_a_number_and_one_with_a_name() {
    let (numbered, named) = numbered_and_named();
    let (_at_numbered, at_named) = (numbered.start(), named.start());
    numbered.ok(["peer", "add", &at_named.url]);
    for (from, to, destination) in [(&numbered, &named, "hub"), (&named, &numbered, "ipn:42.0")] {
        from.send(destination, &from.file("letter", destination));
        let out = to.dir("out");
        to.ok(args!["recv", "--out", &out, "--timeout", "60s"]);
        assert_eq!(std::fs::read_to_string(out.join("letter")).unwrap(), destination);
    }
    // A service of one's own, and a group.
    named.send("ipn:42.9", &named.file("nine", "9"));
    let out = numbered.dir("other");
    numbered.ok(args!["recv", "/9", "--out", &out, "--timeout", "60s"]);
    numbered.ok(["subscribe", "dtn://all/~updates"]);
    named.send("dtn://all/~updates", &named.file("news", "new"));
    numbered.ok(args!["recv", "dtn://all/~updates", "--out", &out, "--timeout", "60s"]);
    assert_eq!(names(&out), ["news", "nine"]);
    let status = &numbered.json(["status"])[0];
    assert_eq!(status["queues"][0]["endpoint"], "ipn:42.1");
    assert_eq!(status["contacts"][0]["security"], "TLS 1.3");
}

#[test]
fn a_node_with_a_number_is_pinged_and_traced_and_does_so_itself() {
    let (numbered, named) = numbered_and_named();
    let (_at_numbered, at_named) = (numbered.start(), named.start());
    numbered.ok(["peer", "add", &at_named.url]);
    for (from, to, echo) in [(&named, "ipn:42.0", "ipn:42.128"), (&numbered, "hub", "dtn://hub/echo")] {
        let answers = from.json(["ping", to, "--count", "2", "--interval", "100ms", "--timeout", "60s"]);
        assert_eq!((&answers[0]["from"], &answers[2]["received"]), (&echo.into(), &2.into()));
    }
    for (from, to) in [(&named, "ipn:42.0"), (&numbered, "dtn://hub/")] {
        let steps = from.json(["trace", to, "--timeout", "60s"]);
        assert!(steps.iter().any(|step| step["node"] == to), "{steps:?}");
    }
}

#[test]
fn a_drive_carries_between_a_node_with_a_number_and_one_with_a_name() {
    let (numbered, named) = numbered_and_named();
    let drive = named.dir("drive");
    named.ok(args!["drive", "init", &drive]);
    named.send("ipn:42.0", &named.file("there", "there"));
    numbered.send("hub", &numbered.file("back", "back"));
    for node in [&named, &numbered, &named] {
        node.ok(args!["drive", "dock", &drive]);
    }
    for (node, name) in [(&numbered, "there"), (&named, "back")] {
        let out = node.dir("out");
        node.ok(args!["recv", "--out", &out]);
        assert_eq!(names(&out), [name]);
    }
}

#[test]
fn an_endpoint_that_a_node_with_a_number_cannot_have_is_refused() {
    let numbered = Node::bare();
    for wrong in ["ipn:42.1", "ipn:!.0", "ipn:x.0"] {
        numbered.fails(2, ["init", "--node", wrong]);
    }
    numbered.ok(["init", "--node", "ipn:42.0"]);
    let error = numbered.fails(2, args!["recv", "/photos", "--out", numbered.dir("out")]);
    assert!(error["hint"].as_str().unwrap().contains("numbers"), "{error}");
}
