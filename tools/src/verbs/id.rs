//! `packmule id`: the line by which other nodes get to know this one.

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::identity;
use crate::invocation::Invocation;

/// Print this node's name and key, in the one line that other nodes are given
#[derive(Debug, Args)]
pub(crate) struct Id {}

#[derive(Serialize)]
struct Identity {
    node: String,
    key: String,
    line: String,
}

impl Id {
    pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
        let home = invocation.home()?;
        let key = home.key().public();
        let line = identity::line(home.node(), &key);
        let object = Identity { node: home.node().to_string(), key: key.to_string(), line: line.clone() };
        invocation.output.say(&object, || line)
    }
}
