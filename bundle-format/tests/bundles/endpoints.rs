//! Endpoint IDs: text, octets, and what they name.

use bundle_format::{EID_OCTETS_MAX, Eid, EidError};

fn eid(text: &str) -> Eid {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn text_and_octets_lead_to_the_same_endpoint() {
    for text in [
        "dtn:none",
        "dtn://node/",
        "dtn://node/inbox",
        "dtn://node/a/b?c#d",
        "dtn://node/~all",
        "dtn://n%20x/",
        "ipn:1.0",
        "ipn:4294967294.18446744073709551615",
        "ipn:977000.1.7",
        "ipn:977000.0.7",
        "ipn:!.7",
        "cbor:821863820102",
    ] {
        let eid = eid(text);
        assert_eq!(eid.to_string(), text);
        assert_eq!(Eid::from_cbor(&eid.to_cbor()), Ok(eid));
    }
    assert_eq!(eid("ipn:0.1.7"), eid("ipn:1.7"));
    assert_eq!(eid("ipn:0.4294967295.7"), eid("ipn:!.7"));
    assert_eq!((eid("ipn:0.0"), eid("ipn:0.0.9")), (Eid::Null, Eid::Null));
}

#[test]
fn what_is_no_endpoint_id_is_refused_with_a_reason() {
    for (text, error) in [
        ("", EidError::Scheme),
        ("http://x/", EidError::Scheme),
        ("DTN://x/", EidError::Scheme),
        ("dtn:", EidError::DtnShape),
        ("dtn:some", EidError::DtnShape),
        ("dtn://node", EidError::DtnShape),
        ("dtn:///x", EidError::NodeName),
        ("dtn://a b/", EidError::NodeName),
        ("dtn://a%2/", EidError::NodeName),
        ("dtn://ä/", EidError::NodeName),
        ("dtn://a@b/", EidError::NodeName),
        ("dtn://a/b c", EidError::Demux),
        ("dtn://a/\u{7f}", EidError::Demux),
        ("dtn://a/ü", EidError::Demux),
        ("ipn:", EidError::IpnShape),
        ("ipn:1", EidError::IpnShape),
        ("ipn:1.", EidError::IpnShape),
        ("ipn:01.2", EidError::IpnShape),
        ("ipn:+1.2", EidError::IpnShape),
        ("ipn:1.2.3.4", EidError::IpnShape),
        ("ipn:1.!.3", EidError::IpnShape),
        ("ipn:4294967296.1", EidError::IpnNumber),
        ("ipn:1.18446744073709551616", EidError::IpnNumber),
        ("cbor:8201", EidError::Octets),
    ] {
        assert_eq!(text.parse::<Eid>(), Err(error), "{text}");
    }
    let longest = format!("dtn://n/{}", "x".repeat(996));
    assert_eq!(eid(&longest).to_cbor().len(), EID_OCTETS_MAX - 1);
    assert_eq!(format!("{longest}x").parse::<Eid>(), Err(EidError::TooLong));
}

#[test]
fn octets_that_break_the_rules_of_their_scheme_are_refused() {
    let refused: [&[u8]; 17] = [
        b"",
        b"\x82\x00\x00",
        b"\x82\x01\x01",
        b"\x82\x01\x64none",
        b"\x82\x01\x65//a/\n",
        b"\x82\x01\x66//a/\xc3\xbc",
        b"\x82\x01\x64//\x00/",
        b"\x82\x01\x20",
        b"\x82\x01\x44//a/",
        b"\x83\x01\x64//a/\x00",
        b"\x82\x02\x81\x01",
        b"\x82\x02\x84\x00\x00\x01\x01",
        b"\x82\x02\x83\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x01\x01",
        b"\x82\x02\x83\x00\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x01",
        b"\x82\x02\x9f\x01\x01\xff",
        b"\x82\x18\x01\x00",
        b"\x82\x01\x00\x00",
    ];
    for octets in refused {
        assert!(Eid::from_cbor(octets).is_err(), "{octets:x?}");
    }
    let long = [&b"\x82\x18\x63\x59\x04\x00"[..], &[0; 1024]].concat();
    assert!(Eid::from_cbor(&long).is_err());
}

#[test]
fn nodes_groups_and_services_are_told_apart() {
    for (text, singleton, node_id, node) in [
        ("dtn:none", false, false, None),
        ("dtn://n/", true, true, Some("dtn://n/")),
        ("dtn://n/x", true, false, Some("dtn://n/")),
        ("dtn://n/~x", false, false, None),
        ("dtn://n/x~", true, false, Some("dtn://n/")),
        ("ipn:3.0", true, true, Some("ipn:3.0")),
        ("ipn:3.9", true, false, Some("ipn:3.0")),
        ("ipn:5.3.9", true, false, Some("ipn:5.3.0")),
        ("cbor:82186300", false, false, None),
    ] {
        let eid = eid(text);
        assert_eq!((eid.is_singleton(), eid.is_node_id()), (singleton, node_id), "{text}");
        assert_eq!(eid.node_id(), node.map(self::eid), "{text}");
    }
}

#[test]
fn a_demux_can_be_read_and_replaced() {
    assert_eq!(eid("dtn://n/a/b").demux(), "a/b");
    assert_eq!(eid("ipn:3.9").demux(), "9");
    assert_eq!(eid("dtn://n/x").with_demux("y"), Ok(eid("dtn://n/y")));
    assert_eq!(eid("dtn://n/x").with_demux(""), Ok(eid("dtn://n/")));
    assert_eq!(eid("dtn://n/x").with_demux("a b"), Err(EidError::Demux));
    assert_eq!(eid("ipn:3.9").with_demux("7"), Ok(eid("ipn:3.7")));
    assert_eq!(eid("ipn:3.9").with_demux(""), Ok(eid("ipn:3.0")));
    assert_eq!(eid("ipn:3.9").with_demux("x"), Err(EidError::IpnShape));
    assert_eq!(Eid::Null.with_demux("x"), Err(EidError::NoDemux));
    assert_eq!(Eid::dtn("a/b", "c"), Err(EidError::NodeName));
}
