//! Limits hold before anything is kept.

use bundle_format::{BLOCKS_MAX, Bundle, BundleReader, Fault, HEAD_OCTETS_MAX, Limits, Profile};
use bytes::Bytes;

use crate::raw::{Primary, head};
use crate::{check, read_in_pieces, signed};

fn small() -> Limits {
    Limits { bundle_octets_max: 10_000 }
}

#[test]
fn a_bundle_may_have_exactly_as_many_octets_as_allowed() {
    let overhead = Primary::default().bundle().end(&[0; 5000]).len() - 5000;
    let exact = Primary::default().bundle().end(&vec![0; 10_000 - overhead]);
    assert_eq!(exact.len(), 10_000);
    assert!(Bundle::parse(exact.clone(), &small()).is_ok());
    let mut reader = BundleReader::new(&small(), &Profile::default());
    reader.push(exact).unwrap();
    assert!(reader.finish().is_ok());
    let more = Primary::default().bundle().end(&vec![0; 10_001 - overhead]);
    assert_eq!(Bundle::parse(more.clone(), &small()).unwrap_err().fault, Fault::BundleTooLarge);
    let mut reader = BundleReader::new(&small(), &Profile::default());
    assert_eq!(reader.push(more.slice(..100)).unwrap_err().fault, Fault::BundleTooLarge);
}

#[test]
fn a_payload_length_beyond_all_reason_is_refused_at_once() {
    for length in [1_u64 << 40, 1 << 62, (1 << 62) + 1, u64::MAX] {
        let mut octets = Primary::default().bundle().0;
        octets.extend([vec![0x85, 1, 1, 0, 0], head(2, length)].concat());
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        let refused = reader.push(octets.into()).unwrap_err();
        assert_eq!(refused.fault, Fault::BundleTooLarge, "{length}");
    }
}

#[test]
fn a_head_may_have_exactly_as_many_octets_as_allowed() {
    let with_data = |octets: usize| Primary::default().bundle().block(200, 2, &vec![0; octets]).end(b"x");
    let overhead = check(with_data(60_000)).unwrap().head().bytes().len() - 60_000;
    let exact = with_data(HEAD_OCTETS_MAX - overhead);
    assert_eq!(check(exact.clone()).unwrap().head().bytes().len(), HEAD_OCTETS_MAX);
    assert!(read_in_pieces(&exact, 1).is_ok());
    let more = with_data(HEAD_OCTETS_MAX - overhead + 1);
    assert_eq!(check(more.clone()).unwrap_err().fault, Fault::HeadTooLarge);
    assert_eq!(read_in_pieces(&more, 1).unwrap_err().fault, Fault::HeadTooLarge);
    assert_eq!(read_in_pieces(&more, more.len()).unwrap_err().fault, Fault::HeadTooLarge);
}

#[test]
fn a_bundle_may_have_exactly_as_many_blocks_as_allowed() {
    let with_blocks = |count: usize| {
        let mut raw = Primary::default().bundle();
        for number in 0..count {
            raw = raw.block(200, number as u64 + 2, b"");
        }
        raw.end(b"x")
    };
    assert_eq!(check(with_blocks(BLOCKS_MAX)).unwrap().head().blocks().len(), BLOCKS_MAX);
    for count in [BLOCKS_MAX + 1, 10_000] {
        assert_eq!(check(with_blocks(count)).unwrap_err().fault, Fault::TooManyBlocks);
        assert_eq!(read_in_pieces(&with_blocks(count), 1).unwrap_err().fault, Fault::TooManyBlocks);
    }
}

#[test]
fn an_endless_primary_block_is_cut_off_early() {
    // A report-to endpoint of an unknown scheme that never ends.
    let mut octets =
        Bytes::from_static(b"\x9f\x88\x07\x00\x00\x82\x01\x64//b/\x82\x01\x64//a/\x82\x18\x63\x99\xff\xff")
            .to_vec();
    octets.resize(10_000, 0);
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let taken =
        octets.iter().take_while(|octet| reader.push(Bytes::copy_from_slice(&[**octet])).is_ok()).count();
    assert!((3_000..3_300).contains(&taken), "{taken}");
}

#[test]
fn what_is_no_bundle_is_refused_after_three_octets() {
    for start in
        [&b"GET / HTTP/1.1"[..], b"\x16\x03\x01", b"\x9f\xff", b"\x9f\x88\x06", b"dtn!\x04\x00", b"\x00"]
    {
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        let taken =
            start.iter().take_while(|octet| reader.push(Bytes::copy_from_slice(&[**octet])).is_ok()).count();
        assert!(taken < 3, "{start:?}");
    }
}

#[test]
fn a_reader_that_has_failed_or_not_finished_gives_no_bundle() {
    let octets = signed(b"hello").encode().unwrap();
    for end in 0..octets.len() {
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        reader.push(octets.slice(..end)).unwrap();
        assert_eq!(reader.finish().unwrap_err().fault, Fault::Truncated, "{end}");
    }
}

#[test]
fn too_much_is_refused_in_the_same_way_however_it_arrives() {
    let endless: &[u8] = b"\x9f\x88\x07\x00\x00\x82\x01\x64//b/\x82\x01\x64//a/\x82\x18\x63\x99\xff\xff";
    let with_data = |octets: usize| Primary::default().bundle().block(200, 2, &vec![0; octets]).end(b"x");
    let overhead = check(with_data(60_000)).unwrap().head().bytes().len() - 60_000;
    let mut cases: Vec<Bytes> = [3_090, 3_110, 3_118, 3_119, 3_120, 5_000]
        .map(|length| {
            let mut octets = endless.to_vec();
            octets.resize(length, 0);
            octets.extend(b"\x18\x00 and nothing sensible");
            octets.into()
        })
        .into();
    cases.extend((0..20).map(|more| with_data(HEAD_OCTETS_MAX - overhead + more - 8)));
    for octets in cases {
        let at_once = read_in_pieces(&octets, octets.len());
        for size in [1, 1000, 65_000] {
            assert_eq!(read_in_pieces(&octets, size), at_once, "{} octets by {size}", octets.len());
        }
    }
}
