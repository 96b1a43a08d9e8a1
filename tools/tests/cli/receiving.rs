//! `recv`: names, clashes, counts, timeouts, and that nothing is consumed before it is safe.

use std::os::unix::fs::PermissionsExt;

use crate::args;
use crate::support::{Node, names, noise};

/// A node with these files in its own inbox, in this order.
fn with_inbox(files: &[(&str, &[u8])]) -> Node {
    let node = Node::new("a");
    for (name, contents) in files {
        let file = node.file(name, contents);
        node.send("a", &file);
        std::fs::remove_file(file).unwrap();
    }
    node
}

#[test]
fn files_land_as_they_were_sent_and_are_consumed() {
    let big = noise(7, 5 << 20);
    let node = with_inbox(&[("report.pdf", b"one"), ("image.raw", &big)]);
    let out = node.dir("out");
    let lines = node.json(args!["recv", "--out", &out]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["file_name"], "report.pdf");
    assert_eq!(lines[0]["octets"], 3);
    assert_eq!(lines[0]["source"], "dtn://a/");
    assert_eq!(lines[0]["trusted"], true);
    assert_eq!(std::fs::read(lines[0]["file"].as_str().unwrap()).unwrap(), b"one");
    assert_eq!(names(&out), ["image.raw", "report.pdf"]);
    assert_eq!(std::fs::read(out.join("image.raw")).unwrap(), big);
    node.fails(10, args!["recv", "--out", &out]);
}

#[test]
fn a_clash_gets_a_number_and_replaces_nothing() {
    let node = with_inbox(&[("x.txt", b"one"), ("x.txt", b"two"), ("x.txt", b"three")]);
    let out = node.dir("out");
    std::fs::write(out.join("x.txt"), "mine").unwrap();
    node.ok(args!["recv", "--out", &out]);
    assert_eq!(names(&out), ["x-2.txt", "x-3.txt", "x-4.txt", "x.txt"]);
    assert_eq!(std::fs::read(out.join("x.txt")).unwrap(), b"mine");
    assert_eq!(std::fs::read(out.join("x-4.txt")).unwrap(), b"three");
}

#[test]
fn hostile_names_are_made_safe() {
    let node = with_inbox(&[
        (".bashrc", b"1"),
        ("-rf", b"2"),
        ("con.txt", b"3"),
        ("a\u{1b}[2Jb", b"4"),
        ("a:b?c", b"5"),
    ]);
    let out = node.dir("out");
    node.ok(args!["recv", "--out", &out]);
    assert_eq!(names(&out), ["_bashrc", "_con.txt", "_rf", "a[2Jb", "a_b_c"]);
}

#[test]
fn what_has_no_name_is_called_by_its_id() {
    let node = Node::new("a");
    let ran = node.run_with(["send", "a", "-"], b"from a pipe");
    let out = node.dir("out");
    node.ok(args!["recv", "--out", &out]);
    assert_eq!(names(&out), [ran.text().trim()]);
}

#[test]
fn one_goes_to_the_standard_output_and_the_rest_waits() {
    let node = with_inbox(&[("x", b"first"), ("y", b"second")]);
    assert_eq!(node.run(["recv"]).stdout, b"first");
    assert_eq!(node.run(["recv"]).stdout, b"second");
    let ran = node.run(["recv"]);
    assert_eq!((ran.code, ran.stdout.len()), (10, 0));
}

#[test]
fn only_so_many_are_received_as_were_asked_for() {
    let node = with_inbox(&[("x", b"1"), ("y", b"2"), ("z", b"3")]);
    let out = node.dir("out");
    assert_eq!(node.json(args!["recv", "--out", &out, "--count", "2"]).len(), 2);
    let error = node.fails(10, args!["recv", "--out", &out, "--count", "2"]);
    assert!(error["error"].as_str().unwrap().contains("1 of 2"), "{error}");
    assert_eq!(names(&out), ["x", "y", "z"]);
}

#[test]
fn waiting_ends_in_time() {
    let node = Node::new("a");
    let _agent = node.start();
    let out = node.dir("out");
    node.fails(14, args!["recv", "--out", &out, "--timeout", "100ms"]);
    assert!(names(&out).is_empty());
}

#[test]
fn nothing_is_consumed_that_could_not_be_written() {
    let node = with_inbox(&[("x", b"contents")]);
    let out = node.dir("out");
    node.fails(1, args!["recv", "--out", node.path("nowhere/at/all")]);
    node.fails(2, args!["recv", "--out", node.home().join("config.toml")]);
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write anyway; then there is nothing to see.
    if std::fs::write(out.join("probe"), "").is_err() {
        node.fails(1, args!["recv", "--out", &out]);
    } else {
        std::fs::remove_file(out.join("probe")).unwrap();
    }
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o700)).unwrap();
    node.ok(args!["recv", "--out", &out]);
    assert_eq!(names(&out), ["x"]);
}

#[test]
fn a_full_output_consumes_nothing() {
    let node = with_inbox(&[("x", b"contents")]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = node.command(["recv"]).stdout(full).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(node.run(["recv"]).stdout, b"contents");
}

#[test]
fn endpoints_of_the_node_queue_without_registration() {
    let node = Node::new("a");
    node.send("dtn://a/photos", &node.file("x", "for photos"));
    node.fails(10, ["recv", "--out", node.path("").to_str().unwrap()]);
    assert_eq!(node.run(["recv", "/photos"]).stdout, b"for photos");
    node.send("dtn://a/photos", &node.file("x", "again"));
    assert_eq!(node.run(["recv", "dtn://a/photos"]).stdout, b"again");
}

#[test]
fn endpoints_of_others_are_not_ours_to_read() {
    let node = Node::new("a");
    node.fails(2, ["recv", "dtn://b/inbox", "--out", node.path("").to_str().unwrap()]);
    node.fails(2, ["recv", "dtn://all/~updates", "--out", node.path("").to_str().unwrap()]);
    node.fails(2, ["recv"]);
}

#[test]
fn groups_deliver_to_members_only() {
    let node = Node::new("a");
    assert!(node.ok(["subscribe", "dtn://all/~updates"]).contains("dtn://all/~updates"));
    assert_eq!(node.json(["subscribe", "dtn://all/~updates"])[0]["changed"], false);
    assert_eq!(node.json(["subscriptions"])[0]["group"], "dtn://all/~updates");
    node.send("dtn://all/~updates", &node.file("v42.img", "new"));
    assert_eq!(node.run(["recv", "dtn://all/~updates"]).stdout, b"new");
    node.ok(["unsubscribe", "dtn://all/~updates"]);
    assert_eq!(node.ok(["subscriptions"]), "");
    for wrong in ["updates", "dtn://a/inbox", "dtn:none"] {
        node.fails(2, ["subscribe", wrong]);
    }
}

#[test]
fn a_file_that_an_earlier_run_left_unfinished_is_removed() {
    let node = with_inbox(&[("x", b"1")]);
    let out = node.dir("out");
    std::fs::write(out.join(".packmule-0123456789abcdef.part"), "torn").unwrap();
    node.ok(args!["recv", "--out", &out]);
    assert_eq!(names(&out), ["x"]);
}
