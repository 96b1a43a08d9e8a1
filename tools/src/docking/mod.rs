//! A dock: a drive at a node. What the node lacks is taken in, what the drive lacks is put out.
//!
//! The order is what makes it safe to pull the drive at any time and to trust nobody who had it in his hands:
//! 1. `taking` brings in every record that the node lacks; each is checked and judged as if a neighbor had sent it.
//!    Segments in which a body turned out damaged are written anew without it, so that whoever has that bundle puts it there again.
//! 2. `inventories` reads what other nodes signed about what they hold. Only a signature by the key that is trusted for
//!    the node counts; the name of a segment's writer is anybody's claim and is not used as evidence.
//! 3. `putting` writes what the drive lacks, and not everybody has, into new segments, then this node's own inventory.
//! 4. Only when the drive has synced them does the node note what the drive holds.
//!
//! All of it runs on one thread that may wait for the drive; the node is asked through [`Docked::ask`].

mod bridges;
mod heads;
mod inventories;
mod putting;
mod taking;
mod unmounting;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use agent_core::everybody::Everybody;
use agent_core::routing::Policies;
use agent_node::{Call, Client, Home, Reply};
use bundle_format::{BundleId, Eid, Profile};
use data_encoding::BASE32_NOPAD;
use drive_volume::{Access, Damage, NodeHash, Volume};
use tokio::runtime::Handle;

pub(crate) use self::heads::head;
pub(crate) use self::putting::LeftOut;
pub(crate) use self::unmounting::unmount;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::stop::Stop;

/// Most refusals and damages that are named; the rest is counted.
const NAMED_MAX: usize = 100;

/// What a dock did.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) taken: u64,
    pub(crate) taken_octets: u64,
    pub(crate) put: u64,
    pub(crate) put_octets: u64,
    pub(crate) on_drive: u64,
    pub(crate) refused: Vec<(BundleId, String)>,
    pub(crate) refused_count: u64,
    pub(crate) no_room_here: u64,
    pub(crate) damages: Vec<Damage>,
    pub(crate) damage_count: u64,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) left_out_count: u64,
    pub(crate) left_out_octets: u64,
    pub(crate) interrupted: bool,
}

impl Summary {
    fn damaged(&mut self, damage: Damage) {
        self.damage_count += 1;
        if self.damages.len() < NAMED_MAX {
            self.damages.push(damage);
        }
    }

    fn refused(&mut self, id: BundleId, reason: String) {
        self.refused_count += 1;
        if self.refused.len() < NAMED_MAX {
            self.refused.push((id, reason));
        }
    }
}

/// A drive at a node.
struct Docked<'d> {
    node: Eid,
    profile: Profile,
    policies: Policies,
    /// Segments with bodies that turned out damaged.
    damaged: BTreeSet<Arc<str>>,
    /// Other nodes whose inventories are on the drive.
    visitors: Vec<Eid>,
    everybody: Everybody,
    client: &'d mut Client,
    runtime: Handle,
    /// DTN time in milliseconds, where the node trusts its clock.
    now: Option<u64>,
    stop: Stop,
    summary: Summary,
}

/// Docks the drive at `path` and returns what came of it, all of it durable on both sides.
pub(crate) fn dock(
    home: &Home,
    client: &mut Client,
    path: &Path,
    (runtime, stop): (Handle, Stop),
) -> Result<Docking, Failure> {
    let volume = Volume::open(path, Access::ReadWrite)?;
    let (id, label) = (volume_name(volume.id()), volume.label().to_owned());
    let mut docked = Docked {
        node: home.node().clone(),
        profile: home.config().profile(),
        policies: home.config().policies.clone(),
        damaged: BTreeSet::new(),
        visitors: Vec::new(),
        everybody: Everybody::default(),
        client,
        runtime,
        now: None,
        stop,
        summary: Summary::default(),
    };
    docked.now = docked.clock()?;
    let on_drive = docked.take_in(&volume)?;
    if !docked.is_stopped() {
        docked.renew(&volume)?;
        docked.read_inventories(&volume)?;
    }
    // Who was not heard of may lack what all others have.
    if !docked.is_stopped() {
        docked.put_out(&volume, &on_drive)?;
    }
    let mut summary = docked.summary;
    summary.interrupted = docked.stop.is_asked();
    Ok(Docking { id, label, summary })
}

/// Which drive, and what was done.
#[derive(Debug)]
pub(crate) struct Docking {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) summary: Summary,
}

impl Docked<'_> {
    fn ask(&mut self, call: Call) -> Result<Reply, Failure> {
        Ok(self.runtime.block_on(self.client.call(call))?)
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_asked()
    }

    fn clock(&mut self) -> Result<Option<u64>, Failure> {
        match self.ask(Call::Status)? {
            Reply::Status(status) => Ok(status.now_ms),
            other => Err(unexpected(&other)),
        }
    }

    fn note_held(&mut self, holder: Eid, ids: Vec<BundleId>) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        match self.ask(Call::NoteHeld { holder, ids })? {
            Reply::Done { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

/// How a volume calls a node: what a segment and an inventory say about who wrote them.
pub(crate) fn node_hash(node: &Eid) -> NodeHash {
    let mut hash = [0; 16];
    blake3::Hasher::new().update(node.to_string().as_bytes()).finalize_xof().fill(&mut hash);
    hash
}

/// A volume's id as people and programs see it.
pub(crate) fn volume_name(id: [u8; 16]) -> String {
    BASE32_NOPAD.encode(&id).to_ascii_lowercase()
}

/// The name under which a node notes what a volume holds.
fn volume_eid(id: [u8; 16]) -> Result<Eid, Failure> {
    Eid::dtn(&format!("drive-{}", volume_name(id)), "").map_err(|error| Failure::failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_and_nodes_have_names_of_their_own() {
        let (a, b): (Eid, Eid) = ("dtn://a/".parse().unwrap(), "dtn://b/".parse().unwrap());
        assert_ne!(node_hash(&a), node_hash(&b));
        assert!(volume_eid([7; 16]).unwrap().is_node_id());
    }
}
