//! What our agents say to each other, as Wireshark understands it. Runs where `tshark` is installed.

use std::path::Path;
use std::process::Command;

use crate::files::{file, octets, word};
use crate::node::{ANY_PORT, Node};
use crate::process::run;
use crate::recording::{PORT, Recording};

/// What the dissectors remark although nothing is wrong: the metadata block is of a type for private use, a signature's
/// target is marked, and so is an extension item that has to be understood.
const HARMLESS: [&str; 3] = ["Unknown type code", "Block is targed by BIB", "Extension Item is critical"];

/// The values of a field in the packets of a capture. They are read twice, so that questions are shown with their answers.
fn shown(capture: &Path, field: &str) -> Vec<String> {
    let port = format!("tcp.port=={PORT},tcpcl");
    let mut tshark = Command::new("tshark");
    tshark.args([
        "-2",
        "-n",
        "-r",
        word(capture),
        "-d",
        &port,
        "-T",
        "fields",
        "-E",
        "aggregator=|",
        "-e",
        field,
    ]);
    let said = run(&mut tshark).done();
    said.split(['\n', '|']).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

#[test]
fn wireshark_finds_bundles_and_nothing_malformed_in_what_agents_say() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("not tested: tshark is not installed");
        return;
    }
    let folders = tempfile::tempdir().unwrap();
    let [hub, clinic] = ["hub", "clinic"].map(|name| Node::new(folders.path(), name));
    hub.befriend(&clinic);
    let called = hub.agent(ANY_PORT);
    let caller = clinic.agent(ANY_PORT);
    let recording = Recording::of(called.port());
    clinic.verb(&["peer", "add", &format!("tcp://127.0.0.1:{}", recording.port)]).done();
    let [small, large] = [("small.txt", 300), ("large.bin", 300_000)]
        .map(|(name, length)| file(folders.path(), name, &octets(1, length)));
    for (from, to, path) in [(&clinic, "hub", &small), (&hub, "clinic", &small), (&clinic, "hub", &large)] {
        from.verb(&["send", to, word(path), "--wait", "delivered", "--timeout", "60s"]).done();
    }
    caller.stop();
    called.stop();

    let capture = file(folders.path(), "capture.pcap", &recording.capture());
    let doubts: Vec<String> = shown(&capture, "_ws.expert.message")
        .into_iter()
        .filter(|doubt| !HARMLESS.iter().any(|harmless| doubt.starts_with(harmless)))
        .collect();
    assert!(doubts.is_empty(), "{doubts:#?}");
    assert_eq!(shown(&capture, "_ws.malformed"), [""; 0]);
    let destinations = shown(&capture, "bpv7.primary.dst_uri");
    for destination in ["dtn://hub/inbox", "dtn://clinic/inbox"] {
        assert!(
            destinations.iter().any(|shown| shown == destination),
            "no bundle to {destination}: {destinations:?}"
        );
    }
}
