//! Nodes at the two ends of a cable between pseudo-terminals, each seen through its link.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that goes wrong shall panic")]

mod cable;

use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{Control, Event, Link, Outgoing};
use serial::{Local, Settings, connect};
use tokio::time::timeout;

use crate::cable::{Cable, Terminal};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);

fn local(name: &str) -> Local {
    Local { node_id: format!("dtn://{name}/"), transfer_mru: 1 << 30 }
}

fn address(cable: &Cable, end: usize, settings: &str) -> Settings {
    format!("{}?{settings}", cable.path(end).display()).parse().unwrap()
}

/// Both ends, once each has heard the other.
async fn both(cable: &Cable, settings: &str) -> (Link, Link) {
    let (a, b) = (address(cable, 0, settings), address(cable, 1, settings));
    let (a, b) =
        timeout(PATIENCE, async { tokio::join!(connect(&a, local("alice")), connect(&b, local("bob"))) })
            .await
            .unwrap();
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    for (link, name) in [(&mut a, "dtn://bob/"), (&mut b, "dtn://alice/")] {
        match next(link).await {
            Event::Opened { node_id, octets_per_second, .. } => {
                assert_eq!(node_id.as_deref(), Some(name));
                assert!(octets_per_second.is_some());
            }
            other => panic!("{other:?}"),
        }
    }
    (a, b)
}

async fn next(link: &mut Link) -> Event {
    timeout(PATIENCE, link.events.recv()).await.expect("an event comes").expect("the link is there")
}

async fn send(link: &Link, transfer: u64, octets: Vec<u8>) {
    let length = octets.len() as u64;
    link.outgoing.send(Outgoing::Begin { transfer, length }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(octets.into())).await.unwrap();
}

/// Takes one bundle.
async fn receive(link: &mut Link) -> Vec<u8> {
    let transfer = match next(link).await {
        Event::Receiving { transfer, .. } => transfer,
        other => panic!("{other:?}"),
    };
    let mut octets = Vec::new();
    loop {
        match next(link).await {
            Event::Octets(more) => octets.extend_from_slice(&more),
            Event::Received => break,
            other => panic!("{other:?}"),
        }
    }
    link.control.send(Control::Accept(transfer)).unwrap();
    octets
}

#[tokio::test]
async fn bundles_cross_a_noisy_cable_both_ways() {
    let cable = Cable::new();
    let (mut a, mut b) = both(&cable, "baud=1000000").await;
    cable.damage(1_500);
    let bundle: Vec<u8> = (0..40_000_u32).flat_map(u32::to_le_bytes).collect();
    send(&a, 7, bundle.clone()).await;
    send(&b, 9, vec![5; 3_000]).await;
    assert_eq!(receive(&mut a).await, vec![5; 3_000]);
    assert_eq!(next(&mut b).await, Event::Sent(9));
    assert_eq!(receive(&mut b).await, bundle);
    assert_eq!(next(&mut a).await, Event::Sent(7));
    let reading = a.gauge.reading();
    assert!(reading.octets_out > 160_000 && reading.octets_in > 3_000 && reading.octets_again > 0);
    assert!(reading.round_trip.is_some() && reading.fault.is_some());
}

#[tokio::test]
async fn a_device_that_is_pulled_ends_the_link_with_a_reason_and_what_came_stays() {
    let cable = Cable::new();
    let (mut a, mut b) = both(&cable, "baud=115200").await;
    let half = Bytes::from(vec![3; 20_000]);
    a.outgoing.send(Outgoing::Begin { transfer: 1, length: 1 << 20 }).await.unwrap();
    a.outgoing.send(Outgoing::Octets(half)).await.unwrap();
    while b.gauge.reading().octets_in < 18_000 {
        tokio::task::yield_now().await;
    }
    drop(cable);
    assert!(matches!(next(&mut a).await, Event::Closed { reason } if reason.contains("the device is gone")));
    assert!(matches!(next(&mut b).await, Event::Receiving { .. }));
    let mut came = 0;
    let last = loop {
        match next(&mut b).await {
            Event::Octets(octets) => came += octets.len(),
            other => break other,
        }
    };
    assert_eq!(last, Event::Broken);
    assert!(came > 10_000, "{came}");
    assert!(matches!(next(&mut b).await, Event::Closed { .. }));
}

#[tokio::test]
async fn a_link_that_is_dropped_frees_the_device_and_the_neighbor_hears_of_it() {
    let cable = Cable::new();
    let (a, mut b) = both(&cable, "baud=115200").await;
    drop(a);
    assert_eq!(next(&mut b).await, Event::Closed { reason: "the neighbor ended the contact".into() });
    drop(b);
    both(&cable, "baud=115200").await;
}

#[tokio::test]
async fn two_never_share_a_device() {
    let cable = Cable::new();
    let address = address(&cable, 0, "baud=9600");
    let mut first = Box::pin(connect(&address, local("alice")));
    assert!(timeout(Duration::from_millis(50), &mut first).await.is_err());
    let second = connect(&address, local("eve")).await.unwrap_err().to_string();
    assert!(second.contains("is in use by another program"), "{second}");
    drop(first);
    let third = timeout(Duration::from_millis(50), connect(&address, local("eve"))).await;
    assert!(third.is_err(), "the device was free, and eve waits for somebody");
}

#[tokio::test]
async fn what_is_no_device_is_said_to_be_none() {
    let missing = "/dev/serial/by-id/not-there?baud=9600".parse().unwrap();
    let error = connect(&missing, local("alice")).await.unwrap_err().to_string();
    assert!(error.contains("is not there: it may be unplugged"), "{error}");
    let file = "/dev/null?baud=9600".parse().unwrap();
    let error = connect(&file, local("alice")).await.unwrap_err().to_string();
    assert!(error.contains("is no serial device"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_login_prompt_gets_no_line_and_is_no_neighbor() {
    let mut terminal = Terminal::new();
    let address = format!("{}?baud=9600", terminal.path.display()).parse().unwrap();
    let mut waiting = Box::pin(connect(&address, local("alice")));
    let mut written = Vec::new();
    for _ in 0..20 {
        assert!(timeout(Duration::from_secs(5), &mut waiting).await.is_err());
        std::io::Write::write_all(&mut terminal.ours, b"\r\nraspberrypi login: ").unwrap();
        written.extend(terminal.written());
    }
    assert!(written.len() > 200, "{}", written.len());
    // Nothing ends a line, interrupts a program or stops the flow; 0 is what terminals pass over.
    assert!(written.iter().all(|octet| *octet == 0 || (*octet >= 0x20 && *octet != 0x7f)), "{written:02x?}");
}
