//! Nodes at the two ends of a serial line, on pseudo-terminals.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use agent_node::Call;
use tempfile::TempDir;

use crate::cable::Cable;
use crate::support::{Node, noise, receive, send, trust_each_other};

/// Names of devices that stay the same, as those under `/dev/serial/by-id`, whatever is plugged in.
struct Sockets {
    folder: TempDir,
}

impl Sockets {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn name(&self, end: usize) -> PathBuf {
        self.folder.path().join(format!("line-{end}"))
    }

    fn plug(&self, cable: &Cable) {
        for end in 0..2 {
            let _ = std::fs::remove_file(self.name(end));
            symlink(cable.path(end), self.name(end)).unwrap();
        }
    }

    /// The names go with the devices, as under `/dev/serial/by-id`: another test may be given pseudo-terminals of the same numbers.
    fn unplug(&self, cable: Cable) {
        for end in 0..2 {
            std::fs::remove_file(self.name(end)).unwrap();
        }
        drop(cable);
    }

    async fn peer(&self, end: usize, node: &Node, settings: &str) {
        let url = format!("serial://{}?{settings}", self.name(end).display());
        node.client().await.call(Call::PeerAdd { url }).await.unwrap();
    }
}

async fn authenticated(node: &Node) {
    node.until("the neighbor proves who it is", |status| status.contacts.iter().any(|c| c.authenticated))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_cross_a_noisy_line_both_ways() {
    let (sockets, cable) = (Sockets::new(), Cable::new());
    sockets.plug(&cable);
    cable.damage(5_000);
    let (a, b) = (Node::start("alice").await, Node::start("bob").await);
    trust_each_other(&[&a, &b]).await;
    sockets.peer(0, &a, "baud=1000000").await;
    sockets.peer(1, &b, "baud=1000000").await;
    authenticated(&a).await;
    let (mut at_a, mut at_b) = (a.client().await, b.client().await);
    let (large, small) = (noise(150_000), noise(400));
    send(&mut at_a, "dtn://bob/inbox", &large).await;
    send(&mut at_b, "dtn://alice/inbox", &small).await;
    receive(&mut at_a, "dtn://alice/inbox", &small).await;
    receive(&mut at_b, "dtn://bob/inbox", &large).await;
    let status = a.until("its line is measured", |status| status.contacts[0].round_trip_ms.is_some()).await;
    assert!(status.contacts[0].octets_out > 150_000);
    assert!(status.contacts[0].link.starts_with("serial:///"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_pulled_and_plugged_in_again_goes_on_where_it_was() {
    let (sockets, cable) = (Sockets::new(), Cable::new());
    sockets.plug(&cable);
    let (a, b) = (Node::start("alice").await, Node::start("bob").await);
    trust_each_other(&[&a, &b]).await;
    sockets.peer(0, &a, "baud=460800").await;
    sockets.peer(1, &b, "baud=460800").await;
    authenticated(&a).await;
    let (mut at_a, mut at_b) = (a.client().await, b.client().await);
    let large = noise(400_000);
    send(&mut at_a, "dtn://bob/inbox", &large).await;
    b.until("half of it is there", |status| status.contacts.iter().any(|c| c.octets_in > 200_000)).await;
    sockets.unplug(cable);
    for node in [&a, &b] {
        let gone = |error: &String| error.contains("is not there: it may be unplugged");
        node.until("the line is gone", |status| {
            status.peers.iter().any(|p| p.last_error.as_ref().is_some_and(gone))
        })
        .await;
    }
    let cable = Cable::new();
    sockets.plug(&cable);
    receive(&mut at_b, "dtn://bob/inbox", &large).await;
    let status = b.until("the line is up again", |status| !status.contacts.is_empty()).await;
    assert!(status.contacts[0].octets_in < 330_000, "what came stays: {}", status.contacts[0].octets_in);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_gives_way_to_a_network_and_is_there_again_when_that_is_gone() {
    let (sockets, cable) = (Sockets::new(), Cable::new());
    sockets.plug(&cable);
    let (a, b) = (Node::start("alice").await, Node::start("bob").await);
    trust_each_other(&[&a, &b]).await;
    sockets.peer(0, &a, "baud=1000000").await;
    sockets.peer(1, &b, "baud=1000000").await;
    authenticated(&a).await;
    b.peer_with(&a).await;
    for node in [&a, &b] {
        node.until("only the network is left", |status| {
            status.contacts.len() == 1 && status.contacts[0].link.starts_with("tcp://")
        })
        .await;
    }
    b.client().await.call(Call::PeerRemove { url: a.url() }).await.unwrap();
    for node in [&a, &b] {
        node.until("the line is back", |status| {
            status.contacts.iter().any(|c| c.authenticated && c.link.starts_with("serial://"))
        })
        .await;
    }
}
