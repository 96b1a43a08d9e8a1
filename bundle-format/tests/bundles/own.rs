//! Bundles of our own: what is made is what is read, and the octets are those of the golden bundle.

use bundle_format::{
    BuildError, Bundle, BundleFlags, CrcType, Eid, Limits, Metadata, MetadataError, NewBundle, NodeKey,
    Profile, SignatureVerdict, StreamError, block_type,
};
use bytes::Bytes;
use data_encoding::HEXLOWER;

use crate::{check, draft, key, read_in_pieces, signed};

/// The bundle of `docs/signature-profile.md`: key seed 32 times 07, payload "hello".
const GOLDEN: &str = concat!(
    "9f890704028201702f2f636c696e69632d332f696e626f788201722f2f686f73706974616c2f7265636f726473820100821b0000",
    "00bd512814001b00000001000000011a05265c0044551e88ca850b02000058eb82010303018201722f2f686f73706974616c2f72",
    "65636f7264738282035824a1045820ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c8205a40001",
    "0301200121018281821258498443a10127a0f65840850e739cd326026b8f2967ed4d55ecbdb1e9ff4678b75a7efa40cea8861f46",
    "0bdacea14dd64da4909717277b67ab98a4794652d09c6d5ef1ebe0e4000f31a00181821258498443a10127a0f65840d9f80e8278",
    "1c774748b8fc5a096d660353e71365cc8dd92a685b9b83e1c087f1710429c1a20533b658b797b312aca0650c7fa08e48d7a6e265",
    "71289bf6f16c0f8518c10300005821a30069782d7261792e64636d01716170706c69636174696f6e2f6469636f6d020286070400",
    "02410044dbdea154860a0500024482181e004415ecf6c385010100004568656c6c6fff",
);
const GOLDEN_ID: &str = "r7titubjnet5tddyb45e44vnyq";
/// The same without a signature.
const GOLDEN_UNSIGNED: &str = concat!(
    "9f890700028201702f2f636c696e69632d332f696e626f788201722f2f686f73706974616c2f7265636f726473820100821b0000",
    "00bd512814001b00000001000000011a05265c0044a0b795458618c10300025821a30069782d7261792e64636d01716170706c69",
    "636174696f6e2f6469636f6d020244438bffc98607040002410044dbdea154860a0500024482181e004415ecf6c3860101000245",
    "68656c6c6f4421c13f2fff",
);

#[test]
fn the_golden_bundle_is_what_we_make_and_what_we_read() {
    let made = signed(b"hello");
    assert_eq!(HEXLOWER.encode(&made.encode().unwrap()), GOLDEN);
    let read = check(HEXLOWER.decode(GOLDEN.as_bytes()).unwrap()).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.signature(), &SignatureVerdict::Valid(key().public()));
    assert_eq!(read.id().to_string(), GOLDEN_ID);
    assert_eq!(read.payload_hash(), *blake3::hash(b"hello").as_bytes());
}

#[test]
fn the_golden_unsigned_bundle_is_what_we_make_and_what_we_read() {
    let made = draft().unsigned(&Profile::default(), Bytes::from_static(b"hello")).unwrap();
    assert_eq!(HEXLOWER.encode(&made.encode().unwrap()), GOLDEN_UNSIGNED);
    let read = check(HEXLOWER.decode(GOLDEN_UNSIGNED.as_bytes()).unwrap()).unwrap();
    assert_eq!(read, made);
    assert_eq!((read.signature(), read.signer()), (&SignatureVerdict::Unsigned, None));
    assert_ne!(read.id(), signed(b"hello").id());
}

#[test]
fn the_documentation_prints_the_golden_bundle() {
    let page = include_str!("../../../docs/signature-profile.md");
    let printed: String = page.split_whitespace().collect();
    assert!(printed.contains(GOLDEN));
    assert!(printed.contains(GOLDEN_ID));
}

#[test]
fn a_signed_bundle_says_what_it_was_made_of() {
    let bundle = signed(b"hello");
    let (head, primary) = (bundle.head(), bundle.head().primary());
    let draft = draft();
    assert_eq!(primary.flags, BundleFlags::MUST_NOT_FRAGMENT);
    assert_eq!(
        (&primary.destination, &primary.source, &primary.report_to),
        (&draft.destination, &draft.source, &Eid::Null)
    );
    assert_eq!((primary.creation, primary.lifetime_ms), (draft.creation, draft.lifetime_ms));
    assert_eq!(primary.crc, CrcType::Castagnoli);
    assert_eq!(head.payload_block().crc, CrcType::None);
    assert_eq!(
        (head.bundle_age_ms(), head.hop_count().map(|hops| (hops.limit, hops.count))),
        (Some(0), Some((30, 0)))
    );
    assert_eq!(head.metadata(&Profile::default()), draft.metadata);
    assert!(head.is_signed());
    let types: Vec<u64> = head.blocks().iter().map(|block| block.block_type).collect();
    assert_eq!(types, [block_type::INTEGRITY, 193, block_type::BUNDLE_AGE, block_type::HOP_COUNT]);
}

#[test]
fn metadata_that_say_nothing_cost_nothing() {
    let plain = |metadata| {
        let new = NewBundle { metadata, ..draft() };
        new.sign(&Profile::default(), &key(), Bytes::from_static(b"x")).unwrap()
    };
    assert_eq!(plain(Some(Metadata::default())), plain(None));
    assert_eq!(plain(None).head().metadata(&Profile::default()), None);
}

#[test]
fn a_streamed_signature_is_the_same_as_one_made_in_memory() {
    let payload: Vec<u8> = (0..100_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    let mut passes = 0;
    let streamed = draft().sign_streamed(&Profile::default(), &key(), 100_000, |sink| {
        passes += 1;
        payload.chunks(777).for_each(sink);
        Ok::<(), std::io::Error>(())
    });
    let streamed = streamed.unwrap();
    assert_eq!((passes, streamed.payload(), streamed.encode()), (2, None, None));
    let whole = draft().sign(&Profile::default(), &key(), payload.into()).unwrap();
    assert_eq!((streamed.head(), streamed.id(), streamed.tail()), (whole.head(), whole.id(), whole.tail()));
    assert_eq!(streamed.octets(), whole.encode().unwrap().len() as u64);
}

#[test]
fn a_payload_that_changes_or_ends_early_is_not_signed() {
    let sign = |lengths: [usize; 2], octets: [u8; 2]| {
        let mut pass = 0;
        draft().sign_streamed(&Profile::default(), &key(), 10, |sink| {
            sink(&vec![octets[pass]; lengths[pass]]);
            pass += 1;
            Ok::<(), std::io::ErrorKind>(())
        })
    };
    assert!(sign([10, 10], [1, 1]).is_ok());
    assert_eq!(sign([10, 10], [1, 2]), Err(StreamError::Changed));
    assert_eq!(sign([9, 9], [1, 1]), Err(StreamError::Length { expected: 10, found: 9 }));
    assert_eq!(sign([10, 11], [1, 1]), Err(StreamError::Length { expected: 10, found: 11 }));
    let failing =
        draft().sign_streamed(&Profile::default(), &key(), 1, |_| Err(std::io::ErrorKind::NotFound));
    assert_eq!(failing, Err(StreamError::Read(std::io::ErrorKind::NotFound)));
}

#[test]
fn bundles_that_others_would_refuse_are_not_made() {
    let sign = |new: NewBundle| new.sign(&Profile::default(), &key(), Bytes::new());
    let bad_name = Metadata { file_name: Some("../etc/passwd".to_owned()), ..Metadata::default() };
    assert_eq!(
        sign(NewBundle { metadata: Some(bad_name), ..draft() }),
        Err(BuildError::Metadata(MetadataError::FileName))
    );
    assert_eq!(sign(NewBundle { source: Eid::Null, ..draft() }), Err(BuildError::Anonymous));
    let invalid = [
        NewBundle { hop_limit: Some(0), ..draft() },
        NewBundle { flags: BundleFlags::IS_FRAGMENT, ..draft() },
        NewBundle { flags: BundleFlags::ADMINISTRATIVE_RECORD | BundleFlags::REPORT_DELIVERY, ..draft() },
        NewBundle { source: "dtn://hospital/~all".parse().unwrap(), ..draft() },
        NewBundle { destination: "ipn:!.7".parse().unwrap(), ..draft() },
    ];
    for new in invalid {
        assert!(matches!(sign(new.clone()), Err(BuildError::Invalid(_))), "{new:?}");
    }
}

#[test]
fn an_anonymous_bundle_can_be_made_unsigned() {
    let new = NewBundle { source: Eid::Null, flags: BundleFlags::MUST_NOT_FRAGMENT, ..draft() };
    let bundle = new.unsigned(&Profile::default(), Bytes::new()).unwrap();
    assert_eq!(check(bundle.encode().unwrap()), Ok(bundle));
}

#[test]
fn bundles_are_read_in_pieces_of_any_size() {
    let bundle = signed(b"a payload that spans several pieces of most sizes");
    let octets = bundle.encode().unwrap();
    for size in 1..=octets.len() {
        assert_eq!(read_in_pieces(&octets, size).as_ref(), Ok(&bundle), "{size}");
    }
}

#[test]
fn an_empty_payload_is_a_payload() {
    let bundle = signed(b"");
    assert_eq!(bundle.payload(), Some(&Bytes::new()));
    assert_eq!(check(bundle.encode().unwrap()), Ok(bundle));
}

#[test]
fn another_key_payload_or_primary_block_makes_another_id() {
    let make = |seed: u8, payload: &'static [u8], sequence: u64| {
        let mut new = draft();
        new.creation.sequence = sequence;
        let key = NodeKey::from_seed([seed; 32]);
        new.sign(&Profile::default(), &key, Bytes::from_static(payload)).unwrap().id()
    };
    let ids = std::collections::BTreeSet::from([
        make(1, b"a", 1),
        make(2, b"a", 1),
        make(1, b"b", 1),
        make(1, b"a", 2),
    ]);
    assert_eq!(ids.len(), 4);
}

#[test]
fn blocks_that_change_on_the_way_do_not_change_the_id() {
    let bundle = signed(b"hello");
    let head = bundle.head().forwarded(&"dtn://relay/".parse().unwrap(), Some(77_000)).unwrap();
    let octets = [head.bytes(), &b"hello"[..], bundle.tail()].concat();
    let later = check(octets).unwrap();
    assert_eq!((later.id(), later.signature()), (bundle.id(), bundle.signature()));
    assert_ne!(later.head(), bundle.head());
}

#[test]
fn parsing_alone_does_not_look_at_the_signature() {
    let mut octets = signed(b"hello").encode().unwrap().to_vec();
    let last = octets.len() - 2;
    octets[last] ^= 1;
    let bundle = Bundle::parse(octets.into(), &Limits::default()).unwrap();
    assert_eq!(&bundle.payload()[..], b"helln");
    assert!(matches!(bundle.check(&Profile::default()).signature(), SignatureVerdict::Invalid(_)));
}
