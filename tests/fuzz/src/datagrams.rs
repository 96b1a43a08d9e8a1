//! Datagrams of UDPCL (draft-ietf-dtn-udpcl-04), and bundles that come in pieces.

use std::net::SocketAddr;
use std::time::Instant;

use udpcl::message::{Confirmation, EcnCounts, Message, Place, Probe, Transfer};
use udpcl::packet::KEEPALIVE;
use udpcl::spans::Spans;
use udpcl::{Bounds, Packet, Reassembly, Taken};

use crate::Octets;

/// A message that can be read means the same when it is written again, and what is put together stays within its bounds and
/// is a bundle as far as its first octet says.
pub fn udpcl(octets: &[u8]) {
    let bounds = Bounds { transfers_max: 4, source_max: 3, octets_max: 600, ..Bounds::default() };
    let mut reassembly = Reassembly::new(bounds);
    let (now, from) = (Instant::now(), SocketAddr::from(([192, 0, 2, 1], 4556)));
    let Packet::Messages(messages) = Packet::of(octets) else { return };
    for message in messages.flatten() {
        let mut written = Vec::new();
        message.encode(&mut written);
        assert_eq!(udpcl::decoding::message(&written), Ok((message.clone(), written.len())));
        let Some(transfer) = message.transfer else { continue };
        if let Taken::Whole(pieces) = reassembly.take(now, from, &transfer) {
            assert!(matches!(Packet::of(&pieces.concat()), Packet::Bundle(_)));
        }
        assert!(reassembly.octets() <= bounds.octets_max);
    }
}

fn written(messages: &[Message<'_>]) -> Octets {
    let mut octets = Vec::new();
    for message in messages {
        message.encode(&mut octets);
    }
    octets
}

fn piece(offset: u64, octets: &[u8]) -> Message<'_> {
    let place = Some(Place { total: 6, offset });
    Message { transfer: Some(Transfer { id: 3, place, octets }), ..Message::default() }
}

/// One of each kind of item, and a transfer in three pieces.
pub fn udpcl_seeds() -> Vec<Octets> {
    let mut seen = Spans::of(2, 2);
    assert!(seen.push(4, 6), "it lies behind");
    let advertisement = Message {
        support: Some(Spans::of(1, 4)),
        listen_ms: Some(30_000),
        node_id: Some("dtn://hub/"),
        private: vec![(-17, &[0x82, 1, 0x41, 0])],
        ..Message::default()
    };
    let path = Message {
        probe: Some(Probe { nonce: 1, sequence: 2, delay_ms: 0 }),
        confirmation: Some(Confirmation { nonce: 1, seen }),
        ecn: Some(EcnCounts { ect0: 1, ect1: 2, ce: 3 }),
        ..Message::default()
    };
    let whole = Transfer { id: 4, place: None, octets: &[0x9f, 0xff] };
    vec![
        KEEPALIVE.to_vec(),
        written(&[piece(0, &[0x9f, 1]), piece(4, &[4, 0xff]), piece(2, &[2, 3])]),
        written(&[Message { transfer: Some(whole), ..Message::default() }]),
        [written(&[advertisement, path]), vec![0; 20]].concat(),
        written(&[Message { starts_dtls: true, ..Message::default() }]),
    ]
}
