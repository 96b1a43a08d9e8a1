//! Links are encrypted, and nobody is taken for a node whose key it does not have.

use agent_node::{Call, Status};

use crate::support::{Node, receive, send, trust_each_other};

fn is_met(status: &Status) -> bool {
    status.contacts.iter().any(|contact| contact.authenticated)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_nodes_say_to_each_other_is_encrypted_without_a_word_in_their_configuration() {
    let (a, b) = (Node::start("a").await, Node::start("ipn:42.0").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    for node in [&a, &b] {
        let status = node.until("the other is known", is_met).await;
        assert_eq!(status.contacts[0].security.as_deref(), Some("TLS 1.3"));
    }
    send(&mut a.client().await, "ipn:42.1", b"to a number").await;
    receive(&mut b.client().await, "ipn:42.1", b"to a number").await;
    send(&mut b.client().await, "dtn://a/inbox", b"to a name").await;
    receive(&mut a.client().await, "dtn://a/inbox", b"to a name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_the_name_of_another_is_refused_and_status_says_so() {
    let (a, b, impostor) = (Node::start("a").await, Node::start("b").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&impostor).await;
    let is_told = |status: &Status| {
        let errors = status.peers.iter().filter_map(|peer| peer.last_error.as_deref());
        errors.into_iter().any(|error| error.contains("does not have the key that is trusted for that node"))
    };
    let status = a.until("the impostor is named", is_told).await;
    assert!(status.contacts.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_trusted_while_the_agent_runs_counts_for_the_next_contact() {
    let (a, b, impostor) = (Node::start("a").await, Node::start("b").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let mut client = a.client().await;
    let node = b.home.node().clone();
    let replace = Call::TrustAdd { node, key: impostor.home.key().public(), replace: true };
    client.call(replace).await.unwrap();
    a.peer_with(&b).await;
    a.until("b is refused now", |status| status.peers.iter().any(|peer| peer.last_error.is_some())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_encrypted_contacts_the_one_that_the_lower_node_opened_stays() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    b.peer_with(&a).await;
    b.until("b reached a", is_met).await;
    a.peer_with(&b).await;
    let url = b.url();
    let is_settled = |status: &Status| status.contacts.len() == 1 && status.contacts[0].link == url;
    let status = a
        .until("only the contact that a opened is left", |status| is_met(status) && is_settled(status))
        .await;
    assert_eq!(status.contacts[0].security.as_deref(), Some("TLS 1.3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_must_encrypt_and_does_not_is_not_talked_to() {
    let (a, b) = (Node::start("a").await, Node::start_at("b", "tcp://127.0.0.1:0?tls=off").await);
    trust_each_other(&[&a, &b]).await;
    let place = b.url().replace("?tls=off", "");
    let mut client = a.client().await;
    client.call(Call::PeerAdd { url: format!("{place}?tls=require") }).await.unwrap();
    let is_told = |status: &Status| {
        let errors = status.peers.iter().filter_map(|peer| peer.last_error.as_deref());
        errors.into_iter().any(|error| error.contains("does not offer TLS, which is required here"))
    };
    a.until("b is refused", is_told).await;
    client.call(Call::PeerAdd { url: place }).await.unwrap();
    let status = a.until("b is reached in the clear", is_met).await;
    assert_eq!(status.contacts[0].security, None);
}
