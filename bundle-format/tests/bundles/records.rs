//! Administrative records.

use bundle_format::{AdministrativeRecord, Asserted, DtnTime, FragmentExtent, ReasonCode, StatusReport};
use data_encoding::HEXLOWER;

use crate::raw::Primary;
use crate::{check, signed};

fn record(report: StatusReport) -> AdministrativeRecord {
    AdministrativeRecord::StatusReport(report)
}

#[test]
fn a_status_report_has_its_golden_octets() {
    let bundle = signed(b"hello");
    let report = record(StatusReport::delivered(bundle.head(), Some(DtnTime(813_110_405_000))));
    assert_eq!(
        HEXLOWER.encode(&report.encode()),
        concat!(
            "8201848481f481f482f51b000000bd5128278881f4008201722f2f686f73706974616c2f7265636f726473",
            "821b000000bd512814001b0000000100000001",
        )
    );
    assert_eq!(AdministrativeRecord::decode(&report.encode()), Ok(report));
}

#[test]
fn status_reports_name_the_bundle_that_they_are_about() {
    let fragment = Primary { flags: 1, fragment: Some((5, 10)), ..Primary::default() }.bundle().end(b"12345");
    let fragment = check(fragment).unwrap();
    let at = Some(DtnTime(7));
    let reports = [
        StatusReport::received(fragment.head(), at),
        StatusReport::forwarded(fragment.head(), None),
        StatusReport::delivered(fragment.head(), at),
        StatusReport::deleted(fragment.head(), None, ReasonCode::HopLimitExceeded),
    ];
    for report in reports {
        assert_eq!(report.identity(), fragment.head().identity());
        assert_eq!(report.fragment, Some(FragmentExtent { offset: 5, octets: 5 }));
        assert_eq!(AdministrativeRecord::decode(&record(report.clone()).encode()), Ok(record(report)));
    }
    let deleted = StatusReport::deleted(fragment.head(), at, ReasonCode::HopLimitExceeded);
    assert_eq!((deleted.deleted, deleted.received), (Some(Asserted { at }), None));
    assert_eq!(deleted.reason, ReasonCode::HopLimitExceeded);
}

#[test]
fn records_of_unknown_types_are_kept_and_malformed_ones_refused() {
    let unknown = b"\x82\x0d\xa1\x01\x81\x83\x01\x07\x03";
    let Ok(AdministrativeRecord::Unknown { code: 13, content }) = AdministrativeRecord::decode(unknown)
    else {
        panic!()
    };
    assert_eq!(content, unknown[2..]);
    let right = record(StatusReport::received(signed(b"x").head(), None)).encode();
    for end in 0..right.len() {
        assert!(AdministrativeRecord::decode(&right[..end]).is_err());
    }
    for wrong in [
        &b"\x82\x01\x80"[..],
        b"\x81\x01",
        b"\x82\x20\x00",
        b"\x82\x0d\x00\x00",
        b"\x82\x01\x84\x83\x81\xf4\x81\xf4\x81\xf4",
    ] {
        assert!(AdministrativeRecord::decode(wrong).is_err());
    }
}
