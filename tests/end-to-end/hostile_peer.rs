//! Whoever connects to an agent and sends it whatever it likes: the agent stays small, and serves others.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::{fs, iter, thread};

use bundle_format::{BundleFlags, CreationTimestamp, DtnTime, Eid, NewBundle, NodeKey, Profile};
use bytes::Bytes;

use crate::files::{file, octets, word};
use crate::node::{ANY_PORT, Agent, Node};

/// What each stream offers in all.
const OFFERED_OCTETS: usize = 100_000_000;
/// Octets that are written before the agent's memory is looked at.
const PIECE_OCTETS: usize = 1 << 20;
/// A stream that is cut off begins again, so many times.
const CONNECTIONS_MAX: usize = 60;
/// Anonymous memory that an agent may have at any moment, in KiB.
const MEMORY_MAX_KIB: u64 = 64 * 1024;

/// Octets of a segment, as our own agents send them.
const SEGMENT_OCTETS: usize = 64 * 1024;

/// A session's opening, as a neighbor of that name begins it (RFC 9174 §4.2, §4.6).
fn opening(node: &str) -> Vec<u8> {
    let mut octets = b"dtn!\x04\x00\x07\x00\x1e".to_vec();
    octets.extend((1_u64 << 40).to_be_bytes());
    octets.extend((1_u64 << 40).to_be_bytes());
    octets.extend(u16::try_from(node.len()).unwrap().to_be_bytes());
    octets.extend(node.as_bytes());
    octets.extend([0; 4]);
    octets
}

/// A segment's head: its flags, its transfer, and how much it says will follow (RFC 9174 §5.2.2).
fn segment(flags: u8, transfer: u64, octets: u64) -> Vec<u8> {
    let mut head = vec![1, flags];
    head.extend(transfer.to_be_bytes());
    if flags & 2 != 0 {
        head.extend([0; 4]);
    }
    head.extend(octets.to_be_bytes());
    head
}

/// Segments of one transfer, which never ends, full of `data`.
fn endless_transfer(data: &[u8]) -> Vec<u8> {
    let first = [segment(2, 0, data.len() as u64), data.to_vec()].concat();
    let more = [segment(0, 0, data.len() as u64), data.to_vec()].concat();
    [opening("dtn://mallory/"), first, more.repeat((1 << 20) / data.len())].concat()
}

/// A transfer of a bundle that claims to be from mallory, in segments.
fn transfer(bundle: &[u8]) -> Vec<u8> {
    let mut octets = opening("dtn://mallory/");
    let mut pieces = bundle.chunks(SEGMENT_OCTETS).peekable();
    let mut flags = 2;
    while let Some(piece) = pieces.next() {
        flags |= u8::from(pieces.peek().is_none());
        octets.extend(segment(flags, 0, piece.len() as u64));
        octets.extend(piece);
        flags = 0;
    }
    octets
}

/// A bundle of [`OFFERED_OCTETS`] that somebody changed after it was signed.
fn forged(key: &NodeKey) -> Vec<u8> {
    let new = NewBundle {
        destination: "dtn://hub/inbox".parse().unwrap(),
        source: "dtn://mallory/".parse().unwrap(),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime::default(), sequence: 1 },
        lifetime_ms: 3_600_000,
        flags: BundleFlags::empty(),
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    };
    let payload = Bytes::from(vec![0; OFFERED_OCTETS]);
    let bundle = new.sign(&Profile::default(), key, payload).unwrap().encode().unwrap();
    let mut octets = Vec::from(bundle);
    octets[OFFERED_OCTETS / 2] ^= 1;
    octets
}

/// Anonymous memory of a process in KiB: what it holds itself, the store's map aside.
fn memory_kib(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux 4.5 or later");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends the beginning and then the rest again and again, on as many connections as that takes, and gives the most memory
/// that the agent had.
fn pour(agent: &Agent, beginning: &[u8], rest: &[u8]) -> u64 {
    let (mut left, mut most) = (OFFERED_OCTETS, 0);
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port())).unwrap();
        let mut answers = stream.try_clone().unwrap();
        // Ends with the connection; an agent waits for a neighbor that does not listen.
        let listening = thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
        let endless = iter::once(beginning).chain(iter::repeat(rest));
        for piece in endless.flat_map(|octets| octets.chunks(PIECE_OCTETS)) {
            // An error is the agent's answer: it has closed the connection.
            if left == 0 || stream.write_all(piece).is_err() {
                break;
            }
            left = left.saturating_sub(piece.len());
            most = most.max(memory_kib(agent));
        }
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
        let _ = listening.join().unwrap();
        if left == 0 {
            break;
        }
    }
    most
}

#[test]
fn an_agent_that_is_flooded_stays_small_and_serves_others() {
    let folders = tempfile::tempdir().unwrap();
    let [hub, clinic] = ["hub", "clinic"].map(|name| Node::new(folders.path(), name));
    hub.befriend(&clinic);
    let mut agent = hub.agent(ANY_PORT);
    let other = clinic.agent(ANY_PORT);
    clinic.verb(&["peer", "add", &agent.url]).done();

    let noise = octets(1, 1 << 20);
    let zeros = vec![0; 1 << 20];
    let many_transfers: Vec<u8> = (0..20_000)
        .flat_map(|transfer| [segment(3, transfer, 4), b"\x9f\x88\x07\x00".to_vec()].concat())
        .collect();
    let declared = [opening("dtn://mallory/"), segment(2, 0, 1 << 62)].concat();
    let nested = endless_transfer(&b"\x9f".repeat(60_000));
    let long_head = endless_transfer(
        &[&b"\x9f\x88\x07\x00\x00\x82\x01\x7a\x7f\xff\xff\xff"[..], &noise[..60_000]].concat(),
    );
    let streams: [(&str, &[u8], &[u8]); 6] = [
        ("zeros", b"", &zeros),
        ("noise", b"", &noise),
        ("a segment of 2^62 octets", &declared, &noise),
        ("CBOR without end", &nested, &nested[opening("dtn://mallory/").len()..]),
        ("an endpoint ID of 2 GiB", &long_head, &long_head[opening("dtn://mallory/").len()..]),
        ("transfers that are no bundles", &opening("dtn://mallory/"), &many_transfers),
    ];
    let letter = file(folders.path(), "letter.txt", b"A letter.\n");
    for (name, beginning, rest) in streams {
        let most = pour(&agent, beginning, rest);
        println!("{name}: {most} KiB");
        assert!(agent.is_running(), "{name} ended the agent");
        assert!(most <= MEMORY_MAX_KIB, "{name} made the agent grow to {most} KiB");
        clinic.verb(&["send", "hub", word(&letter), "--wait", "delivered", "--timeout", "60s"]).done();
    }
    other.stop();
    agent.stop();
    hub.verb(&["store", "check"]).done();
}

#[test]
fn a_large_bundle_that_was_changed_on_its_way_leaves_nothing_behind() {
    let folders = tempfile::tempdir().unwrap();
    let hub = Node::new(folders.path(), "hub");
    let key = NodeKey::from_seed([7; 32]);
    hub.verb(&["trust", "add", &format!("dtn://mallory/ {}", key.public())]).done();
    let mut agent = hub.agent(ANY_PORT);
    let sent = transfer(&forged(&key));
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port())).unwrap();
    let mut most = 0;
    for piece in sent.chunks(PIECE_OCTETS) {
        stream.write_all(piece).unwrap();
        most = most.max(memory_kib(&agent));
    }
    // SESS_TERM (RFC 9174 §6.1): the agent answers for the transfer, and then closes the connection.
    stream.write_all(&[5, 0, 0]).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    most = most.max(memory_kib(&agent));
    println!("{most} KiB");
    assert!(agent.is_running() && most <= MEMORY_MAX_KIB, "the agent grew to {most} KiB");
    // XFER_REFUSE of transfer 0, whatever the reason.
    let is_refused = answers.windows(10).any(|octets| octets[0] == 3 && octets[2..] == [0; 8]);
    assert!(is_refused, "{answers:02x?}");
    let status = hub.ask(&["status"]).remove(0);
    assert_eq!(status["store"]["octets"], 0, "{status}");
    assert!(hub.ids().is_empty());
    agent.stop();
    hub.verb(&["store", "check"]).done();
}
