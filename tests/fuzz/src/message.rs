//! Messages of TCPCLv4 (RFC 9174 §4, §5).

use bytes::BytesMut;
use tcpcl::decoding;
use tcpcl::extension::{self, CRITICAL, Item};
use tcpcl::message::{ContactHeader, END, Message, REPLY, START, SegmentHead, SessInit, VERSION};

use crate::Octets;

/// A contact header, a message or a list of extension items that can be read is written again octet by octet as it was.
pub fn message(octets: &[u8]) {
    if let Ok(header) = decoding::contact_header(octets) {
        let mut written = BytesMut::new();
        header.encode(&mut written);
        assert!(octets.starts_with(&written), "{header:?} becomes {written:02x?}");
    }
    if let Ok((message, length)) = decoding::message(octets) {
        assert_eq!(Some(written(&message).as_slice()), octets.get(..length), "{message:?}");
        match message {
            Message::Init(init) => list(init.extensions),
            Message::Segment(head) => list(head.extensions),
            _ => {}
        }
    }
    list(octets);
}

fn list(octets: &[u8]) {
    let is_readable = extension::items(octets).all(|item| item.is_ok());
    if is_readable {
        let mut written = BytesMut::new();
        extension::items(octets).flatten().for_each(|item| item.encode(&mut written));
        assert_eq!(written, octets);
    }
    // Who complies with a list has read all of it.
    assert!(is_readable || extension::check_session_items(octets).is_err());
    assert!(is_readable || extension::transfer_length(octets).is_err());
}

fn written(message: &Message<'_>) -> Octets {
    let mut written = BytesMut::new();
    message.encode(&mut written);
    written.to_vec()
}

/// One of each, with and without extension items.
pub fn message_seeds() -> Vec<Octets> {
    let mut items = BytesMut::new();
    Item { flags: 0, item_type: 0x8001, value: b"value" }.encode(&mut items);
    Item { flags: CRITICAL, item_type: 0x8002, value: b"" }.encode(&mut items);
    let length = extension::transfer_length_list(1_000);
    let messages = [
        opening(&[]),
        opening(&items),
        segment(START, 1, &length, 10),
        segment(START | END, 2, &items, 10),
        segment(END, 1, &[], 990),
        Message::Ack { flags: START | END, transfer: 2, length: 10 },
        Message::Refuse { reason: 4, transfer: 1 },
        Message::Keepalive,
        Message::Term { flags: REPLY, reason: 3 },
        Message::Reject { reason: 2, header: 9 },
    ];
    let mut seeds: Vec<Octets> = messages.iter().map(written).collect();
    seeds.push(contact_header());
    seeds.push(items.to_vec());
    seeds
}

fn contact_header() -> Octets {
    let mut header = BytesMut::new();
    ContactHeader { version: VERSION, flags: 0 }.encode(&mut header);
    header.to_vec()
}

fn opening(extensions: &[u8]) -> Message<'_> {
    let (segment_mru, transfer_mru) = (1 << 16, 1 << 30);
    Message::Init(SessInit {
        keepalive_seconds: 30,
        segment_mru,
        transfer_mru,
        node_id: "dtn://hub/",
        extensions,
    })
}

fn segment(flags: u8, transfer: u64, extensions: &[u8], data_length: u64) -> Message<'_> {
    Message::Segment(SegmentHead { flags, transfer, extensions, data_length })
}

/// What a neighbor says in the whole of a session, message by message.
pub(crate) fn conversation() -> Vec<Octets> {
    let length = extension::transfer_length_list(1_000);
    let with_data = |head: Message<'_>, octets: usize| [written(&head), vec![0x5a; octets]].concat();
    vec![
        contact_header(),
        written(&opening(&[])),
        with_data(segment(START, 1, &length, 400), 400),
        written(&Message::Keepalive),
        with_data(segment(END, 1, &[], 600), 600),
        with_data(segment(START | END, 2, &[], 700), 700),
        // What a target that sends has sent by then; see `crate::session`.
        written(&Message::Ack { flags: START, transfer: 0, length: 300 }),
        written(&Message::Ack { flags: START | END, transfer: 0, length: 300 }),
        written(&Message::Refuse { reason: 2, transfer: 1 }),
        written(&Message::Reject { reason: 3, header: 2 }),
        written(&Message::Term { flags: 0, reason: 0 }),
    ]
}
