//! Nodes of other makes that do not keep to the standards: bundles move all the same, and `status` names what they do wrong.

use std::time::Duration;

use agent_node::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Node, next, send};

/// A node of another make at the other end of a connection: TCPCL without TLS, and without much else.
struct Other(TcpStream);

impl Other {
    /// Opens a session under this name: keepalive 0, segments of at most 64 KiB, bundles of any length.
    async fn at(node: &Node, name: &str) -> Self {
        let url = node.url();
        let mut stream = TcpStream::connect(url.trim_start_matches("tcp://")).await.unwrap();
        let length = u16::try_from(name.len()).unwrap().to_be_bytes();
        let (segment_mru, transfer_mru) = (65_536_u64.to_be_bytes(), u64::MAX.to_be_bytes());
        let head = [&b"dtn!\x04\0\x07\0\0"[..], &segment_mru, &transfer_mru, &length].concat();
        stream.write_all(&[&head, name.as_bytes(), &[0; 4]].concat()).await.unwrap();
        let mut other = Self(stream);
        let said = other.take(6 + 1 + 2 + 8 + 8).await;
        assert_eq!(said[..4], *b"dtn!");
        let name_length = other.take(2).await;
        let name_length = usize::from(u16::from_be_bytes([name_length[0], name_length[1]]));
        other.take(name_length + 4).await;
        other
    }

    async fn take(&mut self, octets: usize) -> Vec<u8> {
        let mut taken = vec![0; octets];
        tokio::time::timeout(Duration::from_secs(30), self.0.read_exact(&mut taken)).await.unwrap().unwrap();
        taken
    }

    /// Acknowledges what comes without the flag that says which acknowledgement is the last, until it has seen `text`.
    async fn take_bundles_until(&mut self, text: &[u8]) {
        loop {
            let head = self.take(10).await;
            assert_eq!((head[0], head[1]), (1, 3), "a transfer of one segment");
            assert_eq!(self.take(4).await, [0; 4], "without extension items");
            let length = self.take(8).await;
            let octets = usize::try_from(u64::from_be_bytes(length[..].try_into().unwrap())).unwrap();
            let data = self.take(octets).await;
            self.0.write_all(&[&[2, 0], &head[2..], &length].concat()).await.unwrap();
            if data.windows(text.len()).any(|window| window == text) {
                return;
            }
        }
    }

    /// Sends a bundle in one segment.
    async fn send(&mut self, bundle: &[u8]) {
        let length = (bundle.len() as u64).to_be_bytes();
        self.0
            .write_all(&[&[1, 3], &7_u64.to_be_bytes()[..], &[0; 4], &length, bundle].concat())
            .await
            .unwrap();
    }
}

fn has_fault(status: &Status, text: &str) -> bool {
    status.contacts.iter().any(|contact| contact.fault.as_ref().is_some_and(|fault| fault.contains(text)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_acknowledges_without_the_right_flags_gets_its_bundles_once() {
    let a = Node::start_with("a", "[[foreign]]\nnode = \"ipn:9.0\"\n").await;
    let mut other = Other::at(&a, "ipn:9.0").await;
    send(&mut a.client().await, "ipn:9.1", b"for a node of another make").await;
    other.take_bundles_until(b"for a node of another make").await;
    a.until("status names it", |status| has_fault(status, "without the END flag")).await;
    a.until("nothing is owed", |status| status.neighbors.iter().all(|neighbor| neighbor.owed_bundles == 0))
        .await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_no_node_id_is_named_and_does_not_end_the_contact() {
    let a = Node::start("a").await;
    let _other = Other::at(&a, "dtn://other/incoming").await;
    a.until("status names it", |status| has_fault(status, "'dtn://other/incoming', which is not a node ID"))
        .await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_from_nobody_with_blocks_of_unknown_types_in_any_order_is_delivered() {
    let a = Node::start_with("a", "strangers = \"deliver\"\nunsigned = \"deliver\"\n").await;
    let mut other = Other::at(&a, "ipn:9.0").await;
    other.send(&bundle()).await;
    let delivery = next(&mut a.client().await, "dtn://a/inbox").await;
    assert_eq!(
        (delivery.bundle.payload_octets, delivery.bundle.source.to_string()),
        (5, "dtn:none".to_owned())
    );
    a.stop().await;
}

/// From `dtn:none` to `dtn://a/inbox`, by somebody without a clock, for a day and without CRCs: a block of type 201, number 9, a
/// hop count, number 2, a block of type 200, number 5, the age, number 3, and the payload.
fn bundle() -> Vec<u8> {
    [
        // Not to be fragmented.
        &b"\x9f\x88\x07\x04\x00"[..],
        b"\x82\x01\x69//a/inbox\x82\x01\x00\x82\x01\x00",
        b"\x82\x00\x01\x1a\x05\x26\x5c\x00",
        b"\x85\x18\xc9\x09\x00\x00\x43abc",
        b"\x85\x0a\x02\x00\x00\x44\x82\x18\x20\x01",
        b"\x85\x18\xc8\x05\x00\x00\x40",
        b"\x85\x07\x03\x00\x00\x41\x00",
        b"\x85\x01\x01\x00\x00\x45hello\xff",
    ]
    .concat()
}
