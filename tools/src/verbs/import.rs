//! `packmule import`: raw BPv7 bundles, from files that another implementation wrote.

use std::path::{Path, PathBuf};

use agent_node::{Client, Imported};
use bundle_format::BundleId;
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::failure_of_client::refused;
use crate::invocation::Invocation;
use crate::outgoing;
use crate::output::Output;
use crate::progress::{Progress, Watched};

/// Take in raw BPv7 bundles, as if a neighbor had sent them
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Files with a bundle each; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    file: String,
    already: bool,
}

impl Import {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        invocation.with_client(async |_, client| self.import_all(client, invocation.output).await).await
    }

    async fn import_all(&self, client: &mut Client, output: Output) -> Result<(), Failure> {
        let mut taken = 0;
        let mut failures = Vec::new();
        for file in &self.files {
            match import(client, file).await {
                Ok(line) => {
                    taken += 1;
                    let note = if line.already { " was here already" } else { "" };
                    output.say(&line, || format!("{}{note}", line.id))?;
                }
                Err(failure) if self.files.len() == 1 => return Err(failure),
                Err(failure) => failures.push(failure),
            }
        }
        let Some(first) = failures.first() else { return Ok(()) };
        let kind = if taken > 0 { Kind::Partly } else { first.kind };
        for failure in &failures {
            failure.report(output.is_json());
        }
        Err(Failure::new(kind, format!("{} of {} files were not taken in", failures.len(), self.files.len())))
    }
}

async fn import(client: &mut Client, file: &Path) -> Result<Line, Failure> {
    let outgoing = outgoing::open(file).await?;
    let name = file.display().to_string();
    let body = Watched::new(outgoing.body, Progress::new(&name, outgoing.octets));
    let line = |id: BundleId, already| Line { id: id.to_string(), file: name.clone(), already };
    let imported = client.import(body, None, (0, &format!("file {name}"))).await;
    match imported.map_err(|error| outgoing::failure(error, file))? {
        Imported::Taken { id } => Ok(line(id, false)),
        Imported::Already { id } => Ok(line(id, true)),
        Imported::Refused { kind, reason } => {
            Err(refused(&kind, &format!("{name} is not taken in: {reason}")))
        }
        Imported::Malformed { reason } => {
            Err(Failure::failed(format!("{name} is not a bundle: {reason}"))
                .hint("see 'packmule inspect' on it"))
        }
    }
}
