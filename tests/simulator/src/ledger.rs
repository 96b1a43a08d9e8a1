//! What the world knows and no node does: what was really sent, when, and what everybody was promised. The checkers
//! compare nodes with it.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{BundleId, Eid};

use crate::dice::Dice;
use crate::plan::{Millis, NodeIndex};
use crate::scenario::PlacedOrder;
use crate::violation::Rule;

/// An agent makes the bundle of an order at most this long after somebody placed it.
const MAKING_MS: u64 = 5_000;

/// An order's place in the scenario. It is the demux of the bundle's source, so that every head tells it.
pub(crate) type OrderNumber = usize;

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderState {
    /// Its time has not come, or nobody was there to take it.
    NotPlaced,
    /// The agent was asked and has not answered; if it crashed, nobody knows what came of it.
    Asked,
    /// The agent promised.
    Transmitted,
    /// The agent refused.
    Refused,
}

/// How far an application got with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// It has the bundle and told the agent so; no answer yet.
    Told,
    /// The agent took it off the queue.
    Done,
}

/// A bundle that a node answered for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    /// It may be gone from then on.
    pub(crate) until: Millis,
    pub(crate) order: Option<OrderNumber>,
}

/// The endpoint and the order of something delivered.
pub(crate) type Delivery = (String, OrderNumber);

/// The ledger of one world.
#[derive(Debug)]
pub(crate) struct Ledger {
    seed: u64,
    orders: Vec<Entry>,
    promises: Vec<BTreeMap<BundleId, Promise>>,
    takings: Vec<BTreeMap<Delivery, Taking>>,
    /// When the bundles of orders were first stored, by node.
    arrivals: Vec<BTreeMap<OrderNumber, Millis>>,
    /// Time during which no time passed for some node.
    pub(crate) unnoticed_ms: u64,
}

#[derive(Debug)]
struct Entry {
    order: PlacedOrder,
    state: OrderState,
    /// When the bundle was made.
    born: Option<Millis>,
    id: Option<BundleId>,
    /// Time spent between nodes, where a bundle's age does not grow.
    transit_ms: u64,
}

impl Ledger {
    pub(crate) fn new(seed: u64, orders: &[PlacedOrder], nodes: usize) -> Self {
        let entry = |order: &PlacedOrder| Entry {
            order: order.clone(),
            state: OrderState::NotPlaced,
            born: None,
            id: None,
            transit_ms: 0,
        };
        Self {
            seed,
            orders: orders.iter().map(entry).collect(),
            promises: vec![BTreeMap::new(); nodes],
            takings: vec![BTreeMap::new(); nodes],
            arrivals: vec![BTreeMap::new(); nodes],
            unnoticed_ms: 0,
        }
    }

    /// What the payload of an order is: its number, then noise that nothing else contains.
    pub(crate) fn payload(&self, number: OrderNumber) -> Vec<u8> {
        let mut dice = Dice::new(self.seed ^ (number as u64).rotate_left(32));
        let octets = self.entry(number).order.octets;
        let mut payload = (number as u64).to_be_bytes().to_vec();
        while payload.len() < octets {
            payload.extend_from_slice(&dice.roll().to_be_bytes());
        }
        payload.truncate(octets);
        payload
    }

    pub(crate) fn order(&self, number: OrderNumber) -> &PlacedOrder {
        &self.entry(number).order
    }

    pub(crate) fn orders(&self) -> impl Iterator<Item = (OrderNumber, &PlacedOrder, OrderState)> {
        self.orders.iter().enumerate().map(|(number, entry)| (number, &entry.order, entry.state))
    }

    /// Which order a bundle belongs to, by its source endpoint; `None` for what agents send on their own.
    pub(crate) fn order_of(&self, source: &Eid) -> Option<OrderNumber> {
        let text = source.to_string();
        let number = text.rsplit_once("/order-")?.1.parse().ok()?;
        (number < self.orders.len()).then_some(number)
    }

    pub(crate) fn demux(number: OrderNumber) -> String {
        format!("order-{number}")
    }

    pub(crate) fn asked(&mut self, number: OrderNumber, at: Millis) {
        let entry = self.entry_mut(number);
        entry.state = OrderState::Asked;
        entry.born = Some(at);
    }

    /// When it was placed.
    pub(crate) fn born(&self, number: OrderNumber) -> Millis {
        self.entry(number).born.unwrap_or_default()
    }

    /// The bundle that it became, as far as anybody saw it.
    pub(crate) fn id(&self, number: OrderNumber) -> Option<BundleId> {
        self.entry(number).id
    }

    /// A node of ours took over what another implementation sent.
    pub(crate) fn taken_over(&mut self, number: OrderNumber) {
        self.entry_mut(number).state = OrderState::Transmitted;
    }

    pub(crate) fn transmitted(&mut self, number: OrderNumber, id: BundleId) {
        let entry = self.entry_mut(number);
        entry.state = OrderState::Transmitted;
        entry.id = Some(id);
    }

    pub(crate) fn refused(&mut self, number: OrderNumber) {
        self.entry_mut(number).state = OrderState::Refused;
    }

    pub(crate) fn travelled(&mut self, number: OrderNumber, millis: u64) {
        self.entry_mut(number).transit_ms += millis;
    }

    /// When the lifetime of an order's bundle ends; never, where it was not made.
    pub(crate) fn lifetime_ends(&self, number: OrderNumber) -> Millis {
        let entry = self.entry(number);
        entry.born.map_or(Millis::MAX, |born| born + entry.order.lifetime_ms)
    }

    /// The latest time at which a node may still have it: nodes without clocks do not know of time spent between nodes,
    /// or without power.
    pub(crate) fn may_be_kept_until(&self, number: OrderNumber) -> Millis {
        self.lifetime_ends(number)
            .saturating_add(MAKING_MS + self.entry(number).transit_ms + self.unnoticed_ms)
    }

    pub(crate) fn promise(&mut self, node: NodeIndex, id: BundleId, promise: Promise) {
        self.promises.get_mut(node).expect("one map per node").entry(id).or_insert(promise);
    }

    pub(crate) fn promises(&self, node: NodeIndex) -> &BTreeMap<BundleId, Promise> {
        self.promises.get(node).expect("one map per node")
    }

    /// A node's disk is lost, and with it what it promised but these.
    pub(crate) fn keep_promises(&mut self, node: NodeIndex, kept: &BTreeSet<BundleId>) {
        self.promises.get_mut(node).expect("one map per node").retain(|id, _| kept.contains(id));
    }

    /// Promises that nobody will ask for again.
    pub(crate) fn forget_promises_before(&mut self, node: NodeIndex, at: Millis) {
        self.promises.get_mut(node).expect("one map per node").retain(|_, promise| promise.until > at);
    }

    pub(crate) fn taking(&self, node: NodeIndex, delivery: &Delivery) -> Option<Taking> {
        self.takings(node).get(delivery).copied()
    }

    pub(crate) fn takings(&self, node: NodeIndex) -> &BTreeMap<Delivery, Taking> {
        self.takings.get(node).expect("one map per node")
    }

    pub(crate) fn take(&mut self, node: NodeIndex, delivery: Delivery, taking: Taking) {
        self.takings.get_mut(node).expect("one map per node").insert(delivery, taking);
    }

    /// A node stored an order's bundle that came from a neighbor.
    pub(crate) fn arrived(&mut self, node: NodeIndex, number: OrderNumber, at: Millis) {
        self.arrivals.get_mut(node).expect("one map per node").entry(number).or_insert(at);
    }

    /// When it did.
    pub(crate) fn arrival(&self, node: NodeIndex, number: OrderNumber) -> Option<Millis> {
        self.arrivals.get(node)?.get(&number).copied()
    }

    /// Whether an application at a node has had an order's bundle, at whatever endpoint.
    pub(crate) fn was_taken(&self, node: NodeIndex, number: OrderNumber) -> bool {
        self.takings(node).keys().any(|(_, order)| *order == number)
    }

    /// Compares something delivered with what was sent.
    pub(crate) fn examine(
        &mut self,
        number: OrderNumber,
        id: BundleId,
        payload: &[u8],
    ) -> Result<(), (Rule, String)> {
        if self.entry(number).state == OrderState::Refused {
            return Err((
                Rule::DeliveredAsSent,
                format!("order {number} was refused, and delivered all the same"),
            ));
        }
        if *self.entry_mut(number).id.get_or_insert(id) != id {
            return Err((Rule::DeliveredAsSent, format!("order {number} became two bundles")));
        }
        if payload != self.payload(number) {
            return Err((
                Rule::DeliveredAsSent,
                format!("order {number} arrived with other octets than were sent"),
            ));
        }
        Ok(())
    }

    fn entry(&self, number: OrderNumber) -> &Entry {
        self.orders.get(number).expect("orders are numbered by their place")
    }

    fn entry_mut(&mut self, number: OrderNumber) -> &mut Entry {
        self.orders.get_mut(number).expect("orders are numbered by their place")
    }
}
