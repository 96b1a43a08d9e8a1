//! Fragments of others, put together where they are delivered (RFC 9171 §5.9).

use agent_core::config::Stance;
use bundle_format::{Bundle, CheckedBundle, Limits, Profile};
use bytes::Bytes;
use minicbor::Encoder;

use crate::support::{Node, config, eid};

const UNIT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const MADE_MS: u64 = 800_000_000_000;

/// A fragment as another implementation might send it: no CRC, no signature (§4.3.1).
fn fragment(range: std::ops::Range<usize>) -> CheckedBundle {
    let mut octets = vec![0x9f];
    let mut primary = Encoder::new(Vec::new());
    primary.array(10).unwrap().u8(7).unwrap().u8(1).unwrap().u8(0).unwrap();
    octets.extend(primary.into_writer());
    for name in ["dtn://n/inbox", "dtn://other/", "dtn:none"] {
        octets.extend(eid(name).to_cbor());
    }
    let mut rest = Encoder::new(Vec::new());
    rest.array(2).unwrap().u64(MADE_MS).unwrap().u8(7).unwrap().u64(3_600_000).unwrap();
    rest.u64(range.start as u64).unwrap().u64(UNIT.len() as u64).unwrap();
    rest.array(5).unwrap().u8(1).unwrap().u8(1).unwrap().u8(0).unwrap().u8(0).unwrap();
    rest.bytes(&UNIT[range]).unwrap();
    octets.extend(rest.into_writer());
    octets.push(0xff);
    Bundle::parse(Bytes::from(octets), &Limits::default()).unwrap().check(&Profile::default())
}

fn node(quota_octets: u64) -> Node {
    let mut settings = config("n");
    settings.unsigned = Stance::Deliver;
    (settings.quota_octets, settings.stranger_quota_octets) = (quota_octets, quota_octets);
    Node::with(settings)
}

#[test]
fn fragments_become_the_whole_in_whatever_order_they_come_and_stay_no_longer() {
    let mut node = node(1 << 20);
    for range in [20..36, 0..7] {
        node.import(fragment(range)).unwrap();
        assert!(node.queued("dtn://n/inbox").is_none());
    }
    node.import(fragment(7..20)).unwrap();
    let whole = node.queued("dtn://n/inbox").expect("it is whole");
    assert_eq!((&node.payload(whole)[..], node.bundles()), (UNIT, 1));
}

#[test]
fn a_quota_that_has_room_for_the_fragments_has_room_for_the_whole() {
    let parts = [0..12, 12..24, 24..36].map(fragment);
    let mut node = node(parts.iter().map(CheckedBundle::octets).sum());
    for part in parts {
        node.import(part).unwrap();
    }
    let whole = node.queued("dtn://n/inbox").expect("it is whole");
    assert_eq!(&node.payload(whole)[..], UNIT);
}
