//! Bundles of the store, told in short or in full.

use std::sync::Arc;

use agent_core::cards::cards_group;
use agent_core::deliveries::deliveries_group;
use agent_core::knowledge::{Has, Whereabouts};
use agent_core::store::{BundleFacts, Number, Presence, Retention, Standing, StoreError, View};
use agent_core::time::Now;
use bundle_format::{BundleId, Eid, Head, Priority, Profile};

use crate::local_api::{BundleReport, BundleSummary, NodeReport};
use crate::node::Node;

/// Bundles in the order in which they came, after the one of that number.
pub(crate) async fn list(
    node: &Arc<Node>,
    after: Option<u64>,
    limit: usize,
    all: bool,
) -> Result<Vec<BundleSummary>, StoreError> {
    let (now, profile) = (node.clock.now(), node.config.profile.clone());
    node.read(move |view| {
        let mut listed = Vec::new();
        let mut after = after.map(Number::new);
        while listed.len() < limit {
            let page = view.facts_from(after, limit)?;
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            for facts in page.iter().filter(|facts| all || !is_protocol(facts)) {
                if listed.len() < limit {
                    listed.push(summary(view, facts, now, &profile)?);
                }
            }
        }
        Ok(listed)
    })
    .await
}

/// Bundles that may be given away, in the order of their ids, after this one. What only this node is to have stays.
pub(crate) async fn held(
    node: &Arc<Node>,
    after: Option<BundleId>,
    limit: usize,
) -> Result<Vec<BundleSummary>, StoreError> {
    let (now, profile, config) = (node.clock.now(), node.config.profile.clone(), Arc::clone(&node.config));
    node.read(move |view| {
        let mut held = Vec::new();
        let mut after = after;
        while held.len() < limit {
            let page = view.ids_from(after, limit)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (_, number) in page {
                if held.len() == limit {
                    break;
                }
                let Some(facts) = view.facts(number)? else { continue };
                let is_ours = facts.destination.node_id().is_some_and(|node| config.is_self(&node));
                if !is_ours && facts.deadline > now.node {
                    held.push(summary(view, &facts, now, &profile)?);
                }
            }
        }
        Ok(held)
    })
    .await
}

/// One bundle in full; `None` if it is not here.
pub(crate) async fn in_full(node: &Arc<Node>, id: BundleId) -> Result<Option<BundleReport>, StoreError> {
    let (now, profile, config) = (node.clock.now(), node.config.profile.clone(), Arc::clone(&node.config));
    node.read(move |view| {
        let Some(Presence::Held(number)) = view.find(&id)? else { return Ok(None) };
        let Some(stored) = view.bundle(number)? else { return Ok(None) };
        let before = number.value().checked_sub(1).map(Number::new);
        let waits = view.queued(&stored.destination, before)? == Some(number);
        Ok(Some(BundleReport {
            summary: summary(view, &stored, now, &profile)?,
            head: data_encoding::HEXLOWER.encode(&stored.head),
            queued_at: waits.then(|| stored.destination.clone()).into_iter().collect(),
            held_by: view.holders(number)?,
            custody_asked: view.asked_for_custody(number)?,
            delivered: stored.delivered,
            nodes: config.whereabouts(view, &stored)?.into_iter().map(|one| node_report(one, now)).collect(),
        }))
    })
    .await
}

fn node_report(one: Whereabouts, now: Now) -> NodeReport {
    let has = match one.has {
        Has::Yes => "yes",
        Has::Delivered => "delivered",
        Has::No => "no",
        Has::Unknown => "unknown",
    };
    let heard = one.known.heard;
    NodeReport {
        node: one.known.node,
        has: has.to_owned(),
        wants: one.wants,
        heard_ago_ms: heard.as_ref().map(|heard| now.node.since_ms(heard.at)),
        heard_ms: heard.as_ref().and_then(|heard| heard.utc).map(|utc| utc.0),
        way: heard.map(|heard| heard.way).filter(|way| !way.is_empty()),
    }
}

/// One bundle in short.
pub(crate) async fn in_short(node: &Arc<Node>, number: Number) -> Result<Option<BundleSummary>, StoreError> {
    let (now, profile) = (node.clock.now(), node.config.profile.clone());
    node.read(move |view| match view.facts(number)? {
        Some(facts) => summary(view, &facts, now, &profile).map(Some),
        None => Ok(None),
    })
    .await
}

fn summary(
    view: View<'_>,
    facts: &BundleFacts,
    now: Now,
    profile: &Profile,
) -> Result<BundleSummary, StoreError> {
    let stored = view.bundle(facts.number)?;
    let metadata = stored
        .and_then(|stored| Head::parse(stored.head.clone()).ok()?.metadata(profile))
        .unwrap_or_default();
    Ok(BundleSummary {
        id: facts.id,
        number: facts.number.value(),
        source: facts.source.clone(),
        destination: facts.destination.clone(),
        file_name: metadata.file_name,
        media_type: metadata.media_type,
        priority: priority_word(facts.priority).to_owned(),
        octets: facts.octets(),
        payload_octets: facts.payload_octets,
        created_ms: Some(facts.creation.time.0).filter(|ms| *ms != 0),
        received_ms: facts.received_utc.map(|time| time.0),
        expires_in_ms: facts.deadline.since_ms(now.node),
        signer: facts.signer,
        trusted: facts.signer.is_some() && facts.standing == Standing::Trusted,
        custody: facts.retention.contains(Retention::CUSTODY),
        protocol: is_protocol(facts),
    })
}

/// Whether a bundle is between nodes, not between people.
fn is_protocol(facts: &BundleFacts) -> bool {
    facts.is_administrative || [cards_group(), deliveries_group()].contains(&facts.destination)
}

/// A priority, as the command line and JSON write it.
pub(crate) fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Bulk => "bulk",
        Priority::Normal => "normal",
        Priority::Urgent => "urgent",
    }
}

/// [`priority_word`] back.
pub(crate) fn priority_of(word: &str) -> Option<Priority> {
    [Priority::Bulk, Priority::Normal, Priority::Urgent]
        .into_iter()
        .find(|priority| priority_word(*priority) == word)
}

/// Whether an endpoint is one at which bundles may wait here.
pub(crate) fn is_local(node: &Node, view: View<'_>, endpoint: &Eid) -> Result<bool, StoreError> {
    match endpoint.node_id() {
        Some(owner) => Ok(node.config.is_self(&owner)),
        None => view.is_subscribed(endpoint),
    }
}
