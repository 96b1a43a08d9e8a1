//! Segments as octets, both ways.

use ltp::decoding::{self, Malformed};
use ltp::sdnv;
use ltp::segment::{Checkpoint, Claim, Content, Data, Mark, Report, Segment, SessionId, Side};
use proptest::prelude::*;

const SESSION: SessionId = SessionId { originator: 0xabc, number: 0x4234 };
/// The header of [`SESSION`] without the type: RFC 5326 §2 has these numbers as examples.
const HEADER: [u8; 6] = [0x95, 0x3c, 0x81, 0x84, 0x34, 0x00];

fn written(content: Content<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    assert!(Segment { session: SESSION, content }.encode(1_000, &mut octets));
    octets
}

/// The segment is written as these octets, and they are read as the segment.
fn is_written_as(content: &Content<'_>, kind: u8, rest: &[u8]) {
    let octets = [&[kind], &HEADER[..], rest].concat();
    assert_eq!(written(content.clone()), octets);
    let (read, length) = decoding::segment(&octets).expect("it is a segment");
    assert_eq!((read.session, &read.content, length), (SESSION, content, octets.len()));
}

fn data(mark: Mark) -> Content<'static> {
    Content::Data(Data { mark, client_service: 1, offset: 300, octets: b"abc" })
}

#[test]
fn data_segments_of_every_type_are_what_the_rfc_says() {
    let plain = [1, 0x82, 0x2c, 3, b'a', b'b', b'c'];
    is_written_as(&data(Mark::Red), 0, &plain);
    is_written_as(&data(Mark::Green), 4, &plain);
    is_written_as(&data(Mark::GreenEnd), 7, &plain);
    let checkpoint = Checkpoint { serial: 127, report: 128 };
    let asking = [1, 0x82, 0x2c, 3, 0x7f, 0x81, 0, b'a', b'b', b'c'];
    is_written_as(&data(Mark::Checkpoint(checkpoint)), 1, &asking);
    is_written_as(&data(Mark::RedEnd(checkpoint)), 2, &asking);
    is_written_as(&data(Mark::BlockEnd(checkpoint)), 3, &asking);
}

#[test]
fn the_report_of_the_rfcs_example_is_what_the_rfc_says() {
    // §3.2.2: octets 1000 to 2999 and 4000 to 4499 of a scope from 1000 to 6000.
    let claims = vec![Claim { offset: 0, length: 2_000 }, Claim { offset: 3_000, length: 500 }];
    let report = Report { serial: 5, checkpoint: 9, upper: 6_000, lower: 1_000, claims };
    let rest = [5, 9, 0xae, 0x70, 0x87, 0x68, 2, 0, 0x8f, 0x50, 0x97, 0x38, 0x83, 0x74];
    is_written_as(&Content::Report(report), 8, &rest);
}

#[test]
fn other_control_segments_are_what_the_rfc_says() {
    is_written_as(&Content::ReportAck { report: 5 }, 9, &[5]);
    is_written_as(&Content::Cancel { by: Side::Sender, reason: 2 }, 12, &[2]);
    is_written_as(&Content::CancelAck { by: Side::Sender }, 13, &[]);
    is_written_as(&Content::Cancel { by: Side::Receiver, reason: 1 }, 14, &[1]);
    is_written_as(&Content::CancelAck { by: Side::Receiver }, 15, &[]);
}

#[test]
fn extensions_are_skipped() {
    // Two in the header, one in the trailer.
    let octets = [9, 1, 2, 0x21, 0xc0, 2, 7, 7, 0x00, 0, 5, 0x01, 1, 9];
    let (segment, length) = decoding::segment(&octets).expect("it is a segment");
    assert_eq!((segment.content, length), (Content::ReportAck { report: 5 }, octets.len()));
    for cut in 0..octets.len() {
        assert_eq!(decoding::segment(&octets[..cut]), Err(Malformed::CutOff), "{cut} octets");
    }
}

#[test]
fn what_does_not_conform_is_refused() {
    let refused = |octets: &[u8]| decoding::segment(octets).expect_err("it is no segment");
    assert_eq!(refused(&[0x10, 1, 1, 0]), Malformed::Version(1));
    for kind in [5, 6, 10, 11] {
        assert_eq!(refused(&[kind, 1, 1, 0, 1, 1, 1, 1, 1]), Malformed::Type(kind));
    }
    assert_eq!(refused(&[9, 1, 1, 0, 0]), Malformed::SerialZero);
    // Claims: an empty one, one beyond the scope, one that touches the one before, a scope without octets.
    assert_eq!(refused(&[8, 1, 1, 0, 1, 1, 9, 0, 1, 3, 0]), Malformed::Claims);
    assert_eq!(refused(&[8, 1, 1, 0, 1, 1, 9, 5, 1, 0, 5]), Malformed::Claims);
    assert_eq!(refused(&[8, 1, 1, 0, 1, 1, 9, 0, 2, 0, 5, 5, 1]), Malformed::Claims);
    assert_eq!(refused(&[8, 1, 1, 0, 1, 1, 9, 9, 0]), Malformed::Claims);
    // A number of 65 bits, and one that does not end.
    let large = [9, 1, 1, 0, 0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(refused(&large), Malformed::NumberTooLarge);
    assert_eq!(refused(&[&[9][..], &[0x80; 100]].concat()), Malformed::NumberTooLarge);
    // Data that end after the last offset there is.
    let far =
        [&[0, 1, 1, 0, 1][..], &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0]].concat();
    assert_eq!(refused(&far), Malformed::Offset);
}

#[test]
fn the_largest_number_takes_ten_octets() {
    let mut octets = Vec::new();
    sdnv::encode(u64::MAX, &mut octets);
    assert_eq!(octets.len(), sdnv::OCTETS_MAX);
    assert_eq!(sdnv::decode(&mut octets.as_slice()), Ok(u64::MAX));
}

#[test]
fn a_segment_that_is_too_long_is_not_written() {
    let mut octets = vec![9];
    let segment = Segment { session: SESSION, content: data(Mark::Red) };
    assert!(!segment.encode(13, &mut octets));
    assert_eq!(octets, [9]);
    assert!(segment.encode(14, &mut octets));
    assert_eq!(octets.len(), 15);
}

fn mark() -> impl Strategy<Value = Mark> {
    let checkpoint = (1..u64::MAX, any::<u64>()).prop_map(|(serial, report)| Checkpoint { serial, report });
    prop_oneof![
        Just(Mark::Red),
        Just(Mark::Green),
        Just(Mark::GreenEnd),
        checkpoint.clone().prop_map(Mark::Checkpoint),
        checkpoint.clone().prop_map(Mark::RedEnd),
        checkpoint.prop_map(Mark::BlockEnd),
    ]
}

proptest! {
    #[test]
    fn any_number_comes_back(value: u64) {
        let mut octets = Vec::new();
        sdnv::encode(value, &mut octets);
        prop_assert_eq!(octets.len(), sdnv::len(value));
        let mut rest = octets.as_slice();
        prop_assert_eq!(sdnv::decode(&mut rest), Ok(value));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_data_segment_comes_back(
        mark in mark(),
        numbers: [u64; 3],
        offset in 0..u64::MAX - 2_000,
        octets in proptest::collection::vec(any::<u8>(), 0..1_400),
    ) {
        let session = SessionId { originator: numbers[0], number: numbers[1] };
        let data = Data { mark, client_service: numbers[2], offset, octets: &octets };
        let room = Segment::data_room(session, &Data { octets: &[], ..data.clone() }, 1_400);
        let segment = Segment { session, content: Content::Data(data) };
        let mut written = Vec::new();
        let fits = segment.encode(1_400, &mut written);
        prop_assert!(fits || octets.len() > room);
        if fits {
            prop_assert_eq!(decoding::segment(&written), Ok((segment, written.len())));
        }
    }

    #[test]
    fn any_octets_are_refused_or_mean_the_same_when_written_again(
        kind in 0..16_u8,
        rest in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let octets = [&[kind][..], &rest].concat();
        if let Ok((segment, length)) = decoding::segment(&octets) {
            prop_assert!(length <= octets.len());
            let mut written = Vec::new();
            prop_assert!(segment.encode(1_000, &mut written));
            prop_assert_eq!(decoding::segment(&written).map(|(again, _)| again), Ok(segment));
        }
    }
}
