//! Bundles in pieces, honest and hostile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use udpcl::message::{Place, Transfer};
use udpcl::{Bounds, Reassembly, Taken};

fn from(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn small() -> Bounds {
    Bounds { transfers_max: 6, source_max: 4, octets_max: 4_000, bundle_max: 3_000, ..Bounds::default() }
}

fn piece(id: u64, total: u64, offset: u64, octets: &[u8]) -> Transfer<'_> {
    Transfer { id, place: Some(Place { total, offset }), octets }
}

fn whole(taken: Taken) -> Vec<u8> {
    let Taken::Whole(pieces) = taken else { panic!("{taken:?}") };
    pieces.concat()
}

fn is_discarded(taken: &Taken) -> bool {
    matches!(taken, Taken::Discarded(_))
}

#[test]
fn pieces_in_any_order_become_the_bundle_once() {
    let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
    assert_eq!(reassembly.take(now, from(1), &piece(7, 6, 4, &[5, 6])), Taken::Kept);
    assert_eq!(reassembly.take(now, from(1), &piece(7, 6, 0, &[0x9f, 2])), Taken::Kept);
    // Another source's transfer of this number is another one.
    assert_eq!(reassembly.take(now, from(2), &piece(7, 6, 2, &[8, 8])), Taken::Kept);
    assert_eq!(whole(reassembly.take(now, from(1), &piece(7, 6, 2, &[3, 4]))), [0x9f, 2, 3, 4, 5, 6]);
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(7, 6, 2, &[3, 4]))), "it was complete");
    let again = Transfer { id: 7, place: None, octets: &[0x9f] };
    assert!(is_discarded(&reassembly.take(now, from(1), &again)), "repeated in another form");
}

#[test]
fn a_whole_bundle_is_taken_once() {
    let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
    let bundle = Transfer { id: 0, place: None, octets: &[0x9f, 1] };
    assert_eq!(reassembly.take(now, from(1), &bundle), Taken::Whole(vec![Bytes::from_static(&[0x9f, 1])]));
    assert!(is_discarded(&reassembly.take(now, from(1), &bundle)));
    let later = now + Duration::from_secs(61);
    assert!(matches!(reassembly.take(later, from(1), &bundle), Taken::Whole(_)), "the number is used again");
}

#[test]
fn pieces_that_contradict_each_other_are_not_put_together() {
    let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
    assert_eq!(reassembly.take(now, from(1), &piece(1, 100, 10, &[1; 20])), Taken::Kept);
    for (offset, octets) in [(10, 20), (0, 11), (29, 1), (5, 40), (15, 5)] {
        let overlapping = vec![2; octets];
        assert!(is_discarded(&reassembly.take(now, from(1), &piece(1, 100, offset, &overlapping))));
    }
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(1, 100, 99, &[2; 2]))), "past the end");
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(1, 100, u64::MAX, &[2; 2]))));
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(1, 100, 0, &[]))));
    // Two lengths: nothing of it is believed any more, and nothing is kept.
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(1, 99, 40, &[1; 5]))));
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(1, 100, 40, &[1; 5]))));
    assert_eq!(reassembly.octets(), 0);
}

#[test]
fn what_is_no_bundle_is_discarded() {
    let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
    assert!(is_discarded(&reassembly.take(now, from(1), &Transfer { id: 1, place: None, octets: &[0xa1] })));
    assert!(is_discarded(&reassembly.take(now, from(1), &piece(2, 3_001, 0, &[0x9f]))), "too large");
}

#[test]
fn the_idlest_gives_way_and_one_source_only_to_itself() {
    let (mut reassembly, start) = (Reassembly::new(small()), Instant::now());
    let at = |second| start + Duration::from_secs(second);
    assert_eq!(reassembly.take(at(0), from(9), &piece(0, 4, 0, &[0x9f, 2])), Taken::Kept);
    for id in 0..20 {
        assert_eq!(reassembly.take(at(1 + id), from(1), &piece(id, 10, 0, &[0x9f])), Taken::Kept);
    }
    assert_eq!(whole(reassembly.take(at(30), from(9), &piece(0, 4, 2, &[3, 4]))), [0x9f, 2, 3, 4]);
    assert!(matches!(reassembly.take(at(31), from(1), &piece(19, 10, 1, &[0; 9])), Taken::Whole(_)));
}

#[test]
fn what_is_not_completed_is_forgotten_after_a_minute() {
    let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
    assert_eq!(reassembly.deadline(), None);
    assert_eq!(reassembly.take(now, from(1), &piece(0, 4, 0, &[0x9f, 2])), Taken::Kept);
    let deadline = reassembly.deadline().unwrap();
    assert_eq!(deadline, now + Duration::from_secs(60));
    reassembly.expire(deadline);
    assert_eq!((reassembly.octets(), reassembly.deadline()), (0, None));
}

proptest! {
    #[test]
    fn memory_is_bounded_whatever_comes(
        pieces in prop::collection::vec((0..4_u16, 0..6_u64, 0..3_200_u64, 0..3_200_u64, 0..900_usize), 1..300)
    ) {
        let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
        for (source, id, total, offset, length) in pieces {
            reassembly.take(now, from(source), &piece(id, total, offset, &vec![0x9f; length]));
            prop_assert!(reassembly.octets() <= small().octets_max);
        }
        reassembly.expire(now + Duration::from_secs(60));
        prop_assert_eq!((reassembly.octets(), reassembly.deadline()), (0, None));
    }

    #[test]
    fn a_bundle_cut_anywhere_comes_out_as_it_went_in(
        body in prop::collection::vec(any::<u8>(), 1..2_000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        order in any::<u64>(),
    ) {
        let mut bundle = vec![0x9f];
        bundle.extend(body);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bundle.len())).filter(|end| *end > 0).collect();
        ends.push(bundle.len());
        ends.sort_unstable();
        ends.dedup();
        let mut begin = 0;
        let mut pieces = Vec::new();
        for end in ends {
            pieces.push((begin, &bundle[begin..end]));
            begin = end;
        }
        let turn = usize::try_from(order % pieces.len() as u64).unwrap();
        pieces.rotate_left(turn);
        let (mut reassembly, now) = (Reassembly::new(small()), Instant::now());
        let (last, others) = pieces.split_last().unwrap();
        let total = bundle.len() as u64;
        for (offset, octets) in others {
            prop_assert_eq!(reassembly.take(now, from(1), &piece(3, total, *offset as u64, octets)), Taken::Kept);
        }
        prop_assert_eq!(whole(reassembly.take(now, from(1), &piece(3, total, last.0 as u64, last.1))), bundle);
    }
}
