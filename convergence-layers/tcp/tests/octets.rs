//! The octets of messages: our own golden ones in both directions, shared vectors, and properties.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use convergence_layer::Event;
use proptest::collection::vec;
use proptest::prelude::*;
use tcpcl::Options;
use tcpcl::decoding::{self, EXTENSIONS_MAX, Malformed, Unread};
use tcpcl::extension::{self, Item, ItemError};
use tcpcl::message::{ContactHeader, Message, SegmentHead, SessInit};
use tcpcl::negotiation::Role;
use tcpcl::session::Session;

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut octets = BytesMut::new();
    message.encode(&mut octets);
    octets.to_vec()
}

fn golden() -> Vec<(Message<'static>, Vec<u8>)> {
    let length_item = b"\x01\x00\x01\x00\x08\x00\x00\x00\x00\x00\x01\x00\x02";
    vec![
        (
            Message::Init(SessInit {
                keepalive_seconds: 30,
                segment_mru: 0x1_0000,
                transfer_mru: 0x0102_0304_0506_0708,
                node_id: "ipn:7.0",
                extensions: b"\x00\x80\x01\x00\x01\xff",
            }),
            [
                b"\x07\x00\x1e\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08".as_slice(),
                b"\x00\x07ipn:7.0\x00\x00\x00\x06\x00\x80\x01\x00\x01\xff",
            ]
            .concat(),
        ),
        (
            Message::Segment(SegmentHead {
                flags: 0x02,
                transfer: 9,
                extensions: length_item,
                data_length: 0x0001_0001,
            }),
            [
                b"\x01\x02\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x0d".as_slice(),
                length_item,
                b"\x00\x00\x00\x00\x00\x01\x00\x01",
            ]
            .concat(),
        ),
        (
            Message::Segment(SegmentHead { flags: 0x01, transfer: 9, extensions: &[], data_length: 1 }),
            b"\x01\x01\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x01".to_vec(),
        ),
        (
            Message::Ack { flags: 0x81, transfer: 0x10, length: 0x0001_0002 },
            b"\x02\x81\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x01\x00\x02".to_vec(),
        ),
        (Message::Refuse { reason: 6, transfer: 5 }, b"\x03\x06\x00\x00\x00\x00\x00\x00\x00\x05".to_vec()),
        (Message::Keepalive, b"\x04".to_vec()),
        (Message::Term { flags: 1, reason: 3 }, b"\x05\x01\x03".to_vec()),
        (Message::Reject { reason: 2, header: 7 }, b"\x06\x02\x07".to_vec()),
    ]
}

#[test]
fn messages_have_the_octets_that_the_standard_draws() {
    for (message, octets) in golden() {
        assert_eq!(encoded(&message), octets, "{message:?}");
        assert_eq!(decoding::message(&octets), Ok((message, octets.len())));
    }
}

#[test]
fn a_message_cut_short_anywhere_is_incomplete() {
    for (_, octets) in golden() {
        for length in 0..octets.len() {
            assert_eq!(decoding::message(&octets[..length]), Err(Unread::Incomplete));
        }
    }
}

#[test]
fn another_protocol_is_known_by_its_first_octet() {
    assert_eq!(decoding::contact_header(b"G"), Err(Unread::Malformed(Malformed::Magic)));
    assert_eq!(decoding::contact_header(b"dtn"), Err(Unread::Incomplete));
    assert_eq!(decoding::contact_header(b"dtn!\x04\x01"), Ok(ContactHeader { version: 4, flags: 1 }));
}

#[test]
fn no_declared_length_is_waited_for() {
    let endless = [b"\x01\x02".as_slice(), &[0; 8], &u32::MAX.to_be_bytes()].concat();
    let refused = Malformed::ExtensionsTooLong { header: 1, length: u32::MAX };
    assert_eq!(decoding::message(&endless), Err(Unread::Malformed(refused)));
    let longest =
        [b"\x01\x02".as_slice(), &[0; 8], &u32::try_from(EXTENSIONS_MAX).unwrap().to_be_bytes()].concat();
    assert_eq!(decoding::message(&longest), Err(Unread::Incomplete));
    // Data are not part of what is decoded, however many are declared.
    let large = [b"\x01\x00".as_slice(), &[0; 8], &(1_u64 << 63).to_be_bytes()].concat();
    assert!(
        matches!(decoding::message(&large), Ok((Message::Segment(head), 18)) if head.data_length == 1 << 63)
    );
}

#[test]
fn a_node_id_that_is_not_text_is_refused() {
    for id in [b"\xff\xfe".as_slice(), b"dtn\x1b[2J"] {
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let octets = [b"\x07".as_slice(), &[0; 18], &length, id, &[0; 4]].concat();
        assert_eq!(decoding::message(&octets), Err(Unread::Malformed(Malformed::NodeId)));
    }
}

#[test]
fn extension_items_are_checked_as_a_list() {
    let list = |items: &[Item<'_>]| {
        let mut octets = BytesMut::new();
        for item in items {
            item.encode(&mut octets);
        }
        octets.to_vec()
    };
    let length = Item { flags: 0, item_type: 1, value: &[0, 0, 0, 0, 0, 0, 1, 0] };
    let unknown = Item { flags: 0, item_type: 0x8000, value: b"any" };
    let critical = Item { flags: 1, ..unknown };
    assert_eq!(extension::transfer_length(&list(&[unknown, length])), Ok(Some(256)));
    assert_eq!(extension::transfer_length(&[]), Ok(None));
    assert_eq!(
        extension::transfer_length(&list(&[length, critical])),
        Err(ItemError::UnknownCritical(0x8000))
    );
    assert_eq!(extension::transfer_length(&list(&[length, length])), Err(ItemError::TransferLength));
    let short = Item { value: &[1], ..length };
    assert_eq!(extension::transfer_length(&list(&[short])), Err(ItemError::TransferLength));
    let whole = list(&[length]);
    assert_eq!(extension::transfer_length(&whole[..12]), Err(ItemError::Length));
    assert_eq!(extension::check_session_items(&list(&[unknown])), Ok(()));
    assert_eq!(extension::check_session_items(&list(&[critical])), Err(ItemError::UnknownCritical(0x8000)));
    assert_eq!(extension::transfer_length(&extension::transfer_length_list(77)), Ok(Some(77)));
}

/// The shared vectors, where they are: not part of the repository, because other projects made them.
fn shared_vectors() -> Option<serde_json::Value> {
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    loop {
        if let Ok(text) = std::fs::read_to_string(folder.join("shared/vectors/tcpclv4-messages.json")) {
            return Some(serde_json::from_str(&text).unwrap());
        }
        if !folder.pop() {
            eprintln!("no shared vectors here: nothing to compare with");
            return None;
        }
    }
}

fn octets_of(vector: &serde_json::Value) -> Vec<u8> {
    let hex = vector["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn messages_of_other_implementations_are_read_and_written_alike() {
    let Some(vectors) = shared_vectors() else { return };
    for vector in vectors["vectors"].as_array().unwrap() {
        let octets = octets_of(vector);
        let mut again = BytesMut::new();
        if octets.starts_with(b"dtn!") {
            decoding::contact_header(&octets).unwrap().encode(&mut again);
        } else {
            let (message, length) = decoding::message(&octets).unwrap();
            message.encode(&mut again);
            again.extend_from_slice(&octets[length..]);
            if let Message::Segment(head) = message {
                assert_eq!(head.data_length, (octets.len() - length) as u64, "{vector}");
            }
        }
        assert_eq!(&again[..], octets, "{vector}");
    }
}

#[test]
fn invalid_messages_of_other_implementations_open_no_session() {
    let Some(vectors) = shared_vectors() else { return };
    for vector in vectors["invalid"].as_array().unwrap() {
        let octets = octets_of(vector);
        if octets[0] == b'd' {
            let header = decoding::contact_header(&octets);
            assert!(!matches!(header, Ok(ContactHeader { version: 4, .. })), "{vector}");
        } else {
            // Reasons without a meaning are "Unknown" and no error (RFC 9174 §6.1).
            assert!(decoding::message(&octets).is_ok(), "{vector}");
        }
    }
}

#[derive(Debug, Clone)]
enum Sample {
    Init(u16, u64, u64, String, Vec<u8>),
    Segment(u8, u64, Vec<u8>, u64),
    Short(Message<'static>),
}

impl Sample {
    fn message(&self) -> Message<'_> {
        match self {
            Self::Init(keepalive_seconds, segment_mru, transfer_mru, node_id, extensions) => {
                Message::Init(SessInit {
                    keepalive_seconds: *keepalive_seconds,
                    segment_mru: *segment_mru,
                    transfer_mru: *transfer_mru,
                    node_id,
                    extensions,
                })
            }
            Self::Segment(flags, transfer, extensions, data_length) => Message::Segment(SegmentHead {
                flags: *flags,
                transfer: *transfer,
                extensions: if flags & 2 == 0 { &[] } else { extensions },
                data_length: *data_length,
            }),
            Self::Short(message) => *message,
        }
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    prop_oneof![
        (any::<u16>(), any::<u64>(), any::<u64>(), "[ -~]{0,40}", vec(any::<u8>(), 0..60))
            .prop_map(|(k, s, t, n, e)| Sample::Init(k, s, t, n, e)),
        (any::<u8>(), any::<u64>(), vec(any::<u8>(), 0..60), any::<u64>())
            .prop_map(|(f, t, e, l)| Sample::Segment(f, t, e, l)),
        (any::<u8>(), any::<u64>(), any::<u64>())
            .prop_map(|(flags, transfer, length)| Sample::Short(Message::Ack { flags, transfer, length })),
        (any::<u8>(), any::<u64>())
            .prop_map(|(reason, transfer)| Sample::Short(Message::Refuse { reason, transfer })),
        (any::<u8>(), any::<u8>()).prop_map(|(flags, reason)| Sample::Short(Message::Term { flags, reason })),
        (any::<u8>(), any::<u8>())
            .prop_map(|(reason, header)| Sample::Short(Message::Reject { reason, header })),
        Just(Sample::Short(Message::Keepalive)),
    ]
}

/// What a session makes of octets that come in pieces.
fn outcome(octets: &[u8], piece: usize) -> (Vec<Event>, Vec<u8>) {
    let now = Instant::now();
    let options = Options { transfer_mru: 1 << 40, ..Options::new("dtn://us/") };
    let mut session = Session::new(Role::Passive, Arc::new(options), now).unwrap();
    let (mut input, mut events, mut answers) = (BytesMut::new(), Vec::new(), Vec::new());
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            let held = input.len();
            session.receive(now, &mut input);
            while let Some(event) = session.poll_event() {
                match (events.last_mut(), event) {
                    (Some(Event::Octets(last)), Event::Octets(more)) => {
                        *last = [&last[..], &more[..]].concat().into();
                    }
                    (_, event) => events.push(event),
                }
            }
            let mut slices = [std::io::IoSlice::new(&[]); 16];
            let filled = session.slices(&mut slices);
            let written: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            session.written(now, written.len());
            answers.extend(written);
            if input.len() == held {
                break;
            }
        }
    }
    (events, answers)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(sample in samples(), rest in vec(any::<u8>(), 0..20)) {
        let mut octets = encoded(&sample.message());
        let length = octets.len();
        octets.extend(rest);
        prop_assert_eq!(decoding::message(&octets), Ok((sample.message(), length)));
    }

    #[test]
    fn arbitrary_octets_are_read_without_harm(octets in vec(any::<u8>(), 0..200)) {
        if let Ok((message, length)) = decoding::message(&octets) {
            prop_assert_eq!(encoded(&message), &octets[..length]);
        }
        let _ = decoding::contact_header(&octets);
        prop_assert!(extension::items(&octets).count() <= octets.len());
    }

    #[test]
    fn a_session_makes_the_same_of_octets_however_they_are_cut(
        samples in vec(samples(), 0..6), noise in vec(any::<u8>(), 0..40), piece in 1_usize..50,
    ) {
        let init = SessInit { keepalive_seconds: 9, segment_mru: 9999, transfer_mru: 1, node_id: "n", extensions: &[] };
        let mut octets = [b"dtn!\x04\x00".to_vec(), encoded(&Message::Init(init))].concat();
        for sample in &samples {
            let mut message = sample.message();
            if let Message::Segment(head) = &mut message {
                head.data_length %= 100;
                octets.extend(encoded(&message));
                if let Message::Segment(head) = message {
                    octets.extend(vec![1; usize::try_from(head.data_length).unwrap()]);
                }
            } else {
                octets.extend(encoded(&message));
            }
        }
        octets.extend(noise);
        let whole = outcome(&octets, octets.len());
        prop_assert_eq!(outcome(&octets, 1), whole.clone());
        prop_assert_eq!(outcome(&octets, piece), whole);
    }
}
