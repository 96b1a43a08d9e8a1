//! Keeps a contact with one peer: dials it, waits for the contact's end, and dials it again, with growing pauses.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::{Adapters, Address, Unreachable};
use convergence_layer::Link;
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, roll};
use crate::contact::{self, ContactEnd};
use crate::contacts::Opener;
use crate::node::Node;

/// A peer that did not answer for so long is said to be silent.
const SILENT: Duration = Duration::from_secs(5);
/// A peer that calls is not dialled sooner than this after the last time.
const PAUSE_AT_LEAST: Duration = Duration::from_millis(250);

/// Keeps the contact until it is no longer wanted.
pub(super) async fn keep_contact(
    node: Arc<Node>,
    adapters: Arc<Adapters>,
    address: Address,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new(address.is_local());
    while !stop.is_cancelled() {
        let connected = tokio::select! {
            () = stop.cancelled() => break,
            connected = dial(&node, &adapters, &address) => connected,
        };
        let end = match connected {
            Ok(link) => run(&node, link, &address).await,
            Err(unreachable) => ContactEnd::before_it_began(unreachable.to_string()),
        };
        backoff.contact_ended(end.lasted, end.neighbor);
        let pause = backoff.pause(roll());
        tracing::debug!(peer = %address, reason = end.reason, ?pause, "dialling again after a pause");
        node.peers.set(&address, |peer| {
            peer.up = false;
            peer.last_error = (!end.was_duplicate()).then(|| end.reason.clone());
            peer.next_try = Some(Instant::now() + pause);
        });
        tokio::select! {
            () = stop.cancelled() => break,
            () = rest(&node, &address, &end, pause) => {}
            () = called(&adapters, &address) => {}
        }
    }
    node.peers.forget(&address);
}

/// Dials, which takes as long as nobody is at the other end of a line.
async fn dial(node: &Arc<Node>, adapters: &Adapters, address: &Address) -> Result<Link, Unreachable> {
    let mut dialling = pin!(adapters.dial(address));
    if let Ok(connected) = tokio::time::timeout(SILENT, &mut dialling).await {
        return connected;
    }
    node.peers.set(address, |peer| {
        peer.last_error = Some("nobody has answered yet".to_owned());
        peer.next_try = None;
    });
    dialling.await
}

/// Until the peer calls: it is there. Not at once, or one that calls again and again would be dialled all the time.
async fn called(adapters: &Adapters, address: &Address) {
    tokio::time::sleep(PAUSE_AT_LEAST).await;
    adapters.called(address).await;
}

async fn run(node: &Arc<Node>, link: Link, address: &Address) -> ContactEnd {
    node.peers.set(address, |peer| {
        peer.up = true;
        peer.next_try = None;
    });
    let opener = if address.is_local() { Opener::Both } else { Opener::Us };
    contact::run(node, link, &address.to_string(), opener).await
}

/// Waits before the next try: for the pause, and, where another contact with the same neighbor is up, for its end.
async fn rest(node: &Arc<Node>, address: &Address, end: &ContactEnd, pause: Duration) {
    if let (true, Some(neighbor)) = (end.was_duplicate(), &end.declared) {
        let mut changes = node.contacts.changes();
        while node.contacts.has(neighbor) {
            node.peers.set(address, |peer| {
                peer.up = true;
                peer.next_try = None;
            });
            if changes.changed().await.is_err() {
                return;
            }
        }
        node.peers.set(address, |peer| {
            peer.up = false;
            peer.next_try = Some(Instant::now() + pause);
        });
    }
    tokio::time::sleep(pause).await;
}
