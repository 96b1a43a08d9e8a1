//! Security blocks of any context: what RFC 9172 §3 says about them.

use bundle_format::{Fault, ReasonCode, SignatureVerdict};
use bytes::Bytes;

use crate::check;
use crate::raw::{A, B, Primary, Raw, string};

/// An abstract security block: targets, context 1, source, and a result for each target.
fn said(targets: &[u64], source: &[u8]) -> Vec<u8> {
    let count = u8::try_from(targets.len()).unwrap();
    let mut octets = vec![0x80 | count];
    for target in targets {
        octets.extend(crate::raw::head(0, *target));
    }
    octets.extend([&[0x01, 0x01], source, b"\x81\x82\x01\x07", &[0x80 | count]].concat());
    for _ in targets {
        octets.extend([&b"\x81\x82\x01"[..], &string(&[0; 32])].concat());
    }
    octets
}

fn start() -> Raw {
    Primary::default().bundle().block(200, 2, b"data")
}

fn conflict(octets: Bytes) -> &'static str {
    let malformed = check(octets).expect_err("these security blocks contradict each other");
    assert_eq!(malformed.reason(), ReasonCode::ConflictingSecurityOperation);
    let Fault::Security(what) = malformed.fault else { panic!("{malformed}") };
    what
}

#[test]
fn security_blocks_of_any_context_are_read() {
    let bundle = check(start().block(11, 3, &said(&[0, 1, 2], B)).block(12, 4, &said(&[1], A)).end(b"x"));
    conflict(start().block(11, 3, &said(&[1], B)).block(12, 4, &said(&[1], A)).end(b"x"));
    assert!(bundle.is_err());
    let bundle =
        check(start().block(11, 3, &said(&[0, 2], B)).flagged(12, 4, 1, &said(&[1], A)).end(b"x")).unwrap();
    let [integrity] = bundle.head().integrity_blocks() else { panic!() };
    assert_eq!((integrity.block_number, integrity.context), (3, 1));
    assert_eq!(integrity.source, "dtn://b/".parse().unwrap());
    let targets: Vec<u64> = integrity.operations.iter().map(|operation| operation.target).collect();
    assert_eq!(targets, [0, 2]);
    let [confidentiality] = bundle.head().confidentiality_blocks() else { panic!() };
    assert!(confidentiality.targets(1) && bundle.head().is_encrypted(1));
}

#[test]
fn operations_are_unique() {
    let twice = start().block(11, 3, &said(&[1], A)).block(11, 4, &said(&[2, 1], A)).end(b"");
    assert_eq!(conflict(twice), "two integrity blocks target the same block");
    let twice = start().block(12, 3, &said(&[2], A)).block(12, 4, &said(&[2], A)).end(b"");
    assert_eq!(conflict(twice), "two security blocks encrypt the same block");
    assert_eq!(
        conflict(start().block(11, 3, &said(&[1, 1], A)).end(b"")),
        "a security block has a target twice"
    );
}

#[test]
fn targets_exist_and_may_be_targets() {
    conflict(start().block(11, 3, &said(&[], A)).end(b""));
    conflict(start().block(11, 3, &said(&[9], A)).end(b""));
    conflict(start().block(12, 3, &said(&[9], A)).end(b""));
    conflict(start().block(11, 3, &said(&[3], A)).end(b""));
    conflict(start().block(11, 3, &said(&[2], A)).block(11, 4, &said(&[3], A)).end(b""));
    conflict(start().block(12, 3, &said(&[2], A)).block(11, 4, &said(&[3], A)).end(b""));
    conflict(start().block(12, 3, &said(&[0], A)).end(b""));
    conflict(start().block(12, 3, &said(&[3], A)).end(b""));
    conflict(start().block(12, 3, &said(&[2], A)).block(12, 4, &said(&[3], A)).end(b""));
    conflict(start().flagged(12, 3, 0x10, &said(&[2], A)).end(b""));
}

#[test]
fn fragments_need_not_have_what_their_security_blocks_protect() {
    let fragment = Primary { flags: 1, fragment: Some((5, 10)), ..Primary::default() };
    check(fragment.bundle().block(11, 3, &said(&[1, 9], A)).end(b"12345")).unwrap();
}

#[test]
fn an_encrypted_integrity_block_is_not_read() {
    let bundle = start().block(11, 3, b"anything").block(12, 4, &said(&[1, 3], A)).end(b"x");
    let bundle = check(bundle).unwrap();
    assert!(bundle.head().integrity_blocks().is_empty());
    assert_eq!(bundle.signature(), &SignatureVerdict::NotUnderstood);
}

#[test]
fn security_blocks_that_are_not_what_they_must_be_are_malformed() {
    let right = said(&[1], A);
    check(start().block(11, 3, &right).end(b"")).unwrap();
    for end in 0..right.len() {
        assert!(check(start().block(11, 3, &right[..end]).end(b"")).is_err(), "{end}");
    }
    assert!(check(start().block(11, 3, &[&right[..], &[0]].concat()).end(b"")).is_err());
    // More results than targets.
    let results = [&b"\x81\x01\x01\x00"[..], A, b"\x82\x80\x80"].concat();
    conflict(start().block(11, 3, &results).end(b""));
}

#[test]
fn sixteen_thousand_targets_cost_no_more_than_a_look() {
    let mut octets = crate::raw::head(4, 16_000);
    (0..16_000_u64).for_each(|target| octets.extend(crate::raw::head(0, target)));
    let fragment = Primary { flags: 1, fragment: Some((0, 10)), ..Primary::default() };
    assert_eq!(
        check(fragment.bundle().block(11, 3, &octets).end(b"")).unwrap_err().fault,
        Fault::TooManyBlocks
    );
}
