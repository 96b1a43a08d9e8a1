//! How the node is, for `packmule status`.

use std::sync::Arc;
use std::time::Instant;

use agent_core::store::{Partial, StoreError, View};
use agent_core::time::Now;
use bundle_format::Eid;

use crate::inbox::inbox_of;
use crate::links;
use crate::local_api::{
    ContactReport, HeardReport, NeighborReport, PartialReport, PeerOrigin, PeerReport, QueueReport,
    RefusalCount, Status, StoreReport, identity,
};
use crate::node::Node;

/// Bundles that are looked at to tell what is owed to all neighbors: a fraction of a second.
const OWED_LOOKED_MAX: usize = 100_000;

/// How the node is now.
pub(crate) async fn of(node: &Arc<Node>) -> Result<Status, StoreError> {
    let now = node.clock.now();
    let contacts = contacts(node);
    let asked = Arc::clone(node);
    let (store, partials, subscriptions, (neighbors, nodes), queues) = node
        .read(move |view| {
            let subscriptions = view.subscriptions()?;
            let queues = queues(&asked, view, &subscriptions)?;
            let store = store_report(&asked, view)?;
            let known = (neighbors(&asked, view, now)?, nodes(&asked, view, now)?);
            Ok((store, partials(view)?, subscriptions, known, queues))
        })
        .await?;
    let listening = node.listening.get().cloned();
    Ok(Status {
        identity: identity(node),
        running: listening.is_some(),
        up_ms: ms_since(node.started),
        clock_trusted: node.clock.is_trusted(),
        now_ms: now.utc.map(|time| time.0),
        store,
        partials,
        listening: listening.unwrap_or_default(),
        contacts,
        peers: peers(node),
        neighbors,
        nodes,
        queues,
        subscriptions,
        refusals: refusals(node),
    })
}

fn store_report(node: &Node, view: View<'_>) -> Result<StoreReport, StoreError> {
    let (usage, unvouched) = (view.usage()?, view.unvouched_usage()?);
    Ok(StoreReport {
        bundles: usage.bundles,
        octets: usage.octets,
        quota_octets: node.config.quota_octets,
        unvouched_octets: unvouched.octets,
        stranger_quota_octets: node.config.stranger_quota_octets,
    })
}

fn partials(view: View<'_>) -> Result<Vec<PartialReport>, StoreError> {
    let report = |partial: Partial| PartialReport {
        id: partial.record.wanted,
        source: partial.record.head.primary().source.clone(),
        destination: partial.record.head.primary().destination.clone(),
        octets: partial.octets,
        of_octets: partial.octets_in_all(),
    };
    Ok(view.partials()?.into_iter().map(report).collect())
}

fn contacts(node: &Node) -> Vec<ContactReport> {
    node.contacts.each(|entry| {
        let shown = entry.wires.gauge.reading();
        ContactReport {
            node: entry.neighbor().cloned(),
            authenticated: entry.is_authenticated(),
            link: entry.link.clone(),
            up_ms: ms_since(entry.since),
            octets_out: shown.octets_out,
            octets_in: shown.octets_in,
            octets_again: shown.octets_again,
            rate_out: shown.rate_out,
            rate_in: shown.rate_in,
            round_trip_ms: shown.round_trip.map(ms),
            security: shown.security.map(str::to_owned),
            fault: shown.fault,
        }
    })
}

fn peers(node: &Node) -> Vec<PeerReport> {
    let report =
        |((origin, address), peer): ((links::PeerOrigin, adapters::Address), links::PeerState)| PeerReport {
            url: address.to_string(),
            origin: match origin {
                links::PeerOrigin::Configured => PeerOrigin::Configured,
                links::PeerOrigin::Found => PeerOrigin::Found,
                links::PeerOrigin::Learnt => PeerOrigin::Learnt,
            },
            up: peer.up,
            last_error: peer.last_error,
            next_try_in_ms: peer.next_try.map(|at| ms(at.saturating_duration_since(Instant::now()))),
        };
    node.peers.all().into_iter().map(report).collect()
}

fn neighbors(node: &Node, view: View<'_>, now: Now) -> Result<Vec<NeighborReport>, StoreError> {
    let open =
        node.contacts.each(|entry| entry.is_authenticated().then(|| entry.neighbor().cloned()).flatten());
    let mut reports = Vec::new();
    let records = view.neighbors()?;
    let most = OWED_LOOKED_MAX / records.len().max(1);
    for record in records {
        let owed = node.config.owed(view, &record, (now.node, most.max(1)))?;
        let is_here = open.iter().flatten().any(|neighbor| *neighbor == record.node);
        reports.push(NeighborReport {
            owed_bundles: owed.bundles,
            owed_may_be_more: owed.may_be_more,
            met_ago_ms: if is_here { 0 } else { now.node.since_ms(record.met) },
            link: record.link,
            node: record.node,
        });
    }
    Ok(reports)
}

fn nodes(node: &Node, view: View<'_>, now: Now) -> Result<Vec<HeardReport>, StoreError> {
    let known = node.config.known_nodes(view)?.into_iter();
    let report = |known: agent_core::knowledge::KnownNode| HeardReport {
        node: known.node,
        heard_ago_ms: known.heard.as_ref().map(|heard| now.node.since_ms(heard.at)),
        way: known.heard.map(|heard| heard.way).filter(|way| !way.is_empty()),
    };
    Ok(known.map(report).collect())
}

fn queues(node: &Node, view: View<'_>, subscriptions: &[Eid]) -> Result<Vec<QueueReport>, StoreError> {
    let inbox = inbox_of(&node.config.node);
    let mut reports = Vec::new();
    for endpoint in inbox.iter().chain(subscriptions) {
        reports.push(QueueReport { endpoint: endpoint.clone(), bundles: view.queue_len(endpoint)? });
    }
    Ok(reports)
}

fn refusals(node: &Node) -> Vec<RefusalCount> {
    let counts = node.news.counts();
    counts.into_iter().map(|(reason, count)| RefusalCount { reason: reason.to_owned(), count }).collect()
}

fn ms_since(instant: Instant) -> u64 {
    ms(instant.elapsed())
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
