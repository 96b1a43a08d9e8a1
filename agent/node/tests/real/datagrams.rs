//! Real nodes that talk over UDP on loopback, through something that loses datagrams, and with nodes of another make.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use agent_node::{Call, Client, Delivery};
use bundle_format::{Bundle, Limits, Profile};
use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::support::{Node, PATIENCE, next, noise, receive, send, trust_each_other};

const UDP: &str = "udp://127.0.0.1:0";

/// A place where datagrams for a node pass, of which some are lost, both ways.
struct Lossy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Lossy {
    async fn before(node: &Node, lost_of_ten: u64) -> Self {
        let target: SocketAddr = node.url().strip_prefix("udp://").unwrap().parse().unwrap();
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = front.local_addr().unwrap();
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        back.connect(target).await.unwrap();
        let task = tokio::spawn(async move {
            let (mut there, mut here) = (vec![0; 65_536], vec![0; 65_536]);
            let (mut client, mut dice) = (None, 1_u64);
            loop {
                let mut is_lost = || {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (dice >> 33) % 10 < lost_of_ten
                };
                tokio::select! {
                    Ok((octets, from)) = front.recv_from(&mut there) => {
                        client = Some(from);
                        if !is_lost() {
                            let _ = back.send(&there[..octets]).await;
                        }
                    }
                    Ok(octets) = back.recv(&mut here) => {
                        if let Some(client) = client.filter(|_| !is_lost()) {
                            let _ = front.send_to(&here[..octets], client).await;
                        }
                    }
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn peer_with(node: &Node, url: &str) {
    node.client().await.call(Call::PeerAdd { url: url.to_owned() }).await.unwrap();
}

/// From some octets to some datagrams, each another.
fn body(number: usize) -> Vec<u8> {
    let octets = [10, 300, 1_100, 4_000, 20_000][number % 5] + number;
    let mut body = noise(octets + number);
    body.drain(..number);
    body
}

/// Takes what comes, so many times, and says how often each length came.
async fn collect(mut client: Client, endpoint: &str, count: usize) -> BTreeMap<u64, usize> {
    let mut lengths = BTreeMap::new();
    for _ in 0..count {
        let delivery: Delivery = next(&mut client, endpoint).await;
        *lengths.entry(delivery.bundle.payload_octets).or_default() += 1;
        client.consume(&delivery).await.unwrap();
    }
    lengths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_bundles_of_all_sizes_arrive_once_although_three_of_ten_datagrams_are_lost() {
    const EACH_WAY: usize = 500;
    let (a, b) = (Node::start_at("a", UDP).await, Node::start_at("b", UDP).await);
    trust_each_other(&[&a, &b]).await;
    let lossy = Lossy::before(&b, 3).await;
    peer_with(&a, &format!("udp://{}", lossy.address)).await;
    let fill = async |node: &Node, to: &str| {
        let mut client = node.client().await;
        for number in 0..EACH_WAY {
            send(&mut client, to, &body(number)).await;
        }
    };
    let ((), (), at_a, at_b) = tokio::join!(
        fill(&a, "dtn://b/inbox"),
        fill(&b, "dtn://a/inbox"),
        async { collect(a.client().await, "dtn://a/inbox", EACH_WAY).await },
        async { collect(b.client().await, "dtn://b/inbox", EACH_WAY).await },
    );
    let expected: BTreeMap<u64, usize> = (0..EACH_WAY).map(|number| (body(number).len() as u64, 1)).collect();
    assert!(at_a == expected && at_b == expected, "each arrives once");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_over_udp_have_one_contact() {
    let (a, b) = (Node::start_at("a", UDP).await, Node::start_at("b", UDP).await);
    trust_each_other(&[&a, &b]).await;
    peer_with(&a, &b.url()).await;
    peer_with(&b, &a.url()).await;
    send(&mut a.client().await, "dtn://b/inbox", b"hello").await;
    receive(&mut b.client().await, "dtn://b/inbox", b"hello").await;
    let status = b.until("there is a contact", |status| !status.contacts.is_empty()).await;
    assert_eq!(status.contacts.len(), 1, "{status:?}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundles_that_strangers_leave_are_taken_and_their_contacts_are_none() {
    let (a, b) = (Node::start("a").await, Node::start_at("b", UDP).await);
    trust_each_other(&[&a, &b]).await;
    let mut at_a = a.client().await;
    let sent = send(&mut at_a, "dtn://b/inbox", b"from another stack").await;
    let bundle = at_a.read(sent.id, agent_node::Part::Bundle).await.unwrap().collect(1 << 20).await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = b.url().strip_prefix("udp://").unwrap().to_owned();
    let mut at_b = b.client().await;
    let arriving =
        tokio::spawn(async move { receive(&mut at_b, "dtn://b/inbox", b"from another stack").await });
    // Noise is borne, and a datagram may be lost.
    stranger.send_to(&[0x16, 0xfe, 0xfd], &target).await.unwrap();
    stranger.send_to(&[0; 4], &target).await.unwrap();
    stranger.send_to(&bundle, &target).await.unwrap();
    let delivery = tokio::time::timeout(PATIENCE, arriving).await.unwrap().unwrap();
    assert_eq!(delivery.bundle.source.to_string(), "dtn://a/");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_peer_that_was_named_is_sent_what_is_addressed_to_it_and_nothing_else() {
    let a = Node::start("a").await;
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut at_a = a.client().await;
    send(&mut at_a, "dtn://elsewhere/inbox", b"not for it").await;
    let sent = send(&mut at_a, "dtn://other/inbox", b"for it").await;
    peer_with(&a, &format!("udp://{}?plain=yes&node=dtn://other/", other.local_addr().unwrap())).await;
    let mut datagram = vec![0; 65_536];
    loop {
        let received =
            tokio::time::timeout(PATIENCE, other.recv(&mut datagram)).await.expect("it comes").unwrap();
        let octets = Bytes::copy_from_slice(&datagram[..received]);
        let Ok(bundle) = Bundle::parse(octets, &Limits::default()) else { continue };
        if bundle.head().primary().destination.to_string() == "dtn://packmule/~contact" {
            continue;
        }
        assert_eq!(bundle.check(&Profile::default()).id(), sent.id);
        break;
    }
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_exchange_bundles_over_bare_ltp() {
    let a = Node::start_at("a", "ltp://127.0.0.1:0?own=1").await;
    let b = Node::start_at("b", "ltp://127.0.0.1:0?own=2").await;
    trust_each_other(&[&a, &b]).await;
    peer_with(&a, &format!("{}?engine=2&own=1&rate=10000000", b.url())).await;
    let sent = send(&mut a.client().await, "dtn://b/inbox", &noise(100_000)).await;
    receive(&mut b.client().await, "dtn://b/inbox", &noise(100_000)).await;
    // The other way on the same contact, as whoever is heard and proves who it is, is a neighbor, and on one of its own.
    send(&mut b.client().await, "dtn://a/inbox", &noise(9_000)).await;
    receive(&mut a.client().await, "dtn://a/inbox", &noise(9_000)).await;
    peer_with(&b, &format!("{}?engine=1&own=2&rate=10000000", a.url())).await;
    send(&mut b.client().await, "dtn://a/inbox", &noise(90_000)).await;
    receive(&mut a.client().await, "dtn://a/inbox", &noise(90_000)).await;
    assert!(sent.octets >= 100_000);
    a.stop().await;
    b.stop().await;
}
