//! `send`, `ls`, `show`, `rm`, and what they refuse.

use crate::args;
use crate::support::{Node, noise};

#[test]
fn send_prints_the_id_of_what_is_in_the_store() {
    let node = Node::new("a");
    let file = node.file("report.pdf", "contents");
    let id = node.send("clinic-3", &file);
    assert_eq!(id.len(), 26, "{id}");
    let [line] = node.json(["ls"]).try_into().unwrap();
    assert_eq!(line["id"], id.as_str());
    assert_eq!(line["source"], "dtn://a/");
    assert_eq!(line["destination"], "dtn://clinic-3/inbox");
    assert_eq!(line["file_name"], "report.pdf");
    assert_eq!(line["payload_octets"], 8);
    assert_eq!(line["trusted"], true);
    assert!(node.ok(["ls"]).contains("report.pdf"));
}

#[test]
fn the_id_comes_first_in_each_line() {
    let node = Node::new("a");
    node.send("b", &node.file("x", "x"));
    let mut command = node.command(["ls", "--json"]);
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(text.starts_with("{\"id\":\""), "{text}");
}

#[test]
fn several_files_and_the_standard_input_are_sent() {
    let node = Node::new("a");
    let (one, two) = (node.file("one", "1"), node.file("two", noise(1, 3 << 20)));
    let ran = node.run_with(args!["send", "--json", "b", &one, &two, "-"], b"from a pipe");
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines = ran.json();
    let octets: Vec<u64> = lines.iter().map(|line| line["octets"].as_u64().unwrap()).collect();
    assert_eq!(octets, [1, 3 << 20, 11]);
    assert!(lines.iter().all(|line| line["state"] == "stored"));
    assert_eq!(node.json(["ls"]).len(), 3);
}

#[test]
fn what_does_not_know_its_length_is_sent_whole() {
    let node = Node::new("a");
    let (empty, kernel) = (node.file("empty", ""), "/proc/cpuinfo");
    let lines = node.json(args!["send", "a", &empty, kernel]);
    assert_eq!(lines[0]["octets"], 0);
    assert!(lines[1]["octets"].as_u64().unwrap() > 0);
    let out = node.dir("out");
    node.ok(args!["recv", "--out", &out]);
    assert_eq!(std::fs::read(out.join("empty")).unwrap(), b"");
    assert!(!std::fs::read(out.join("cpuinfo")).unwrap().is_empty());
}

#[test]
fn what_was_asked_for_is_in_the_bundle() {
    let node = Node::new("a");
    let file = node.file("x", "x");
    let ran =
        node.json(args!["send", "dtn://all/~updates", &file, "--priority", "urgent", "--lifetime", "2h"]);
    let shown = &node.json(["show", ran[0]["id"].as_str().unwrap()])[0];
    assert_eq!(shown["destination"], "dtn://all/~updates");
    assert_eq!(shown["priority"], "urgent");
    assert_eq!(shown["bundle"]["primary"]["lifetime_ms"], 7_200_000);
    let left = shown["expires_in_ms"].as_u64().unwrap();
    assert!(left > 7_000_000 && left <= 7_200_000, "{left}");
}

#[test]
fn a_folder_is_not_sent_and_nothing_else_either() {
    let node = Node::new("a");
    let (file, folder) = (node.file("x", "x"), node.dir("folder"));
    let error = node.fails(2, args!["send", "b", &file, &folder]);
    assert!(error["error"].as_str().unwrap().contains("publications"), "{error}");
    assert!(node.json(["ls"]).is_empty());
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_sent() {
    let node = Node::new("a");
    let file = node.file("x", "x");
    let error = node.fails(1, args!["send", "b", node.path("nothing")]);
    assert!(error["error"].as_str().unwrap().contains("nothing"), "{error}");
    node.fails(3, args!["send", "b", node.path("nothing"), &file]);
    assert_eq!(node.json(["ls"]).len(), 1);
}

#[test]
fn what_nobody_can_receive_is_a_usage_error() {
    let node = Node::new("a");
    let file = node.file("x", "x");
    for destination in ["dtn:none", "a b", "", "http://hub/", "dtn://"] {
        node.fails(2, args!["send", destination, &file]);
    }
    node.fails(2, args!["send", "b", &file, "--lifetime", "30"]);
    node.fails(2, args!["send", "b", &file, "--lifetime", "0s"]);
    node.fails(2, args!["send", "b", &file, "--priority", "soon"]);
    node.fails(2, args!["send", "b", &file, "--timeout", "1s"]);
    assert!(node.json(["ls"]).is_empty());
}

#[test]
fn waiting_needs_an_agent() {
    let node = Node::new("a");
    let file = node.file("x", "x");
    node.fails(10, args!["send", "b", &file, "--wait", "carried"]);
    assert!(node.json(["ls"]).is_empty());
}

#[test]
fn waiting_ends_in_time_and_says_so() {
    let node = Node::new("a");
    let _agent = node.start();
    let file = node.file("x", "x");
    let error = node.fails(14, args!["send", "b", &file, "--wait", "carried", "--timeout", "200ms"]);
    assert!(error["hint"].as_str().unwrap().contains("packmule show"), "{error}");
    assert_eq!(node.json(["ls"]).len(), 1);
}

#[test]
fn a_bundle_is_shown_by_the_beginning_of_its_id() {
    let node = Node::new("a");
    let id = node.send("b", &node.file("x", "contents"));
    let [shown] = node.json(["show", &id[..8]]).try_into().unwrap();
    assert_eq!(shown["id"], id.as_str());
    assert_eq!(shown["delivered"], false);
    assert!(shown["bundle"]["blocks"].as_array().unwrap().len() > 2);
    assert!(node.ok(["show", &id]).contains("dtn://b/inbox"));
    node.fails(1, ["show", "aaaaaaaaaaaaaaaaaaaaaaaaaa"]);
    node.fails(2, ["show", &id[..3]]);
}

#[test]
fn what_is_removed_is_gone() {
    let node = Node::new("a");
    let (first, second) = (node.send("b", &node.file("x", "1")), node.send("b", &node.file("y", "2")));
    assert!(node.ok(["rm", &first]).contains("does not come back"));
    assert_eq!(node.json(["ls"])[0]["id"], second.as_str());
    node.fails(1, ["rm", &first]);
    // A misspelt id costs nothing.
    node.fails(1, ["rm", &second, "aaaaaaaaaaaaaaaaaaaaaaaaaa"]);
    assert_eq!(node.json(["ls"]).len(), 1);
}

#[test]
fn what_is_removed_does_not_come_back() {
    let node = Node::new("a");
    let id = node.send("b", &node.file("x", "1"));
    let out = node.dir("out");
    node.ok(args!["export", &id, "--out", &out]);
    node.ok(["rm", &id]);
    let error = node.fails(1, args!["import", out.join(format!("{id}.bundle"))]);
    assert!(error["error"].as_str().unwrap().contains("does not come back"), "{error}");
}

#[test]
fn an_empty_store_lists_nothing() {
    let node = Node::new("a");
    assert_eq!(node.ok(["ls"]), "");
    assert!(node.json(["ls", "--all"]).is_empty());
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let node = Node::new("a");
    for n in 0..3 {
        node.send("b", &node.file("x", n.to_string()));
    }
    let mut child = node.command(["ls", "--json"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
