//! `packmule subscribe`: becoming a member of a group.

use agent_node::{Call, Reply};
use clap::Args;
use serde::Serialize;

use crate::endpoint;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;

/// Become a member of a group, and receive what is sent to it
#[derive(Debug, Args)]
pub(crate) struct Subscribe {
    /// The group, such as dtn://all/~updates
    group: String,
}

#[derive(Serialize)]
struct Membership {
    group: String,
    changed: bool,
}

impl Subscribe {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let group = endpoint::group(&self.group)?;
        let changed = match invocation.ask(Call::Subscribe { group: group.clone() }).await? {
            Reply::Done { changed } => changed,
            other => return Err(unexpected(&other)),
        };
        invocation.output.say(&Membership { group: group.to_string(), changed }, || {
            if changed {
                format!("this node is a member of {group} now")
            } else {
                format!("this node was a member of {group} before")
            }
        })
    }
}
