//! `packmule show`: one bundle in full, with its state here.

use std::time::Duration;

use agent_node::{BundleReport, Call, NodeReport, Reply};
use bundle_format::Profile;
use clap::Args;
use serde::Serialize;

use crate::anatomy::Anatomy;
use crate::bundle_line::{BundleLine, lines, time_of_dtn};
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::printable::printable;
use crate::quantity::span;

/// Show one bundle in full: who made it, where it waits, who has it
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its id, or the first eight letters or more of it
    id: String,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: BundleLine,
    queued_at: Vec<String>,
    held_by: Vec<String>,
    custody_asked: Vec<String>,
    delivered: bool,
    /// Whoever it is for has had it: of a group, others may lack it.
    #[serde(skip)]
    is_needless: bool,
    nodes: Vec<Known>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<Anatomy>,
}

/// A node that is known, and the bundle.
#[derive(Serialize)]
struct Known {
    node: String,
    has: String,
    wants: Option<bool>,
    heard: Option<String>,
    heard_ago_ms: Option<u64>,
    way: Option<String>,
}

impl Known {
    fn of(report: &NodeReport) -> Self {
        Self {
            node: report.node.to_string(),
            has: report.has.clone(),
            wants: report.wants,
            heard: report.heard_ms.and_then(time_of_dtn),
            heard_ago_ms: report.heard_ago_ms,
            way: report.way.clone(),
        }
    }

    fn is_missing(&self) -> bool {
        self.wants == Some(true) && matches!(&*self.has, "no" | "unknown")
    }

    /// The node, with what was heard of it last.
    fn text(&self) -> String {
        let ago = self.heard_ago_ms.map(|ms| format!("heard of {} ago", span(Duration::from_millis(ms))));
        let way = self.way.as_ref().map(|way| format!(" by {}", printable(way))).unwrap_or_default();
        let unsure = if self.has == "unknown" { ", perhaps" } else { "" };
        format!("{}{unsure} ({}{way})", self.node, ago.unwrap_or_else(|| "never heard of".to_owned()))
    }
}

impl Show {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let profile = invocation.home()?.config().profile();
        let report = match invocation.ask(Call::Show { id: self.id }).await? {
            Reply::Bundle(report) => report,
            other => return Err(unexpected(&other)),
        };
        let shown = shown(&report, &profile);
        invocation.output.say(&shown, || text(&shown))
    }
}

fn shown(report: &BundleReport, profile: &Profile) -> Shown {
    let texts = |eids: &[bundle_format::Eid]| eids.iter().map(ToString::to_string).collect();
    Shown {
        line: BundleLine::from(&report.summary),
        queued_at: texts(&report.queued_at),
        held_by: texts(&report.held_by),
        custody_asked: texts(&report.custody_asked),
        delivered: report.delivered,
        is_needless: report.delivered && report.summary.destination.is_singleton(),
        nodes: report.nodes.iter().map(Known::of).collect(),
        bundle: Anatomy::of_head(&report.head, profile),
    }
}

fn text(shown: &Shown) -> String {
    let mut facts = shown.line.facts();
    let list =
        |names: &[String], none: &str| if names.is_empty() { none.to_owned() } else { names.join(", ") };
    facts.push(("waits at", list(&shown.queued_at, "no endpoint here")));
    facts.push(("held by", list(&shown.held_by, "nobody else that is known")));
    if shown.line.is_in_custody() {
        let asked = list(&shown.custody_asked, "nobody was asked yet to take it over");
        facts.push(("custody", format!("this node's: kept whatever happens; asked: {asked}")));
    }
    let having: Vec<String> = shown
        .nodes
        .iter()
        .filter(|node| matches!(&*node.has, "yes" | "delivered"))
        .map(Known::text)
        .collect();
    if !having.is_empty() {
        facts.push(("nodes that have it", having.join(", ")));
    }
    let missing: Vec<String> =
        shown.nodes.iter().filter(|node| node.is_missing() && !shown.is_needless).map(Known::text).collect();
    if !missing.is_empty() {
        facts.push(("still missing at", missing.join(", ")));
    }
    if shown.delivered {
        let who = if shown.is_needless { "its destination" } else { "a member of the group" };
        facts.push(("delivered", format!("yes: {who} said so")));
    }
    let mut text = lines(&facts);
    if let Some(bundle) = &shown.bundle {
        text.push_str("\n\n");
        text.push_str(&bundle.text());
    }
    text
}
