//! Keeps a contact with one peer: dials it, waits for the contact's end, and dials it again, with growing pauses.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::{Adapters, Address, Unreachable};
use bundle_format::Eid;
use convergence_layer::Link;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::peers::{PeerOrigin, PeerState};
use crate::backoff::{Backoff, roll};
use crate::contact::{self, ContactEnd, Known};
use crate::contacts::Opener;
use crate::node::Node;

/// A peer that did not answer for so long is said to be silent.
const SILENT: Duration = Duration::from_secs(5);
/// A peer that calls is not dialled sooner than this after the last time.
const PAUSE_AT_LEAST: Duration = Duration::from_millis(250);

/// A peer as it is dialled.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) origin: PeerOrigin,
    /// Where it is reached, in the order in which to try; may change at any time.
    pub(super) addresses: watch::Receiver<Vec<Address>>,
}

impl Target {
    /// A peer with one address that stays.
    pub(super) fn configured(address: Address) -> Self {
        Self { origin: PeerOrigin::Configured, addresses: watch::channel(vec![address]).1 }
    }

    /// The address whose turn it is.
    fn address(&self, turn: usize) -> Option<Address> {
        let addresses = self.addresses.borrow();
        addresses.get(turn.checked_rem(addresses.len())?).cloned()
    }

    fn note(&self, node: &Node, address: &Address, change: impl FnOnce(&mut PeerState)) {
        node.peers.set((self.origin, address), change);
    }

    pub(super) fn forget(&self, node: &Node, address: &Address) {
        node.peers.forget((self.origin, address));
    }
}

/// Keeps the contact until it is no longer wanted.
pub(super) async fn keep_contact(
    node: Arc<Node>,
    adapters: Arc<Adapters>,
    target: Target,
    stop: CancellationToken,
) {
    let mut turn: usize = 0;
    let mut backoff = None;
    while let Some(address) = target.address(turn) {
        let at = (&target, &address);
        let Some(end) = try_once(&node, &adapters, at, &stop).await else {
            return target.forget(&node, &address);
        };
        if target.origin == PeerOrigin::Found && end.declared.as_ref() == Some(&node.config.node) {
            // It is this node by another way, or somebody who says so: as good as nobody.
            return target.forget(&node, &address);
        }
        if end.lasted.is_zero() && !end.was_duplicate() {
            turn = turn.wrapping_add(1);
        }
        let backoff = backoff.get_or_insert_with(|| Backoff::new(address.is_local()));
        backoff.contact_ended(end.lasted, end.neighbor);
        let pause = backoff.pause(roll());
        tracing::debug!(peer = %address, reason = end.reason, ?pause, "dialling again after a pause");
        target.note(&node, &address, |peer| {
            peer.up = false;
            peer.last_error = (!end.was_duplicate()).then(|| end.reason.clone());
            peer.next_try = Some(Instant::now() + pause);
        });
        tokio::select! {
            () = stop.cancelled() => return target.forget(&node, &address),
            () = rest(&node, at, &end, pause) => {}
            () = called(&adapters, &address) => {}
        }
        if target.address(turn).as_ref() != Some(&address) {
            target.forget(&node, &address);
        }
    }
}

/// Dials once, and keeps the contact that comes of it to its end; `None` where it is stopped before there is one.
pub(super) async fn try_once(
    node: &Arc<Node>,
    adapters: &Adapters,
    (target, address): (&Target, &Address),
    stop: &CancellationToken,
) -> Option<ContactEnd> {
    let connected = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        connected = dial(node, adapters, (target, address)) => connected,
    };
    Some(match connected {
        Ok(link) => run(node, link, target, address).await,
        Err(unreachable) => ContactEnd::before_it_began(unreachable.to_string()),
    })
}

/// Dials, which takes as long as nobody is at the other end of a line.
async fn dial(
    node: &Arc<Node>,
    adapters: &Adapters,
    (target, address): (&Target, &Address),
) -> Result<Link, Unreachable> {
    let mut dialling = pin!(adapters.dial(address));
    if let Ok(connected) = tokio::time::timeout(SILENT, &mut dialling).await {
        return connected;
    }
    target.note(node, address, |peer| {
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

async fn run(node: &Arc<Node>, link: Link, target: &Target, address: &Address) -> ContactEnd {
    target.note(node, address, |peer| {
        peer.up = true;
        peer.next_try = None;
    });
    let opener = if address.is_opened_by_both() { Opener::Both } else { Opener::Us };
    contact::run(node, link, &Known { url: address.to_string(), opener, node: address.node().cloned() }).await
}

/// Waits before the next try: for the pause, and, where another contact with the same neighbor is up, for its end.
async fn rest(node: &Arc<Node>, (target, address): (&Target, &Address), end: &ContactEnd, pause: Duration) {
    if let (true, Some(neighbor)) = (end.was_duplicate(), &end.declared) {
        let displaces = target.origin == PeerOrigin::Configured && displace(node, neighbor, address);
        let mut changes = node.contacts.changes();
        while node.contacts.has(neighbor) {
            target.note(node, address, |peer| {
                peer.up = true;
                peer.next_try = None;
            });
            if changes.changed().await.is_err() {
                return;
            }
        }
        if displaces {
            return;
        }
        target.note(node, address, |peer| {
            peer.up = false;
            peer.next_try = Some(Instant::now() + pause);
        });
    }
    tokio::time::sleep(pause).await;
}

/// A configured peer is reached, and stood back because of a contact that came of looking around: that one ends. Whether
/// there was one.
fn displace(node: &Node, neighbor: &Eid, address: &Address) -> bool {
    let (configured, other): (Vec<_>, Vec<_>) =
        node.peers.all().into_keys().partition(|(origin, _)| *origin == PeerOrigin::Configured);
    let mut links: BTreeSet<String> = other.iter().map(|(_, address)| address.to_string()).collect();
    for (_, address) in &configured {
        links.remove(&address.to_string());
    }
    let came_so = node.contacts.each(|entry| {
        let is_it =
            entry.opener == Opener::Us && entry.neighbor() == Some(neighbor) && links.contains(&entry.link);
        is_it.then(|| entry.link.clone())
    });
    let came_so: Vec<String> = came_so.into_iter().flatten().collect();
    for link in &came_so {
        node.contacts.close_link(link, &format!("the peer that is configured at {address} takes its place"));
    }
    !came_so.is_empty()
}
