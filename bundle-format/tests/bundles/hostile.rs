//! Octets that want to be refused: none may cost more than a look.

use bundle_format::{Fault, ReasonCode};
use bytes::Bytes;

use crate::raw::{A, B, NONE, Primary, head};
use crate::{check, read_in_pieces, signed};

fn refused(octets: impl Into<Bytes>) -> Fault {
    let octets = octets.into();
    let malformed = check(octets.clone()).expect_err("this bundle must be refused");
    assert!(read_in_pieces(&octets, 1).is_err());
    malformed.fault
}

#[test]
fn floods_of_nested_items_are_refused() {
    for octet in [0x81, 0xc1, 0x9f, 0xa1, 0xd8, 0x5f] {
        refused(vec![octet; 200_000]);
        refused([vec![0x9f, 0x88, 7, 0, 0, 0x82, 0x18, 0x63], vec![octet; 200_000]].concat());
        refused([Primary::default().bundle().0, vec![octet; 200_000]].concat());
        refused(Primary::default().bundle().block(11, 2, &vec![octet; 60_000]).end(b""));
    }
}

#[test]
fn huge_declared_lengths_are_refused_wherever_they_stand() {
    let huge = b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff\x00";
    refused(&huge[..]);
    let whole = signed(b"hello").encode().unwrap();
    for at in 0..whole.len() {
        let mut octets = whole.to_vec();
        octets.splice(at.., huge.iter().copied());
        check(octets).expect_err("a length of 2^63 octets");
    }
}

#[test]
fn numbers_of_blocks_follow_the_rules() {
    let start = || Primary::default().bundle();
    let same_number = start().block(200, 2, b"").block(201, 2, b"").end(b"");
    assert_eq!(refused(same_number), Fault::Block("two blocks have the same number"));
    for (block_type, number) in [(200, 0), (200, 1), (0, 2), (0, 1), (1, 2), (1, 0)] {
        assert!(matches!(refused(start().block(block_type, number, b"").end(b"")), Fault::Block(_)));
    }
}

#[test]
fn block_types_that_may_stand_once_stand_once() {
    let contents: [(u64, &[u8]); 3] = [(6, A), (7, &[0]), (10, &[0x82, 1, 0])];
    for (block_type, data) in contents {
        let twice =
            Primary::default().bundle().block(block_type, 2, data).block(block_type, 3, data).end(b"");
        assert_eq!(refused(twice), Fault::Block("a block type stands twice that may stand once"));
    }
}

#[test]
fn extension_blocks_of_the_rfc_say_what_they_must() {
    let contents: [(u64, &[u8]); 14] = [
        (6, NONE),
        (6, b"\x82\x01\x68//a/~all"),
        (6, b"\x82\x02\x82\x1a\xff\xff\xff\xff\x00"),
        (6, b""),
        (6, b"\x82\x01\x64//a/\x00"),
        (7, b"\x20"),
        (7, b"\x18\x00"),
        (7, b""),
        (10, b"\x82\x00\x00"),
        (10, b"\x82\x19\x01\x00\x00"),
        (10, b"\x83\x01\x00\x00"),
        (10, b"\x82\x01"),
        (10, b"\x82\x01\x20"),
        (10, b"\x9f\x01\x00\xff"),
    ];
    for (block_type, data) in contents {
        refused(Primary::default().bundle().block(block_type, 2, data).end(b""));
    }
    let right: [(u64, &[u8]); 5] = [
        (6, b"\x82\x02\x82\x07\x00"),
        (7, b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (10, b"\x82\x01\x00"),
        (10, b"\x82\x18\xff\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (200, b"\x9f\x00"),
    ];
    for (block_type, data) in right {
        check(Primary::default().bundle().block(block_type, 2, data).end(b"")).unwrap();
    }
}

#[test]
fn the_payload_is_last_and_nothing_follows() {
    let bundle = Primary::default().bundle().end(b"abc");
    check(bundle.clone()).unwrap();
    assert_eq!(refused([&bundle[..], b"\x00"].concat()), Fault::TrailingOctets);
    assert_eq!(refused([&bundle[..], &bundle].concat()), Fault::TrailingOctets);
    let mut another = bundle.to_vec();
    another.pop();
    another.extend(b"\x85\x18\xc8\x02\x00\x00\x40\xff");
    refused(another);
    refused([Primary::default().bundle().0, vec![0xff]].concat());
    refused(Primary::default().bundle().block(200, 2, b"").0);
}

#[test]
fn crc_types_and_element_counts_fit_together() {
    for block in [
        &b"\x86\x01\x01\x00\x00\x40\x00"[..],
        b"\x85\x01\x01\x00\x01\x40",
        b"\x85\x01\x01\x00\x03\x40",
        b"\x84\x01\x01\x00\x00",
    ] {
        refused([&Primary::default().bundle().0[..], block, b"\xff"].concat());
    }
    // Right CRCs of the wrong length.
    refused(
        [&Primary::default().bundle().0[..], b"\x86\x01\x01\x00\x01\x40\x44\x00\x00\x00\x00\xff"].concat(),
    );
}

#[test]
fn lifetimes_and_times_may_be_as_large_as_numbers_are() {
    let forever = Primary { lifetime: u64::MAX, ..Primary::default() }.bundle().end(b"");
    assert_eq!(check(forever).unwrap().head().primary().lifetime_ms, u64::MAX);
}

#[test]
fn anonymous_bundles_keep_the_rules_for_them() {
    let anonymous = |flags: u64| Primary { flags, source: NONE, ..Primary::default() }.bundle();
    check(anonymous(0x04).end(b"")).unwrap();
    for flags in [0, 0x04 | 0x4000, 0x04 | 0x1_0000, 0x04 | 0x2_0000, 0x04 | 0x4_0000] {
        assert!(matches!(refused(anonymous(flags).end(b"")), Fault::Primary(_)), "{flags:x}");
    }
    assert!(matches!(refused(anonymous(0x04).flagged(200, 2, 0x02, b"").end(b"")), Fault::Block(_)));
    let fragment = Primary { flags: 0x05, source: NONE, fragment: Some((0, 9)), ..Primary::default() };
    refused(fragment.bundle().end(b""));
}

#[test]
fn administrative_records_ask_for_no_reports() {
    let record = |flags: u64| Primary { flags: flags | 0x02, ..Primary::default() }.bundle();
    check(record(0).end(b"")).unwrap();
    refused(record(0x2_0000).end(b""));
    refused(record(0).flagged(200, 2, 0x02, b"").end(b""));
}

#[test]
fn fragments_lie_inside_their_application_data_unit() {
    let fragment = |offset: u64, total: u64| {
        Primary { flags: 0x01, fragment: Some((offset, total)), ..Primary::default() }.bundle().end(b"12345")
    };
    check(fragment(0, 5)).unwrap();
    check(fragment(u64::MAX - 5, u64::MAX)).unwrap();
    for (offset, total) in [(0, 4), (1, 5), (u64::MAX, u64::MAX), (u64::MAX - 4, u64::MAX), (0, 0)] {
        refused(fragment(offset, total));
    }
    let flag_without_fields = Primary { flags: 0x01, ..Primary::default() }.bundle().end(b"");
    assert!(matches!(refused(flag_without_fields), Fault::ElementCount(_)));
}

#[test]
fn endpoint_ids_that_no_node_may_have_are_refused() {
    let local = b"\x82\x02\x82\x1a\xff\xff\xff\xff\x00";
    let group = b"\x82\x01\x69//a/~news";
    refused(Primary { source: group, ..Primary::default() }.bundle().end(b""));
    refused(Primary { source: local, ..Primary::default() }.bundle().end(b""));
    refused(Primary { destination: local, ..Primary::default() }.bundle().end(b""));
    for destination in [&group[..], NONE, B] {
        check(Primary { destination, ..Primary::default() }.bundle().end(b"")).unwrap();
    }
}

#[test]
fn unknown_flags_are_ignored_and_kept() {
    let octets =
        Primary { flags: 1 << 63, ..Primary::default() }.bundle().flagged(200, 2, 1 << 40, b"").end(b"");
    let bundle = check(octets.clone()).unwrap();
    assert_eq!(bundle.encode(), Some(octets));
    assert_eq!(bundle.head().primary().flags.bits(), 1 << 63);
}

#[test]
fn a_malformed_bundle_has_a_place_and_a_reason() {
    let malformed = check(Primary::default().bundle().block(7, 2, b"\x18\x00").end(b"")).unwrap_err();
    let start = Primary::default().bundle().0.len() as u64;
    assert_eq!((malformed.offset, malformed.reason()), (start + 6, ReasonCode::BlockUnintelligible));
    assert_eq!(
        malformed.to_string(),
        format!("a number is not encoded in its shortest form, at octet {}", start + 6)
    );
}

#[test]
fn other_versions_are_refused() {
    for version in [0, 6, 8, 255] {
        let mut octets = Primary::default().bundle().end(b"").to_vec();
        octets.splice(2..3, head(0, version));
        assert_eq!(refused(octets), Fault::Version);
    }
}
