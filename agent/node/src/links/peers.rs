//! The nodes to keep a contact with, and how that goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use adapters::Address;
use agent_core::store::StoreError;

use crate::node::Node;

/// Peers that a node keeps besides those of its configuration: a task and a socket each.
pub(crate) const PEERS_MAX: usize = 256;

/// How a peer came to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerOrigin {
    /// Somebody named it.
    Configured,
    /// It announces itself on the local network.
    Found,
    /// Its card says that it listens there.
    Learnt,
}

/// How it goes with one peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerState {
    /// Whether a connection is up.
    pub(crate) up: bool,
    /// Why the last contact ended, or did not come about.
    pub(crate) last_error: Option<String>,
    /// When the next try is due.
    pub(crate) next_try: Option<Instant>,
}

/// How it goes with all peers. Whoever announces an address changes nothing of what is said of the peer that is configured there.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<BTreeMap<(PeerOrigin, Address), PeerState>>);

impl Peers {
    pub(crate) fn set(&self, peer: (PeerOrigin, &Address), change: impl FnOnce(&mut PeerState)) {
        change(self.lock().entry((peer.0, peer.1.clone())).or_default());
    }

    pub(crate) fn forget(&self, peer: (PeerOrigin, &Address)) {
        self.lock().remove(&(peer.0, peer.1.clone()));
    }

    pub(crate) fn all(&self) -> BTreeMap<(PeerOrigin, Address), PeerState> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(PeerOrigin, Address), PeerState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that are wanted now, of `config.toml` and of the store.
pub(super) async fn wanted(node: &Arc<Node>) -> Result<BTreeSet<Address>, StoreError> {
    let added = node.read(|view| view.peers()).await?;
    let mut wanted: BTreeSet<Address> = node.settings.peers.iter().cloned().collect();
    // Only addresses that can be used are added.
    wanted.extend(added.iter().filter_map(|url| url.parse().ok()));
    Ok(wanted)
}
