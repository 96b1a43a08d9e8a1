//! Endpoint IDs, in bundles and in text.

use bundle_format::{EID_OCTETS_MAX, Eid};

use crate::Octets;

/// Octets that are an endpoint ID, as CBOR or as text, name the same endpoint after a way through either form.
pub fn eid(octets: &[u8]) {
    if let Ok(eid) = Eid::from_cbor(octets) {
        assert!(octets.len() <= EID_OCTETS_MAX, "{eid} was read from {} octets", octets.len());
        returns(&eid);
    }
    if let Ok(text) = str::from_utf8(octets)
        && let Ok(eid) = text.parse()
    {
        returns(&eid);
    }
}

fn returns(eid: &Eid) {
    let octets = eid.to_cbor();
    assert!(octets.len() <= EID_OCTETS_MAX, "{eid} takes {} octets", octets.len());
    assert_eq!(Eid::from_cbor(&octets).as_ref(), Ok(eid), "by way of {octets:02x?}");
    assert_eq!(eid.to_string().parse().as_ref(), Ok(eid), "by way of text");
    if let Some(node) = eid.node_id() {
        assert!(node.is_node_id(), "{node} of {eid}");
        assert_eq!(node.with_demux(&eid.demux()).as_ref(), Ok(eid), "{eid} from its node and its demux");
    }
}

/// IDs of every scheme, in both forms and both encodings of `ipn`.
pub fn eid_seeds() -> Vec<Octets> {
    let texts = [
        "dtn:none",
        "dtn://clinic-3/",
        "dtn://hub/inbox",
        "dtn://all/~updates",
        "dtn://a%20b/x?y=z",
        "ipn:0.0",
        "ipn:7.1",
        "ipn:977000.100.1",
        "ipn:!.5",
        "cbor:821864f5",
    ];
    let mut seeds: Vec<Octets> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend(texts.iter().filter_map(|text| text.parse::<Eid>().ok()).map(|eid| eid.to_cbor()));
    // RFC 9758 §6.2: the allocator and the node number in one number.
    seeds.push(b"\x82\x02\x82\x1b\x00\x0e\xe8\x68\x00\x00\x00\x64\x01".to_vec());
    seeds
}
