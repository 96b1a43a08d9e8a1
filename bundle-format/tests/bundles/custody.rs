//! Custody blocks, bundle sequences and custody signals (CCSDS 734.6-O-1).

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{
    AdministrativeRecord, BundleSequence, COLLECTION_NUMBERS_MAX, Counter, CustodyBlock, CustodySignal, Eid,
    Head, HopCustody, Profile, Run,
};
use data_encoding::HEXLOWER;

use crate::raw::{Primary, head};
use crate::{check, draft, key, read_in_pieces};

fn custodian() -> Eid {
    Eid::ipn(0, 100, 0)
}

fn relay() -> Eid {
    "dtn://relay/".parse().unwrap()
}

fn by(number: u64) -> HopCustody {
    HopCustody::By(CustodyBlock { number, sequence: 1, custodian: custodian() })
}

/// A signed head of a bundle that may change hands.
fn unfragmented() -> Head {
    let mut new = draft();
    new.flags |= bundle_format::BundleFlags::MUST_NOT_FRAGMENT;
    new.sign(&Profile::default(), &key(), bytes::Bytes::from_static(b"hello")).unwrap().head().clone()
}

fn under(head: &Head, custody: &HopCustody) -> Head {
    head.forwarded_under(&relay(), Some(5), &Profile::default(), custody).unwrap()
}

#[test]
fn a_custody_block_has_its_golden_octets() {
    let block = CustodyBlock { number: 7, sequence: 1, custodian: custodian() };
    assert_eq!(HEXLOWER.encode(&block.encode()), "830701820282186400");
    assert_eq!(CustodyBlock::decode(&block.encode()), Ok(block));
    let wrong: [&[u8]; 5] = [
        b"\x82\x07\x01",
        b"\x83\x07\x20\x82\x02\x82\x18\x64\x00",
        b"\x83\x07\x01\x82\x01\x00",
        b"\x83\x07\x01\x82\x01\x6d//all/~updates",
        b"\x83\x07\x01\x82\x02\x82\x18\x64\x00\x00",
    ];
    for octets in wrong {
        assert!(CustodyBlock::decode(octets).is_err(), "{octets:02x?}");
    }
}

#[test]
fn custody_is_asked_for_passed_on_taken_over_and_ended_on_a_hop() {
    let (profile, head) = (Profile::default(), unfragmented());
    assert_eq!(head.custody(&profile), None);
    let asked = under(&head, &by(7));
    assert_eq!(asked.custody(&profile).map(|block| block.number), Some(7));
    let block = asked.blocks().iter().find(|block| block.block_type == 13).unwrap();
    assert_eq!((block.flags.bits(), block.crc), (1, bundle_format::CrcType::Castagnoli));
    assert_eq!(under(&asked, &HopCustody::Unchanged).custody(&profile), asked.custody(&profile));
    let taken = under(&asked, &by(70_000));
    assert_eq!(taken.custody(&profile).map(|block| block.number), Some(70_000));
    assert_eq!(taken.blocks().len(), asked.blocks().len());
    let ended = under(&taken, &HopCustody::Removed);
    let never = (0..3).fold(head, |head, _| under(&head, &HopCustody::Unchanged));
    assert_eq!(ended, never);
}

#[test]
fn a_signature_holds_whatever_becomes_of_custody() {
    let mut new = draft();
    new.flags |= bundle_format::BundleFlags::MUST_NOT_FRAGMENT;
    let payload = bytes::Bytes::from_static(b"hello");
    let bundle = new.sign(&Profile::default(), &key(), payload.clone()).unwrap();
    let asked = under(bundle.head(), &by(7));
    let sent = bytes::Bytes::from([asked.bytes(), &payload[..], bundle.tail()].concat());
    let received = read_in_pieces(&sent, 7).unwrap();
    assert_eq!((received.signer(), received.id()), (Some(key().public()), bundle.id()));
}

#[test]
fn a_custody_block_that_nobody_may_change_stays_and_names_nobody() {
    let profile = Profile::default();
    let data = CustodyBlock { number: 7, sequence: 1, custodian: custodian() }.encode();
    let head_of = |octets| check(octets).unwrap().head().clone();
    let whole = || Primary { flags: 4, ..Primary::default() }.bundle();
    assert!(head_of(whole().block(13, 2, &data).end(b"")).custody(&profile).is_some());
    // May become fragments; is not alone; cannot be read.
    assert_eq!(head_of(Primary::default().bundle().block(13, 2, &data).end(b"")).custody(&profile), None);
    assert_eq!(head_of(whole().block(13, 2, &data).block(13, 3, &data).end(b"")).custody(&profile), None);
    assert_eq!(head_of(whole().block(13, 2, b"\xff").end(b"")).custody(&profile), None);
    // A security block has the custody block as its target.
    let security = [&b"\x81\x02\x01\x00"[..], b"\x82\x01\x64//a/", b"\x81\x81\x82\x01\x41\x00"].concat();
    let signed = head_of(whole().block(11, 3, &security).block(13, 2, &data).end(b""));
    assert_eq!(signed.custody(&profile), None);
    for custody in [by(9), HopCustody::Removed] {
        let forwarded = under(&signed, &custody);
        let block = forwarded.blocks().iter().find(|block| block.block_type == 13).unwrap();
        assert_eq!(forwarded.data(block), data);
    }
    // Code points are agreed upon.
    let older = Profile { custody_block_type: 15, ..profile };
    let head = head_of(whole().block(15, 2, &data).end(b""));
    assert_eq!(head.custody(&older).map(|block| block.number), Some(7));
    let both = head.forwarded_under(&relay(), None, &Profile::default(), &by(9)).unwrap();
    assert_eq!(both.custody(&older).map(|block| block.number), Some(7));
}

fn numbers(all: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    all.into_iter().collect()
}

fn signal(accepted: &[(u64, BTreeSet<u64>)], refused: &[(u64, BTreeSet<u64>)]) -> CustodySignal {
    let map = |of: &[(u64, BTreeSet<u64>)]| of.iter().cloned().collect::<BTreeMap<_, _>>();
    CustodySignal::about(&map(accepted), &map(refused))
}

fn named(sequences: &[BundleSequence]) -> BTreeSet<u64> {
    sequences.iter().flat_map(|sequence| &sequence.runs).flat_map(|run| run.numbers()).collect()
}

fn read(record: &[u8]) -> Option<CustodySignal> {
    AdministrativeRecord::decode(record).ok()?.custody_signal(&Profile::default())?.ok()
}

#[test]
fn signals_have_their_golden_octets() {
    let profile = Profile::default();
    let cases = [
        (signal(&[(1, numbers(7..=9))], &[]), "820da1018183010703"),
        (
            signal(&[(1, numbers([7, 8, 10, 11, 12, 13]))], &[(1, numbers([20]))]),
            "820da2018183010783020104208183011401",
        ),
        (signal(&[(1, numbers([12, 13, 18, 19, 20, 21, 22]))], &[]), "820da1018183010c83020405"),
        (signal(&[(1, numbers([u64::MAX]))], &[]), "820da1018183011bffffffffffffffff01"),
        (
            signal(&[], &[(2, numbers([0])), (0x1_0000_0001, numbers([0]))]),
            "820da1208283020001831b00000001000000010001",
        ),
    ];
    for (signal, octets) in cases {
        let record = signal.record(&profile);
        assert_eq!(HEXLOWER.encode(&record.encode()), octets);
        assert_eq!(read(&record.encode()), Some(signal));
    }
    let older = Profile { custody_record_type: 4, ..Profile::default() };
    let record = signal(&[(1, numbers([1]))], &[]).record(&older);
    assert_eq!(record.encode()[..2], *b"\x82\x04");
    assert!(record.custody_signal(&profile).is_none());
    assert!(record.custody_signal(&older).unwrap().is_ok());
}

#[test]
fn what_others_write_is_read() {
    let seven = signal(&[(1, numbers(7..=9))], &[]);
    // One sequence in place of an array of sequences, and a tagged map.
    assert_eq!(read(b"\x82\x0d\xa1\x01\x83\x01\x07\x03"), Some(seven.clone()));
    assert_eq!(read(b"\x82\x0d\xd8\x63\xa1\x01\x81\x83\x01\x07\x03"), Some(seven.clone()));
    // Lengths of nothing, gaps of nothing, dispositions that are reserved.
    assert_eq!(
        named(&read(b"\x82\x0d\xa1\x01\x81\x83\x01\x07\x83\x01\x00\x02").unwrap().accepted),
        numbers(7..10)
    );
    assert_eq!(
        named(&read(b"\x82\x0d\xa1\x01\x81\x83\x01\x07\x83\x00\x02\x01").unwrap().accepted),
        numbers([9])
    );
    let reserved = read(b"\x82\x0d\xa2\x24\x81\x83\x01\x07\x03\x05\x81\x83\x01\x17\x01").unwrap();
    assert_eq!((reserved.accepted, named(&reserved.refused)), (vec![], numbers(7..10)));
    assert_eq!(read(b"\x82\x0d\xa1\x01\x80"), Some(CustodySignal::default()));
    // The counter of a destination, with and without an array around it, and somebody else's counter.
    for octets in [
        &b"\x82\x0d\xa1\x01\x81\x83\x82\x02\x82\x07\x01\x07\x03"[..],
        b"\x82\x0d\xa1\x01\x83\x82\x02\x82\x07\x01\x07\x03",
    ] {
        let [sequence] = &read(octets).unwrap().accepted[..] else { panic!() };
        assert_eq!(sequence.counter, Counter::Destination(Eid::ipn(0, 7, 1)));
        assert_eq!(sequence.runs, [Run { first: 7, count: 3 }]);
    }
    let [sequence] = &read(b"\x82\x0d\xa1\x01\x81\x84\x01\x07\x03\x82\x02\x82\x07\x00").unwrap().accepted[..]
    else {
        panic!()
    };
    assert_eq!(sequence.block_source, Some(Eid::ipn(0, 7, 0)));
}

#[test]
fn a_signal_that_names_too_much_or_nothing_real_is_refused() {
    let with = |length: &[u8]| [b"\x82\x0d\xa1\x01\x81\x83\x01\x07", length].concat();
    assert!(read(&with(&head(0, COLLECTION_NUMBERS_MAX))).is_some());
    assert!(read(&with(&head(0, COLLECTION_NUMBERS_MAX + 1))).is_none());
    assert!(read(&with(&head(0, u64::MAX))).is_none());
    // Beyond 64 bits, by a length and by a gap; an even number of lengths; sequence id 0 as a number.
    assert!(read(b"\x82\x0d\xa1\x01\x81\x83\x01\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x02").is_none());
    assert!(read(&[&with(b"\x83\x01")[..], b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x01"].concat()).is_none());
    assert!(read(&with(b"\x82\x01\x01")).is_none());
    assert!(read(b"\x82\x0d\xa1\x01\x81\x83\x00\x07\x03").is_none());
    // Twice the most, in two sequences of two dispositions.
    let half = [&b"\x81\x83\x01\x07"[..], &head(0, COLLECTION_NUMBERS_MAX / 2 + 1)].concat();
    assert!(read(&[&b"\x82\x0d\xa2\x01"[..], &half, b"\x20", &half].concat()).is_none());
    let many: Vec<u8> =
        [vec![0x82, 0x0d, 0xa1, 1, 0x81, 0x83, 1, 0], head(4, 40_001), vec![1; 40_001]].concat();
    assert!(read(&many).is_none());
    let right = b"\x82\x0d\xa2\x01\x81\x83\x01\x07\x83\x02\x01\x04\x20\x81\x83\x01\x14\x01";
    for end in 0..right.len() {
        assert!(read(&right[..end]).is_none());
    }
}
