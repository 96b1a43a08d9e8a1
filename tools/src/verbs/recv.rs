//! `packmule recv`: what waits at an endpoint becomes files, or octets on the standard output.
//!
//! A bundle is taken off its queue only when its file is synced and has its name: whatever happens before, it waits on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_node::{Client, Delivery, Home, Part};
use bundle_format::Eid;
use clap::Args;
use serde::Serialize;

use crate::bundle_line::time_of_dtn;
use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::file_name;
use crate::invocation::Invocation;
use crate::landing::{self, Landing};
use crate::output::{Output, note, stdout_failure};
use crate::progress::Progress;
use crate::quantity::{self, size};

/// Receive what waits at an endpoint; where nothing does, wait for the first
#[derive(Debug, Args)]
pub(crate) struct Recv {
    /// An endpoint of this node (/photos) or a group that it is a member of [default: /inbox]
    endpoint: Option<String>,
    /// Put files there, named as they were sent; without it, one goes to the standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with what comes, until interrupted
    #[arg(long, requires = "out")]
    follow: bool,
    /// Receive exactly so many
    #[arg(long, value_name = "N", requires = "out", conflicts_with = "follow", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Wait no longer than this for each
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration)]
    timeout: Option<Duration>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    source: String,
    endpoint: String,
    file: String,
    file_name: Option<String>,
    media_type: Option<String>,
    octets: u64,
    created: Option<String>,
    signer: Option<String>,
    trusted: bool,
}

impl Recv {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        if self.out.is_none() && invocation.output.is_json() {
            return Err(Failure::usage("--json says where files went, so it needs --out DIR"));
        }
        if let Some(out) = &self.out {
            landing::folder(out)?;
        }
        let receive = async |home: &Home, client: &mut Client| {
            let endpoint = endpoint::own(self.endpoint.as_deref(), home.node())?;
            match &self.out {
                None => self.one_to_stdout(client, &endpoint).await,
                Some(out) => self.all_to_folder(client, &endpoint, (out, invocation.output)).await,
            }
        };
        invocation.with_client(receive).await
    }

    async fn one_to_stdout(&self, client: &mut Client, endpoint: &Eid) -> Result<(), Failure> {
        let patience = self.patience(client, 0);
        let Some(delivery) = client.next(endpoint, patience).await? else {
            return Err(self.nothing_came(client, endpoint, 0));
        };
        let mut payload = client.read(delivery.bundle.id, Part::Payload).await?;
        let mut stdout = std::io::stdout();
        while let Some(octets) = payload.next_piece().await? {
            stdout.write_all(&octets).map_err(|error| stdout_failure(&error))?;
        }
        stdout.flush().map_err(|error| stdout_failure(&error))?;
        // A file must have it durably; pipes and terminals cannot be synced and say so.
        let _ = rustix::fs::fsync(&stdout);
        client.consume(&delivery).await?;
        Ok(())
    }

    async fn all_to_folder(
        &self,
        client: &mut Client,
        endpoint: &Eid,
        (out, output): (&Path, Output),
    ) -> Result<(), Failure> {
        let mut received = 0;
        while self.count.is_none_or(|count| received < count) {
            let patience = self.patience(client, received);
            let Some(delivery) = client.next(endpoint, patience).await? else {
                // Without a number to reach, what was there is all there was to receive.
                let enough = self.count.is_none() && received > 0;
                return if enough { Ok(()) } else { Err(self.nothing_came(client, endpoint, received)) };
            };
            let file = land(client, &delivery, out).await?;
            client.consume(&delivery).await?;
            received += 1;
            say(output, &delivery, &file)?;
        }
        Ok(())
    }

    /// How long to wait for the next bundle, after so many.
    fn patience(&self, client: &Client, received: u64) -> Option<Duration> {
        let goes_on = self.follow || self.count.is_some() || received == 0;
        // Without an agent nothing can arrive.
        if client.is_agent() && goes_on { self.timeout } else { Some(Duration::ZERO) }
    }

    fn nothing_came(&self, client: &Client, endpoint: &Eid, received: u64) -> Failure {
        let message = match self.count {
            Some(count) if received > 0 => format!("{received} of {count} bundles arrived at {endpoint}"),
            _ => format!("nothing waits at {endpoint}"),
        };
        if client.is_agent() {
            Failure::new(Kind::TimedOut, message)
        } else {
            Failure::new(Kind::NoAgent, format!("{message}, and no agent runs, so nothing can arrive"))
                .hint("start 'packmule run', or bring a drive: packmule drive dock PATH")
        }
    }
}

/// Writes the payload into the folder, durably.
pub(crate) async fn land(client: &mut Client, delivery: &Delivery, out: &Path) -> Result<PathBuf, Failure> {
    let bundle = &delivery.bundle;
    let id = bundle.id.to_string();
    let name = file_name::safe(bundle.file_name.as_deref().unwrap_or_default(), &id);
    let mut payload = client.read(bundle.id, Part::Payload).await?;
    let mut progress = Progress::new(&name, Some(payload.octets()));
    let mut landing = Landing::begin(out)?;
    let mut done = 0;
    while let Some(octets) = payload.next_piece().await? {
        landing.push(&octets)?;
        done += octets.len() as u64;
        progress.reach(done);
    }
    landing.finish(&name)
}

fn say(output: Output, delivery: &Delivery, file: &Path) -> Result<(), Failure> {
    let bundle = &delivery.bundle;
    let line = Line {
        id: bundle.id.to_string(),
        source: bundle.source.to_string(),
        endpoint: delivery.endpoint.to_string(),
        file: file.display().to_string(),
        file_name: bundle.file_name.clone(),
        media_type: bundle.media_type.clone(),
        octets: bundle.payload_octets,
        created: bundle.created_ms.and_then(time_of_dtn),
        signer: bundle.signer.as_ref().map(ToString::to_string),
        trusted: bundle.trusted,
    };
    output.say(&line, || line.file.clone())?;
    if !output.is_json() {
        let standing = if bundle.trusted { "" } else { ", whose key is NOT trusted" };
        note(&format!("{} from {}{standing}", size(bundle.payload_octets), bundle.source));
    }
    Ok(())
}
