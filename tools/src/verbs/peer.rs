//! `packmule peer`: the nodes that this one keeps a contact with.

use agent_node::{Address, Call, Origin, PeerEntry, Reply};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::failure::Failure;
use crate::failure_of_client::{configured, unexpected};
use crate::invocation::Invocation;
use crate::output::Row;

/// Say which nodes this one connects to, and goes on trying to
#[derive(Debug, Args)]
pub(crate) struct Peer {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep a contact with whoever answers at an address
    Add {
        /// Where the other node is: tcp://HOST, udp://HOST, stcp://HOST, mtcp://HOST, or with :PORT; or, at the other end of
        /// a serial line, `serial:///dev/ttyUSB0?baud=9600`; or, for a program that is a link, `pipe:COMMAND`;
        /// or, for a folder that something synchronizes, `folder:/PATH`
        url: String,
    },
    /// List peers
    Ls,
    /// Keep it no longer
    Rm {
        /// As it was added
        url: String,
    },
}

#[derive(Serialize)]
struct Peered {
    url: String,
    changed: bool,
}

#[derive(Serialize)]
struct Entry {
    url: String,
    configured: bool,
}

impl Row for Entry {
    const HEADINGS: &'static [&'static str] = &["ADDRESS", ""];

    fn cells(&self) -> Vec<String> {
        let place = if self.configured { "config.toml" } else { "" };
        vec![self.url.clone(), place.to_owned()]
    }
}

impl Peer {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.action {
            Action::Add { url } => add(invocation, address(&url)?).await,
            Action::Ls => list(invocation).await,
            Action::Rm { url } => remove(invocation, address(&url)?).await,
        }
    }
}

fn address(text: &str) -> Result<String, Failure> {
    text.parse::<Address>()
        .map(|address| address.to_string())
        .map_err(|error| Failure::usage(error.to_string()))
}

async fn add(invocation: &Invocation, url: String) -> Result<(), Failure> {
    let changed = match invocation.ask(Call::PeerAdd { url: url.clone() }).await? {
        Reply::Done { changed } => changed,
        Reply::Configured => return Err(configured(&url)),
        other => return Err(unexpected(&other)),
    };
    invocation.output.say(&Peered { url: url.clone(), changed }, || {
        if changed {
            format!("{url} is a peer: the agent keeps a contact with it")
        } else {
            format!("{url} was a peer before")
        }
    })
}

async fn list(invocation: &Invocation) -> Result<(), Failure> {
    let peers = match invocation.ask(Call::PeerList).await? {
        Reply::Peers(peers) => peers,
        other => return Err(unexpected(&other)),
    };
    let rows: Vec<Entry> = peers
        .into_iter()
        .map(|PeerEntry { url, origin }| Entry { url, configured: origin == Origin::Configured })
        .collect();
    invocation.output.list(&rows, "no peers yet: packmule peer add tcp://HOST")
}

async fn remove(invocation: &Invocation, url: String) -> Result<(), Failure> {
    match invocation.ask(Call::PeerRemove { url: url.clone() }).await? {
        Reply::Done { changed: true } => {}
        Reply::Done { changed: false } => {
            return Err(Failure::failed(format!("{url} is no peer")).hint("see 'packmule peer ls'"));
        }
        Reply::Configured => return Err(configured(&url)),
        other => return Err(unexpected(&other)),
    }
    invocation
        .output
        .say(&Peered { url: url.clone(), changed: true }, || format!("{url} is a peer no longer"))
}
