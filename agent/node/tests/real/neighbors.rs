//! Two and three real nodes exchange bundles over TCP on loopback.

use std::time::Duration;

use crate::support::{Node, next, noise, order, receive, send, trust_each_other};
use agent_node::{Call, Client, Reply, Sent, Until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_from_one_node_to_another() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    let (mut at_a, mut at_b) = (a.client().await, b.client().await);
    let sent = send(&mut at_a, "dtn://b/inbox", b"good morning").await;
    let delivery = receive(&mut at_b, "dtn://b/inbox", b"good morning").await;
    assert_eq!(delivery.bundle.id, sent.id);
    assert_eq!(delivery.bundle.source.to_string(), "dtn://a/");
    assert_eq!(delivery.bundle.file_name.as_deref(), Some("a file"));
    assert!(delivery.bundle.trusted);
    let carried = at_a.wait(sent.id, Until::Carried, Some(crate::support::PATIENCE)).await.unwrap().unwrap();
    assert_eq!(carried.by.unwrap().to_string(), "dtn://b/");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_larger_than_memory_may_hold_goes_over_a_node_between() {
    let nodes = [Node::start("a").await, Node::start("b").await, Node::start("c").await];
    let [a, b, c] = &nodes;
    trust_each_other(&[a, b, c]).await;
    a.peer_with(b).await;
    c.peer_with(b).await;
    let body = noise(20 << 20);
    let (mut at_a, mut at_c) = (a.client().await, c.client().await);
    let mut taken = 0;
    let sent = at_a
        .send(&order("dtn://c/inbox", "large"), &body[..], Some(body.len() as u64), &mut |octets| {
            taken = octets;
        })
        .await
        .unwrap();
    assert_eq!((sent.octets, taken), (20 << 20, 20 << 20));
    let delivery = receive(&mut at_c, "dtn://c/inbox", &body).await;
    assert_eq!(delivery.bundle.id, sent.id);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_for_a_group_reaches_every_member() {
    let nodes = [Node::start("a").await, Node::start("b").await, Node::start("c").await];
    let [a, b, c] = &nodes;
    trust_each_other(&[a, b, c]).await;
    let group = "dtn://all/~updates";
    for node in [a, b, c] {
        node.client().await.call(Call::Subscribe { group: group.parse().unwrap() }).await.unwrap();
    }
    a.peer_with(b).await;
    b.peer_with(c).await;
    send(&mut a.client().await, group, b"version 42").await;
    for node in [a, b, c] {
        receive(&mut node.client().await, group, b"version 42").await;
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_the_contact_arrives_after_it() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let mut at_a = a.client().await;
    for index in 0..50_u32 {
        send(&mut at_a, "dtn://b/inbox", &index.to_be_bytes()).await;
    }
    b.peer_with(&a).await;
    let mut at_b = b.client().await;
    let mut received = Vec::new();
    for _ in 0..50 {
        let delivery = next(&mut at_b, "dtn://b/inbox").await;
        at_b.consume(&delivery).await.unwrap();
        received.push(delivery.bundle.id);
    }
    received.sort();
    received.dedup();
    assert_eq!(received.len(), 50);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundles_of_strangers_are_refused_and_counted() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    a.client()
        .await
        .call(Call::TrustAdd { node: b.home.node().clone(), key: b.home.key().public(), replace: false })
        .await
        .unwrap();
    b.peer_with(&a).await;
    a.until("b is known", |status| status.contacts.iter().any(|contact| contact.authenticated)).await;
    send(&mut a.client().await, "dtn://b/inbox", b"who is there").await;
    let status = b.until("it was refused", |status| !status.refusals.is_empty()).await;
    assert_eq!(status.refusals[0].reason, "stranger");
    assert_eq!(status.store.bundles, 0);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_dial_each_other_one_contact_stays() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    b.peer_with(&a).await;
    let is_one = |status: &agent_node::Status| {
        status.contacts.len() == 1
            && status.contacts[0].authenticated
            && status.peers.iter().all(|peer| peer.up)
    };
    // Both have dialled, and both see the one that the lower node ID opened.
    a.until("one contact stays at a", is_one).await;
    let at_b = b.until("one contact stays at b", is_one).await;
    assert_ne!(at_b.contacts[0].link, a.url(), "the contact that b opened is the one that went");
    send(&mut a.client().await, "dtn://b/inbox", b"still here").await;
    receive(&mut b.client().await, "dtn://b/inbox", b"still here").await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_peer_delays_no_other() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let mut at_a = a.client().await;
    // Nobody listens there; the system refuses, or the packets are lost.
    let unreachable = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    at_a.call(Call::PeerAdd { url: format!("tcp://{unreachable}") }).await.unwrap();
    at_a.call(Call::PeerAdd { url: "tcp://no-such-host.invalid:4556".to_owned() }).await.unwrap();
    a.peer_with(&b).await;
    send(&mut at_a, "dtn://b/inbox", b"through").await;
    receive(&mut b.client().await, "dtn://b/inbox", b"through").await;
    let status = a
        .until("both failures show", |status| {
            status
                .peers
                .iter()
                .filter(|peer| peer.last_error.is_some() && peer.next_try_in_ms.is_some())
                .count()
                == 2
        })
        .await;
    assert_eq!(status.peers.len(), 3);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_is_left_and_not_dialled_again() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    a.until("a contact is open", |status| status.contacts.len() == 1).await;
    a.client().await.call(Call::PeerRemove { url: b.url() }).await.unwrap();
    a.until("nothing is left of it", |status| status.contacts.is_empty() && status.peers.is_empty()).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_comes_back_after_a_restart_of_the_other_node() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    b.peer_with(&a).await;
    a.until("a contact is open", |status| status.contacts.len() == 1).await;
    let b = b.restart().await;
    send(&mut a.client().await, "dtn://b/inbox", b"again").await;
    receive(&mut b.client().await, "dtn://b/inbox", b"again").await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dials_itself_notices() {
    let a = Node::start("a").await;
    a.peer_with(&a).await;
    // The end that accepted may be the first to notice; then the next attempt says why.
    let is_named = |error: &String| error.contains("dtn://a/");
    a.until("it says whom it reached", |status| {
        status.peers.iter().any(|peer| peer.last_error.as_ref().is_some_and(is_named))
    })
    .await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_is_reported_to_a_sender_that_waits() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    let mut at_a = a.client().await;
    let mut with_report = order("dtn://b/inbox", "x");
    with_report.report = agent_node::Report::Delivery;
    let sent = at_a.send(&with_report, &b"report please"[..], None, &mut |_| {}).await.unwrap();
    receive(&mut b.client().await, "dtn://b/inbox", b"report please").await;
    let outcome =
        at_a.wait(sent.id, Until::Delivered, Some(crate::support::PATIENCE)).await.unwrap().unwrap();
    assert_eq!(outcome.by.unwrap().to_string(), "dtn://b/");
    let none = at_a.wait(sent.id, Until::Delivered, Some(Duration::ZERO)).await.unwrap();
    assert!(none.is_some(), "what was delivered stays delivered");
    match at_a.call(Call::List { after: None, limit: 10, all: false }).await.unwrap() {
        Reply::Bundles(bundles) => assert_eq!(bundles[0].id, sent.id),
        other => panic!("{other:?}"),
    }
    a.stop().await;
    b.stop().await;
}

/// Asks why a bundle is where it is until this reason is among the answers; its text.
async fn reason(client: &mut Client, sent: &Sent, code: &str) -> String {
    let asking = async {
        loop {
            let call = Call::Why { id: sent.id.to_string() };
            let Reply::Why(explanation) = client.call(call).await.unwrap() else { panic!("an explanation") };
            if let Some(reason) = explanation.reasons.into_iter().find(|reason| reason.code == code) {
                return reason.text;
            }
            // Nothing that the local socket tells of: see `Node::until`.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("{code} was never said"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_says_what_a_neighbor_refused_and_when_a_peer_is_dialled_again() {
    let a = Node::start("a").await;
    let b = Node::start_with("b", "quota = \"20 kB\"\nsource_quota = \"1 MB\"\ncustodians = []").await;
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    let mut at_a = a.client().await;
    let small = send(&mut at_a, "dtn://c/inbox", b"nobody else answers for it").await;
    let text = reason(&mut at_a, &small, "custody_refused").await;
    assert!(
        text.starts_with("dtn://b/ does not take custody of it") && text.ends_with("not asked again"),
        "{text}"
    );
    send(&mut at_a, "dtn://b/inbox", &noise(15_000)).await;
    let large = send(&mut at_a, "dtn://c/inbox", &noise(10_000)).await;
    let text = reason(&mut at_a, &large, "refused").await;
    assert!(text.starts_with("dtn://b/ has no room for it") && text.contains("tried again in"), "{text}");
    let url = b.url();
    b.stop().await;
    let text = reason(&mut at_a, &large, "dialled_again").await;
    assert!(text.starts_with(&format!("{url}, where dtn://b/ was met last, is not reached")), "{text}");
    assert!(text.contains("dialled again in"), "{text}");
    let nobody = "tcp://127.0.0.1:1";
    at_a.call(Call::PeerRemove { url }).await.unwrap();
    at_a.call(Call::PeerAdd { url: nobody.to_owned() }).await.unwrap();
    let says_nobody = async {
        loop {
            let text = reason(&mut at_a, &large, "dialled_again").await;
            if text.contains(nobody) {
                return text;
            }
        }
    };
    let text = tokio::time::timeout(crate::support::PATIENCE, says_nobody).await.unwrap();
    assert!(text.contains("where nobody was met yet") && text.contains('('), "{text}");
    a.stop().await;
}
