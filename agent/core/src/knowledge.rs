//! What this node knows about who has a bundle: from contacts, and from the cards of nodes that it may never meet.

use bundle_format::{DtnTime, Eid};

use crate::cards::Card;
use crate::config::Config;
use crate::routing::Interest;
use crate::store::{BundleFacts, Hearing, StoreError, View};
use crate::time::NodeTime;

/// Most octets of a card that is read.
const CARD_OCTETS_MAX: u64 = 64 << 10;

/// A node that this one knows: trusted, met, or heard of by its card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNode {
    /// Its node ID.
    pub node: Eid,
    /// What it last said of itself; `None` if that never came here, or has expired.
    pub card: Option<Card>,
    /// When it was heard last, and how.
    pub heard: Option<Heard>,
}

/// The last that was heard of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When its card came, or when it was met, on this node's own scale.
    pub at: NodeTime,
    /// The same by a clock that was trusted then.
    pub utc: Option<DtnTime>,
    /// By which way: a link, or a drive; empty where nobody said.
    pub way: String,
}

/// Whether a node has a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Has {
    /// It showed that it has it, or its card lists it.
    Yes,
    /// Its applications took it.
    Delivered,
    /// Its card lists all that it holds, and not this.
    No,
    /// Nobody knows.
    Unknown,
}

/// A node and a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The node.
    pub known: KnownNode,
    /// Whether it has the bundle.
    pub has: Has,
    /// Whether it is its destination, a member of the group, or carries everything; `None` where it never said.
    pub wants: Option<bool>,
    /// Whether policy lets this node give it the bundle.
    pub may_have: bool,
}

impl Config {
    /// Every node that this one knows, itself not among them, in the order of their names.
    pub fn known_nodes(&self, view: View<'_>) -> Result<Vec<KnownNode>, StoreError> {
        let mut nodes: std::collections::BTreeSet<Eid> =
            self.trust.iter().map(|(node, _)| node.clone()).collect();
        nodes.extend(view.trust_list()?.into_iter().map(|entry| entry.node));
        nodes.extend(view.hearings()?.into_iter().map(|hearing| hearing.node));
        nodes.extend(view.neighbors()?.into_iter().map(|neighbor| neighbor.node));
        let others = nodes.into_iter().filter(|node| !self.is_self(node));
        others.map(|node| known(view, node)).collect()
    }

    /// Every node that is trusted now, itself not among them.
    pub fn trusted_nodes(&self, view: View<'_>) -> Result<std::collections::BTreeSet<Eid>, StoreError> {
        let listed = view.trust_list()?.into_iter().map(|entry| entry.node);
        let all = self.trust.iter().map(|(node, _)| node.clone()).chain(listed);
        Ok(all.filter(|node| !self.is_self(node)).collect())
    }

    /// Who has a bundle, and who is to have it and lacks it.
    pub fn whereabouts(&self, view: View<'_>, facts: &BundleFacts) -> Result<Vec<Whereabouts>, StoreError> {
        let holders = view.holders(facts.number)?;
        let of = |known: KnownNode| {
            let is_destination = facts.destination.node_id().as_ref() == Some(&known.node);
            let lists = known.card.as_ref().map(|card| (card.held.covers(facts), card.is_complete));
            let has = match lists {
                _ if is_destination && facts.delivered => Has::Delivered,
                _ if holders.contains(&known.node) => Has::Yes,
                Some((true, _)) => Has::Yes,
                Some((false, true)) if facts.record.is_none() && !facts.is_administrative => Has::No,
                _ => Has::Unknown,
            };
            let wants = match &known.card {
                _ if is_destination => Some(true),
                Some(card) => Some(card.wants(&known.node, &facts.destination)),
                None => None,
            };
            let interest = match &known.card {
                _ if is_destination => Interest::Member,
                Some(card) => card.interest(&known.node, &facts.destination),
                None => Interest::Carrier,
            };
            let may_have = self.policies.lead_to(&[&known.node], interest, &facts.destination);
            Whereabouts { known, has, wants, may_have }
        };
        Ok(self.known_nodes(view)?.into_iter().map(of).collect())
    }
}

fn known(view: View<'_>, node: Eid) -> Result<KnownNode, StoreError> {
    let hearing = view.hearing(&node)?;
    let card = hearing.as_ref().map(|hearing| card(view, hearing)).transpose()?.flatten();
    let by_card = hearing.map(|hearing| Heard { at: hearing.came, utc: hearing.came_utc, way: hearing.way });
    let met = view.neighbor(&node)?.filter(|neighbor| neighbor.key.is_some());
    let by_contact =
        met.map(|neighbor| Heard { at: neighbor.met, utc: neighbor.met_utc, way: neighbor.link });
    let heard = by_card.into_iter().chain(by_contact).max_by_key(|heard| heard.at);
    Ok(KnownNode { node, card, heard })
}

/// The last card of a node, as long as it is here.
pub fn card_of(view: View<'_>, node: &Eid) -> Result<Option<Card>, StoreError> {
    view.hearing(node)?.map_or(Ok(None), |hearing| card(view, &hearing))
}

/// A card that is still in the store; one that cannot be read says nothing.
fn card(view: View<'_>, hearing: &Hearing) -> Result<Option<Card>, StoreError> {
    match view.small_payload(hearing.card, CARD_OCTETS_MAX) {
        Ok(payload) => Ok(payload.and_then(|payload| Card::decode(&payload).ok())),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
