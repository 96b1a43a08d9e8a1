//! The octets of both framings, whole and in pieces, right and wrong.
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, Outgoing, RefusalReason};
use framed::framing::{Decoder, Found, Framing, PIECE_OCTETS_MAX};
use framed::outbox::{Outbox, Unsendable};
use framed::reception::{Frames, Reception};

/// All that is found in octets that come in pieces of so many, and an error as text.
fn found(framing: Framing, octets: &[u8], piece: usize) -> (Vec<Found>, Option<String>) {
    let (mut decoder, mut input) = (Decoder::new(framing, 1 << 20), BytesMut::new());
    let mut all = Vec::new();
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(found)) => all.push(found),
                Ok(None) => break,
                Err(error) => return (all, Some(error.to_string())),
            }
        }
    }
    (all, None)
}

fn frame(octets: &'static [u8]) -> Vec<Found> {
    vec![Found::Begin(octets.len() as u64), Found::Octets(Bytes::from_static(octets)), Found::End]
}

#[test]
fn a_bundle_stands_behind_its_length() {
    let stcp = [0, 0, 0, 0, 0, 0, 0, 3, 0x9f, 1, 0xff];
    let mtcp = [0x40, 0x43, 0x9f, 1, 0xff];
    let expected = [vec![Found::Keepalive], frame(&[0x9f, 1, 0xff])].concat();
    assert_eq!(found(Framing::Stcp, &stcp, 64), (expected.clone(), None));
    assert_eq!(found(Framing::Mtcp, &mtcp, 64), (expected, None));
}

#[test]
fn a_head_is_the_shortest_and_any_head_is_read() {
    for (octets, head) in [
        (0_u64, &[0x40][..]),
        (23, &[0x57]),
        (24, &[0x58, 24]),
        (255, &[0x58, 0xff]),
        (256, &[0x59, 1, 0]),
        (65_536, &[0x5a, 0, 1, 0, 0]),
        (1 << 32, &[0x5b, 0, 0, 0, 1, 0, 0, 0, 0]),
    ] {
        assert_eq!(&Framing::Mtcp.head(octets)[..], head);
    }
    assert_eq!(&Framing::Stcp.head(0x0102_0304)[..], [1, 2, 3, 4]);
    let long = [0x5b, 0, 0, 0, 0, 0, 0, 0, 1, 7];
    assert_eq!(found(Framing::Mtcp, &long, 3).0, frame(&[7]));
}

#[test]
fn pieces_of_any_size_make_the_same_bundles() {
    for framing in [Framing::Stcp, Framing::Mtcp] {
        let body: Vec<u8> = (0..3000_u32).map(|n| (n % 251) as u8).collect();
        let octets = [&framing.head(0)[..], &framing.head(3000), &body, &framing.head(3000), &body].concat();
        for piece in [1, 2, 7, 1024, 100_000] {
            let (all, fault) = found(framing, &octets, piece);
            let whole: Vec<u8> = all
                .iter()
                .filter_map(|found| if let Found::Octets(octets) = found { Some(&octets[..]) } else { None })
                .collect::<Vec<_>>()
                .concat();
            assert_eq!((whole, fault), ([&body[..], &body].concat(), None), "{framing:?} by {piece}");
        }
    }
}

#[test]
fn what_begins_no_byte_string_of_definite_length_is_refused() {
    for first in [0x00, 0x3f, 0x5c, 0x5f, 0x60, 0x9f, 0xff] {
        let (all, fault) = found(Framing::Mtcp, &[first, 0, 0, 0, 0], 64);
        assert!(all.is_empty() && fault.unwrap().contains("byte string"), "{first:#x}");
    }
}

#[test]
fn a_bundle_that_is_too_large_is_passed_over_and_the_next_one_is_read() {
    for framing in [Framing::Stcp, Framing::Mtcp] {
        let large = (1 << 20) + 1;
        let octets = [&framing.head(large)[..], &vec![9; (1 << 20) + 1], &framing.head(2), &[5, 6]].concat();
        let expected = [vec![Found::TooLarge(large)], frame(&[5, 6])].concat();
        assert_eq!(found(framing, &octets, 60_000), (expected.clone(), None));
        assert_eq!(found(framing, &octets, 4_000_000), (expected, None));
    }
}

#[test]
fn no_piece_is_longer_than_the_agent_may_be_given() {
    let octets = [&Framing::Mtcp.head(300_000)[..], &vec![1; 300_000]].concat();
    let (all, _) = found(Framing::Mtcp, &octets, 1_000_000);
    let longest = all.iter().map(|found| if let Found::Octets(o) = found { o.len() } else { 0 }).max();
    assert_eq!(longest, Some(PIECE_OCTETS_MAX));
}

/// Everything that an outbox would write now.
fn write_all(outbox: &mut Outbox) -> Vec<u8> {
    let mut written = Vec::new();
    while !outbox.is_empty() {
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let filled = outbox.slices(&mut slices);
        // Not all of it at once, and not at the borders of pieces.
        let all = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>();
        let some = all.len().div_ceil(2);
        written.extend_from_slice(&all[..some]);
        outbox.written(some);
    }
    written
}

#[test]
fn a_bundle_has_left_when_its_last_octet_was_written() {
    let mut outbox = Outbox::new(Framing::Stcp);
    assert_eq!(outbox.take(Outgoing::Begin { transfer: 7, length: 5 }), Ok(None));
    assert_eq!(outbox.take(Outgoing::Octets(Bytes::from_static(b"abc"))), Ok(None));
    outbox.keep_alive();
    assert_eq!((write_all(&mut outbox), outbox.poll_left()), (b"\0\0\0\x05abc".to_vec(), None));
    assert_eq!(outbox.take(Outgoing::Octets(Bytes::from_static(b"de"))), Ok(None));
    outbox.written(1);
    assert_eq!(outbox.poll_left(), None);
    outbox.written(1);
    assert_eq!((outbox.poll_left(), outbox.poll_left()), (Some(7), None));
    outbox.keep_alive();
    assert_eq!(write_all(&mut outbox), [0; 4]);
}

#[test]
fn what_cannot_be_framed_is_not_sent() {
    let mut outbox = Outbox::new(Framing::Stcp);
    assert_eq!(outbox.take(Outgoing::Begin { transfer: 1, length: 1 << 32 }), Ok(Some(1)));
    assert_eq!(outbox.take(Outgoing::Octets(Bytes::from_static(b"abc"))), Ok(None));
    assert!(outbox.is_empty() && outbox.is_between());
    outbox.take(Outgoing::Begin { transfer: 2, length: 2 }).unwrap();
    assert_eq!(outbox.take(Outgoing::Octets(Bytes::from_static(b"abc"))), Err(Unsendable::Length));
    assert_eq!(outbox.take(Outgoing::Abandon), Err(Unsendable::Abandoned));
}

#[test]
fn reading_stops_while_too_many_bundles_await_a_decision() {
    let (mut reception, mut decoder) = (Reception::default(), Decoder::new(Framing::Mtcp, 100));
    let mut input = BytesMut::from(&[0x41, 0].repeat(1000)[..]);
    let mut received = 0;
    while reception.takes_octets() {
        assert_eq!(reception.take(&mut decoder, &mut input, Frames::All), Ok(None));
        while let Some(event) = reception.poll_event() {
            received += u64::from(event == Event::Received);
        }
    }
    assert_eq!(received, 512);
    reception.decide(Control::Accept(0));
    reception.decide(Control::Refuse(1, RefusalReason::Unknown));
    assert!(reception.takes_octets());
}

#[test]
fn a_bundle_that_was_refused_while_it_came_is_not_told_of_any_more() {
    let (mut reception, mut decoder) = (Reception::default(), Decoder::new(Framing::Mtcp, 100));
    reception.take(&mut decoder, &mut BytesMut::from(&[0x43, 1][..]), Frames::All).unwrap();
    reception.decide(Control::Refuse(0, RefusalReason::NoResources));
    reception.take(&mut decoder, &mut BytesMut::from(&[2, 3, 0x41, 9][..]), Frames::All).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| reception.poll_event()).collect();
    let expected = [
        Event::Receiving { transfer: 0, length: Some(3) },
        Event::Octets(Bytes::from_static(&[1])),
        Event::Receiving { transfer: 1, length: Some(1) },
        Event::Octets(Bytes::from_static(&[9])),
        Event::Received,
    ];
    assert_eq!(events, expected);
}
