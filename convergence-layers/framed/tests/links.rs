//! Two nodes over real sockets, each seen through its links.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use convergence_layer::{CloseReason, Control, Event, Link, Outgoing, RefusalReason};
use framed::framing::Framing;
use framed::{Listener, Neighborhood, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node that listens at an address of its own.
struct Node {
    neighborhood: Arc<Neighborhood>,
    listener: Listener,
    at: SocketAddr,
}

impl Node {
    fn at(host: &str, framing: Framing) -> Self {
        let neighborhood = Neighborhood::new(Options { framing, transfer_mru: 1 << 20 });
        let listener = neighborhood.listen(format!("{host}:0").parse().unwrap()).unwrap();
        let at = listener.local_address().unwrap();
        Self { neighborhood, listener, at }
    }

    async fn dial(&self, other: &Self) -> Link {
        opened(self.neighborhood.connect(other.at).await.unwrap(), 1 << 20).await
    }

    async fn accept(&self) -> Link {
        opened(self.listener.accept().await.unwrap().0, 0).await
    }
}

/// The link, once it is open and takes bundles of up to so many octets.
async fn opened(mut link: Link, most: u64) -> Link {
    let expected = Event::Opened { node_id: None, transfer_mru: most, octets_per_second: None };
    assert_eq!(link.events.recv().await.unwrap(), expected);
    link
}

async fn send(link: &Link, transfer: u64, bundle: &'static [u8]) {
    link.outgoing.send(Outgoing::Begin { transfer, length: bundle.len() as u64 }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(Bytes::from_static(bundle))).await.unwrap();
}

async fn receive(link: &mut Link) -> Vec<u8> {
    let Some(Event::Receiving { transfer, .. }) = link.events.recv().await else { panic!("no transfer") };
    let mut bundle = Vec::new();
    loop {
        match link.events.recv().await.unwrap() {
            Event::Octets(octets) => bundle.extend_from_slice(&octets),
            Event::Received => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    link.control.send(Control::Accept(transfer)).unwrap();
    bundle
}

#[tokio::test]
async fn two_connections_become_one_link_on_both_sides() {
    for framing in [Framing::Stcp, Framing::Mtcp] {
        let (a, b) = (Node::at("127.0.0.21", framing), Node::at("127.0.0.22", framing));
        let mut at_a = a.dial(&b).await;
        send(&at_a, 0, b"before anybody answers").await;
        assert_eq!(at_a.events.recv().await, Some(Event::Left(0)));
        let mut one_way = b.accept().await;
        assert_eq!(receive(&mut one_way).await, b"before anybody answers");

        let mut at_b = b.dial(&a).await;
        let closed = one_way.events.recv().await;
        assert!(matches!(closed, Some(Event::Closed { .. })), "{closed:?}");
        // What comes in at a makes no link of its own, and has to be taken for that.
        let no_link = async { a.listener.accept().await.map(|_| ()) };
        let exchange = async {
            send(&at_b, 5, b"to a").await;
            assert_eq!(receive(&mut at_a).await, b"to a");
            send(&at_a, 1, b"to b").await;
            assert_eq!(at_a.events.recv().await, Some(Event::Left(1)));
            assert_eq!(at_b.events.recv().await, Some(Event::Left(5)));
            assert_eq!(receive(&mut at_b).await, b"to b");
        };
        tokio::select! {
            _ = no_link => panic!("a second link"),
            () = exchange => {}
        }
    }
}

#[tokio::test]
async fn a_neighbor_that_calls_is_known_to_have_called_once() {
    let (a, b) = (Node::at("127.0.0.23", Framing::Stcp), Node::at("127.0.0.24", Framing::Stcp));
    let _at_a = a.dial(&b).await;
    let _one_way = b.accept().await;
    b.neighborhood.knocked(&["127.0.0.9".parse().unwrap(), a.at.ip()]).await;
    let host = [a.at.ip()];
    tokio::select! {
        biased;
        () = b.neighborhood.knocked(&host) => panic!("it called twice"),
        () = tokio::task::yield_now() => {}
    }
}

#[tokio::test]
async fn a_link_that_only_receives_refuses_what_is_to_be_sent() {
    let (a, b) = (Node::at("127.0.0.25", Framing::Mtcp), Node::at("127.0.0.26", Framing::Mtcp));
    let _at_a = a.dial(&b).await;
    let mut one_way = b.accept().await;
    send(&one_way, 3, b"no way").await;
    let refused = Event::Refused { transfer: 3, reason: RefusalReason::NoResources };
    assert_eq!(one_way.events.recv().await, Some(refused));
}

#[tokio::test]
async fn what_was_sent_before_the_end_arrives() {
    let (a, b) = (Node::at("127.0.0.27", Framing::Stcp), Node::at("127.0.0.28", Framing::Stcp));
    let at_a = a.dial(&b).await;
    at_a.outgoing.send(Outgoing::Begin { transfer: 0, length: 4 }).await.unwrap();
    at_a.outgoing.send(Outgoing::Octets(Bytes::from_static(b"la"))).await.unwrap();
    let mut one_way = b.accept().await;
    assert!(matches!(one_way.events.recv().await, Some(Event::Receiving { .. })));
    // Closed in order: what has begun is sent to its end.
    at_a.control.send(Control::Close(CloseReason::Unknown)).unwrap();
    at_a.outgoing.send(Outgoing::Octets(Bytes::from_static(b"st"))).await.unwrap();
    let mut bundle = Vec::new();
    while let Some(event) = one_way.events.recv().await {
        match event {
            Event::Octets(octets) => bundle.extend_from_slice(&octets),
            Event::Closed { .. } => break,
            _ => {}
        }
    }
    assert_eq!(bundle, b"last");
}

#[tokio::test]
async fn a_neighbor_of_another_make_is_understood_and_its_mistakes_are_named() {
    let b = Node::at("127.0.0.29", Framing::Mtcp);
    let mut stranger = TcpStream::connect(b.at).await.unwrap();
    stranger.write_all(b"\x40\x43abc\x42d").await.unwrap();
    let mut one_way = b.accept().await;
    assert_eq!(receive(&mut one_way).await, b"abc");
    assert!(matches!(one_way.events.recv().await, Some(Event::Receiving { length: Some(2), .. })));
    assert!(matches!(one_way.events.recv().await, Some(Event::Octets(_))));
    // The connection ends in the middle of a bundle.
    drop(stranger);
    assert_eq!(one_way.events.recv().await, Some(Event::Broken));
    assert!(matches!(one_way.events.recv().await, Some(Event::Closed { .. })));

    let mut stranger = TcpStream::connect(b.at).await.unwrap();
    stranger.write_all(b"dtn!\x04\0\0\0").await.unwrap();
    let mut one_way = b.accept().await;
    let Some(Event::Closed { reason }) = one_way.events.recv().await else { panic!("it goes on") };
    assert!(reason.contains("0x64") && one_way.gauge.reading().fault.is_some(), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_are_sent_when_nothing_else_is() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let neighborhood = Neighborhood::new(Options { framing: Framing::Stcp, transfer_mru: 1 << 20 });
    let link = neighborhood.connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut stranger, _) = listener.accept().await.unwrap();
    let mut octets = [9; 8];
    stranger.read_exact(&mut octets).await.unwrap();
    assert_eq!(octets, [0; 8]);
    assert_eq!(link.gauge.reading().octets_out, 8);
}
