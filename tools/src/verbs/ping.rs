//! `packmule ping`: how long a bundle takes to a node and back (draft-taylor-dtn-echo-service, Appendix A).

use std::collections::BTreeMap;
use std::time::Duration;

use agent_core::request::{CustodyTransfer, Order, Report};
use agent_node::{Client, Delivery, Part};
use bundle_format::{Eid, Metadata};
use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::output::{Output, note};
use crate::quantity;

/// Octets of a payload that tell one request from another, and whose they are.
const HEAD_OCTETS: usize = 16;
/// The largest payload: what every node keeps in memory, and so can echo.
const OCTETS_MAX: u64 = 512 * 1024;

/// Measure how long a bundle takes to a node and back
#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// A node (clinic-3, ipn:7.0), or an endpoint that echoes (ipn:7.128)
    node: String,
    /// How many to send
    #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
    /// How long to wait between two
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = quantity::duration)]
    interval: Duration,
    /// How long to wait for the last answer; links that are rarely up need days
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = quantity::duration)]
    timeout: Duration,
    /// Octets of payload
    #[arg(long, value_name = "OCTETS", default_value_t = 64, value_parser = clap::value_parser!(u64).range(16..=OCTETS_MAX))]
    size: u64,
}

/// One answer.
#[derive(Serialize)]
struct Echo {
    sequence: u64,
    from: String,
    octets: u64,
    round_trip_ms: f64,
    trusted: bool,
}

/// All of them.
#[derive(Serialize)]
struct Summary {
    sent: u64,
    received: u64,
    min_ms: Option<f64>,
    average_ms: Option<f64>,
    max_ms: Option<f64>,
    deviation_ms: Option<f64>,
}

impl Ping {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let to = endpoint::echo(&self.node)?;
        let patience = self.timeout;
        let summary = invocation
            .with_client(async |_, client| {
                endpoint::needs_agent(client, "nobody would carry a bundle there and back")?;
                let mut round = Round::new(client, to.clone(), &self)?;
                round.run(invocation.output).await?;
                Ok(round.summary())
            })
            .await?;
        invocation.output.say(&summary, || text(&to, &summary))?;
        match (summary.sent - summary.received, summary.received) {
            (0, _) => Ok(()),
            (_, 0) => Err(Failure::new(
                Kind::TimedOut,
                format!("{to} did not answer within {}", quantity::span(patience)),
            )
            .hint(
                "it may be out of reach, or not trust this node; see 'packmule status', and 'packmule trace'",
            )),
            (lost, received) => {
                Err(Failure::new(Kind::Partly, format!("{lost} of {} were not answered", lost + received)))
            }
        }
    }
}

fn text(to: &Eid, summary: &Summary) -> String {
    let lost = (summary.sent - summary.received) * 100 / summary.sent.max(1);
    let head =
        format!("--- {to} ---\n{} sent, {} answered, {lost} % not answered", summary.sent, summary.received);
    match (summary.min_ms, summary.average_ms, summary.max_ms, summary.deviation_ms) {
        (Some(min), Some(average), Some(max), Some(deviation)) => format!(
            "{head}\nround trip min/avg/max/stddev = {min:.1}/{average:.1}/{max:.1}/{deviation:.1} ms"
        ),
        _ => head,
    }
}

/// Requests that are under way from an endpoint of their own.
struct Round<'c> {
    client: &'c mut Client,
    ping: &'c Ping,
    to: Eid,
    /// Where answers arrive: nobody else's do.
    own: Eid,
    token: [u8; 8],
    sent: u64,
    waiting: BTreeMap<u64, Instant>,
    measured_ms: Vec<f64>,
}

impl<'c> Round<'c> {
    fn new(client: &'c mut Client, to: Eid, ping: &'c Ping) -> Result<Self, Failure> {
        let (own, token) = endpoint::own_for_once(client.node(), "ping")?;
        let (waiting, measured_ms) = (BTreeMap::new(), Vec::new());
        Ok(Self { client, ping, to, own, token, sent: 0, waiting, measured_ms })
    }

    /// Sends at the interval and takes what comes between, until all is answered or the time is up.
    async fn run(&mut self, output: Output) -> Result<(), Failure> {
        let mut until = Instant::now();
        loop {
            if self.sent < self.ping.count && Instant::now() >= until {
                self.send().await?;
                let is_last = self.sent == self.ping.count;
                until = Instant::now() + if is_last { self.ping.timeout } else { self.ping.interval };
            }
            let all_sent = self.sent == self.ping.count;
            if all_sent && self.waiting.is_empty() {
                return Ok(());
            }
            match self.client.next(&self.own, Some(until.saturating_duration_since(Instant::now()))).await? {
                Some(delivery) => self.answered(&delivery, output).await?,
                None if all_sent => return Ok(()),
                None => {}
            }
        }
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let payload = self.payload(self.sent);
        let lifetime = self.ping.timeout + self.ping.interval;
        let order = Order {
            destination: self.to.clone(),
            source_demux: self.own.demux().into_owned(),
            lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1),
            metadata: Metadata::default(),
            report: Report::Nothing,
            custody: CustodyTransfer::NotWanted,
        };
        self.waiting.insert(self.sent, Instant::now());
        self.client.send(&order, &payload[..], Some(payload.len() as u64), &mut |_| {}).await?;
        self.sent += 1;
        Ok(())
    }

    /// Number, token, and as many octets as are wanted.
    fn payload(&self, sequence: u64) -> Vec<u8> {
        let mut payload = [sequence.to_be_bytes(), self.token].concat();
        payload.resize(usize::try_from(self.ping.size).unwrap_or(HEAD_OCTETS).max(HEAD_OCTETS), 0x55);
        payload
    }

    async fn answered(&mut self, delivery: &Delivery, output: Output) -> Result<(), Failure> {
        let now = Instant::now();
        let payload = read(self.client, delivery).await?;
        self.client.consume(delivery).await?;
        let sequence = payload.first_chunk().map(|number| u64::from_be_bytes(*number));
        // §3.3.2: what is not a request of ours, unchanged, is no answer.
        let sent = sequence.filter(|sequence| payload == self.payload(*sequence));
        let Some((sequence, sent)) =
            sent.and_then(|sequence| Some((sequence, self.waiting.remove(&sequence)?)))
        else {
            note(&format!(
                "something came from {} that is no answer to what was sent",
                delivery.bundle.source
            ));
            return Ok(());
        };
        let round_trip_ms = now.duration_since(sent).as_secs_f64() * 1e3;
        self.measured_ms.push(round_trip_ms);
        let (from, trusted) = (delivery.bundle.source.to_string(), delivery.bundle.trusted);
        let echo = Echo { sequence, from, octets: payload.len() as u64, round_trip_ms, trusted };
        output.say(&echo, || {
            let standing = if trusted { "" } else { ", whose key is NOT trusted" };
            format!(
                "{} octets from {}{standing}: {sequence} in {round_trip_ms:.1} ms",
                echo.octets, echo.from
            )
        })
    }

    fn summary(&self) -> Summary {
        let all = &self.measured_ms;
        let count = all.iter().fold(0.0, |count, _| count + 1.0);
        let average = all.iter().sum::<f64>() / count;
        let variance = all.iter().map(|ms| (ms - average).powi(2)).sum::<f64>() / count;
        let some = |value: f64| (!all.is_empty()).then_some(value);
        Summary {
            sent: self.sent,
            received: all.len() as u64,
            min_ms: all.iter().copied().reduce(f64::min),
            average_ms: some(average),
            max_ms: all.iter().copied().reduce(f64::max),
            deviation_ms: some(variance.sqrt()),
        }
    }
}

/// A small bundle's payload.
pub(super) async fn read(client: &mut Client, delivery: &Delivery) -> Result<Vec<u8>, Failure> {
    let mut payload = Vec::new();
    if delivery.bundle.payload_octets > OCTETS_MAX {
        return Ok(payload);
    }
    let mut body = client.read(delivery.bundle.id, Part::Payload).await?;
    while let Some(octets) = body.next_piece().await? {
        payload.extend_from_slice(&octets);
    }
    Ok(payload)
}
