//! `packmule rm`: a bundle goes for good.

use agent_node::{Call, Client, Reply};
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::output::Output;

/// Remove bundles from this node for good: they do not come back here, whoever still has them
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Their ids, or the first eight letters or more of each
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Removed {
    id: String,
    removed: bool,
}

impl Rm {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        invocation.with_client(async |_, client| remove(client, self.ids, invocation.output).await).await
    }
}

async fn remove(client: &mut Client, ids: Vec<String>, output: Output) -> Result<(), Failure> {
    // All are looked up before the first goes: a misspelt id must not cost the others.
    let mut found = Vec::new();
    for id in ids {
        match client.call(Call::Show { id }).await? {
            Reply::Bundle(report) => found.push(report.summary),
            other => return Err(unexpected(&other)),
        }
    }
    for bundle in found {
        let id = bundle.id.to_string();
        match client.call(Call::Remove { id: id.clone() }).await? {
            Reply::Done { .. } => {}
            other => return Err(unexpected(&other)),
        }
        let name = bundle.file_name.map(|name| format!(" ({name})")).unwrap_or_default();
        output.say(&Removed { id: id.clone(), removed: true }, || {
            format!("{id}{name} is gone from this node and does not come back")
        })?;
    }
    Ok(())
}
