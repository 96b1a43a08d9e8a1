//! `packmule subscriptions`: the groups that this node is a member of.

use agent_node::{Call, Reply};
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::output::note;

/// List the groups that this node is a member of
#[derive(Debug, Args)]
pub(crate) struct Subscriptions {}

#[derive(Serialize)]
struct Membership {
    group: String,
}

impl Subscriptions {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let groups = match invocation.ask(Call::Subscriptions).await? {
            Reply::Groups(groups) => groups,
            other => return Err(unexpected(&other)),
        };
        if groups.is_empty() {
            note("no groups yet: packmule subscribe dtn://all/~updates");
        }
        for group in groups {
            let group = group.to_string();
            invocation.output.say(&Membership { group: group.clone() }, || group)?;
        }
        Ok(())
    }
}
