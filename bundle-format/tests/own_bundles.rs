//! Bundles of our own: what is made is what is read.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use bundle_format::*;
use bytes::Bytes;
fn new() -> NewBundle {
    NewBundle {
        destination: Eid::dtn("b", "inbox").unwrap(),
        source: Eid::dtn("a", "").unwrap(),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(0), sequence: 7 },
        lifetime_ms: 3_600_000,
        flags: BundleFlags::empty(),
        age_ms: Some(0),
        hop_limit: Some(3),
        metadata: Some(Metadata { file_name: Some("x.txt".into()), ..Metadata::default() }),
    }
}
#[test]
fn signed_bundles_verify() {
    let key = NodeKey::from_seed([7; 32]);
    let profile = Profile::default();
    let signed = new().sign(&profile, &key, Bytes::from_static(b"hello")).unwrap();
    let octets = signed.encode().unwrap();
    let again = Bundle::parse(octets.clone(), &Limits::default()).unwrap().check(&profile);
    assert_eq!(again, signed);
    assert_eq!(again.signer(), Some(key.public()));
    let mut reader = BundleReader::new(&Limits::default(), &profile);
    let mut payload = Vec::new();
    for octet in &octets {
        payload.extend_from_slice(&reader.push(Bytes::copy_from_slice(&[*octet])).unwrap());
    }
    assert_eq!(reader.finish_with_payload(payload.into()).unwrap(), signed);
    println!("{} octets", octets.len());
}
