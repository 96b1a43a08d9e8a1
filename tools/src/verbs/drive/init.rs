//! `packmule drive init`: a volume for a drive.

use std::path::PathBuf;

use agent_node::{Call, Reply};
use clap::Args;
use drive_volume::{InitOptions, Volume};
use serde::Serialize;

use crate::docking::volume_name;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::output::note;
use crate::quantity::size;

/// Prepare a drive; what is on it stays
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where it is mounted, or any folder
    path: PathBuf,
    /// What is written on it and whom it belongs to, for people [default: this node's name]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
}

#[derive(Serialize)]
struct Made {
    id: String,
    label: String,
    path: String,
    file_system: &'static str,
    available: u64,
}

impl Init {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let (node, created) = node_and_time(invocation).await;
        let label = self.label.or(node).unwrap_or_else(|| "packmule".to_owned());
        let volume = Volume::init(&self.path, InitOptions { label, created })?;
        let made = Made {
            id: volume_name(volume.id()),
            label: volume.label().to_owned(),
            path: volume.path().display().to_string(),
            file_system: volume.file_system(),
            available: volume.room()?.available,
        };
        invocation.output.say(&made, || {
            format!(
                "{} is a volume now, labelled {}: {}, {} free",
                made.path,
                made.label,
                made.file_system,
                size(made.available)
            )
        })?;
        note("whoever finds this drive can read what is on it: bundles are signed, not encrypted");
        Ok(())
    }
}

/// A drive may be prepared where no node is; then it has neither.
async fn node_and_time(invocation: &Invocation) -> (Option<String>, Option<u64>) {
    let node = invocation.home().ok().map(|home| home.node().to_string());
    let created = match invocation.ask(Call::Status).await {
        Ok(Reply::Status(status)) => status.now_ms,
        _ => None,
    };
    let name = node.map(|node| node.trim_start_matches("dtn://").trim_end_matches('/').to_owned());
    (name, created)
}
