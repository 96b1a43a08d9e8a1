//! Bundles: those that are well-formed parse and come back octet by octet, the others are refused.

use bundle_format::{
    AdministrativeRecord, Asserted, Bundle, BundleReader, BundleSequence, CheckedBundle, CustodyBlock,
    DtnTime, Fault, FragmentExtent, Limits, Malformed, Profile, ReasonCode, Run, SignatureVerdict,
};
use bytes::Bytes;
use serde_json::Value;

use crate::{file, octets, text};

/// Published as well-formed, but not by the rules that we hold to.
const NOT_WELL_FORMED: [(&str, &str); 3] = [
    (
        "dtn7-rs-http-doc-2",
        "dtn://node1 lacks the slash that RFC 9171 §4.2.5.1.1 demands after the node name",
    ),
    ("bpv7_elixir-crc32c-all-blocks", "dtn://a.dtn lacks the same slash"),
    (
        "hardy-pics_56_1_cannot_add_bcb_to_fragment-incoming",
        "35 octets of an application data unit of 0 octets",
    ),
];

fn parse(octets: Bytes) -> Result<CheckedBundle, Malformed> {
    Ok(Bundle::parse(octets, &Limits::default())?.check(&Profile::default()))
}

/// The bundle read whole, read octet by octet, and written again.
fn survives(octets: &Bytes, what: &Value) -> CheckedBundle {
    let bundle = parse(octets.clone()).unwrap_or_else(|malformed| panic!("{malformed}: {what}"));
    assert_eq!(bundle.encode().as_ref(), Some(octets), "{what}");
    assert_eq!(bundle.octets(), octets.len() as u64);
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let mut payload = Vec::new();
    for octet in octets {
        payload.extend_from_slice(&reader.push(Bytes::copy_from_slice(&[*octet])).unwrap());
    }
    assert_eq!(reader.finish_with_payload(payload.into()).as_ref(), Ok(&bundle), "{what}");
    bundle
}

#[test]
fn well_formed_bundles_come_back_octet_by_octet() {
    for name in ["bpv7-made-by-collector.json", "bpv7-bpsec-cose-17.json", "bpv7-public-test-suites.json"] {
        let Some(vectors) = file(name) else { return };
        for vector in vectors["vectors"].as_array().unwrap() {
            let exception = NOT_WELL_FORMED.iter().find(|(name, _)| vector["name"] == *name);
            match exception {
                Some((_, why)) => assert!(parse(octets(text(vector, "hex"))).is_err(), "{why}"),
                None => drop(survives(&octets(text(vector, "hex")), vector)),
            }
        }
    }
}

#[test]
fn the_bundles_of_rfc_9173_come_back_octet_by_octet() {
    let Some(vectors) = file("bpv7-rfc9173-appendix-a.json") else { return };
    let examples = vectors["examples"].as_array().unwrap();
    let all = examples.iter().flat_map(|example| example["vectors"].as_array().unwrap());
    let bundles: Vec<&Value> = all.filter(|vector| vector["kind"] == "bundle").collect();
    assert_eq!(bundles.len(), 8);
    for vector in bundles {
        survives(&octets(text(vector, "hex")), vector);
    }
}

#[test]
fn invalid_bundles_are_refused_and_failed_security_is_not_valid() {
    let Some(vectors) = file("bpv7-invalid.json") else { return };
    for vector in vectors["vectors"].as_array().unwrap() {
        let parsed = parse(octets(text(vector, "hex")));
        if text(vector, "expect").starts_with("security check fails") {
            assert_eq!(parsed.unwrap().signature(), &SignatureVerdict::NotUnderstood, "{vector}");
        } else {
            let malformed = parsed.expect_err(&vector.to_string());
            assert_eq!(malformed.reason(), ReasonCode::BlockUnintelligible);
        }
    }
}

#[test]
fn what_published_bundles_say_is_read() {
    let Some(vectors) = file("bpv7-made-by-collector.json") else { return };
    let named = |name: &str| {
        let mut vectors = vectors["vectors"].as_array().unwrap().iter();
        let vector = vectors.find(|vector| vector["name"] == name).unwrap();
        survives(&octets(text(vector, "hex")), vector)
    };
    let all = named("all-extension-blocks");
    assert_eq!(all.head().previous_node(), Some("ipn:7.0".parse().unwrap()));
    assert_eq!(all.head().bundle_age_ms(), Some(1500));
    assert_eq!(all.head().hop_count().map(|hops| (hops.limit, hops.count)), Some((30, 3)));
    assert_eq!(all.head().reception(&[6, 7, 10]).drop, [5]);
    assert_eq!(named("ipn-three-element").head().primary().source, "ipn:977000.1.1".parse().unwrap());
    assert!(named("anonymous").head().primary().source.is_null());
    let fragment = named("fragment-2-of-2").head().identity();
    assert_eq!(fragment.fragment, Some(FragmentExtent { offset: 5, octets: 6 }));

    let AdministrativeRecord::StatusReport(report) = record(&named("status-report")) else { panic!() };
    let created = DtnTime(813_110_400_000);
    assert_eq!(report.received, Some(Asserted { at: Some(DtnTime(created.0 + 5000)) }));
    assert_eq!(report.delivered, Some(Asserted { at: Some(DtnTime(created.0 + 5001)) }));
    assert_eq!(
        (report.forwarded, report.deleted, report.reason),
        (None, None, ReasonCode::NoAdditionalInformation)
    );
    assert_eq!((report.creation.time, report.creation.sequence), (created, 1));
    let AdministrativeRecord::StatusReport(report) = record(&named("status-report-fragment")) else {
        panic!()
    };
    assert_eq!((report.deleted, report.reason), (Some(Asserted { at: None }), ReasonCode::LifetimeExpired));
    assert_eq!(report.fragment, Some(FragmentExtent { offset: 5, octets: 6 }));
}

#[test]
fn what_published_bundles_say_of_custody_is_read() {
    let Some(vectors) = file("bpv7-made-by-collector.json") else { return };
    let named = |name: &str| {
        let mut vectors = vectors["vectors"].as_array().unwrap().iter();
        vectors.find(|vector| vector["name"] == name).unwrap().clone()
    };
    let vector = named("ccsds-734.6-cteb");
    let bundle = survives(&octets(text(&vector, "hex")), &vector);
    let custody = bundle.head().custody(&Profile::default()).unwrap();
    assert_eq!(custody, CustodyBlock { number: 7, sequence: 1, custodian: "ipn:100.0".parse().unwrap() });
    assert_eq!(custody.encode(), octets(text(&vector, "cteb_hex")));

    let run = |first, count| Run { first, count };
    for (name, accepted, refused) in [
        ("ccsds-734.6-ccs", vec![run(7, 3)], vec![]),
        ("ccsds-734.6-ccs-gap", vec![run(7, 2), run(10, 4)], vec![run(20, 1)]),
    ] {
        let vector = named(name);
        let bundle = survives(&octets(text(&vector, "hex")), &vector);
        let signal = record(&bundle).custody_signal(&Profile::default()).unwrap().unwrap();
        assert_eq!(signal.record(&Profile::default()).encode(), octets(text(&vector, "admin_record_hex")));
        let runs = |sequences: &[BundleSequence]| -> Vec<Run> {
            sequences.iter().flat_map(|sequence| sequence.runs.clone()).collect()
        };
        assert_eq!((runs(&signal.accepted), runs(&signal.refused)), (accepted, refused));
    }
}

/// The record that a bundle carries, which comes back octet by octet too.
fn record(bundle: &CheckedBundle) -> AdministrativeRecord {
    assert!(bundle.head().is_administrative_record());
    let payload = bundle.payload().unwrap();
    let record = AdministrativeRecord::decode(payload).unwrap();
    assert_eq!(record.encode(), payload[..]);
    record
}

#[test]
fn a_wrong_crc_is_refused_in_every_block_that_has_one() {
    let Some(vectors) = file("bpv7-made-by-collector.json") else { return };
    for name in ["all-extension-blocks", "minimal-crc16"] {
        let vectors = vectors["vectors"].as_array().unwrap();
        let vector = vectors.iter().find(|vector| vector["name"] == name).unwrap();
        let octets = octets(text(vector, "hex"));
        let fields = (0..octets.len() - 2).filter(|at| octets[*at] == 0x44 || octets[*at] == 0x42);
        let mut refused = 0;
        for at in fields {
            let mut wrong = octets.to_vec();
            wrong[at + 1] ^= 0x80;
            refused += u32::from(parse(wrong.into()).is_err_and(|malformed| malformed.fault == Fault::Crc));
        }
        assert!(refused >= 2, "{name}: {refused} wrong CRCs were refused as such");
    }
}
