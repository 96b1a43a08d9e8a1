//! Bundles through the public face of the crate: made, signed, read, forwarded, put together, and refused.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up has failed"
)]

mod custody;
mod endpoints;
mod forwarding;
mod hostile;
mod keys;
mod limits;
mod own;
mod properties;
mod raw;
mod reassembly;
mod records;
mod security;
mod signatures;

use bundle_format::{
    Bundle, BundleFlags, BundleReader, CheckedBundle, CreationTimestamp, DtnTime, Eid, Limits, Malformed,
    Metadata, NewBundle, NodeKey, Priority, Profile,
};
use bytes::Bytes;

fn key() -> NodeKey {
    NodeKey::from_seed([7; 32])
}

/// A bundle with everything that one of ours can have.
fn draft() -> NewBundle {
    NewBundle {
        destination: "dtn://clinic-3/inbox".parse().unwrap(),
        source: "dtn://hospital/records".parse().unwrap(),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(813_110_400_000), sequence: 4_294_967_297 },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::empty(),
        age_ms: Some(0),
        hop_limit: Some(30),
        metadata: Some(Metadata {
            file_name: Some("x-ray.dcm".to_owned()),
            media_type: Some("application/dicom".to_owned()),
            priority: Priority::Urgent,
            record: None,
        }),
    }
}

fn signed(payload: &'static [u8]) -> CheckedBundle {
    draft().sign(&Profile::default(), &key(), Bytes::from_static(payload)).unwrap()
}

fn check(octets: impl Into<Bytes>) -> Result<CheckedBundle, Malformed> {
    Ok(Bundle::parse(octets.into(), &Limits::default())?.check(&Profile::default()))
}

/// Reads a bundle in pieces of a given size, payload included.
fn read_in_pieces(octets: &Bytes, size: usize) -> Result<CheckedBundle, Malformed> {
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let mut payload = Vec::new();
    for start in (0..octets.len()).step_by(size) {
        payload.extend_from_slice(&reader.push(octets.slice(start..octets.len().min(start + size)))?);
    }
    let checked = reader.finish()?;
    assert_eq!(payload.len() as u64, checked.head().payload_octets());
    let whole = [checked.head().bytes(), &payload[..], checked.tail()].concat();
    check(whole)
}
