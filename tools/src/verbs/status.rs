//! `packmule status`: who the node is, what it holds, whom it meets, and what is owed to whom.

use agent_node::{
    Call, ContactReport, HeardReport, NeighborReport, PartialReport, PeerOrigin, PeerReport, Reply,
    Status as Report,
};
use clap::Args;
use serde::Serialize;

use crate::bundle_line::{span_ms, time_of_dtn};
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::output::table;
use crate::printable::printable;
use crate::quantity::{count, size};

const BAR_WIDTH: usize = 24;

/// Show how this node is: its clock, its store, its contacts, and what is owed to whom
#[derive(Debug, Args)]
pub(crate) struct Status {}

#[derive(Serialize)]
struct State<'a> {
    node: String,
    ipn: Option<String>,
    key: String,
    running: bool,
    up_ms: u64,
    clock_trusted: bool,
    now: Option<String>,
    store: &'a agent_node::StoreReport,
    partials: &'a [PartialReport],
    listening: &'a [String],
    contacts: &'a [ContactReport],
    peers: &'a [PeerReport],
    neighbors: &'a [NeighborReport],
    nodes: &'a [HeardReport],
    queues: &'a [agent_node::QueueReport],
    subscriptions: Vec<String>,
    refusals: &'a [agent_node::RefusalCount],
}

impl Status {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let report = match invocation.ask(Call::Status).await? {
            Reply::Status(report) => report,
            other => return Err(unexpected(&other)),
        };
        invocation.output.say(&state(&report), || text(&report))
    }
}

fn state(report: &Report) -> State<'_> {
    State {
        node: report.identity.node.to_string(),
        ipn: report.identity.ipn.as_ref().map(ToString::to_string),
        key: report.identity.key.to_string(),
        running: report.running,
        up_ms: report.up_ms,
        clock_trusted: report.clock_trusted,
        now: report.now_ms.and_then(time_of_dtn),
        store: &report.store,
        partials: &report.partials,
        listening: &report.listening,
        contacts: &report.contacts,
        peers: &report.peers,
        neighbors: &report.neighbors,
        nodes: &report.nodes,
        queues: &report.queues,
        subscriptions: report.subscriptions.iter().map(ToString::to_string).collect(),
        refusals: &report.refusals,
    }
}

fn text(report: &Report) -> String {
    let mut sections = vec![head(report), store(report)];
    sections.extend(partials(report));
    sections.extend(warnings(report));
    sections.extend(meetings(report));
    sections.extend(links(report));
    sections.extend(found(report));
    sections.extend(heard_of(report));
    sections.extend(waiting(report));
    sections.extend(refused(report));
    sections.join("\n\n")
}

fn head(report: &Report) -> String {
    let agent =
        if report.running { format!("up {}", span_ms(report.up_ms)) } else { "NOT RUNNING".to_owned() };
    let clock = if report.clock_trusted { "clock trusted" } else { "clock NOT trusted" };
    let mut lines =
        vec![format!("{}  agent {agent}  {clock}", report.identity.node), report.identity.key.to_string()];
    if report.running {
        lines.push(if report.listening.is_empty() {
            "listens nowhere".to_owned()
        } else {
            format!("listens on {}", report.listening.join(", "))
        });
    }
    lines.join("\n")
}

fn store(report: &Report) -> String {
    let store = &report.store;
    let line = format!(
        "STORE  {} of {} [{}]  {}",
        size(store.octets),
        size(store.quota_octets),
        bar(store.octets, store.quota_octets),
        count(store.bundles, "bundle")
    );
    if store.unvouched_octets == 0 {
        return line;
    }
    let (used, most) = (size(store.unvouched_octets), size(store.stranger_quota_octets));
    format!("{line}\n       {used} of {most} for sources that nobody vouches for")
}

/// What has begun to arrive.
fn partials(report: &Report) -> Option<String> {
    let rows = report.partials.iter().map(|partial| {
        let id = partial.id.map_or("(not known yet)".to_owned(), |id| id.to_string());
        let here = format!("{} of {}", size(partial.octets), size(partial.of_octets));
        vec![id, partial.source.to_string(), partial.destination.to_string(), here]
    });
    (!report.partials.is_empty()).then(|| table(&["PARTIAL", "FROM", "TO", "HERE"], rows))
}

fn bar(part: u64, whole: u64) -> String {
    let filled = u128::from(part) * BAR_WIDTH as u128 / u128::from(whole.max(1));
    let filled = usize::try_from(filled).unwrap_or(BAR_WIDTH).min(BAR_WIDTH);
    format!("{}{}", "#".repeat(filled), "-".repeat(BAR_WIDTH - filled))
}

/// What needs somebody to act, with what to do.
fn warnings(report: &Report) -> Option<String> {
    let mut lines = Vec::new();
    if !report.running {
        lines.push("! no agent runs: start it with 'packmule run'".to_owned());
    }
    if report.store.octets.saturating_mul(10) > report.store.quota_octets.saturating_mul(9) {
        lines.push(
            "! the store is nearly full: remove bundles (packmule rm) or raise 'quota' in config.toml"
                .to_owned(),
        );
    }
    // A node that was only found is nobody's to repair.
    let named = report.peers.iter().filter(|peer| peer.origin == PeerOrigin::Configured);
    for peer in named.filter(|peer| !peer.up) {
        if let Some(error) = &peer.last_error {
            let again =
                peer.next_try_in_ms.map(|ms| format!("; next try in {}", span_ms(ms))).unwrap_or_default();
            lines.push(format!("! {} cannot be reached: {error}{again}", peer.url));
        }
    }
    for contact in &report.contacts {
        if let Some(fault) = &contact.fault {
            lines.push(format!("! on {}: {fault}", contact.link));
        }
    }
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

/// Who was met, and what is owed to whom.
fn meetings(report: &Report) -> Option<String> {
    let strangers = report.contacts.iter().filter(|contact| !contact.authenticated);
    let mut rows: Vec<Vec<String>> = report.neighbors.iter().map(neighbor).collect();
    rows.extend(strangers.map(|contact| {
        let name = contact.node.as_ref().map_or("(says no name)".to_owned(), ToString::to_string);
        vec![name, contact.link.clone(), "up, not trusted".to_owned(), "now".to_owned(), String::new()]
    }));
    if rows.is_empty() {
        return None;
    }
    Some(table(&["NEIGHBOR", "LINK", "STATE", "LAST MET", "OWED TO IT"], rows.into_iter()))
}

/// What moves on the links that are open.
fn links(report: &Report) -> Option<String> {
    if report.contacts.is_empty() {
        return None;
    }
    let headings = ["LINK", "UP", "OUT", "IN", "SENT AGAIN", "ROUND TRIP", "ENCRYPTED BY"];
    Some(table(&headings, report.contacts.iter().map(link)))
}

fn link(contact: &ContactReport) -> Vec<String> {
    let moved = |octets: u64, rate: u64| format!("{} ({}/s)", size(octets), size(rate));
    let again = contact.octets_again.saturating_mul(100).checked_div(contact.octets_out).unwrap_or(0);
    vec![
        contact.link.clone(),
        span_ms(contact.up_ms),
        moved(contact.octets_out, contact.rate_out),
        moved(contact.octets_in, contact.rate_in),
        if contact.octets_again == 0 { String::new() } else { format!("{again} %") },
        contact.round_trip_ms.map(|ms| format!("{ms} ms")).unwrap_or_default(),
        contact.security.clone().unwrap_or_default(),
    ]
}

/// Nodes that nobody named, by which way they were found, and how it goes with them.
fn found(report: &Report) -> Option<String> {
    let at = |url: &str| report.contacts.iter().find(|contact| contact.link == url)?.node.as_ref();
    let row = |peer: &PeerReport| {
        let way = match peer.origin {
            PeerOrigin::Configured => return None,
            PeerOrigin::Found => "local network",
            PeerOrigin::Learnt => "its card",
        };
        let node = at(&peer.url).map(ToString::to_string).unwrap_or_default();
        Some(vec![peer.url.clone(), way.to_owned(), node, peer_state(peer)])
    };
    let rows: Vec<Vec<String>> = report.peers.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| table(&["FOUND", "BY", "NODE", "STATE"], rows.into_iter()))
}

fn peer_state(peer: &PeerReport) -> String {
    match (peer.up, &peer.last_error) {
        (true, _) => "up".to_owned(),
        (false, None) => "waits".to_owned(),
        (false, Some(error)) => format!("not reached: {error}"),
    }
}

/// Nodes that were not met, and what was heard of them.
fn heard_of(report: &Report) -> Option<String> {
    let is_listed = |node: &HeardReport| report.neighbors.iter().any(|neighbor| neighbor.node == node.node);
    let rows: Vec<Vec<String>> = report.nodes.iter().filter(|node| !is_listed(node)).map(heard).collect();
    if rows.is_empty() {
        return None;
    }
    Some(table(&["NODE NOT MET", "LAST HEARD OF", "BY"], rows.into_iter()))
}

fn heard(node: &HeardReport) -> Vec<String> {
    let ago = node.heard_ago_ms.map_or("never".to_owned(), |ms| format!("{} ago", span_ms(ms)));
    let way = node.way.as_deref().map(printable).unwrap_or_default();
    vec![node.node.to_string(), ago, way]
}

fn neighbor(neighbor: &NeighborReport) -> Vec<String> {
    let (state, met) = match neighbor.met_ago_ms {
        0 => ("UP", "now".to_owned()),
        ms => ("away", format!("{} ago", span_ms(ms))),
    };
    let owed = match (neighbor.owed_bundles, neighbor.owed_may_be_more) {
        (0, false) => "nothing".to_owned(),
        (bundles, false) => count(bundles, "bundle"),
        (bundles, true) => format!("at least {}", count(bundles, "bundle")),
    };
    vec![neighbor.node.to_string(), neighbor.link.clone(), state.to_owned(), met, owed]
}

fn waiting(report: &Report) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for queue in report.queues.iter().filter(|queue| queue.bundles > 0) {
        lines.push(format!(
            "{} for {}  (packmule recv {})",
            count(queue.bundles, "bundle"),
            queue.endpoint,
            queue.endpoint
        ));
    }
    if !report.subscriptions.is_empty() {
        let groups: Vec<String> = report.subscriptions.iter().map(ToString::to_string).collect();
        lines.push(format!("member of {}", groups.join(", ")));
    }
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

fn refused(report: &Report) -> Option<String> {
    let counts: Vec<String> =
        report.refusals.iter().map(|refusal| format!("{} {}", refusal.count, refusal.reason)).collect();
    if counts.is_empty() { None } else { Some(format!("refused since the start: {}", counts.join(", "))) }
}
