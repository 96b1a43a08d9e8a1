//! What holds for every bundle, and for all other octets.

use bundle_format::{
    AdministrativeRecord, Bundle, BundleFlags, BundleReader, CreationTimestamp, DtnTime, Eid, Head, Limits,
    Metadata, NewBundle, NodeKey, Priority, Profile, PublicKey, REVISION_MAX, Reassembly, RecordTag,
};
use bytes::Bytes;
use proptest::prelude::*;

use crate::{check, read_in_pieces};

fn endpoints() -> impl Strategy<Value = Eid> {
    prop_oneof![
        ("[a-z0-9.-]{1,20}", "[!-}]{0,20}").prop_map(|(node, demux)| Eid::dtn(&node, &demux).unwrap()),
        (any::<u32>(), 0..u32::MAX, any::<u64>())
            .prop_map(|(allocator, node, service)| { Eid::ipn(allocator, node, service) }),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let priority = prop_oneof![Just(Priority::Bulk), Just(Priority::Normal), Just(Priority::Urgent)];
    (
        proptest::option::of("[a-zäöü ]{1,30}\\.[a-z]{3}"),
        proptest::option::of("[a-z]{1,9}/[a-z]{1,9}"),
        priority,
        proptest::option::of(("[a-z ]{1,30}", 1..=REVISION_MAX)),
    )
        .prop_map(|(file_name, media_type, priority, record)| {
            let record = record.map(|(name, revision)| RecordTag { name, revision });
            Metadata { file_name, media_type, priority, record }
        })
}

prop_compose! {
    fn drafts()(
        destination in endpoints(),
        source in endpoints().prop_filter("somebody must sign", |eid| !eid.is_null()),
        report_to in endpoints(),
        (time, sequence, lifetime_ms) in any::<(u64, u64, u64)>(),
        age_ms in any::<Option<u64>>(),
        hop_limit in proptest::option::of(1_u8..),
        metadata in proptest::option::of(metadata()),
        reports in any::<bool>(),
    ) -> NewBundle {
        let flags = if reports { BundleFlags::REPORT_DELIVERY } else { BundleFlags::empty() };
        let creation = CreationTimestamp { time: DtnTime(time), sequence };
        NewBundle { destination, source, report_to, creation, lifetime_ms, flags, age_ms, hop_limit, metadata }
    }
}

proptest! {
    #[test]
    fn bundles_come_back_as_they_went(
        new in drafts(),
        payload in proptest::collection::vec(any::<u8>(), 0..600),
        seed in any::<[u8; 32]>(),
        piece in 1_usize..700,
    ) {
        let key = NodeKey::from_seed(seed);
        let bundle = new.clone().sign(&Profile::default(), &key, payload.clone().into());
        let Ok(bundle) = bundle else {
            // The only thing that these drafts can have wrong.
            prop_assert!(!new.source.is_singleton());
            return Ok(());
        };
        let octets = bundle.encode().unwrap();
        let read = check(octets.clone()).unwrap();
        prop_assert_eq!(&read, &bundle);
        prop_assert_eq!(read.encode(), Some(octets.clone()));
        prop_assert_eq!(read.signer(), Some(key.public()));
        prop_assert_eq!(&read.payload().unwrap()[..], &payload[..]);
        prop_assert_eq!(read_in_pieces(&octets, piece), Ok(bundle.clone()));
        let unsigned = new.unsigned(&Profile::default(), payload.into()).unwrap();
        prop_assert_eq!(check(unsigned.encode().unwrap()), Ok(unsigned));
    }

    #[test]
    fn a_bundle_that_is_cut_off_is_malformed(new in drafts(), cut in any::<prop::sample::Index>()) {
        prop_assume!(new.source.is_singleton());
        let bundle = new.sign(&Profile::default(), &crate::key(), Bytes::from_static(b"payload")).unwrap();
        let octets = bundle.encode().unwrap();
        let cut = octets.slice(..cut.index(octets.len()));
        prop_assert!(check(cut.clone()).is_err());
        prop_assert!(read_in_pieces(&cut, 7).is_err());
    }

    #[test]
    fn a_damaged_bundle_is_refused_or_read_the_same_way_by_both_readers(
        new in drafts(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..3), 1..4),
        piece in 1_usize..50,
    ) {
        prop_assume!(new.source.is_singleton());
        let bundle = new.sign(&Profile::default(), &crate::key(), Bytes::from_static(b"payload")).unwrap();
        let mut octets = bundle.encode().unwrap().to_vec();
        for (place, octet, kind) in damages {
            let at = place.index(octets.len());
            match kind {
                0 => octets[at] = octet,
                1 => octets.insert(at, octet),
                _ => drop(octets.remove(at)),
            }
        }
        let octets = Bytes::from(octets);
        let whole = check(octets.clone());
        let pieces = read_in_pieces(&octets, piece);
        prop_assert_eq!(whole.is_ok(), pieces.is_ok());
        prop_assert_eq!(&pieces, &read_in_pieces(&octets, octets.len().max(1)));
        if let Ok(bundle) = whole {
            prop_assert_eq!(bundle.encode(), Some(octets));
            prop_assert_eq!(pieces, Ok(bundle));
        }
    }

    #[test]
    fn forwarding_keeps_every_other_block(new in drafts(), by in endpoints(), age_ms in any::<Option<u64>>()) {
        prop_assume!(new.source.is_singleton() && by.is_singleton());
        let bundle = new.sign(&Profile::default(), &crate::key(), Bytes::from_static(b"payload")).unwrap();
        let head = bundle.head();
        let Ok(forwarded) = head.forwarded(&by, age_ms) else { return Ok(()) };
        prop_assert_eq!(forwarded.previous_node(), Some(by));
        prop_assert_eq!(forwarded.bundle_age_ms(), age_ms.or(head.bundle_age_ms()));
        prop_assert_eq!(forwarded.primary_octets(), head.primary_octets());
        let kept: Vec<_> = head.blocks().iter().filter(|block| ![6, 7, 10].contains(&block.block_type)).collect();
        for block in kept {
            let same = forwarded.blocks().iter().find(|other| other.number == block.number).unwrap();
            prop_assert_eq!((same.block_type, same.flags, same.crc), (block.block_type, block.flags, block.crc));
            prop_assert_eq!(forwarded.data(same), head.data(block));
        }
        let octets = [forwarded.bytes(), &b"payload"[..], bundle.tail()].concat();
        let arrived = check(octets).unwrap();
        prop_assert_eq!((arrived.id(), arrived.signer()), (bundle.id(), bundle.signer()));
    }

    #[test]
    fn blocks_can_be_dropped_from_any_head(new in drafts(), numbers in proptest::collection::vec(0_u64..8, 0..5)) {
        prop_assume!(new.source.is_singleton());
        let bundle = new.sign(&Profile::default(), &crate::key(), Bytes::from_static(b"payload")).unwrap();
        let rest = bundle.head().without_blocks(&numbers);
        prop_assert!(rest.blocks().iter().all(|block| !numbers.contains(&block.number)));
        prop_assert_eq!(Head::parse(rest.bytes().clone()), Ok(rest));
    }

    #[test]
    fn no_octets_make_anything_panic(octets in proptest::collection::vec(any::<u8>(), 0..400), text in ".{0,80}") {
        drop(check(octets.clone()));
        drop(Head::parse(octets.clone().into()));
        drop(Eid::from_cbor(&octets));
        drop(AdministrativeRecord::decode(&octets));
        drop(bundle_format::CustodyBlock::decode(&octets));
        let record = [&b"\x82\x0d\xa1\x01"[..], &octets].concat();
        drop(AdministrativeRecord::decode(&record).map(|record| record.custody_signal(&Profile::default())));
        drop(text.parse::<Eid>());
        let _ = text.parse::<PublicKey>();
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        for octet in &octets {
            if reader.push(Bytes::copy_from_slice(&[*octet])).is_err() {
                break;
            }
        }
    }

    #[test]
    fn endpoint_ids_come_back_from_text_and_octets(eid in endpoints()) {
        prop_assert_eq!(Eid::from_cbor(&eid.to_cbor()), Ok(eid.clone()));
        prop_assert_eq!(eid.to_string().parse(), Ok(eid));
    }

    #[test]
    fn one_piece_and_many_give_the_same_octets_of_payload(
        payload in proptest::collection::vec(any::<u8>(), 0..5000),
        pieces in proptest::collection::vec(1_usize..400, 1..60),
    ) {
        let bundle = crate::draft().unsigned(&Profile::default(), payload.clone().into()).unwrap();
        let mut rest = bundle.encode().unwrap();
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        let mut passed = Vec::new();
        for length in pieces.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            passed.extend_from_slice(&reader.push(rest.split_to(length.min(rest.len()))).unwrap());
        }
        prop_assert_eq!(&passed, &payload);
        prop_assert_eq!(reader.finish_with_payload(passed.into()), Ok(bundle));
    }

    #[test]
    fn a_tail_follows_from_head_and_payload(payload in proptest::collection::vec(any::<u8>(), 1..5000)) {
        let bundle = crate::draft().unsigned(&Profile::default(), payload.clone().into()).unwrap();
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        reader.push(bundle.head().bytes().clone()).unwrap();
        let last = payload.len() - 1;
        reader.push(payload[..last].to_vec().into()).unwrap();
        let mut short = BundleReader::new(&Limits::default(), &Profile::default());
        short.push([&bundle.head().bytes()[..], &payload[..last]].concat().into()).unwrap();
        prop_assert!(short.finish_without_tail().is_err());
        reader.push(payload[last..].to_vec().into()).unwrap();
        let whole = reader.finish_without_tail().unwrap();
        prop_assert_eq!((whole.id(), whole.tail()), (bundle.id(), bundle.tail()));
    }

    #[test]
    fn a_payload_can_be_computed_over_elsewhere(
        payload in proptest::collection::vec(any::<u8>(), 0..5000),
        size in 1_usize..2000,
        damaged in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let bundle = crate::draft().unsigned(&Profile::default(), payload.into()).unwrap();
        let mut octets = bundle.encode().unwrap().to_vec();
        if let Some(damaged) = damaged {
            // Payload and tail: what is wrong there is found at the end.
            let start = bundle.head().bytes().len();
            octets[start + damaged.index(bundle.encode().unwrap().len() - start)] ^= 1;
        }
        let (mut here, mut other) = (BundleReader::new(&Limits::default(), &Profile::default()),
            BundleReader::new(&Limits::default(), &Profile::default()));
        let mut elsewhere = None;
        for piece in octets.chunks(size) {
            here.push(Bytes::copy_from_slice(piece)).unwrap();
            let passed = other.push(Bytes::copy_from_slice(piece)).unwrap();
            match &mut elsewhere {
                Some(passing) => bundle_format::PassingPayload::update(passing, &passed),
                None => elsewhere = other.hand_over(),
            }
        }
        prop_assert_eq!(other.finish_with(elsewhere.unwrap()), here.finish());
    }
}

#[test]
fn reassembly_of_whole_bundles_is_none() {
    let head =
        Bundle::parse(crate::signed(b"x").encode().unwrap(), &Limits::default()).unwrap().head().clone();
    assert_eq!(Reassembly::plan(&[head]), None);
}
