//! The echo service, and reports of a bundle's way.

use agent_core::echo::endpoint_of;
use agent_core::request::{CustodyTransfer, Order, Report, Request};
use bundle_format::{AdministrativeRecord, StatusReport};
use bytes::Bytes;

use crate::support::{Node, Pair, Side, eid, order};

fn ping(payload: &'static [u8]) -> Request {
    let order =
        Order { source_demux: "ping-1".into(), custody: CustodyTransfer::NotWanted, ..order("dtn://b/echo") };
    Request::Transmit { order, payload: Bytes::from_static(payload) }
}

fn friends() -> Pair {
    Pair::meet(Node::trusting("a", &["b"]), Node::trusting("b", &["a"]))
}

#[test]
fn what_comes_to_the_echo_endpoint_goes_back_to_its_source_once() {
    let mut pair = friends();
    pair.ask(Side::A, ping(b"there and back"));
    let number = pair.a.queued("dtn://a/ping-1").expect("an answer");
    let answer = pair.a.whole(number);
    assert_eq!(answer.head().primary().source, eid("dtn://b/echo"));
    assert_eq!(&pair.a.payload(number)[..], b"there and back");
    // The request is not kept, and nobody has to take it.
    assert_eq!((pair.b.bundles(), pair.b.queued("dtn://b/echo")), (1, None));
}

#[test]
fn a_flood_of_requests_becomes_no_flood_of_answers() {
    let mut pair = friends();
    for _ in 0..100 {
        pair.ask(Side::A, ping(b"again"));
    }
    let txn = pair.a.store.read().unwrap();
    assert_eq!(txn.view().queue_len(&eid("dtn://a/ping-1")).unwrap(), 64);
}

#[test]
fn two_echo_endpoints_do_not_answer_each_other() {
    let mut pair = friends();
    let order = Order { source_demux: "echo".into(), ..order("dtn://b/echo") };
    pair.ask(Side::A, Request::Transmit { order, payload: Bytes::from_static(b"ball") });
    assert_eq!(pair.crossed, 1);
}

#[test]
fn the_echo_endpoint_of_an_ipn_node_is_service_128() {
    assert_eq!(endpoint_of(&eid("ipn:7.0")), Some(eid("ipn:7.128")));
    assert_eq!(endpoint_of(&eid("dtn://b/")), Some(eid("dtn://b/echo")));
}

#[test]
fn every_node_on_the_way_reports_to_the_endpoint_that_asked() {
    let mut pair = friends();
    let order = Order { source_demux: "trace-1".into(), report: Report::Way, ..order("dtn://b/echo") };
    pair.ask(Side::A, Request::Transmit { order, payload: Bytes::from_static(b"trace") });
    let (mut reports, mut after) = (Vec::new(), None);
    loop {
        let next = pair.a.store.read().unwrap().view().queued(&eid("dtn://a/trace-1"), after).unwrap();
        let Some(number) = next else { break };
        after = Some(number);
        if let Ok(AdministrativeRecord::StatusReport(report)) =
            AdministrativeRecord::decode(&pair.a.payload(number))
        {
            reports.push((pair.a.whole(number).head().primary().source.to_string(), report));
        }
    }
    let has = |node: &str, source: &str, happened: fn(&StatusReport) -> bool| {
        reports.iter().any(|(by, report)| by == node && report.source == eid(source) && happened(report))
    };
    assert!(has("dtn://b/", "dtn://a/trace-1", |report| report.received.is_some()), "{reports:?}");
    assert!(has("dtn://b/", "dtn://a/trace-1", |report| report.delivered.is_some()), "{reports:?}");
    assert!(has("dtn://a/", "dtn://a/trace-1", |report| report.forwarded.is_some()), "{reports:?}");
    assert!(has("dtn://b/", "dtn://b/echo", |report| report.forwarded.is_some()), "{reports:?}");
}
