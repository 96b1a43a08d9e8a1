//! Endpoint IDs and other pieces of bundles.

use bundle_format::{Eid, Limits};
use serde_json::Value;

use crate::{file, octets, text};

fn of_kind(kind: &str) -> Vec<Value> {
    let Some(vectors) = file("bpv7-elements.json") else { return Vec::new() };
    let vectors = vectors["vectors"].as_array().unwrap().iter();
    vectors.filter(|vector| vector["kind"] == kind).cloned().collect()
}

#[test]
fn endpoint_ids_mean_the_same_in_every_encoding() {
    for vector in of_kind("EID") {
        let name = text(&vector, "text").split(' ').next().unwrap();
        let octets = octets(text(&vector, "hex"));
        let eid = Eid::from_cbor(&octets).unwrap();
        let expected = if name == "ipn:0.0" { Eid::Null } else { name.parse().unwrap() };
        assert_eq!(eid, expected, "{vector}");
        let is_recommended = vector["form"].as_str().is_none_or(|form| form.ends_with("recommended"));
        if is_recommended && !eid.is_null() {
            assert_eq!(eid.to_cbor(), octets, "{vector}");
        }
    }
}

#[test]
fn primary_blocks_from_before_the_rfc_are_refused() {
    for vector in of_kind("primary block") {
        let octets =
            [&[0x9f][..], &octets(text(&vector, "hex")), b"\x85\x01\x01\x00\x00\x43ABC\xff"].concat();
        assert!(bundle_format::Bundle::parse(octets.into(), &Limits::default()).is_err(), "{vector}");
    }
}
