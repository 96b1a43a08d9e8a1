//! `run`, and what two agents do for each other.

use rustix::process::Signal;

use crate::args;
use crate::support::{Node, names, noise};

#[test]
fn an_agent_ends_cleanly_on_either_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let node = Node::new("a");
        let (code, log) = node.start().stop(signal);
        assert_eq!(code, Some(0), "{log}");
        assert!(node.json(["status"])[0]["running"] == false);
    }
}

#[test]
fn a_second_agent_on_one_home_is_refused() {
    let node = Node::new("a");
    let _agent = node.start();
    let error = node.fails(1, ["run", "--listen", "tcp://127.0.0.1:0"]);
    assert!(error["error"].as_str().unwrap().contains("in use"), "{error}");
}

#[test]
fn a_port_in_use_is_named() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let agent = a.start();
    let error = b.fails(1, ["run", "--listen", &agent.url]);
    assert!(error["error"].as_str().unwrap().contains(&agent.url["tcp://".len()..]), "{error}");
    b.fails(2, ["run", "--listen", "smoke://127.0.0.1:1"]);
}

#[test]
fn a_file_goes_from_node_to_node_over_tcp_and_delivery_is_reported() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.befriend(&b);
    let (_at_a, at_b) = (a.start(), b.start());
    a.ok(["peer", "add", &at_b.url]);
    let contents = noise(3, 3 << 20);
    let file = a.file("image.raw", &contents);
    let out = b.dir("out");
    let mut receiver = b.command(args!["recv", "--out", &out, "--timeout", "60s", "--json"]);
    let receiver = receiver.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = a.json(args!["send", "b", &file, "--wait", "delivered", "--timeout", "60s"]);
    assert_eq!(lines[0]["state"], "stored");
    assert_eq!((&lines[1]["state"], &lines[1]["id"]), (&"delivered".into(), &lines[0]["id"]));
    assert_eq!(lines[1]["by"], "dtn://b/");
    assert!(receiver.wait_with_output().unwrap().status.success());
    assert_eq!(std::fs::read(out.join("image.raw")).unwrap(), contents);
    let shown = &a.json(["show", lines[0]["id"].as_str().unwrap()])[0];
    assert_eq!(shown["delivered"], true);
}

#[test]
fn a_group_reaches_every_member_and_what_was_sent_before_the_contact_too() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.befriend(&b);
    b.ok(["subscribe", "dtn://all/~updates"]);
    a.send("dtn://all/~updates", &a.file("v1", "early"));
    a.send("b", &a.file("letter", "for b"));
    let (_at_a, at_b) = (a.start(), b.start());
    a.ok(["peer", "add", &at_b.url]);
    let out = b.dir("out");
    b.ok(args!["recv", "dtn://all/~updates", "--out", &out, "--timeout", "60s"]);
    a.send("dtn://all/~updates", &a.file("v2", "late"));
    b.ok(args!["recv", "dtn://all/~updates", "--out", &out, "--count", "1", "--timeout", "60s"]);
    b.ok(args!["recv", "--out", &out, "--timeout", "60s"]);
    assert_eq!(names(&out), ["letter", "v1", "v2"]);
}

#[test]
fn strangers_get_nothing_in() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.ok(["trust", "add", &b.line()]);
    let (_at_a, at_b) = (a.start(), b.start());
    a.ok(["peer", "add", &at_b.url]);
    let ran = a.run(args!["send", "b", a.file("x", "x"), "--wait", "delivered", "--timeout", "2s"]);
    assert_eq!(ran.code, 14, "{ran:?}");
    assert!(b.json(["ls"]).is_empty());
}

#[test]
fn an_interrupted_receiver_leaves_nothing_and_says_so() {
    let node = Node::new("a");
    let _agent = node.start();
    let out = node.dir("out");
    let mut command = node.command(args!["recv", "--out", &out, "--follow"]);
    let mut receiver =
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    // It follows: what comes is printed, and then it is known to listen to signals.
    node.send("a", &node.file("x", "x"));
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(receiver.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert!(line.trim().ends_with("/x"), "{line}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&receiver), Signal::INT).unwrap();
    assert_eq!(receiver.wait().unwrap().code(), Some(130));
    assert_eq!(names(&out), ["x"]);
}

#[test]
fn a_ping_comes_back_and_a_trace_names_the_nodes_on_its_way() {
    let [a, b, c] = ["a", "b", "c"].map(Node::new);
    for (one, other) in [(&a, &b), (&b, &c), (&a, &c)] {
        one.befriend(other);
    }
    let (_at_a, at_b, at_c) = (a.start(), b.start(), c.start());
    a.ok(["peer", "add", &at_b.url]);
    b.ok(["peer", "add", &at_c.url]);
    let lines =
        a.json(["ping", "c", "--count", "3", "--interval", "0s", "--size", "1000", "--timeout", "60s"]);
    assert_eq!((lines.len(), &lines[3]["sent"], &lines[3]["received"]), (4, &3.into(), &3.into()));
    assert_eq!((&lines[0]["from"], &lines[0]["octets"]), (&"dtn://c/echo".into(), &1000.into()));

    let steps = a.json(["trace", "c", "--timeout", "60s"]);
    let happened = |node: &str, event: &str| {
        steps.iter().any(|step| step["node"] == node && step["event"] == event && step["way"] == "there")
    };
    for (node, event) in [("dtn://a/", "forwarded"), ("dtn://b/", "received"), ("dtn://c/", "delivered")] {
        assert!(happened(node, event), "{node} {event}: {steps:#?}");
    }
}

#[test]
fn nobody_to_ping_is_told_and_so_is_no_agent() {
    let a = Node::new("a");
    assert!(a.fails(10, ["ping", "b"])["hint"].as_str().unwrap().contains("packmule run"));
    let _agent = a.start();
    a.fails(14, ["ping", "b", "--count", "1", "--timeout", "100ms"]);
    a.fails(14, ["trace", "b", "--timeout", "100ms"]);
    a.fails(2, ["ping", "dtn://all/~updates"]);
}
