//! `packmule export`: raw BPv7 bundles, for another implementation.

use std::path::PathBuf;

use agent_node::{Call, Client, Part, Reply};
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::landing::{self, Landing};
use crate::output::Output;
use crate::progress::Progress;

/// Write bundles as raw BPv7 files, ID.bundle each, for other implementations
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Their ids, or the first eight letters or more of each
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Where to put the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Line {
    id: String,
    file: String,
    octets: u64,
}

impl Export {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        invocation.with_client(async |_, client| self.export(client, invocation.output).await).await
    }

    async fn export(&self, client: &mut Client, output: Output) -> Result<(), Failure> {
        let mut found = Vec::new();
        for id in &self.ids {
            match client.call(Call::Show { id: id.clone() }).await? {
                Reply::Bundle(report) => found.push(report.summary.id),
                other => return Err(unexpected(&other)),
            }
        }
        landing::folder(&self.out)?;
        for id in found {
            let mut landing = Landing::begin(&self.out)?;
            let mut bundle = client.read(id, Part::Bundle).await?;
            let mut progress = Progress::new(&id.to_string(), Some(bundle.octets()));
            let mut octets = 0;
            while let Some(chunk) = bundle.next_piece().await? {
                landing.push(&chunk)?;
                octets += chunk.len() as u64;
                progress.reach(octets);
            }
            drop((bundle, progress));
            let file = landing.finish(&format!("{id}.bundle"))?.display().to_string();
            output.say(&Line { id: id.to_string(), file: file.clone(), octets }, || file)?;
        }
        Ok(())
    }
}
