//! `packmule ls`: what the store holds, oldest first.

use agent_node::{Call, Client, LISTED_MAX, Reply};
use clap::Args;

use crate::bundle_line::BundleLine;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::output::{self, Output};

/// List what the store holds, oldest first
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Bundles between nodes too, such as reports of delivery
    #[arg(long)]
    all: bool,
}

impl Ls {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let lines =
            invocation.with_client(async |_, client| self.list(client, invocation.output).await).await?;
        if invocation.output.is_json() {
            Ok(())
        } else {
            invocation.output.list(&lines, "the store is empty")
        }
    }

    /// Says each at once as JSON; a table needs all its lines to know its widths, so they are returned.
    async fn list(&self, client: &mut Client, output: Output) -> Result<Vec<BundleLine>, Failure> {
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let bundles = match client.call(Call::List { after, limit: LISTED_MAX, all: self.all }).await? {
                Reply::Bundles(bundles) => bundles,
                other => return Err(unexpected(&other)),
            };
            let Some(last) = bundles.last() else { return Ok(lines) };
            after = Some(last.number);
            for line in bundles.iter().map(BundleLine::from) {
                match output {
                    Output::Json => output::json(&line)?,
                    Output::Text => lines.push(line),
                }
            }
        }
    }
}
