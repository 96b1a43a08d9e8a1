//! Fragments of others, honest and hostile.

use bundle_format::{Bundle, CheckedBundle, Head, Limits, Profile, Reassembly, SignatureVerdict};
use bytes::Bytes;
use proptest::prelude::*;

use crate::raw::{A, B, Primary};

const UNIT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn fragment_of(unit: &[u8], offset: usize, length: usize) -> Bundle {
    let total = unit.len() as u64;
    let primary = Primary { flags: 1, fragment: Some((offset as u64, total)), ..Primary::default() };
    let mut raw = primary.bundle();
    if offset == 0 {
        raw = raw.block(200, 7, b"only in the first");
    }
    Bundle::parse(raw.end(&unit[offset..offset + length]), &Limits::default()).unwrap()
}

fn heads(fragments: &[Bundle]) -> Vec<Head> {
    fragments.iter().map(|fragment| fragment.head().clone()).collect()
}

fn whole(fragments: &[Bundle]) -> Option<CheckedBundle> {
    let plan = Reassembly::plan(&heads(fragments))?;
    let mut payload = Vec::new();
    for piece in plan.pieces() {
        let range = usize::try_from(piece.octets.start).unwrap()..usize::try_from(piece.octets.end).unwrap();
        payload.extend_from_slice(&fragments[piece.fragment].payload()[range]);
    }
    Some(plan.whole(&Profile::default(), payload.into()))
}

#[test]
fn fragments_in_any_order_make_the_whole() {
    let mut fragments = vec![fragment_of(UNIT, 20, 16), fragment_of(UNIT, 0, 7), fragment_of(UNIT, 7, 13)];
    for _ in 0..3 {
        let whole = whole(&fragments).unwrap();
        assert_eq!(&whole.payload().unwrap()[..], UNIT);
        let expected = Primary::default().bundle().block(200, 7, b"only in the first").end(UNIT);
        assert_eq!(whole.encode(), Some(expected));
        assert_eq!(whole.signature(), &SignatureVerdict::Unsigned);
        assert_eq!(whole.head().identity().fragment, None);
        fragments.rotate_left(1);
    }
}

#[test]
fn fragments_with_a_gap_do_not() {
    assert_eq!(whole(&[]), None);
    assert_eq!(whole(&[fragment_of(UNIT, 0, 35)]), None);
    assert_eq!(whole(&[fragment_of(UNIT, 1, 35)]), None);
    assert_eq!(whole(&[fragment_of(UNIT, 0, 10), fragment_of(UNIT, 11, 25)]), None);
    assert_eq!(whole(&[fragment_of(UNIT, 0, 10), fragment_of(UNIT, 10, 25)]), None);
    let not_a_fragment = Bundle::parse(Primary::default().bundle().end(UNIT), &Limits::default()).unwrap();
    assert_eq!(whole(&[not_a_fragment]), None);
}

#[test]
fn fragments_of_another_unit_do_not_disturb() {
    let parse = |primary: Primary<'_>, payload: &[u8]| {
        Bundle::parse(primary.bundle().end(payload), &Limits::default()).unwrap()
    };
    let base = || Primary { flags: 1, ..Primary::default() };
    let others = [
        parse(Primary { fragment: Some((0, 37)), ..base() }, UNIT),
        parse(Primary { fragment: Some((0, u64::MAX)), ..base() }, UNIT),
        parse(Primary { fragment: Some((0, 36)), destination: A, ..base() }, b"hijacked"),
        parse(Primary { fragment: Some((0, 36)), lifetime: 9, ..base() }, b"hijacked"),
        parse(Primary { fragment: Some((u64::MAX - 36, u64::MAX)), ..base() }, UNIT),
    ];
    for at in 0..=others.len() {
        let mut fragments = others.to_vec();
        fragments.insert(at, fragment_of(UNIT, 0, 20));
        fragments.push(fragment_of(UNIT, 20, 16));
        let whole = whole(&fragments).unwrap();
        assert_eq!(&whole.payload().unwrap()[..], UNIT);
        assert_eq!(whole.head().primary().destination, bundle_format::Eid::from_cbor(B).unwrap());
    }
}

#[test]
fn an_empty_unit_and_a_fragment_that_is_all_are_whole() {
    assert_eq!(whole(&[fragment_of(b"", 0, 0)]).unwrap().payload(), Some(&Bytes::new()));
    assert_eq!(&whole(&[fragment_of(UNIT, 0, 36)]).unwrap().payload().unwrap()[..], UNIT);
}

proptest! {
    #[test]
    fn overlapping_fragments_make_the_whole_exactly_if_they_cover_it(
        cuts in proptest::collection::vec((0_usize..=36, 0_usize..=36), 0..12)
    ) {
        let extents: Vec<(usize, usize)> = cuts.iter().map(|(a, b)| (*a.min(b), a.max(b) - a.min(b))).collect();
        let fragments: Vec<Bundle> =
            extents.iter().map(|(offset, length)| fragment_of(UNIT, *offset, *length)).collect();
        let covered = (0..36).all(|at| extents.iter().any(|(offset, length)| (*offset..offset + length).contains(&at)));
        let whole = whole(&fragments);
        prop_assert_eq!(whole.is_some(), covered);
        if let Some(whole) = whole {
            prop_assert_eq!(&whole.payload().unwrap()[..], UNIT);
        }
    }
}
