//! `packmule send`: files or the standard input, to a node, an endpoint or a group.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_core::request::{CustodyTransfer, Order, Report};
use agent_node::{Client, Sent, Until};
use bundle_format::{BundleId, Eid, Metadata, Priority};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::outgoing::{self, Outgoing, refuse_folder, shown_name};
use crate::output::{self, Output, note};
use crate::progress::Progress;
use crate::quantity::{self, size};

/// Send files, or the standard input: prints the id of each bundle once it is safe in the store
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Where to: a node (clinic-3), an endpoint (dtn://clinic-3/photos) or a group (dtn://all/~updates)
    destination: String,
    /// What to send; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How long it is of use; whoever carries it drops it then
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = quantity::duration)]
    lifetime: Duration,
    /// What goes first where time or room is short
    #[arg(long, value_enum, default_value_t = Urgency::Normal)]
    priority: Urgency,
    /// Let no node answer for it: it may be dropped wherever room is short
    #[arg(long)]
    no_custody: bool,
    /// Return only when another node has it, or when its destination has reported delivery
    #[arg(long, value_enum, value_name = "STATE")]
    wait: Option<Awaited>,
    /// How long to wait; it goes on its way all the same
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = quantity::duration)]
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Urgency {
    Bulk,
    Normal,
    Urgent,
}

impl From<Urgency> for Priority {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Bulk => Self::Bulk,
            Urgency::Normal => Self::Normal,
            Urgency::Urgent => Self::Urgent,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Awaited {
    Delivered,
    Carried,
}

#[derive(Serialize)]
struct Line {
    id: String,
    state: &'static str,
    file: String,
    destination: String,
    octets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl Send {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let destination = endpoint::destination(&self.destination)?;
        if self.lifetime.is_zero() {
            return Err(Failure::usage("a lifetime of nothing: it would be gone before it is sent"));
        }
        self.files.iter().try_for_each(|file| refuse_folder(file))?;
        invocation
            .with_client(async |_, client| self.send_all(client, &destination, invocation.output).await)
            .await
    }

    async fn send_all(&self, client: &mut Client, destination: &Eid, output: Output) -> Result<(), Failure> {
        if self.wait.is_some() && !client.is_agent() {
            return Err(Failure::new(
                Kind::NoAgent,
                "no agent runs, so nobody would carry it while you wait; nothing was sent",
            )
            .hint("start 'packmule run', or send without --wait"));
        }
        let mut sent = Vec::new();
        let mut failures = Vec::new();
        for file in &self.files {
            match self.send_one(client, destination, file).await {
                Ok(bundle) => {
                    say(output, file, (destination, &bundle))?;
                    sent.push((file, bundle));
                }
                Err(failure) if self.files.len() == 1 => return Err(failure),
                Err(failure) => failures.push(failure),
            }
        }
        if !sent.is_empty() && !client.is_agent() {
            note("no agent runs: it goes on its way when 'packmule run' does, or with 'packmule drive dock'");
        }
        if let Some(awaited) = self.wait {
            for (file, bundle) in &sent {
                self.wait_for(client, awaited, (output, destination, file, bundle)).await?;
            }
        }
        partly(&failures, sent.len(), output)
    }

    async fn send_one(&self, client: &mut Client, destination: &Eid, file: &Path) -> Result<Sent, Failure> {
        let Outgoing { body, name, octets } = outgoing::open(file).await?;
        let order = Order {
            destination: destination.clone(),
            source_demux: String::new(),
            lifetime_ms: u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX),
            metadata: Metadata {
                file_name: name,
                media_type: None,
                priority: self.priority.into(),
                record: None,
            },
            report: if self.wait == Some(Awaited::Delivered) { Report::Delivery } else { Report::Nothing },
            custody: if self.no_custody { CustodyTransfer::NotWanted } else { CustodyTransfer::Wanted },
        };
        let mut progress = Progress::new(&shown_name(file), octets);
        let mut reach = |done| progress.reach(done);
        client.send(&order, body, octets, &mut reach).await.map_err(|error| outgoing::failure(error, file))
    }

    async fn wait_for(
        &self,
        client: &mut Client,
        awaited: Awaited,
        (output, destination, file, sent): (Output, &Eid, &Path, &Sent),
    ) -> Result<(), Failure> {
        let (until, state) = match awaited {
            Awaited::Delivered => (Until::Delivered, "delivered"),
            Awaited::Carried => (Until::Carried, "carried"),
        };
        let Some(outcome) = client.wait(sent.id, until, self.timeout).await? else {
            return Err(timed_out(&sent.id, state));
        };
        let by = outcome.by.as_ref().map(ToString::to_string);
        if output.is_json() {
            return output::json(&Line {
                id: sent.id.to_string(),
                state,
                file: file.display().to_string(),
                destination: destination.to_string(),
                octets: sent.octets,
                by,
            });
        }
        note(&format!(
            "{state}: {} by {}",
            shown_name(file),
            by.as_deref().unwrap_or("a neighbor that did not say who it is")
        ));
        Ok(())
    }
}

fn say(output: Output, file: &Path, (destination, sent): (&Eid, &Sent)) -> Result<(), Failure> {
    let line = Line {
        id: sent.id.to_string(),
        state: "stored",
        file: file.display().to_string(),
        destination: destination.to_string(),
        octets: sent.octets,
        by: None,
    };
    output.say(&line, || line.id.clone())?;
    if !output.is_json() && std::io::stdout().is_terminal() {
        note(&format!("{} for {destination}, {}, safe in the store", shown_name(file), size(sent.octets)));
    }
    Ok(())
}

fn timed_out(id: &BundleId, state: &str) -> Failure {
    Failure::new(Kind::TimedOut, format!("{id} was not {state} in time"))
        .hint(format!("it stays in the store and goes on its way; see 'packmule show {id}'"))
}

/// Several files: each failure on stderr, and one for the exit code.
fn partly(failures: &[Failure], sent: usize, output: Output) -> Result<(), Failure> {
    let Some(first) = failures.first() else { return Ok(()) };
    let kind = if sent > 0 { Kind::Partly } else { first.kind };
    let failed = failures.len();
    for failure in failures {
        failure.report(output.is_json());
    }
    Err(Failure::new(kind, format!("{failed} of {} files were not sent", failed + sent)))
}
