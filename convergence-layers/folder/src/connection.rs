//! Opens a folder and runs both halves of its link.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convergence_layer::{Event, Gauge, Link};
use tokio::sync::mpsc;

use crate::inbox::Inbox;
use crate::naming;
use crate::offering::{Ended, Offering};
use crate::outbox::Outbox;
use crate::settings::{Parts, Settings};
use crate::writing::{Writing, blocking};

/// Events, and outgoing octets, that wait in a channel.
const CHANNEL_DEPTH: usize = 16;
/// Names in a shared folder that are looked at for another inbox.
const LOOKED_AT_MAX: usize = 10_000;

/// What a node brings to its links.
#[derive(Debug, Clone)]
pub struct Local {
    /// The node ID, as text.
    pub node_id: String,
    /// The largest bundle that is taken, in octets.
    pub transfer_mru: u64,
}

/// A folder cannot be used: why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// Opens a folder.
pub async fn connect(settings: &Settings, local: &Local) -> Result<Link, Unreachable> {
    let (opened, own) = (settings.clone(), local.node_id.clone());
    let opening = blocking(move || Ok(open(&opened, &own))).await;
    let (inbox, outbox, node_id) = opening.map_err(|error| Unreachable(error.to_string()))??;
    let (events, agent_events) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_outgoing, ordinary) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_express, express) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_control, control) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::default());
    let transfer_mru = local.transfer_mru;
    let writing = Writing { outbox, ordinary, express, events: events.clone(), gauge: Arc::clone(&gauge) };
    let offering = Offering::new((inbox, transfer_mru), events.clone(), control, Arc::clone(&gauge));
    // What the neighbor takes is not said: what we take is the best guess.
    let opened = Event::Opened { node_id, transfer_mru, octets_per_second: None };
    let path = settings.path.clone();
    tokio::spawn(async move {
        if events.send(opened).await.is_ok() {
            run(writing, offering, events, path).await;
        }
    });
    Ok(Link {
        events: agent_events,
        outgoing: agent_outgoing,
        express: Some(agent_express),
        control: agent_control,
        gauge,
    })
}

async fn run(mut writing: Writing, mut offering: Offering, events: mpsc::Sender<Event>, path: String) {
    let ended = tokio::select! {
        error = writing.run() => Ended::Failed(error),
        ended = offering.run() => ended,
    };
    // An agent that waits for room to send must learn that there will be none.
    drop((writing, offering));
    let reason = match ended {
        Ended::Closed => "closed by this node".to_owned(),
        Ended::Failed(error) => format!("{path} cannot be used any more: {error}"),
    };
    // Who dropped the link needs no word.
    let _ = events.send(Event::Closed { reason }).await;
}

type Opened = (Inbox, Outbox, Option<String>);

/// Finds the folders, and makes those that are ours to make. The folder itself has to be there: where it is not, it is not mounted.
fn open(settings: &Settings, own: &str) -> Result<Opened, Unreachable> {
    let path = Path::new(&settings.path);
    let failed = |error: io::Error| Unreachable(format!("{} cannot be used: {error}", settings.path));
    if !path.is_dir() {
        return Err(Unreachable(format!(
            "{} is no folder, or not there: it may not be mounted",
            settings.path
        )));
    }
    let (inbox, outbox, node_id) = match &settings.parts {
        Parts::Named { inbox, outbox, node } => (inbox.clone(), outbox.clone(), node.clone()),
        Parts::Shared { to } => {
            let inbox = naming::inbox_of(own);
            naming::folder(&path.join(&inbox)).map_err(failed)?;
            let name = match to {
                Some(name) => name.clone(),
                None => only_other(path, &inbox).map_err(failed)??,
            };
            (inbox, naming::inbox_named(&name), Some(naming::node_id_of(&name)))
        }
    };
    if inbox == outbox {
        return Err(Unreachable(format!("{} names this node itself", settings.path)));
    }
    let [inbox, outbox]: [PathBuf; 2] = [inbox, outbox].map(|name| path.join(name));
    for folder in [&inbox, &outbox] {
        naming::folder(folder).map_err(failed)?;
    }
    Ok((Inbox::new(inbox), Outbox::open(outbox).map_err(failed)?, node_id))
}

/// The name of the one other node that has an inbox here.
fn only_other(path: &Path, own: &str) -> io::Result<Result<String, Unreachable>> {
    let mut other: Option<String> = None;
    for entry in path.read_dir()?.take(LOOKED_AT_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        let Some(owner) = name.to_str().filter(|name| *name != own).and_then(naming::owner) else { continue };
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if let Some(other) = other {
            let why =
                format!("{other} and {owner} have inboxes in {}: add ?to=NAME for each", path.display());
            return Ok(Err(Unreachable(why)));
        }
        other = Some(owner.to_owned());
    }
    let nobody = || Unreachable(format!("nobody else has an inbox in {} yet", path.display()));
    Ok(other.ok_or_else(nobody))
}
