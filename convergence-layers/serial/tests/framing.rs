//! Frames and their encoding through the public face of the crate.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use serial::cobs;
use serial::frame::{self, Decoder};

/// The payloads that a decoder finds in octets that come in pieces.
fn payloads<'o>(decoder: &mut Decoder, pieces: impl IntoIterator<Item = &'o [u8]>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for mut piece in pieces {
        while let Some(payload) = decoder.next_payload(&mut piece) {
            found.push(payload.to_vec());
        }
    }
    found
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::encode(payload, &mut out);
    out
}

fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    cobs::decode(encoded, &mut out).then_some(out)
}

fn encoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    cobs::encode(octets, &mut out);
    out
}

#[test]
fn small_encodings_are_those_of_the_paper() {
    for (octets, on_the_line) in [
        (&b""[..], &b"\x01"[..]),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
    ] {
        assert_eq!(encoded(octets), on_the_line);
        assert_eq!(decoded(on_the_line).unwrap(), octets);
    }
}

#[test]
fn published_vectors_hold_in_both_directions() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|up| up.join("shared/vectors"));
    let name = "framing-cobs-slip-hdlc.json";
    let Some(path) = folders.map(|folder| folder.join(name)).find(|path| path.exists()) else {
        println!("skipped: there is no shared/vectors/{name} beside the repository");
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hex = |value: &serde_json::Value| {
        data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
    };
    let vectors = all["cobs"]["vectors"].as_array().unwrap();
    assert!(vectors.len() > 20);
    for vector in vectors {
        let (octets, on_the_line) = (hex(&vector["data"]), hex(&vector["cobs"]));
        assert_eq!(encoded(&octets), on_the_line);
        assert_eq!(decoded(&on_the_line).unwrap(), octets);
    }
}

#[test]
fn a_full_group_at_the_end_may_have_a_needless_code_after_it() {
    let octets = [7; 254];
    let mut on_the_line = encoded(&octets);
    assert_eq!(on_the_line.len(), 255);
    on_the_line.push(1);
    assert_eq!(decoded(&on_the_line).unwrap(), octets);
}

#[test]
fn what_is_no_encoding_is_said_to_be_none() {
    for octets in [&b""[..], b"\0", b"\x03\x11", b"\x03\x11\0", b"\x02\x11\0\x01"] {
        assert_eq!(decoded(octets), None, "{octets:02x?}");
    }
}

#[test]
fn a_frame_has_these_octets() {
    // CRC-32 of "123456789" is cbf43926, as everywhere.
    assert_eq!(framed(b"123456789"), b"\x0e123456789\xcb\xf4\x39\x26\0");
    assert_eq!(framed(b"\0"), b"\x01\x05\xd2\x02\xef\x8d\0");
}

#[test]
fn a_frame_costs_at_most_six_octets_at_usual_sizes() {
    for length in 1..=249_usize {
        assert_eq!(framed(&vec![0xff; length]).len(), length + 6);
        assert!(framed(&vec![0; length]).len() <= length + 6);
    }
    assert_eq!(frame::payload_room(200), 194);
    assert_eq!(frame::frame_octets(194), 200);
    for frame in 7..=4_400 {
        let room = frame::payload_room(frame);
        assert!(frame::frame_octets(room) <= frame && frame::frame_octets(room + 1) >= frame, "{frame}");
    }
}

#[test]
fn delimiters_in_a_row_are_no_frames_and_no_faults() {
    let mut decoder = Decoder::default();
    let line = [&[0, 0, 0][..], &framed(b"one"), &[0, 0], &framed(b"two")].concat();
    assert_eq!(payloads(&mut decoder, [&line[..]]), [b"one", b"two"]);
    assert_eq!((decoder.counters().good, decoder.counters().bad), (2, 0));
}

#[test]
fn a_login_prompt_is_passed_over() {
    let mut decoder = Decoder::default();
    let line = [
        b"\r\nraspberrypi login: ",
        &[0][..],
        &framed(b"one"),
        b"Password: ",
        &framed(b"two"),
        &framed(b"3"),
    ];
    // The prompt runs into the second frame, which is lost with it.
    assert_eq!(payloads(&mut decoder, line), [&b"one"[..], b"3"]);
    assert_eq!((decoder.counters().good, decoder.counters().bad), (2, 2));
}

#[test]
fn what_never_ends_takes_no_memory_and_costs_the_next_frame_nothing() {
    let mut decoder = Decoder::default();
    let noise = vec![0x55; 3_000];
    for _ in 0..1_000 {
        assert!(payloads(&mut decoder, [&noise[..]]).is_empty());
    }
    assert_eq!(payloads(&mut decoder, [&[0][..], &framed(b"after")]), [b"after"]);
    assert_eq!((decoder.counters().good, decoder.counters().bad), (1, 1));
}

#[test]
fn the_longest_payload_is_read_and_a_longer_one_is_not() {
    let longest = vec![0xaa; frame::PAYLOAD_MAX];
    assert_eq!(payloads(&mut Decoder::default(), [&framed(&longest)[..]]), [&longest[..]]);
    let longer = framed(&vec![0xaa; frame::PAYLOAD_MAX + 300]);
    assert!(payloads(&mut Decoder::default(), [&longer[..]]).is_empty());
}

#[test]
fn a_frame_without_a_payload_is_bad() {
    let mut decoder = Decoder::default();
    assert!(payloads(&mut decoder, [&framed(b"")[..]]).is_empty());
    assert_eq!(decoder.counters().bad, 1);
}

proptest! {
    #[test]
    fn what_is_encoded_has_no_zero_and_is_decoded_again(octets in vec(prop_oneof![Just(0), any::<u8>()], 0..1_200)) {
        let on_the_line = encoded(&octets);
        prop_assert!(!on_the_line.contains(&0));
        prop_assert!(on_the_line.len() <= cobs::encoded_max(octets.len()));
        prop_assert_eq!(decoded(&on_the_line), Some(octets));
    }

    #[test]
    fn frames_arrive_in_any_pieces(
        sent in vec(vec(prop_oneof![Just(0), any::<u8>()], 1..400), 1..8),
        piece in 1..300_usize,
    ) {
        let line: Vec<u8> = sent.iter().flat_map(|payload| framed(payload)).collect();
        prop_assert_eq!(payloads(&mut Decoder::default(), line.chunks(piece)), sent);
    }

    #[test]
    fn damage_costs_only_what_it_touches(
        sent in vec(vec(any::<u8>(), 1..100), 3..10),
        at in any::<prop::sample::Index>(),
        change in 0..4,
        octet in any::<u8>(),
    ) {
        let mut line: Vec<u8> = sent.iter().flat_map(|payload| framed(payload)).collect();
        let at = at.index(line.len());
        match change {
            0 => line[at] ^= octet,
            1 => drop(line.remove(at)),
            2 => line.insert(at, line[at]),
            _ => line.insert(at, octet),
        }
        let found = payloads(&mut Decoder::default(), [&line[..]]);
        // At most two frames are lost: where a delimiter went, the one before it and the one behind it.
        prop_assert!(found.len() + 2 >= sent.len());
        prop_assert!(found.iter().all(|payload| sent.contains(payload)));
    }

    #[test]
    fn any_octets_are_read(octets in vec(any::<u8>(), 0..2_000), piece in 1..700_usize) {
        let mut decoder = Decoder::default();
        let found = payloads(&mut decoder, octets.chunks(piece));
        prop_assert_eq!(decoder.counters().good, found.len() as u64);
    }
}
