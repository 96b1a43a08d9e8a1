//! Heads as the next node sees them, and heads without the blocks that a node could not process.

use bundle_format::{Bundle, Eid, ForwardError, HEAD_OCTETS_MAX, Head, HopCount, Limits, block_type};
use bytes::Bytes;

use crate::raw::{A, Primary, Raw};
use crate::signed;

fn relay() -> Eid {
    "dtn://relay/".parse().unwrap()
}

fn head_of(octets: Bytes) -> Head {
    Bundle::parse(octets, &Limits::default()).unwrap().head().clone()
}

/// The octets of every block, by number.
fn data(head: &Head) -> Vec<(u64, u64, Vec<u8>)> {
    head.blocks().iter().map(|block| (block.number, block.block_type, head.data(block).to_vec())).collect()
}

#[test]
fn forwarding_rewrites_what_it_must_and_nothing_else() {
    let head = signed(b"hello").head().clone();
    let forwarded = head.forwarded(&relay(), Some(1234)).unwrap();
    assert_eq!(forwarded.previous_node(), Some(relay()));
    assert_eq!(forwarded.bundle_age_ms(), Some(1234));
    assert_eq!(forwarded.hop_count(), Some(HopCount { limit: 30, count: 1 }));
    assert_eq!(forwarded.primary_octets(), head.primary_octets());
    assert_eq!(forwarded.payload_block().octets, head.payload_block().octets);
    let kept = |head: &Head| -> Vec<_> {
        data(head).into_iter().filter(|(_, block_type, _)| ![6, 7, 10].contains(block_type)).collect()
    };
    assert_eq!(kept(&forwarded), kept(&head));
    // Again: the blocks are replaced in place.
    let other = Eid::ipn(0, 9, 0);
    let twice = forwarded.forwarded(&other, Some(99_999)).unwrap();
    assert_eq!((twice.previous_node(), twice.bundle_age_ms()), (Some(other), Some(99_999)));
    assert_eq!(twice.hop_count().unwrap().count, 2);
    let numbers = |head: &Head| -> Vec<u64> { head.blocks().iter().map(|block| block.number).collect() };
    assert_eq!(numbers(&twice), numbers(&forwarded));
    assert_eq!(Head::parse(twice.bytes().clone()), Ok(twice));
}

#[test]
fn an_age_is_added_only_when_one_is_given() {
    let bare = head_of(Primary::default().bundle().end(b""));
    let types = |head: Head| -> Vec<u64> { head.blocks().iter().map(|block| block.block_type).collect() };
    assert_eq!(types(bare.forwarded(&relay(), None).unwrap()), [block_type::PREVIOUS_NODE]);
    assert_eq!(
        types(bare.forwarded(&relay(), Some(5)).unwrap()),
        [block_type::PREVIOUS_NODE, block_type::BUNDLE_AGE]
    );
    let aged = head_of(Primary::default().bundle().block(7, 2, &[9]).end(b""));
    assert_eq!(aged.forwarded(&relay(), None).unwrap().bundle_age_ms(), Some(9));
    assert_eq!(aged.forwarded(&relay(), Some(u64::MAX)).unwrap().bundle_age_ms(), Some(u64::MAX));
}

#[test]
fn new_blocks_take_numbers_that_are_free() {
    let head = head_of(Primary::default().bundle().block(200, 2, b"").block(200, 4, b"").end(b""));
    let forwarded = head.forwarded(&relay(), Some(5)).unwrap();
    let numbers: Vec<u64> = forwarded.blocks().iter().map(|block| block.number).collect();
    assert_eq!(numbers, [3, 5, 2, 4]);
}

#[test]
fn a_bundle_at_its_hop_limit_is_not_forwarded() {
    let with_hops = |data: &[u8]| head_of(Primary::default().bundle().block(10, 2, data).end(b""));
    assert_eq!(with_hops(b"\x82\x03\x02").forwarded(&relay(), None).unwrap().hop_count().unwrap().count, 3);
    for (data, limit) in [
        (&b"\x82\x03\x03"[..], 3),
        (b"\x82\x01\x18\x63", 1),
        (b"\x82\x18\xff\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 255),
    ] {
        assert_eq!(with_hops(data).forwarded(&relay(), None), Err(ForwardError::HopLimitReached { limit }));
    }
}

#[test]
fn a_head_without_room_is_not_forwarded() {
    let overhead =
        head_of(Primary::default().bundle().block(200, 2, &vec![0; 60_000]).end(b"")).bytes().len() - 60_000;
    let full =
        head_of(Primary::default().bundle().block(200, 2, &vec![0; HEAD_OCTETS_MAX - overhead]).end(b""));
    assert_eq!(full.forwarded(&relay(), None), Err(ForwardError::HeadTooLarge));
}

#[test]
fn blocks_that_cannot_be_processed_are_treated_as_their_flags_say() {
    let unknown = |flags: u64| Primary::default().bundle().flagged(200, 2, flags, b"").block(201, 3, b"");
    let of = |raw: Raw| head_of(raw.end(b"")).reception(&[201]);
    assert_eq!(of(unknown(0)), bundle_format::Reception::default());
    assert!(of(unknown(0x02)).report);
    assert_eq!(of(unknown(0x04)).delete_for, Some(200));
    assert_eq!(of(unknown(0x14)).delete_for, Some(200));
    assert!(of(unknown(0x14)).drop.is_empty());
    assert_eq!(of(unknown(0x10)).drop, [2]);
    assert_eq!(head_of(unknown(0x17).end(b"")).reception(&[200, 201]), bundle_format::Reception::default());
}

#[test]
fn dropped_blocks_leave_the_others_as_they_are() {
    let whole =
        Primary::default().bundle().block(200, 2, b"one").block(201, 3, b"two").block(202, 4, b"three");
    let head = head_of(whole.end(b""));
    let expected = Primary::default().bundle().block(200, 2, b"one").block(202, 4, b"three");
    assert_eq!(head.without_blocks(&[3]), head_of(expected.end(b"")));
    assert_eq!(head.without_blocks(&[]), head);
    assert_eq!(head.without_blocks(&[0, 1, 77]), head);
}

/// An abstract security block without parameters, with one empty set of results for each target.
fn security(targets: &[u8]) -> Vec<u8> {
    let count = u8::try_from(targets.len()).unwrap();
    let results = vec![0x80; targets.len()];
    [&[0x80 | count], targets, &[0x01, 0x00], A, &[0x80 | count], &results].concat()
}

#[test]
fn security_goes_with_the_blocks_that_it_protected() {
    let bundle = || Primary::default().bundle().block(200, 2, b"one").block(201, 3, b"two");
    let head = head_of(bundle().block(11, 4, &security(&[1, 2, 3])).end(b""));
    let expected = Primary::default().bundle().block(201, 3, b"two").block(11, 4, &security(&[1, 3]));
    assert_eq!(head.without_blocks(&[2]), head_of(expected.end(b"")));

    let both = head_of(bundle().block(11, 4, &security(&[2, 3])).end(b""));
    assert_eq!(both.without_blocks(&[2, 3]), head_of(Primary::default().bundle().end(b"")));
}

#[test]
fn what_was_encrypted_goes_with_its_encryption_but_never_the_other_way_round() {
    // Block 5 encrypts the integrity block 4 and its target 2.
    let bundle = Primary::default().bundle().block(200, 2, b"secret").block(11, 4, b"ciphertext");
    let head = head_of(bundle.block(12, 5, &security(&[2, 4])).end(b""));
    assert_eq!(head.without_blocks(&[5]), head);
    assert_eq!(head.without_blocks(&[2, 4]), head_of(Primary::default().bundle().end(b"")));
    let only_integrity =
        Primary::default().bundle().block(11, 4, b"ciphertext").block(12, 5, &security(&[4]));
    assert_eq!(head.without_blocks(&[2]), head_of(only_integrity.end(b"")));
}

#[test]
fn encrypted_blocks_are_neither_read_nor_written() {
    let bundle =
        Primary::default().bundle().block(10, 2, b"noise").block(6, 3, b"noise").block(7, 4, b"noise");
    let head = head_of(bundle.block(12, 5, &security(&[2, 3, 4])).end(b""));
    assert_eq!((head.hop_count(), head.previous_node(), head.bundle_age_ms()), (None, None, None));
    assert_eq!(head.forwarded(&relay(), Some(9)), Ok(head));
}
