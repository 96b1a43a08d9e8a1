//! Two nodes over real sockets, each seen through its link.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{CloseReason, Control, Event, Link, Outgoing, RefusalReason};
use tcpcl::{ContactError, Listener, Options, connect};

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn pair_with(active: Options, passive: Options) -> (Link, Link) {
    let listener = Listener::bind(loopback(), Arc::new(passive)).await.unwrap();
    let address = listener.local_address().unwrap();
    let (active, passive) = tokio::join!(connect(address, Arc::new(active)), listener.accept());
    let (mut active, (mut passive, _)) = (active.unwrap(), passive.unwrap());
    let opened = active.events.recv().await.unwrap();
    assert!(matches!(opened, Event::Opened { node_id: Some(id), .. } if id == "dtn://passive/"));
    let opened = passive.events.recv().await.unwrap();
    assert!(matches!(opened, Event::Opened { node_id: Some(id), .. } if id == "dtn://active/"));
    (active, passive)
}

async fn pair() -> (Link, Link) {
    pair_with(Options::new("dtn://active/"), Options::new("dtn://passive/")).await
}

async fn send(outgoing: &tokio::sync::mpsc::Sender<Outgoing>, transfer: u64, bundle: &Bytes) {
    let length = bundle.len() as u64;
    outgoing.send(Outgoing::Begin { transfer, length }).await.unwrap();
    for at in (0..bundle.len()).step_by(100_000) {
        let piece = bundle.slice(at..bundle.len().min(at + 100_000));
        outgoing.send(Outgoing::Octets(piece)).await.unwrap();
    }
}

/// Receives one bundle and leaves it unanswered.
async fn receive(link: &mut Link) -> (u64, Vec<u8>) {
    let Some(Event::Receiving { transfer, length }) = link.events.recv().await else { panic!("no transfer") };
    let mut bundle = Vec::new();
    loop {
        match link.events.recv().await.unwrap() {
            Event::Octets(octets) => {
                assert!(octets.len() <= 64 * 1024);
                bundle.extend_from_slice(&octets);
            }
            Event::Received => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(length, Some(bundle.len() as u64));
    (transfer, bundle)
}

async fn closed(link: &mut Link) -> String {
    let Some(Event::Closed { reason }) = link.events.recv().await else { panic!("not closed") };
    assert_eq!(link.events.recv().await, None);
    reason
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_bundle_is_sent_once_its_receiver_has_accepted_it() {
    let (mut active, mut passive) = pair().await;
    let bundle = pattern(1_000_000);
    let sending = send(&active.outgoing, 7, &bundle);
    let ((), (transfer, received)) = tokio::join!(sending, receive(&mut passive));
    assert_eq!(transfer, 7);
    assert_eq!(received, bundle);
    passive.control.send(Control::Accept(7)).unwrap();
    assert_eq!(active.events.recv().await, Some(Event::Sent(7)));
}

#[tokio::test]
async fn bundles_go_both_ways_at_once_and_are_answered_later() {
    let (mut active, mut passive) = pair().await;
    let bundles: Vec<Bytes> = [0, 1, 300, 70_000, 2_000_000, 5].into_iter().map(pattern).collect();
    for (transfer, bundle) in (0..).zip(&bundles) {
        let both = async {
            tokio::join!(send(&active.outgoing, transfer, bundle), send(&passive.outgoing, transfer, bundle))
        };
        let (_, active_outbound, passive_outbound) = {
            let (active_events, passive_events) = (&mut active.events, &mut passive.events);
            tokio::join!(both, collect(active_events), collect(passive_events))
        };
        assert_eq!(active_outbound, *bundle);
        assert_eq!(passive_outbound, *bundle);
    }
    for transfer in 0..bundles.len() as u64 {
        active.control.send(Control::Accept(transfer)).unwrap();
        passive.control.send(Control::Accept(transfer)).unwrap();
        assert_eq!(active.events.recv().await, Some(Event::Sent(transfer)));
        assert_eq!(passive.events.recv().await, Some(Event::Sent(transfer)));
    }
}

async fn collect(events: &mut tokio::sync::mpsc::Receiver<Event>) -> Vec<u8> {
    let mut bundle = Vec::new();
    loop {
        match events.recv().await.unwrap() {
            Event::Octets(octets) => bundle.extend_from_slice(&octets),
            Event::Received => return bundle,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_refused_bundle_is_named_with_its_reason_and_the_next_one_follows() {
    let (mut active, mut passive) = pair().await;
    active.outgoing.send(Outgoing::Begin { transfer: 1, length: u64::from(u32::MAX) }).await.unwrap();
    active.outgoing.send(Outgoing::Octets(pattern(200_000))).await.unwrap();
    assert!(matches!(passive.events.recv().await, Some(Event::Receiving { transfer: 1, .. })));
    passive.control.send(Control::Refuse(1, RefusalReason::Completed)).unwrap();
    let reason = RefusalReason::Completed;
    assert_eq!(active.events.recv().await, Some(Event::Refused { transfer: 1, reason }));
    send(&active.outgoing, 2, &pattern(10)).await;
    while !matches!(passive.events.recv().await, Some(Event::Receiving { transfer: 2, .. })) {}
    assert_eq!(collect(&mut passive.events).await, pattern(10));
}

#[tokio::test]
async fn a_contact_that_is_closed_finishes_what_is_under_way() {
    let (mut active, mut passive) = pair().await;
    let bundle = pattern(3_000_000);
    active.outgoing.send(Outgoing::Begin { transfer: 1, length: 3_000_000 }).await.unwrap();
    active.outgoing.send(Outgoing::Octets(bundle.slice(..1_000_000))).await.unwrap();
    assert!(matches!(passive.events.recv().await, Some(Event::Receiving { transfer: 1, .. })));
    passive.control.send(Control::Close(CloseReason::Busy)).unwrap();
    active.outgoing.send(Outgoing::Octets(bundle.slice(1_000_000..))).await.unwrap();
    assert_eq!(collect(&mut passive.events).await, bundle);
    passive.control.send(Control::Accept(1)).unwrap();
    assert_eq!(active.events.recv().await, Some(Event::Sent(1)));
    assert_eq!(closed(&mut active).await, "ended by the neighbor: busy");
    assert_eq!(closed(&mut passive).await, "ended by us: busy");
}

#[tokio::test]
async fn an_agent_that_waits_to_send_is_told_when_the_contact_is_over() {
    let (active, passive) = pair().await;
    tokio::time::pause();
    let filling = async {
        let mut transfer = 0;
        // Nobody answers, so that the window fills, then the channel.
        while active.outgoing.send(Outgoing::Begin { transfer, length: 0 }).await.is_ok() {
            transfer += 1;
        }
    };
    let dropping = async {
        while active.outgoing.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        drop(passive);
    };
    tokio::join!(filling, dropping);
}

#[tokio::test]
async fn a_dropped_link_ends_the_contact_for_the_neighbor() {
    let (active, mut passive) = pair().await;
    drop(active);
    assert_eq!(closed(&mut passive).await, "ended by the neighbor: no reason given");
}

#[tokio::test]
async fn an_agent_that_reads_no_events_still_has_its_decisions_carried_out() {
    let (mut active, mut passive) = pair().await;
    let bundle = pattern(100);
    let filling = async {
        for transfer in 0..400 {
            send(&active.outgoing, transfer, &bundle).await;
        }
    };
    filling.await;
    let first = receive(&mut passive).await;
    // The rest stays unread: far more events than the channel holds.
    passive.control.send(Control::Accept(first.0)).unwrap();
    assert_eq!(active.events.recv().await, Some(Event::Sent(0)));
}

#[tokio::test]
async fn a_bundle_above_the_neighbors_limit_is_refused_on_this_side() {
    let passive = Options { transfer_mru: 1000, ..Options::new("dtn://passive/") };
    let (mut active, mut passive) = pair_with(Options::new("dtn://active/"), passive).await;
    send(&active.outgoing, 1, &pattern(1001)).await;
    let reason = RefusalReason::NotAcceptable;
    assert_eq!(active.events.recv().await, Some(Event::Refused { transfer: 1, reason }));
    send(&active.outgoing, 2, &pattern(1000)).await;
    assert_eq!(receive(&mut passive).await, (2, pattern(1000).to_vec()));
}

#[tokio::test]
async fn an_abandoned_bundle_is_broken_for_the_neighbor_and_the_contact_goes_on() {
    let (active, mut passive) = pair().await;
    active.outgoing.send(Outgoing::Begin { transfer: 1, length: 500_000 }).await.unwrap();
    active.outgoing.send(Outgoing::Octets(pattern(200_000))).await.unwrap();
    active.outgoing.send(Outgoing::Abandon).await.unwrap();
    while passive.events.recv().await != Some(Event::Broken) {}
    send(&active.outgoing, 2, &pattern(10)).await;
    assert_eq!(receive(&mut passive).await, (2, pattern(10).to_vec()));
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_named() {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(address, Arc::new(Options::new("dtn://active/"))).await.unwrap_err();
    assert!(matches!(error, ContactError::Connect { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_before_anything_is_sent() {
    let long = Options::new("x".repeat(70_000));
    assert!(matches!(connect(loopback(), Arc::new(long)).await, Err(ContactError::Options(_))));
    let small = Options { segment_mru: 0, ..Options::new("dtn://active/") };
    assert!(matches!(Listener::bind(loopback(), Arc::new(small)).await, Err(ContactError::Options(_))));
    let none = Options { unanswered_max: 0, ..Options::new("dtn://active/") };
    assert!(matches!(Listener::bind(loopback(), Arc::new(none)).await, Err(ContactError::Options(_))));
}

#[tokio::test]
async fn a_silent_contact_is_kept_alive_and_an_idle_one_ends() {
    let idle = Duration::from_secs(100);
    let options = |id| Options { idle_timeout: idle, keepalive_seconds: 3, ..Options::new(id) };
    let (mut active, mut passive) = pair_with(options("dtn://active/"), options("dtn://passive/")).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let (first, second) = tokio::join!(closed(&mut active), closed(&mut passive));
    assert!(began.elapsed() >= idle);
    assert!(first.contains("idle timeout") && second.contains("idle timeout"), "{first}, {second}");
}
