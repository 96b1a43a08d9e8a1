//! The links of a node: where it listens, and which nodes it keeps a contact with.
//!
//! Each listener and each peer is a task of its own, so that one that is unreachable never delays another. Peers stand in
//! `config.toml` or in the store; one that is added or removed while the node runs takes effect at once. Others announce
//! themselves on the local network, or say in their cards where they listen.

mod dialling;
mod found;
mod learnt;
mod listening;
mod peers;
mod places;

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::{Adapters, Address, Listener};
use agent_core::output::Notice;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::peers::{PEERS_MAX, PeerOrigin, PeerState, Peers};
pub(crate) use self::places::said as addresses_said;
use crate::node::Node;

/// The tasks of a node's links.
#[derive(Debug)]
pub(crate) struct Links {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Links {
    /// Begins to accept and to dial.
    pub(crate) fn start(node: &Arc<Node>, adapters: &Arc<Adapters>, listeners: Vec<Listener>) -> Self {
        let links = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        for listener in listeners {
            let (stop, tasks) = (links.stop.clone(), links.tasks.clone());
            links.tasks.spawn(listening::accept_all(listener, Arc::clone(node), stop, tasks));
        }
        links.tasks.spawn(keep_peers(Arc::clone(node), Arc::clone(adapters), links.stop.clone()));
        links
    }

    /// Begins to look for nodes on the local network, and to announce this one where it listens.
    pub(crate) fn discover(&self, node: &Arc<Node>, adapters: &Arc<Adapters>, listening: &[Address]) {
        let offer = found::offer(node, listening);
        self.tasks.spawn(places::keep_said(Arc::clone(node), listening.to_vec(), self.stop.clone()));
        let stop = || self.stop.clone();
        let with = || (Arc::clone(node), Arc::clone(adapters));
        let (node, adapters) = with();
        self.tasks.spawn(learnt::keep_learnt(node, adapters, listening.to_vec(), stop()));
        let (node, adapters) = with();
        self.tasks.spawn(found::keep_found(node, adapters, offer, stop()));
    }

    /// Nothing new is begun; contacts that are open go on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Waits until all are over.
    pub(crate) async fn ended(&self) {
        self.tasks.wait().await;
    }
}

/// Keeps one task for each peer, as settings change.
async fn keep_peers(node: Arc<Node>, adapters: Arc<Adapters>, stop: CancellationToken) {
    let mut news = node.news.listen();
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<Address, CancellationToken> = BTreeMap::new();
    loop {
        let wanted = match peers::wanted(&node).await {
            Ok(wanted) => wanted,
            Err(error) => {
                tracing::error!(%error, "the list of peers cannot be read");
                running.keys().cloned().collect()
            }
        };
        running.retain(|address, stop_one| {
            let stays = wanted.contains(address);
            if !stays {
                stop_one.cancel();
                node.contacts.close_link(&address.to_string(), "the peer was removed");
            }
            stays
        });
        for address in wanted {
            running.entry(address).or_insert_with_key(|address| {
                let stop_one = stop.child_token();
                let target = dialling::Target::configured(address.clone());
                let (node, adapters) = (Arc::clone(&node), Arc::clone(&adapters));
                tasks.spawn(dialling::keep_contact(node, adapters, target, stop_one.clone()));
                stop_one
            });
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    while tasks.join_next().await.is_some() {}
                    return;
                }
                Some(_) = tasks.join_next() => {}
                heard = news.recv() => match heard {
                    Ok(Notice::SettingsChanged) | Err(RecvError::Lagged(_)) => break,
                    Ok(_) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}
