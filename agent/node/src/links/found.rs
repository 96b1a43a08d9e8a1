//! Nodes that announce themselves on the local network: each is dialled like a peer for as long as it does.
//!
//! `Links::discover` starts it. An announcement says where somebody may be, not who it is: whom this node talks to is settled on the contact, as on
//! any other. A contact that is open outlives its announcement.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters::{Adapters, Address, TcpAddress};
use agent_core::config::Carry;
use discovery::{Offer, SERVICES_MAX, Search, SearchError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::dialling::{self, Target};
use super::peers::{self, PeerOrigin};
use crate::node::Node;

/// Tasks for found nodes: those that are announced, and as many whose contact has outlived the announcement.
const TASKS_MAX: usize = 2 * SERVICES_MAX;
/// Found nodes that are dialled anew after one look: with the time between two looks, whoever announces a flood of services
/// makes us dial less than once a second.
const NEW_MAX: usize = 4;
/// The least time between two looks at the list: whoever announces something new all the time makes us dial seldom.
const CALM: Duration = Duration::from_secs(5);
/// How long not to look after the search failed.
const PAUSE: Duration = Duration::from_secs(60);

/// What a node that listens there announces. One that does not carry for others offers nothing, because it is no router
/// (draft-sipos-dtn-edge-zeroconf-01 §2).
pub(super) fn offer(node: &Node, listening: &[Address]) -> Option<Offer> {
    if node.config.carry == Carry::Wanted {
        return None;
    }
    let places: Vec<SocketAddr> = listening.iter().filter_map(Address::tcpcl_place).collect();
    let id = node.config.node.to_string();
    let name = id.trim_start_matches("dtn://").trim_end_matches('/');
    Offer::of(&places, name, &format!("dtn-{:08x}", crc32fast::hash(id.as_bytes())))
}

/// Looks for nodes, and dials them, until the node stops.
pub(super) async fn keep_found(
    node: Arc<Node>,
    adapters: Arc<Adapters>,
    offer: Option<Offer>,
    stop: CancellationToken,
) {
    let mut found = Found { node, adapters, tasks: JoinSet::new(), running: BTreeMap::new(), stop };
    while let Err(error) = found.follow(offer.as_ref()).await {
        tracing::warn!(%error, again_in = ?PAUSE, "discovery");
        tokio::select! {
            () = found.stop.cancelled() => break,
            () = sleep(PAUSE) => {}
        }
    }
    while found.tasks.join_next().await.is_some() {}
}

/// A found node that is dialled.
#[derive(Debug)]
struct Dialled {
    addresses: watch::Sender<Vec<Address>>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Found {
    node: Arc<Node>,
    adapters: Arc<Adapters>,
    tasks: JoinSet<()>,
    /// By the name of the service.
    running: BTreeMap<String, Dialled>,
    stop: CancellationToken,
}

impl Found {
    /// Follows one search to the node's end, or to the search's.
    async fn follow(&mut self, offer: Option<&Offer>) -> Result<(), SearchError> {
        let mut search = Search::start(offer)?;
        let mut is_done = true;
        loop {
            // What is left over is looked at again though nothing has changed.
            if is_done {
                tokio::select! {
                    () = self.stop.cancelled() => break,
                    changed = search.changed() => changed?,
                }
            }
            is_done = self.adopt(search.services()).await;
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = sleep(CALM) => {}
            }
        }
        search.stop().await;
        Ok(())
    }

    /// Dials what is announced now, and nothing else. `false`: not all of it yet.
    async fn adopt(&mut self, services: BTreeMap<String, Vec<SocketAddr>>) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|name, dialled| {
            let stays = services.contains_key(name);
            if !stays {
                dialled.stop.cancel();
            }
            stays
        });
        // Where the list cannot be read a node is perhaps dialled twice, and one contact of it stays.
        let configured = peers::wanted(&self.node).await.unwrap_or_default();
        let mut new = 0;
        for (name, places) in services {
            let at: Vec<Address> =
                places.into_iter().map(|place| Address::Tcp(TcpAddress::of(place.into()))).collect();
            if let Some(dialled) = self.running.get(&name) {
                dialled.addresses.send_replace(at);
            } else if !at
                .iter()
                .any(|found| configured.iter().any(|peer| peer.tcpcl_place() == found.tcpcl_place()))
            {
                new += 1;
                self.dial(name, at, new);
            }
        }
        new <= NEW_MAX
    }

    /// Dials the `nth` new node, if that is not too many.
    fn dial(&mut self, name: String, at: Vec<Address>, nth: usize) {
        if nth > NEW_MAX || self.tasks.len() >= TASKS_MAX {
            return;
        }
        tracing::debug!(?at, "a node was found on the local network");
        let (addresses, receiver) = watch::channel(at);
        let target = Target { origin: PeerOrigin::Found, addresses: receiver };
        let stop = self.stop.child_token();
        let (node, adapters) = (Arc::clone(&self.node), Arc::clone(&self.adapters));
        self.tasks.spawn(dialling::keep_contact(node, adapters, target, stop.clone()));
        self.running.insert(name, Dialled { addresses, stop });
    }
}
