//! Custody between real processes: an agent that is killed before it has said that it answers for a bundle says so after
//! it was started again, and a signal comes back on the drive that brought the bundle.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::files::{file, folder, word};
use crate::node::{ANY_PORT, Node, text};
use crate::process::PATIENCE;
use crate::wire::Wire;

/// Tries to be faster than a signal, which takes half a second to come about.
const TRIES: usize = 20;

fn shown(node: &Node, id: &str) -> Value {
    node.ask(&["show", id]).remove(0)
}

fn is_custodian(node: &Node, id: &str) -> bool {
    shown(node, id)["custody"].as_bool().expect("a state of custody")
}

/// Sends a file to somebody who is not there; gives its id.
fn send(node: &Node, at: &Path, words: &[&str]) -> String {
    let path = file(at, "for-elsewhere.bin", b"somebody has to answer for this");
    let said = node.ask(&[&["send", "dtn://elsewhere/inbox", word(&path)], words].concat());
    text(&said[0], "id")
}

#[test]
fn an_agent_killed_between_taking_custody_and_saying_so_says_so_after_its_restart() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let mut receiving = far.agent(ANY_PORT);
    let (wire, url) = (Wire::to(receiving.port(), 0), receiving.url.clone());
    let sending = near.agent(ANY_PORT);
    near.verb(&["peer", "add", &wire.url()]).done();
    let mut caught = None;
    for _ in 0..TRIES {
        let id = send(&near, at, &["--wait", "carried", "--timeout", "60s"]);
        wire.cut();
        receiving.kill();
        let too_late = !is_custodian(&near, &id);
        if !too_late {
            assert!(is_custodian(&far, &id), "what was acknowledged is in custody, also over a crash");
        }
        receiving = far.agent(&url);
        wire.mend();
        if !too_late {
            caught = Some(id);
            break;
        }
    }
    let id = caught.expect("the kill is faster than the signal at least once");
    let begun = Instant::now();
    while is_custodian(&near, &id) {
        assert!(begun.elapsed() < PATIENCE, "no signal came: {}", shown(&near, &id));
    }
    assert!(is_custodian(&far, &id));
    assert_eq!(near.ids(), far.ids());
    sending.stop();
    receiving.stop();
    for node in [&near, &far] {
        node.verb(&["store", "check"]).done();
    }
}

#[test]
fn a_signal_rides_back_on_the_drive_that_brought_the_bundle() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let drive = folder(at, "drive");
    near.verb(&["drive", "init", word(&drive), "--label", "RED"]).done();
    let dock = |node: &Node| node.verb(&["drive", "dock", word(&drive)]).done();
    let id = send(&near, at, &[]);
    let careless = send(&near, at, &["--no-custody"]);
    assert!(is_custodian(&near, &id) && !is_custodian(&near, &careless));
    dock(&near);
    assert_eq!(shown(&near, &id)["custody_asked"].as_array().map(Vec::len), Some(1));
    dock(&far);
    assert!(is_custodian(&far, &id) && is_custodian(&near, &id), "until the drive comes back");
    assert!(!is_custodian(&far, &careless));
    dock(&near);
    assert!(!is_custodian(&near, &id) && is_custodian(&far, &id));
    for node in [&near, &far] {
        node.verb(&["store", "check"]).done();
    }
}
