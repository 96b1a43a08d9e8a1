//! `packmule trace`: the nodes on a bundle's way, by the status reports that it asks for (RFC 9171 §6.1.1).

use std::time::Duration;

use agent_core::request::{CustodyTransfer, Order, Report};
use agent_node::{Client, Delivery};
use bundle_format::{AdministrativeRecord, Asserted, Eid, Metadata, StatusReport};
use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use super::ping::read;
use crate::bundle_line::time_of_dtn;
use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::output::Output;
use crate::quantity;

/// How long reports that are still on their way are waited for after the answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Show the way of a bundle to a node and back, as the nodes on it report
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// A node (clinic-3, ipn:7.0), or an endpoint that echoes (ipn:7.128)
    node: String,
    /// How long to wait; links that are rarely up need days
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = quantity::duration)]
    timeout: Duration,
}

/// What a node reported.
#[derive(Serialize)]
struct Step {
    node: String,
    event: &'static str,
    /// Of the bundle on its way there, or of the answer.
    way: &'static str,
    /// By the node's clock, where it has one.
    at: Option<String>,
    /// When it was heard here.
    after_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Trace {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let to = endpoint::echo(&self.node)?;
        let has_answered = invocation
            .with_client(async |_, client| {
                endpoint::needs_agent(client, "nobody would carry a bundle there")?;
                self.follow(client, &to, invocation.output).await
            })
            .await?;
        if has_answered {
            return Ok(());
        }
        let waited = quantity::span(self.timeout);
        Err(Failure::new(Kind::TimedOut, format!("no answer from {to} within {waited}"))
            .hint("nodes that are not trusted here, or do not report, are not shown; see 'packmule status'"))
    }

    async fn follow(&self, client: &mut Client, to: &Eid, output: Output) -> Result<bool, Failure> {
        let (own, token) = endpoint::own_for_once(client.node(), "trace")?;
        let order = Order {
            destination: to.clone(),
            source_demux: own.demux().into_owned(),
            lifetime_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX).max(1),
            metadata: Metadata::default(),
            report: Report::Way,
            custody: CustodyTransfer::NotWanted,
        };
        let begun = Instant::now();
        client.send(&order, &token[..], Some(token.len() as u64), &mut |_| {}).await?;
        let mut until = begun + self.timeout;
        let mut has_answered = false;
        loop {
            let patience = until.saturating_duration_since(Instant::now());
            let Some(delivery) = client.next(&own, Some(patience)).await? else { return Ok(has_answered) };
            let payload = read(client, &delivery).await?;
            client.consume(&delivery).await?;
            if payload == token {
                has_answered = true;
                until = until.min(Instant::now() + LAST_WORDS);
                output.say(&answer(&delivery, begun), || line(&answer(&delivery, begun)))?;
            } else if let Ok(AdministrativeRecord::StatusReport(report)) =
                AdministrativeRecord::decode(&payload)
            {
                for step in steps(&delivery, &report, (&own, begun)) {
                    output.say(&step, || line(&step))?;
                }
            }
        }
    }
}

fn answer(delivery: &Delivery, begun: Instant) -> Step {
    let node = delivery.bundle.source.to_string();
    Step { node, event: "answered", way: "back", at: None, after_ms: ms_since(begun), reason: None }
}

/// What a report says, in the order in which it happens to a bundle.
fn steps(delivery: &Delivery, report: &StatusReport, (own, begun): (&Eid, Instant)) -> Vec<Step> {
    let node = delivery.bundle.source.to_string();
    let way = if report.source == *own { "there" } else { "back" };
    let events = [
        ("received", report.received),
        ("forwarded", report.forwarded),
        ("delivered", report.delivered),
        ("deleted", report.deleted),
    ];
    let step = |(event, asserted): (&'static str, Option<Asserted>)| {
        let at = asserted?.at.and_then(|at| time_of_dtn(at.0));
        let reason = (event == "deleted").then(|| report.reason.to_string());
        Some(Step { node: node.clone(), event, way, at, after_ms: ms_since(begun), reason })
    };
    events.into_iter().filter_map(step).collect()
}

fn line(step: &Step) -> String {
    let at = step.at.as_ref().map(|at| format!("  at {at}")).unwrap_or_default();
    let reason = step.reason.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default();
    let after = Duration::from_millis(step.after_ms).as_secs_f64();
    format!("{after:>9.3} s  {:5}  {:9}  {}{at}{reason}", step.way, step.event, step.node)
}

fn ms_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
