//! What our agents say to each other, as Wireshark understands it. Runs where `tshark` is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use tempfile::TempDir;

use crate::capture::{self, Passed};
use crate::files::{file, octets, word};
use crate::lines::{Line, Udp};
use crate::node::{ANY_PORT, Node};
use crate::process::run;
use crate::recording::Recording;

/// What the dissectors remark although nothing is wrong: the metadata block is of a type for private use, a signature's
/// target is marked, and so is an extension item that has to be understood.
const HARMLESS: [&str; 3] = ["Unknown type code", "Block is targed by BIB", "Extension Item is critical"];

/// The port of LTP, which the dissectors know.
const LTP_PORT: u16 = 1113;
const UDPCL_PORT: u16 = 4556;

/// A capture file, and the options with which it is read.
struct Capture {
    path: PathBuf,
    options: Vec<String>,
}

impl Capture {
    fn new(folder: &Path, (name, octets): (&str, &[u8]), options: &[&str]) -> Self {
        let path = file(folder, name, octets);
        Self { path, options: options.iter().map(|&option| option.to_owned()).collect() }
    }

    /// One whose pieces are all of one protocol.
    fn of(folder: &Path, protocol: &str, pieces: &[Vec<u8>]) -> Self {
        let table = format!(r#"uat:user_dlts:"User 0 (DLT=147)","{protocol}","0","","0","""#);
        Self::new(folder, (protocol, &capture::of_anything(pieces)), &["-o", &table])
    }

    /// The values of some fields in each packet. They are read twice, so that questions are shown with their answers.
    fn packets(&self, fields: &[&str]) -> Vec<Vec<Vec<String>>> {
        let mut tshark = Command::new("tshark");
        tshark.args(["-2", "-n", "-r", word(&self.path)]).args(&self.options);
        tshark.args(["-T", "fields", "-E", "aggregator=|"]);
        tshark.args(fields.iter().flat_map(|field| ["-e", field]));
        let values = |packet: &str| {
            packet.split('\t').map(|values| values.split('|').map(str::to_owned).collect()).collect()
        };
        run(&mut tshark).done().lines().map(values).collect()
    }

    /// All values of a field.
    fn shown(&self, field: &str) -> Vec<String> {
        self.packets(&[field]).into_iter().flatten().flatten().filter(|value| !value.is_empty()).collect()
    }

    fn is_sound(&self) {
        let mut doubts = self.shown("_ws.expert.message");
        doubts.retain(|doubt| !HARMLESS.iter().any(|harmless| doubt.starts_with(harmless)));
        assert!(doubts.is_empty(), "{doubts:#?}");
        self.is_not_malformed();
    }

    fn is_not_malformed(&self) {
        assert_eq!(self.shown("_ws.malformed"), [""; 0]);
    }

    fn has_bundles_both_ways(&self) {
        let destinations = self.shown("bpv7.primary.dst_uri");
        for destination in ["dtn://hub/inbox", "dtn://clinic/inbox"] {
            assert!(
                destinations.iter().any(|shown| shown == destination),
                "no bundle to {destination}: {destinations:?}"
            );
        }
    }
}

const NO_TSHARK: &str = "not tested: tshark is not installed";

fn has_tshark() -> bool {
    Command::new("tshark").arg("--version").output().is_ok()
}

/// Whether this version of Wireshark has a dissector.
fn knows(protocol: &str) -> bool {
    let known = run(Command::new("tshark").args(["-G", "protocols"])).done();
    known.lines().any(|line| line.split('\t').nth(2) == Some(protocol))
}

fn hub_and_clinic() -> (TempDir, [Node; 2]) {
    let folders = tempfile::tempdir().unwrap();
    let nodes = ["clinic", "hub"].map(|name| Node::new(folders.path(), name));
    nodes[0].befriend(&nodes[1]);
    (folders, nodes)
}

/// A small and a large file from the clinic to the hub, a small one back.
fn exchange(folder: &Path, [clinic, hub]: &[Node; 2], large: usize) {
    let [small, large] = [("small.txt", 300), ("large.bin", large)]
        .map(|(name, length)| file(folder, name, &octets(1, length)));
    for (from, to, path) in [(clinic, "hub", &small), (hub, "clinic", &small), (clinic, "hub", &large)] {
        from.verb(&["send", to, word(path), "--wait", "delivered", "--timeout", "60s"]).done();
    }
}

#[test]
fn wireshark_finds_bundles_and_nothing_malformed_in_what_agents_say() {
    if !has_tshark() {
        println!("{NO_TSHARK}");
        return;
    }
    let (folders, nodes) = hub_and_clinic();
    let [caller, called] = nodes.each_ref().map(|node| node.agent(ANY_PORT));
    let recording = Recording::of(called.port());
    nodes[0].verb(&["peer", "add", &format!("tcp://127.0.0.1:{}?tls=off", recording.port)]).done();
    exchange(folders.path(), &nodes, 300_000);
    caller.stop();
    called.stop();

    let port = format!("tcp.port=={},tcpcl", capture::TCP_PORT);
    let capture = Capture::new(folders.path(), ("tcp.pcap", &recording.capture()), &["-d", &port]);
    capture.is_sound();
    capture.has_bundles_both_ways();
}

#[test]
fn wireshark_finds_bundles_and_nothing_malformed_in_bare_ltp() {
    if !has_tshark() {
        println!("{NO_TSHARK}");
        return;
    }
    let (folders, nodes) = hub_and_clinic();
    let folder = folders.path();
    let line = Udp::bare_ltp(&nodes, 1_000_000);
    exchange(folder, &nodes, 40_000);
    let capture = capture::of_udp(LTP_PORT, &line.passed());
    exchange(folder, &nodes, 300_000);
    let long = capture::of_udp(LTP_PORT, &line.passed());
    Box::new(line).end();

    let capture = Capture::new(folder, ("ltp.pcap", &capture), &[]);
    capture.is_sound();
    capture.has_bundles_both_ways();
    // Wireshark 4.0.17 takes a checkpoint in the middle of a red part for its end, and the bundle that it cuts there for a
    // malformed one: in what is longer it may look at segments only.
    Capture::new(folder, ("long.pcap", &long), &["--disable-protocol", "bundle"]).is_sound();
}

#[test]
fn wireshark_finds_bundles_and_nothing_malformed_in_udpcl() {
    if !has_tshark() {
        println!("{NO_TSHARK}");
        return;
    }
    let (folders, nodes) = hub_and_clinic();
    let folder = folders.path();
    let line = Udp::between(&nodes, "?ltp=large");
    exchange(folder, &nodes, 40_000);
    let passed = line.passed();
    Box::new(line).end();
    if knows("udpcl") {
        let (capture, port) = (capture::of_udp(UDPCL_PORT, &passed), format!("udp.port=={UDPCL_PORT},udpcl"));
        Capture::new(folder, ("udpcl.pcap", &capture), &["-d", &port]).is_not_malformed();
    } else {
        println!(
            "not tested as a whole: `tshark -G protocols` has no udpcl; bundles, items and segments are, each by itself"
        );
    }

    // By the first octet (draft-ietf-dtn-udpcl-04, table 1): a bundle, or a map of extension items.
    let (bundles, items): (Vec<Passed>, _) = passed.into_iter().partition(|(_, octets)| octets[0] == 0x9f);
    let bundles: Vec<_> = bundles.into_iter().map(|(_, octets)| octets).collect();
    let bundles = Capture::of(folder, "bpv7", &bundles);
    bundles.is_sound();
    bundles.has_bundles_both_ways();
    let octets: Vec<_> = items.iter().map(|(_, octets)| octets.clone()).collect();
    let items_alone = Capture::of(folder, "cbor", &octets);
    items_alone.is_sound();
    let segments = capture::of_udp(LTP_PORT, &segments(&items, &items_alone));
    let segments = Capture::new(folder, ("segments.pcap", &segments), &[]);
    segments.is_sound();
    assert!(
        segments.shown("bpv7.primary.dst_uri").contains(&"dtn://hub/inbox".to_owned()),
        "no large bundle"
    );
}

/// The LTP segments in extension items of kind 3 (`docs/udp.md`), which end their datagrams.
fn segments(items: &[Passed], dissected: &Capture) -> Vec<Passed> {
    let packets = dissected.packets(&["cbor.type.uint", "cbor.type.bytestring"]);
    assert_eq!(packets.len(), items.len());
    let mut segments = Vec::new();
    for ((from_caller, datagram), values) in items.iter().zip(packets) {
        let [numbers, octets] = &values[..] else { panic!("two fields: {values:?}") };
        if numbers[0] == "3" {
            // Long strings are shown up to some octet.
            let shown = octets[0].split(|letter: char| !letter.is_ascii_hexdigit()).next().unwrap();
            let begin = HEXLOWER.encode(datagram).find(shown).expect(shown) / 2;
            segments.push((*from_caller, datagram[begin..].to_vec()));
        }
    }
    segments
}
