//! `packmule init`: a folder, a name and a key for a new node.

use agent_node::Home;
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::identity;
use crate::invocation::Invocation;
use crate::output::note;

/// Make this machine a node: a folder with its configuration, its key and its store
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The node's name (clinic-3), or its number as an ipn node ID (ipn:42.0): the same for ever and different from every
    /// other node's [default: this machine's name]
    #[arg(long, visible_alias = "node", value_name = "NAME")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Made {
    node: String,
    key: String,
    line: String,
    home: String,
}

impl Init {
    pub(crate) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let folder = invocation.folder()?;
        let (name, by_machine) = match self.name {
            Some(name) => (name, false),
            None => (machine_name()?, true),
        };
        let home = Home::create(&folder, &name, None)?;
        let key = home.key().public();
        let line = identity::line(home.node(), &key);
        let made = Made {
            node: home.node().to_string(),
            key: key.to_string(),
            line: line.clone(),
            home: home.folder().display().to_string(),
        };
        invocation.output.say(&made, || line.clone())?;
        note(&format!(
            "{} is the home of this node. The line above is how other nodes get to know it; on them, run:\n  packmule trust add '{line}'",
            home.folder().display()
        ));
        if by_machine {
            note(
                "The node is named after this machine. If another machine has that name too, begin again with --name and another --home.",
            );
        }
        Ok(())
    }
}

fn machine_name() -> Result<String, Failure> {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    match name.split('.').next().unwrap_or_default() {
        "" | "localhost" | "(none)" => Err(Failure::usage("this machine has no name of its own")
            .hint("name the node: packmule init --name NAME")),
        name => Ok(name.to_owned()),
    }
}
