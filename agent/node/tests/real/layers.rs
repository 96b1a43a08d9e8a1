//! The same trial for every layer: 1,000 bundles of mixed sizes cross both ways over a link that is cut ten times, and
//! each arrives once.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agent_node::{Call, Client};
use tokio::sync::watch;

use crate::support::{Node, PATIENCE, noise, send, status, trust_each_other};
use crate::wire::Wire;

/// Bundles each way.
const BUNDLES: usize = 500;
const CUTS: usize = 10;
const LARGEST: usize = 60_000;
/// Longer than a bundle may take that is on its way a second time.
const QUIET: Duration = Duration::from_millis(500);

/// Most are small, some take many reads. None is so large that it is offered before it is sent.
fn octets_of(index: usize) -> usize {
    if index % 10 == 9 { LARGEST - index } else { index % 100 * 37 }
}

async fn send_all(node: &Node, destination: &str) {
    let mut client = node.client().await;
    let body = noise(LARGEST);
    for index in 0..BUNDLES {
        send(&mut client, destination, &body[..octets_of(index)]).await;
    }
}

/// Takes all bundles for an endpoint; each counts.
async fn take_all(client: &mut Client, endpoint: &str, taken: &watch::Sender<usize>) {
    let endpoint = endpoint.parse().unwrap();
    let mut ids = BTreeSet::new();
    while ids.len() < BUNDLES {
        let delivery = client.next(&endpoint, Some(PATIENCE)).await.unwrap();
        let Some(delivery) = delivery else {
            let status = status(client).await;
            let (contacts, peers) = (status.contacts, status.peers);
            panic!("{} of {BUNDLES} came to {endpoint}: {contacts:#?}, {peers:#?}", ids.len());
        };
        client.consume(&delivery).await.unwrap();
        assert!(ids.insert(delivery.bundle.id), "a bundle came twice");
        taken.send_modify(|taken| *taken += 1);
    }
    let more = client.next(&endpoint, Some(QUIET)).await.unwrap();
    assert!(more.is_none(), "a bundle came twice");
}

/// Two nodes that have each other as peers, and what cuts the link between them.
async fn trial(a: &Node, b: &Node, cut: impl AsyncFn()) {
    let both_know = |status: &agent_node::Status| status.contacts.iter().any(|contact| contact.authenticated);
    a.until("b proved who it is", both_know).await;
    b.until("a proved who it is", both_know).await;
    let (taken, mut seen) = watch::channel(0);
    let (mut at_a, mut at_b) = (a.client().await, b.client().await);
    let cut_all = async {
        for cuts in 1..=CUTS {
            seen.wait_for(|taken| *taken >= 2 * BUNDLES * cuts / (CUTS + 1)).await.unwrap();
            cut().await;
        }
    };
    tokio::join!(
        send_all(a, "dtn://b/inbox"),
        send_all(b, "dtn://a/inbox"),
        take_all(&mut at_a, "dtn://a/inbox", &taken),
        take_all(&mut at_b, "dtn://b/inbox", &taken),
        cut_all,
    );
}

async fn peer(node: &Node, url: String) {
    node.client().await.call(Call::PeerAdd { url }).await.unwrap();
}

/// A one-way connection each way, through wires that are cut.
async fn trial_of_framed_streams(scheme: &str, hosts: [&str; 2]) {
    let [at_a, at_b] = hosts.map(|host| format!("{scheme}://{host}:0"));
    let (a, b) = (Node::start_at("a", &at_a).await, Node::start_at("b", &at_b).await);
    trust_each_other(&[&a, &b]).await;
    let place = |node: &Node| node.url().rsplit("//").next().unwrap().parse::<SocketAddr>().unwrap();
    let [ip_a, ip_b] = hosts.map(|host| host.parse::<IpAddr>().unwrap());
    let (to_b, to_a) = (Wire::between(ip_a, place(&b)).await, Wire::between(ip_b, place(&a)).await);
    peer(&a, format!("{scheme}://{}", to_b.address)).await;
    peer(&b, format!("{scheme}://{}", to_a.address)).await;
    trial(&a, &b, async || {
        to_b.cut();
        to_a.cut();
    })
    .await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bundle_arrives_once_over_stcp() {
    trial_of_framed_streams("stcp", ["127.0.0.11", "127.0.0.12"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bundle_arrives_once_over_mtcp() {
    trial_of_framed_streams("mtcp", ["127.0.0.13", "127.0.0.14"]).await;
}
