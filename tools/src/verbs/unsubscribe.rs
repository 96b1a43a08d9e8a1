//! `packmule unsubscribe`: leaving a group.

use agent_node::{Call, Reply};
use clap::Args;
use serde::Serialize;

use crate::endpoint;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;

/// Leave a group
#[derive(Debug, Args)]
pub(crate) struct Unsubscribe {
    /// The group, such as dtn://all/~updates
    group: String,
}

#[derive(Serialize)]
struct Membership {
    group: String,
    changed: bool,
}

impl Unsubscribe {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let group = endpoint::group(&self.group)?;
        let changed = match invocation.ask(Call::Unsubscribe { group: group.clone() }).await? {
            Reply::Done { changed } => changed,
            other => return Err(unexpected(&other)),
        };
        invocation.output.say(&Membership { group: group.to_string(), changed }, || {
            if changed {
                format!("this node is a member of {group} no longer")
            } else {
                format!("this node was no member of {group}")
            }
        })
    }
}
