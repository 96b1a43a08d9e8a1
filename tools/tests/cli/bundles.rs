//! `inspect`, `import` and `export`: bundles as octets.

use std::path::PathBuf;

use bundle_format::{BundleFlags, CreationTimestamp, DtnTime, Eid, NewBundle, NodeKey, Profile};
use bytes::Bytes;

use crate::args;
use crate::support::{Node, Ran};

fn eid(text: &str) -> Eid {
    text.parse().unwrap()
}

fn new_bundle() -> NewBundle {
    NewBundle {
        destination: eid("dtn://hub/inbox"),
        source: eid("dtn://stranger/"),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(0), sequence: 7 },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(8),
        metadata: None,
    }
}

fn signed() -> Vec<u8> {
    let key = NodeKey::from_seed([9; 32]);
    new_bundle()
        .sign(&Profile::default(), &key, Bytes::from_static(b"hello"))
        .unwrap()
        .encode()
        .unwrap()
        .to_vec()
}

fn unsigned() -> Vec<u8> {
    new_bundle()
        .unsigned(&Profile::default(), Bytes::from_static(b"hello"))
        .unwrap()
        .encode()
        .unwrap()
        .to_vec()
}

/// A bundle of the node itself, exported.
fn exported(node: &Node) -> (String, PathBuf) {
    let id = node.send("b", &node.file("x.txt", "contents"));
    let out = node.dir("out");
    let [line] = node.json(args!["export", &id[..8], "--out", &out]).try_into().unwrap();
    assert_eq!(line["id"], id.as_str());
    let file = PathBuf::from(line["file"].as_str().unwrap());
    assert_eq!(file, out.join(format!("{id}.bundle")));
    assert_eq!(line["octets"], std::fs::metadata(&file).unwrap().len());
    (id, file)
}

#[test]
fn an_exported_bundle_is_inspected_with_its_id_and_verdict() {
    let node = Node::new("a");
    let (id, file) = exported(&node);
    let [bundle] = node.json(args!["inspect", "--verify", &file]).try_into().unwrap();
    assert_eq!(bundle["id"], id.as_str());
    assert_eq!(bundle["signature"]["verdict"], "valid");
    assert_eq!(bundle["signature"]["key"], node.line().split(' ').nth(1).unwrap());
    assert_eq!(bundle["primary"]["destination"], "dtn://b/inbox");
    assert_eq!(bundle["metadata"]["file_name"], "x.txt");
    assert_eq!(bundle["payload_octets"], 8);
    let text = node.ok(args!["inspect", &file]);
    assert!(
        text.contains("signature valid") && text.contains("integrity") && text.contains("crc-32c ok"),
        "{text}"
    );
}

#[test]
fn inspect_needs_no_home_and_takes_octets_and_digits_alike() {
    let node = Node::bare();
    let octets = signed();
    let digits: String = data_encoding::HEXLOWER
        .encode(&octets)
        .as_bytes()
        .chunks(20)
        .fold(String::new(), |text, line| text + std::str::from_utf8(line).unwrap() + "\n");
    let from = |input: &[u8]| node.run_with(["inspect", "--json", "-"], input);
    let (one, other) = (from(&octets), from(digits.as_bytes()));
    assert_eq!((one.code, other.code), (0, 0), "{other:?}");
    assert_eq!(one.json(), other.json());
    assert_eq!(one.json()[0]["primary"]["source"], "dtn://stranger/");
}

#[test]
fn verification_decides_the_exit_code_only_where_it_is_asked_for() {
    let node = Node::bare();
    let mut forged = signed();
    let at = forged.windows(5).position(|window| window == b"hello").unwrap();
    forged[at] = b'j';
    let forged = with_right_crc(forged);
    for (octets, verdict) in [(unsigned(), "unsigned"), (forged, "invalid")] {
        let file = node.file("bundle", octets);
        assert_eq!(node.json(args!["inspect", &file])[0]["signature"]["verdict"], verdict);
        node.fails(12, args!["inspect", "--verify", &file]);
    }
    let file = node.file("bundle", signed());
    assert_eq!(node.json(args!["inspect", "--verify", &file])[0]["signature"]["verdict"], "valid");
}

/// Puts the right CRC-32C into the payload block of a bundle that was changed, if it has one.
fn with_right_crc(octets: Vec<u8>) -> Vec<u8> {
    let head = {
        let mut reader =
            bundle_format::BundleReader::new(&bundle_format::Limits::default(), &Profile::default());
        reader.push(Bytes::copy_from_slice(&octets)).unwrap();
        reader.head().unwrap().clone()
    };
    assert_eq!(head.payload_block().crc, bundle_format::CrcType::None, "a signed payload needs no CRC");
    octets
}

#[test]
fn malformed_bundles_are_told_with_their_fault_and_place() {
    let node = Node::bare();
    let whole = signed();
    for (octets, part) in [
        (whole[..whole.len() / 2].to_vec(), "too early"),
        ([whole.clone(), b"x".to_vec()].concat(), "follow"),
        (b"hello, world".to_vec(), "octet 0"),
        (b"9f 88 0z".to_vec(), "octet 2"),
        (Vec::new(), "octet 0"),
        (vec![0x9f; 100_000], "octet"),
        (b"\x9f\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "octet 1"),
    ] {
        let file = node.file("bundle", &octets);
        let error = node.fails(1, args!["inspect", &file]);
        assert!(error["error"].as_str().unwrap().contains(part), "{part}: {error}");
    }
    node.fails(1, args!["inspect", node.path("nothing")]);
}

#[test]
fn control_characters_of_peers_do_not_reach_the_terminal() {
    let node = Node::bare();
    let file = node.file("a\u{1b}[31m", "no bundle");
    let ran: Ran = node.run(args!["inspect", &file]);
    assert!(ran.code == 1 && !ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_trusted_bundle_is_imported_once() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    b.ok(["trust", "add", &a.line()]);
    let (id, file) = exported(&a);
    let [line] = b.json(args!["import", &file]).try_into().unwrap();
    assert_eq!((&line["id"], &line["already"]), (&id.as_str().into(), &false.into()));
    assert_eq!(b.json(args!["import", &file])[0]["already"], true);
    assert_eq!(b.run(["recv"]).stdout, b"contents");
}

#[test]
fn strangers_and_unsigned_bundles_are_not_imported() {
    let node = Node::new("hub");
    for octets in [signed(), unsigned()] {
        let file = node.file("bundle", octets);
        let error = node.fails(12, args!["import", &file]);
        assert!(error["error"].as_str().unwrap().contains("dtn://stranger/"), "{error}");
    }
    assert!(node.json(["ls", "--all"]).is_empty());
}

#[test]
fn what_is_no_bundle_is_not_imported_and_the_rest_is() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    b.ok(["trust", "add", &a.line()]);
    let (_, good) = exported(&a);
    let (bad, cut) = (b.file("bad", "no bundle"), b.file("cut", &std::fs::read(&good).unwrap()[..50]));
    b.fails(1, args!["import", &bad]);
    b.fails(1, args!["import", &cut]);
    b.fails(1, args!["import", b.path("nothing")]);
    b.fails(3, args!["import", &bad, &good]);
    assert_eq!(b.json(["ls"]).len(), 1);
}

#[test]
fn export_names_what_is_not_there() {
    let node = Node::new("a");
    let (id, _) = exported(&node);
    node.fails(1, args!["export", "aaaaaaaaaaaaaaaaaaaaaaaaaa", "--out", node.path("out")]);
    node.fails(1, args!["export", &id, "--out", node.path("nowhere/at/all")]);
    node.fails(2, args!["export", &id]);
}
