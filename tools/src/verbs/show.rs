//! `packmule show`: one bundle in full, with its state here.

use agent_node::{BundleReport, Call, Reply};
use bundle_format::Profile;
use clap::Args;
use serde::Serialize;

use crate::anatomy::Anatomy;
use crate::bundle_line::{BundleLine, lines};
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<Anatomy>,
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
    if shown.delivered {
        facts.push(("delivered", "yes: its destination said so".to_owned()));
    }
    let mut text = lines(&facts);
    if let Some(bundle) = &shown.bundle {
        text.push_str("\n\n");
        text.push_str(&bundle.text());
    }
    text
}
