//! Nodes that are known by their cards: where they listen is tried, one address at a time and seldom, while this node has
//! little else to do.
//!
//! `Links::discover` starts it. Cards replicate, so that they come of nodes that were never met. Only cards of trusted
//! nodes count, and they are hints: who is there is settled on the contact. Invariant: a node is not tried that there is a
//! contact with, nor an address that is configured, found on the local network, or this node's own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use adapters::{Adapters, Address, TcpAddress};
use agent_core::knowledge::card_of;
use agent_core::store::StoreError;
use bundle_format::Eid;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::dialling::{self, Target};
use super::peers::{self, PeerOrigin};
use super::places;
use crate::backoff::{Neighbor, roll};
use crate::contact::ContactEnd;
use crate::node::Node;

/// Between two tries of whatever node.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// After a try, or a contact that came of one, the same node is left alone for so long; twice as long after each that failed.
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// Tries, and contacts that came of them, at a time.
const AT_ONCE: usize = 4;
/// A node with so many contacts, of whatever kind, needs no others.
const CONTACTS_ENOUGH: usize = 4;
/// A node that moves more octets in a second is not idle.
const IDLE_RATE: u64 = 16 << 10;
/// Cards that are read at one look.
const CARDS_MAX: usize = 32;
/// Addresses of one card that are tried, one after another.
const PLACES_MAX: usize = 4;

/// Tries learnt addresses until the node stops.
pub(super) async fn keep_learnt(
    node: Arc<Node>,
    adapters: Arc<Adapters>,
    listening: Vec<Address>,
    stop: CancellationToken,
) {
    let (tasks, tries, running) = (JoinSet::new(), BTreeMap::new(), BTreeSet::new());
    let mut learnt = Learnt { node, adapters, listening, stop, tasks, tries, running, last: None };
    let mut looks = interval(LOOK_EVERY.mul_f64(0.75 + 0.25 * f64::from(roll()) / f64::from(u32::MAX)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.reset();
    loop {
        tokio::select! {
            () = learnt.stop.cancelled() => break,
            Some(Ok((node, end))) = learnt.tasks.join_next() => learnt.ended(&node, end.as_ref()),
            _ = looks.tick() => learnt.look().await,
        }
    }
    while learnt.tasks.join_next().await.is_some() {}
}

/// How it goes with one node.
#[derive(Debug)]
struct Tries {
    next: Instant,
    pause: Duration,
    turn: usize,
}

#[derive(Debug)]
struct Learnt {
    node: Arc<Node>,
    adapters: Arc<Adapters>,
    listening: Vec<Address>,
    stop: CancellationToken,
    tasks: JoinSet<(Eid, Option<ContactEnd>)>,
    /// Of nodes that are trusted.
    tries: BTreeMap<Eid, Tries>,
    running: BTreeSet<Eid>,
    /// The node whose card was looked at last: each has its turn.
    last: Option<Eid>,
}

impl Learnt {
    /// Tries one address of one node, if there is one whose time has come.
    async fn look(&mut self) {
        if !self.is_idle() {
            return;
        }
        // What cannot be read now is read another time; the writer says what is wrong with the store.
        let Ok(cards) = self.cards().await else { return };
        let Ok(taken) = self.taken().await else { return };
        for (node, addresses) in cards {
            let places = usable(&addresses, &taken);
            self.last = Some(node.clone());
            if !places.is_empty() {
                self.begin(node, &places);
                return;
            }
        }
    }

    fn is_idle(&self) -> bool {
        let rates = self.node.contacts.each(|entry| {
            let shown = entry.wires.gauge.reading();
            shown.rate_out.saturating_add(shown.rate_in)
        });
        let rate = rates.iter().fold(0, |sum: u64, rate| sum.saturating_add(*rate));
        rates.len() < CONTACTS_ENOUGH && rate < IDLE_RATE && self.tasks.len() < AT_ONCE
    }

    /// Where some nodes listen whose time has come, by their cards.
    async fn cards(&mut self) -> Result<Vec<(Eid, Vec<String>)>, StoreError> {
        let now = Instant::now();
        let mut skipped = self.running.clone();
        skipped.extend(self.node.contacts.each(|entry| entry.neighbor().cloned()).into_iter().flatten());
        skipped.extend(self.tries.iter().filter(|(_, tries)| tries.next > now).map(|(node, _)| node.clone()));
        let (config, last) = (Arc::clone(&self.node.config), self.last.take());
        let (trusted, cards) = self
            .node
            .read(move |view| {
                let trusted = config.trusted_nodes(view)?;
                let due = in_turn(&trusted, last.as_ref()).filter(|node| !skipped.contains(*node));
                let card = |node: &Eid| {
                    let card = card_of(view, node)?;
                    Ok((node.clone(), card.map(|card| card.addresses).unwrap_or_default()))
                };
                let cards = due.take(CARDS_MAX).map(card).collect::<Result<Vec<_>, StoreError>>()?;
                Ok((trusted, cards))
            })
            .await?;
        self.tries.retain(|node, _| trusted.contains(node));
        Ok(cards)
    }

    /// Addresses that somebody else dials, or that are ours.
    async fn taken(&self) -> Result<BTreeSet<SocketAddr>, StoreError> {
        let mut taken = peers::wanted(&self.node).await?;
        taken.extend(self.node.peers.all().into_keys().map(|(_, address)| address));
        taken.extend(places::said(&self.listening, true).iter().filter_map(|url| url.parse().ok()));
        Ok(taken.iter().filter_map(Address::tcpcl_place).collect())
    }

    fn begin(&mut self, whose: Eid, places: &[Address]) {
        let first = Tries { next: Instant::now(), pause: PAUSE_MIN, turn: 0 };
        let tries = self.tries.entry(whose.clone()).or_insert(first);
        let turn = tries.turn.checked_rem(places.len());
        tries.turn = tries.turn.wrapping_add(1);
        let Some(address) = turn.and_then(|turn| places.get(turn)).cloned() else { return };
        tracing::debug!(node = %whose, %address, "trying where its card says that it listens");
        let target =
            Target { origin: PeerOrigin::Learnt, addresses: watch::channel(vec![address.clone()]).1 };
        let (node, adapters, stop) = (Arc::clone(&self.node), Arc::clone(&self.adapters), self.stop.clone());
        self.running.insert(whose.clone());
        self.tasks.spawn(async move {
            let end = dialling::try_once(&node, &adapters, (&target, &address), &stop).await;
            target.forget(&node, &address);
            (whose, end)
        });
    }

    /// A try, or the contact that came of it, is over.
    fn ended(&mut self, whose: &Eid, end: Option<&ContactEnd>) {
        self.running.remove(whose);
        let Some(tries) = self.tries.get_mut(whose) else { return };
        let was_good = end.is_some_and(|end| end.neighbor == Neighbor::Proven);
        tries.next = Instant::now() + if was_good { PAUSE_MIN } else { tries.pause };
        tries.pause = if was_good { PAUSE_MIN } else { (tries.pause * 2).min(PAUSE_MAX) };
    }
}

/// All nodes, those behind the last one first.
fn in_turn<'n>(nodes: &'n BTreeSet<Eid>, last: Option<&Eid>) -> impl Iterator<Item = &'n Eid> {
    let (before, behind): (Vec<&Eid>, Vec<&Eid>) =
        nodes.iter().partition(|node| last.is_some_and(|last| *node <= last));
    behind.into_iter().chain(before)
}

/// The addresses of a card that may be tried: numbers that mean something here, of the layer that everybody has. Its settings are
/// ours to choose.
fn usable(addresses: &[String], taken: &BTreeSet<SocketAddr>) -> Vec<Address> {
    let places = addresses.iter().filter_map(|url| url.parse::<Address>().ok()?.tcpcl_place());
    let places = places.map(|place| SocketAddr::new(place.ip().to_canonical(), place.port()));
    let usable = places.filter(|place| place.port() != 0 && is_host(place.ip()) && !taken.contains(place));
    usable.take(PLACES_MAX).map(|place| Address::Tcp(TcpAddress::of(place.into()))).collect()
}

fn is_host(ip: IpAddr) -> bool {
    let is_special = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets().first() == Some(&0),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(is_special || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<String> = addresses.iter().map(|url| (*url).to_owned()).collect();
        let taken = BTreeSet::from(["192.0.2.1:4556".parse().unwrap()]);
        super::usable(&addresses, &taken).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_that_mean_nothing_here_or_are_dialled_already_are_not_tried() {
        let hostile = [
            "tcp://[::]:4556",
            "tcp://0.0.0.0:4556",
            "tcp://127.0.0.1:4556",
            "tcp://[::1]:22",
            "tcp://[::ffff:127.0.0.1]:22",
            "tcp://[fe80::1%2]:4556",
            "tcp://169.254.169.254:80",
            "tcp://224.0.0.251:5353",
            "tcp://255.255.255.255:1",
            "tcp://192.0.2.7:0",
            "tcp://hub.example.org",
            "serial:///dev/ttyUSB0?baud=9600",
            "udp://192.0.2.7",
            "what?",
            "",
            "tcp://192.0.2.1?tls=off",
        ];
        assert_eq!(usable(&hostile), [""; 0]);
        assert_eq!(
            usable(&["tcp://192.0.2.7?tls=off", "tcp://[2001:db8::7]:1"]),
            ["tcp://192.0.2.7:4556", "tcp://[2001:db8::7]:1"]
        );
    }

    #[test]
    fn few_addresses_of_a_card_are_tried() {
        let many: Vec<String> = (2..30).map(|host| format!("tcp://192.0.2.{host}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(usable(&many).len(), PLACES_MAX);
    }

    #[test]
    fn every_node_has_its_turn() {
        let nodes: BTreeSet<Eid> =
            ["dtn://a/", "dtn://b/", "dtn://c/"].map(|node| node.parse().unwrap()).into();
        let turns = |last: Option<&str>| {
            let last: Option<Eid> = last.map(|last| last.parse().unwrap());
            in_turn(&nodes, last.as_ref()).map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(turns(None), "dtn://a/ dtn://b/ dtn://c/");
        assert_eq!(turns(Some("dtn://a/")), "dtn://b/ dtn://c/ dtn://a/");
        assert_eq!(turns(Some("dtn://c/")), "dtn://a/ dtn://b/ dtn://c/");
    }
}
