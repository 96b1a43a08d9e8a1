//! Datagrams, octet by octet in both directions, and what holds for all others.

use proptest::prelude::*;
use udpcl::Packet;
use udpcl::decoding::{self, Malformed};
use udpcl::message::{Confirmation, EcnCounts, Message, Place, Probe, Transfer};
use udpcl::spans::Spans;

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    message.encode(&mut octets);
    octets
}

#[track_caller]
fn golden(message: &Message<'_>, octets: &[u8]) {
    assert_eq!(encoded(message), octets, "written");
    assert_eq!(decoding::message(octets), Ok((message.clone(), octets.len())), "read");
}

#[test]
fn every_extension_item_has_the_octets_of_the_draft() {
    let none = Message::default;
    golden(&Message { support: Some(Spans::of(1, 8)), ..none() }, &[0xa1, 1, 0x82, 1, 7]);
    let whole = Transfer { id: 5, place: None, octets: &[0x9f, 0xff] };
    golden(&Message { transfer: Some(whole), ..none() }, &[0xa1, 2, 0x82, 5, 0x42, 0x9f, 0xff]);
    let piece = Transfer { id: 5, place: Some(Place { total: 300, offset: 24 }), octets: &[1, 2, 3] };
    golden(
        &Message { transfer: Some(piece), ..none() },
        &[0xa1, 2, 0x84, 5, 0x19, 0x01, 0x2c, 0x18, 24, 0x43, 1, 2, 3],
    );
    golden(&Message { listen_ms: Some(30_000), ..none() }, &[0xa1, 3, 0x19, 0x75, 0x30]);
    golden(
        &Message { node_id: Some("dtn://a/"), ..none() },
        &[0xa1, 4, 0x68, b'd', b't', b'n', b':', b'/', b'/', b'a', b'/'],
    );
    golden(&Message { starts_dtls: true, ..none() }, &[0xa1, 5, 0xf6]);
    let probe = Probe { nonce: 123, sequence: 2, delay_ms: 1000 };
    golden(&Message { probe: Some(probe), ..none() }, &[0xa1, 6, 0x83, 0x18, 123, 2, 0x19, 0x03, 0xe8]);
    let ecn = EcnCounts { ect0: 0, ect1: 1, ce: u32::MAX };
    golden(&Message { ecn: Some(ecn), ..none() }, &[0xa1, 8, 0x83, 0, 1, 0x1a, 0xff, 0xff, 0xff, 0xff]);
    golden(&Message { private: vec![(-17, &[0x81, 0])], ..none() }, &[0xa1, 0x30, 0x81, 0]);
}

#[test]
fn ranges_are_written_as_the_cddl_says() {
    // 2, and 4 to 6: the least value, then widths of what is in and out in turns.
    let mut seen = Spans::of(2, 2);
    assert!(seen.push(4, 6));
    let confirmation = Some(Confirmation { nonce: 123, seen });
    let octets = [0xa1, 7, 0x82, 0x18, 123, 0x84, 2, 0, 0, 2];
    golden(&Message { confirmation, ..Message::default() }, &octets);
    let all = Some(Spans::of(-32768, 32767));
    let octets = [0xa1, 1, 0x82, 0x39, 0x7f, 0xff, 0x19, 0xff, 0xff];
    golden(&Message { support: all, ..Message::default() }, &octets);
    // What touches the interval before, or is empty, is none of its own.
    assert!(!Spans::of(1, 3).push(4, 5) && !Spans::of(1, 3).push(6, 5));
}

#[test]
fn the_first_octet_says_what_a_datagram_is() {
    assert_eq!(Packet::of(&[]), Packet::Empty);
    assert_eq!(Packet::of(&[0; 4]), Packet::Keepalive);
    assert_eq!(Packet::of(&[0; 5]), Packet::Padding);
    assert_eq!(Packet::of(&[0, 1, 2, 3]), Packet::Padding);
    assert_eq!(Packet::of(&[6, 0]), Packet::OldBundle);
    for first in 0..=255u8 {
        let octets = [first, 1];
        let packet = Packet::of(&octets);
        match first {
            0x14..=0x1a | 0x20..=0x3f => assert_eq!(packet, Packet::Dtls),
            0x80..=0x9f => assert_eq!(packet, Packet::Bundle(&octets)),
            0xa0..=0xbf => assert!(matches!(packet, Packet::Messages(_))),
            0x00 | 0x06 => {}
            _ => assert_eq!(packet, Packet::Unused(first)),
        }
    }
}

#[test]
fn messages_follow_one_another_until_padding() {
    let mut octets = encoded(&Message { listen_ms: Some(1), ..Message::default() });
    octets.extend(encoded(&Message { node_id: Some("dtn://b/"), ..Message::default() }));
    octets.extend([0x00, 0xa1, 0xff]);
    let Packet::Messages(messages) = Packet::of(&octets) else { panic!() };
    let messages: Vec<_> = messages.map(Result::unwrap).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].listen_ms, messages[1].node_id), (Some(1), Some("dtn://b/")));
    let followed = [0xa0, 0x9f, 0xff];
    let Packet::Messages(mut messages) = Packet::of(&followed) else { panic!() };
    assert!(messages.next().unwrap().is_ok());
    assert_eq!(messages.next(), Some(Err(Malformed::NoMap(0x9f))));
    assert_eq!(messages.next(), None);
}

#[test]
fn unknown_items_are_passed_over_whatever_they_hold() {
    // 99: an array within a tag within an array of indefinite length, then a Sender Listen.
    let octets = [0xa2, 0x18, 99, 0x9f, 0xc1, 0x81, 0x60, 0xff, 3, 7];
    let (message, length) = decoding::message(&octets).unwrap();
    assert_eq!((message, length), (Message { listen_ms: Some(7), ..Message::default() }, octets.len()));
    // A map of indefinite length is a map.
    let octets = [0xbf, 3, 7, 0xff];
    assert_eq!(decoding::message(&octets).unwrap().1, 4);
}

#[test]
fn what_is_not_as_the_draft_says_is_malformed() {
    for (octets, fault) in [
        (&[0xa1, 3, 0x61, b'x'][..], Malformed::Item),
        (&[0xa1, 2, 0x83, 1, 2, 0x40], Malformed::Item),
        (&[0xa1, 2, 0x82, 1, 0x60], Malformed::Item),
        (&[0xa1, 2, 0x82, 0x20, 0x40], Malformed::Item),
        (&[0xa1, 5, 0xf5], Malformed::Item),
        (&[0xa1, 3, 0xc1, 1], Malformed::Item),
        (&[0xa2, 3, 1, 3, 1], Malformed::Key),
        (&[0xa1, 0x19, 0x80, 0x00, 1], Malformed::Key),
        (&[0xa1, 0x61, b'x', 1], Malformed::Key),
        (&[0xa1, 1, 0x83, 1, 2, 3], Malformed::Item),
        (&[0xa1, 1, 0x80], Malformed::Item),
        (&[0xa1, 1, 0x82, 0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Malformed::Item),
        (&[0xa1, 8, 0x83, 0, 0, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0], Malformed::Item),
    ] {
        assert_eq!(decoding::message(octets).map(|_| ()), Err(fault), "{octets:02x?}");
    }
    assert!(decoding::message(&[0xa1, 4, 0x62, 0xff, 0xff]).is_err());
    assert!(decoding::message(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
}

fn spans() -> impl Strategy<Value = Spans> {
    let pieces = prop::collection::vec((2..90_000_i64, 0..70_000_i64), 0..8);
    (-40_000..40_000_i64, 0..70_000_i64, pieces).prop_map(|(first, width, more)| {
        let (mut spans, mut end) = (Spans::of(first, first + width), first + width);
        for (gap, width) in more {
            assert!(spans.push(end + gap, end + gap + width));
            end += gap + width;
        }
        spans
    })
}

prop_compose! {
    fn place()(total in any::<u64>(), offset in any::<u64>()) -> Place {
        Place { total, offset }
    }
}

proptest! {
    #[test]
    fn a_message_that_is_written_is_read_as_it_was(
        support in prop::option::of(spans()),
        transfer in prop::option::of((any::<u64>(), prop::option::of(place()), prop::collection::vec(any::<u8>(), 0..50))),
        listen_ms in prop::option::of(any::<u64>()),
        node_id in prop::option::of(".{0,40}"),
        starts_dtls in any::<bool>(),
        probe in prop::option::of(any::<[u64; 3]>()),
        confirmation in prop::option::of((any::<u64>(), spans())),
        ecn in prop::option::of(any::<[u32; 3]>()),
        private in prop::option::of(-32768..0_i16),
        padding in 0..9_usize,
    ) {
        let message = Message {
            support,
            transfer: transfer.as_ref().map(|(id, place, octets)| Transfer { id: *id, place: *place, octets }),
            listen_ms,
            node_id: node_id.as_deref(),
            starts_dtls,
            probe: probe.map(|[nonce, sequence, delay_ms]| Probe { nonce, sequence, delay_ms }),
            confirmation: confirmation.map(|(nonce, seen)| Confirmation { nonce, seen }),
            ecn: ecn.map(|[ect0, ect1, ce]| EcnCounts { ect0, ect1, ce }),
            private: private.into_iter().map(|id| (id, &[0x82, 0x41, 0x00, 0xf6][..])).collect(),
        };
        let mut octets = encoded(&message);
        octets.extend(vec![0; padding]);
        let Packet::Messages(mut messages) = Packet::of(&octets) else { panic!("{octets:02x?}") };
        prop_assert_eq!(messages.next(), Some(Ok(message)));
        prop_assert_eq!(messages.next(), None);
    }

    #[test]
    fn any_octets_are_read_to_an_end(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Packet::Messages(messages) = Packet::of(&octets) {
            prop_assert!(messages.count() <= octets.len());
        }
    }
}
