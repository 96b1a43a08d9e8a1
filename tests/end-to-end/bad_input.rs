//! What people and other programs get wrong: each gets an answer that says what, and nothing is lost by it.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use crate::files::{contents, file, folder, octets, word};
use crate::node::{ANY_PORT, Node};

/// A folder of its own, and a node in it.
fn node() -> (tempfile::TempDir, Node) {
    let folders = tempfile::tempdir().unwrap();
    let node = Node::new(folders.path(), "clinic-3");
    (folders, node)
}

/// Adds a line to a node's configuration and returns its number.
fn configure(node: &Node, line: &str) -> usize {
    let path = node.home.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let mut config = fs::OpenOptions::new().append(true).open(path).unwrap();
    writeln!(config, "{line}").unwrap();
    text.lines().count() + 1
}

/// Sends a file from one node and exports its bundle.
fn exported(node: &Node, parent: &Path) -> Vec<u8> {
    let letter = file(parent, "letter.txt", b"A letter.\n");
    node.verb(&["send", "clinic-3", word(&letter)]).done();
    let out = folder(parent, "exported");
    node.verb(&["export", &node.ids()[0], "--out", word(&out)]).done();
    let [(_, bundle)] = contents(&out).try_into().expect("one file");
    bundle
}

/// The same octets with one bit turned.
fn flipped(octets: &[u8], at: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[at] ^= 1;
    octets
}

#[test]
fn a_second_agent_on_one_home_is_told_of_the_first() {
    let (_folders, node) = node();
    let mut first = node.agent(ANY_PORT);
    let error = node.try_agent(ANY_PORT).err().expect("a refusal").fails(1);
    assert!(error.contains(word(&node.home)) && error.contains(&first.id().to_string()), "{error}");
    assert!(first.is_running());
    first.stop();
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let (_folders, node) = node();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", other.local_addr().unwrap());
    let error = node.try_agent(&url).err().expect("a refusal").fails(1);
    assert!(error.contains(&url) && error.contains("in use"), "{error}");
}

#[test]
fn a_mistyped_setting_is_named_with_its_line_and_the_nearest() {
    let (_folders, node) = node();
    let line = configure(&node, "quotta = \"1 GiB\"");
    let error = node.verb(&["ls"]).fails(1);
    for part in ["config.toml".to_owned(), format!("line {line}"), "'quotta'".into(), "'quota'".into()] {
        assert!(error.contains(&part), "no {part} in: {error}");
    }
}

#[test]
fn an_import_of_anything_but_a_whole_bundle_is_refused_and_leaves_nothing() {
    let (folders, node) = node();
    let at = folders.path();
    let hub = Node::new(at, "hub");
    hub.befriend(&node);
    let bundle = exported(&hub, at);
    let (half, end) = bundle.split_at(bundle.len() / 2);
    let endless = [&b"\x9f"[..], &b"\x9f".repeat(1 << 20)].concat();
    let huge = [half, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", end].concat();
    let wrong = [
        &b""[..],
        &[0; 4096],
        half,
        &flipped(&bundle, 20),
        &endless,
        &huge,
        &[bundle.as_slice(), b"x"].concat(),
    ];
    for (number, octets) in wrong.into_iter().enumerate() {
        let path = file(at, &format!("wrong-{number}"), octets);
        let error = node.verb(&["import", word(&path)]).fails(1);
        assert!(error.contains(&format!("wrong-{number}")), "{error}");
    }
    // The signature is over the payload, near the end.
    let forged = file(at, "forged", &flipped(&bundle, bundle.len() - 8));
    node.verb(&["import", word(&forged)]).fails(12);
    assert!(node.ids().is_empty());
    node.verb(&["import", word(&file(at, "right", &bundle))]).done();
    assert_eq!(node.ids(), hub.ids());
}

#[test]
fn a_stranger_s_bundle_is_refused_by_kind() {
    let (folders, node) = node();
    let at = folders.path();
    let stranger = Node::new(at, "stranger");
    let path = file(at, "bundle", &exported(&stranger, at));
    let error = node.verb(&["import", word(&path)]).fails(12);
    assert!(error.contains("dtn://stranger/"), "{error}");
    assert!(node.ids().is_empty());
}

#[test]
fn a_key_that_is_mistyped_or_another_than_before_is_refused() {
    let (folders, node) = node();
    let hub = Node::new(folders.path(), "hub");
    hub.befriend(&node);
    let line = hub.verb(&["id"]).done();
    let mut mistyped = line.trim().to_owned();
    let last = if mistyped.pop() == Some('a') { 'b' } else { 'a' };
    mistyped.push(last);
    node.verb(&["trust", "add", &mistyped]).fails(2);
    let elsewhere = Node::new(&folder(folders.path(), "elsewhere"), "hub");
    let error = node.verb(&["trust", "add", elsewhere.verb(&["id"]).done().trim()]).fails(12);
    assert!(error.contains("--replace"), "{error}");
}

#[test]
fn nobody_is_no_destination() {
    let (folders, node) = node();
    let letter = file(folders.path(), "letter.txt", b"A letter.\n");
    for nobody in ["dtn:none", "ipn:0.0", "", "a b", "dtn://", "http://example.org/"] {
        node.verb(&["send", nobody, word(&letter)]).fails(2);
    }
    assert!(node.ids().is_empty());
}

#[test]
fn a_file_where_a_folder_belongs_and_a_folder_where_a_file_belongs_are_named() {
    let (folders, node) = node();
    let at = folders.path();
    let plain = file(at, "plain", b"");
    let wrong = [
        (vec!["recv", "--out", word(&plain)], 2),
        (vec!["drive", "init", word(&plain), "--label", "RED"], 13),
        (vec!["drive", "dock", word(&plain)], 13),
        (vec!["import", word(at)], 1),
    ];
    for (words, code) in wrong {
        let error = node.verb(&words).fails(code);
        assert!(error.contains(word(at)), "{words:?}: {error}");
    }
    let error = node.verb(&["send", "hub", word(at)]).fails(2);
    assert!(error.contains(word(at)), "{error}");
    let inside = Node::at(plain, "x");
    inside.verb(&["init", "--name", "x"]).fails(1);
    inside.verb(&["ls"]).fails(1);
}

#[test]
fn a_drive_that_cannot_be_written_to_is_named() {
    let (_folders, node) = node();
    // Not even root makes a folder there.
    let unwritable = Path::new("/sys/kernel");
    if !unwritable.exists() {
        println!("not tested: there is no {}", unwritable.display());
        return;
    }
    let error = node.verb(&["drive", "init", word(unwritable), "--label", "RED"]).fails(13);
    assert!(error.contains("can only be read"), "{error}");
    node.verb(&["drive", "dock", word(unwritable)]).fails(13);
}

#[test]
fn a_store_without_room_says_so_by_its_exit_code_and_keeps_what_it_has() {
    let (folders, node) = node();
    configure(&node, "quota = \"1 MiB\"");
    let small = file(folders.path(), "small.bin", &octets(1, 1000));
    let large = file(folders.path(), "large.bin", &octets(2, 2 << 20));
    node.verb(&["send", "hub", word(&small)]).done();
    let held = node.ids();
    let agent = node.agent(ANY_PORT);
    let error = node.verb(&["send", "hub", word(&large)]).fails(11);
    assert!(error.contains("quota") || error.contains("full"), "{error}");
    agent.stop();
    node.verb(&["send", "hub", word(&large)]).fails(11);
    assert_eq!(node.ids(), held);
    node.verb(&["store", "check"]).done();
}
