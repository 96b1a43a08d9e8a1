//! `packmule trust`: which key is trusted for which node.

use agent_node::{Call, Home, Origin, Reply, TrustEntry};
use bundle_format::{Eid, PublicKey};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::failure_of_client::{configured, unexpected};
use crate::identity;
use crate::invocation::Invocation;
use crate::output::Row;

/// Say which nodes are trusted with which keys: bundles of others are refused
#[derive(Debug, Args)]
pub(crate) struct Trust {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Trust a node's key
    Add {
        /// The line that 'packmule id' prints on the other machine
        #[arg(required = true, num_args = 1..=2, value_name = "LINE")]
        line: Vec<String>,
        /// Take this key in place of the one that is trusted for the node by now
        #[arg(long)]
        replace: bool,
    },
    /// List trusted keys
    Ls,
    /// Trust a node no longer
    Rm {
        /// The node: clinic-3 or dtn://clinic-3/
        node: String,
    },
}

#[derive(Serialize)]
struct Trusted {
    node: String,
    key: Option<String>,
    changed: bool,
}

#[derive(Serialize)]
struct Entry {
    node: String,
    key: String,
    configured: bool,
}

impl Row for Entry {
    const HEADINGS: &'static [&'static str] = &["NODE", "KEY", ""];

    fn cells(&self) -> Vec<String> {
        let place = if self.configured { "config.toml" } else { "" };
        vec![self.node.clone(), self.key.clone(), place.to_owned()]
    }
}

impl Trust {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.action {
            Action::Add { line, replace } => {
                let (node, key) = identity::parse(&line)?;
                refuse_own_name(&invocation.home()?, &node, &key)?;
                add(invocation, TrustedKey { node, key, replace }).await
            }
            Action::Ls => list(invocation).await,
            Action::Rm { node } => remove(invocation, endpoint::node(&node)?).await,
        }
    }
}

/// What `trust add` asks for.
struct TrustedKey {
    node: Eid,
    key: PublicKey,
    replace: bool,
}

async fn add(invocation: &Invocation, wish: TrustedKey) -> Result<(), Failure> {
    let TrustedKey { node, key, replace } = wish;
    let changed = match invocation.ask(Call::TrustAdd { node: node.clone(), key, replace }).await? {
        Reply::Done { changed } => changed,
        Reply::Configured => return Err(configured(&format!("the key of {node}"))),
        Reply::OtherKey { trusted } => {
            return Err(Failure::new(
                Kind::NotTrusted,
                format!("another key is trusted for {node}: {trusted}"),
            )
            .hint(
                "two machines may have one name, or somebody may pretend to be this node; \
                 if you know that it has a new key, say --replace",
            ));
        }
        other => return Err(unexpected(&other)),
    };
    let object = Trusted { node: node.to_string(), key: Some(key.to_string()), changed };
    invocation.output.say(&object, || {
        if changed {
            format!("{node} is trusted with {key}")
        } else {
            format!("{node} was trusted with this key before")
        }
    })
}

/// Two machines of one name would mix up their mail; here is where people meet them first.
fn refuse_own_name(home: &Home, node: &Eid, key: &PublicKey) -> Result<(), Failure> {
    if node != home.node() {
        return Ok(());
    }
    if *key == home.key().public() {
        return Err(Failure::usage(format!("this is the line of this node itself, {node}"))
            .hint("give the line that 'packmule id' prints on the other machine"));
    }
    Err(Failure::new(
        Kind::NotTrusted,
        format!("the other machine has this node's name, {node}, and another key"),
    )
    .hint("one of the two needs a new home with a name of its own: packmule init --name NAME"))
}

async fn list(invocation: &Invocation) -> Result<(), Failure> {
    let entries = match invocation.ask(Call::TrustList).await? {
        Reply::Trust(entries) => entries,
        other => return Err(unexpected(&other)),
    };
    let rows: Vec<Entry> = entries
        .into_iter()
        .map(|TrustEntry { node, key, origin }| Entry {
            node: node.to_string(),
            key: key.to_string(),
            configured: origin == Origin::Configured,
        })
        .collect();
    invocation
        .output
        .list(&rows, "no node is trusted yet: packmule trust add '<the line that packmule id prints there>'")
}

async fn remove(invocation: &Invocation, node: Eid) -> Result<(), Failure> {
    match invocation.ask(Call::TrustRemove { node: node.clone() }).await? {
        Reply::Done { changed: true } => {}
        Reply::Done { changed: false } => {
            return Err(
                Failure::failed(format!("no key is trusted for {node}")).hint("see 'packmule trust ls'")
            );
        }
        Reply::Configured => return Err(configured(&format!("the key of {node}"))),
        other => return Err(unexpected(&other)),
    }
    let object = Trusted { node: node.to_string(), key: None, changed: true };
    invocation.output.say(&object, || format!("{node} is trusted no longer"))
}
