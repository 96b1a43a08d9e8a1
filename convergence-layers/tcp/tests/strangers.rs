//! What a node does with neighbors that break the rules, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, Link, Outgoing};
use tcpcl::message::{END, Message, START, SegmentHead, SessInit};
use tcpcl::{Listener, Options, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONTACT: &[u8] = b"dtn!\x04\x00";

async fn listener_with(options: Options) -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap(), Arc::new(options)).await.unwrap()
}

async fn stranger_at(listener: &Listener) -> (TcpStream, Link) {
    let address = listener.local_address().unwrap();
    let (stranger, contact) = tokio::join!(TcpStream::connect(address), listener.accept());
    (stranger.unwrap(), contact.unwrap().0)
}

async fn stranger() -> (TcpStream, Link) {
    stranger_at(&listener_with(Options::new("dtn://us/")).await).await
}

fn octets(message: &Message<'_>) -> Vec<u8> {
    let mut octets = BytesMut::new();
    message.encode(&mut octets);
    octets.to_vec()
}

fn init(keepalive_seconds: u16) -> Vec<u8> {
    let (segment_mru, transfer_mru) = (64 * 1024, u64::MAX);
    octets(&Message::Init(SessInit {
        keepalive_seconds,
        segment_mru,
        transfer_mru,
        node_id: "dtn://peer/",
        extensions: &[],
    }))
}

fn head(flags: u8, transfer: u64, data_length: u64) -> Vec<u8> {
    octets(&Message::Segment(SegmentHead { flags, transfer, extensions: &[], data_length }))
}

/// Opens a session and reads the other side's half of it.
async fn introduce(stranger: &mut TcpStream, link: &mut Link) {
    stranger.write_all(&[CONTACT, &init(30)].concat()).await.unwrap();
    let mut theirs = [0; 6 + 25 + 9];
    stranger.read_exact(&mut theirs).await.unwrap();
    assert!(theirs.ends_with(b"dtn://us/\0\0\0\0"));
    assert!(matches!(link.events.recv().await, Some(Event::Opened { .. })));
}

/// All that is still said, up to the FIN; a reset would be an error.
async fn last_words(stranger: &mut TcpStream) -> Vec<u8> {
    let mut words = Vec::new();
    stranger.read_to_end(&mut words).await.unwrap();
    words
}

async fn closed(link: &mut Link) -> String {
    loop {
        if let Event::Closed { reason } = link.events.recv().await.unwrap() {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_silent_stranger_is_left_after_the_contact_timeout() {
    let (mut stranger, mut link) = stranger().await;
    tokio::time::pause();
    assert_eq!(closed(&mut link).await, "the neighbor sent no contact header in time");
    assert_eq!(last_words(&mut stranger).await, b"");
}

#[tokio::test]
async fn half_a_contact_header_is_not_waited_for() {
    let (mut stranger, mut link) = stranger().await;
    stranger.write_all(b"dtn!\x04").await.unwrap();
    tokio::time::pause();
    assert_eq!(closed(&mut link).await, "the neighbor sent no contact header in time");
    assert_eq!(last_words(&mut stranger).await, b"");
}

#[tokio::test]
async fn a_silent_node_that_we_called_is_left_too() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let mut link = connect(address, Arc::new(Options::new("dtn://us/"))).await.unwrap();
    let (mut stranger, _) = silent.accept().await.unwrap();
    tokio::time::pause();
    assert_eq!(closed(&mut link).await, "the neighbor sent no contact header in time");
    assert_eq!(last_words(&mut stranger).await, CONTACT);
}

#[tokio::test]
async fn other_protocols_and_versions_are_turned_away() {
    let (mut web, mut link) = stranger().await;
    web.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(closed(&mut link).await.contains("does not speak TCPCL"));
    assert_eq!(last_words(&mut web).await, b"");
    let (mut old, mut link) = stranger().await;
    old.write_all(b"dtn!\x03\x00\x00\x1e\x09dtn://old").await.unwrap();
    assert!(closed(&mut link).await.contains("version 3"));
    assert_eq!(last_words(&mut old).await, [CONTACT, &[5, 0, 2]].concat());
}

#[tokio::test]
async fn what_cannot_be_answered_otherwise_is_rejected_and_closed() {
    let endless_items = [&head(START, 0, 0)[..10], &[0xff; 4], &[1; 500]].concat();
    let cases: [(Vec<u8>, &[u8]); 6] = [
        (head(START, 0, 1 << 63), &[6, 2, 1, 5, 0, 5]),
        ([head(START, 0, 1), vec![1], head(START, 1, 1), vec![1]].concat(), &[6, 3, 1, 5, 0, 0]),
        (endless_items, &[6, 2, 1, 5, 0, 5]),
        (vec![0x99; 3000], &[6, 1, 0x99]),
        ([head(0, 0, 1), vec![1], vec![0x42]].concat(), &[6, 3, 1, 6, 1, 0x42]),
        (octets(&Message::Ack { flags: END, transfer: 0, length: 9 }), &[6, 3, 2, 5, 0, 0]),
    ];
    for (said, answer) in cases {
        let (mut stranger, mut link) = stranger().await;
        introduce(&mut stranger, &mut link).await;
        if said.first() == Some(&2) {
            link.outgoing.send(Outgoing::Begin { transfer: 0, length: 1 }).await.unwrap();
            link.outgoing.send(Outgoing::Octets(Bytes::from_static(b"x"))).await.unwrap();
            let mut bundle = vec![0; head(START | END, 0, 1).len() + 1];
            stranger.read_exact(&mut bundle).await.unwrap();
        }
        stranger.write_all(&said).await.unwrap();
        let words = last_words(&mut stranger).await;
        assert!(words.ends_with(answer), "{said:?} was answered with {words:?}");
        closed(&mut link).await;
    }
}

#[tokio::test]
async fn a_stranger_that_never_reads_stops_only_itself() {
    let listener = listener_with(Options::new("dtn://us/")).await;
    let (mut deaf, mut deaf_link) = stranger_at(&listener).await;
    introduce(&mut deaf, &mut deaf_link).await;
    let (mut other, mut other_link) = stranger_at(&listener).await;
    introduce(&mut other, &mut other_link).await;
    // The deaf one is sent bundles until nothing more fits anywhere.
    let piece = Bytes::from(vec![7; 1 << 20]);
    deaf_link.outgoing.send(Outgoing::Begin { transfer: 0, length: 1 << 40 }).await.unwrap();
    let mut taken = 0;
    tokio::time::pause();
    while let Ok(sent) = tokio::time::timeout(
        Duration::from_millis(200),
        deaf_link.outgoing.send(Outgoing::Octets(piece.clone())),
    )
    .await
    {
        sent.unwrap();
        taken += 1;
    }
    tokio::time::resume();
    assert!(taken < 150, "{taken} MiB were taken for a neighbor that does not read");
    // Decisions about its own bundles still get through, and the other neighbor notices nothing.
    deaf.write_all(&[head(START | END, 0, 1), vec![1]].concat()).await.unwrap();
    assert!(matches!(deaf_link.events.recv().await, Some(Event::Receiving { .. })));
    deaf_link.control.send(Control::Accept(0)).unwrap();
    other.write_all(&[head(START | END, 0, 1), vec![1]].concat()).await.unwrap();
    while other_link.events.recv().await != Some(Event::Received) {}
    other_link.control.send(Control::Accept(0)).unwrap();
    let mut ack = [0; 18];
    other.read_exact(&mut ack).await.unwrap();
    assert_eq!(ack.first(), Some(&2));
}

#[tokio::test]
async fn a_neighbor_that_falls_silent_is_left_after_twice_the_interval() {
    let (mut stranger, mut link) = stranger().await;
    introduce(&mut stranger, &mut link).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert!(closed(&mut link).await.contains("silent"));
    assert_eq!(began.elapsed().as_secs(), 60);
    assert_eq!(last_words(&mut stranger).await, [4, 5, 0, 1]);
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_transfer_breaks_it() {
    let (mut stranger, mut link) = stranger().await;
    introduce(&mut stranger, &mut link).await;
    stranger.write_all(&[head(START, 0, 10), vec![1; 4]].concat()).await.unwrap();
    assert!(matches!(link.events.recv().await, Some(Event::Receiving { .. })));
    drop(stranger);
    assert_eq!(link.events.recv().await, Some(Event::Octets(Bytes::from_static(&[1; 4]))));
    assert_eq!(link.events.recv().await, Some(Event::Broken));
    assert!(closed(&mut link).await.contains("closed the connection"));
}
