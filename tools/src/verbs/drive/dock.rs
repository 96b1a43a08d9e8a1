//! `packmule drive dock`: a drive and a node give each other what they lack.

use std::path::PathBuf;

use agent_node::{Client, Home};
use clap::Args;
use serde::Serialize;
use tokio::runtime::Handle;

use super::check::DamageLine;
use crate::docking::{self, Docking, Summary};
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::output::{self, Output, tell};
use crate::quantity::{count, size};
use crate::stop::Stop;

/// Take in what this node lacks, put out what the drive lacks
#[derive(Debug, Args)]
pub(crate) struct Dock {
    /// Where it is mounted
    path: PathBuf,
    /// Unmount it at the end
    #[arg(long)]
    unmount: bool,
}

#[derive(Serialize)]
struct Line {
    id: String,
    label: String,
    taken: u64,
    taken_octets: u64,
    put: u64,
    put_octets: u64,
    on_drive: u64,
    refused: Vec<Refused>,
    refused_count: u64,
    damages: Vec<DamageLine>,
    damage_count: u64,
    left_out: Vec<LeftOut>,
    left_out_count: u64,
    left_out_octets: u64,
    unmounted: bool,
    interrupted: bool,
}

#[derive(Serialize)]
struct Refused {
    id: String,
    reason: String,
}

#[derive(Serialize)]
struct LeftOut {
    id: String,
    octets: u64,
}

impl Dock {
    pub(crate) async fn run(self, invocation: &Invocation, stop: Stop) -> Result<(), Failure> {
        let output = invocation.output;
        let docking =
            invocation.with_client(async |home, client| self.dock(home, client, stop.clone())).await?;
        let wanted = self.unmount && !docking.summary.interrupted;
        let unmounting = wanted.then(|| docking::unmount(&self.path));
        let unmounted = unmounting.as_ref().is_some_and(Result::is_ok);
        let (label, interrupted, outcome) =
            (docking.label.clone(), docking.summary.interrupted, outcome(&docking));
        say(output, docking, unmounted)?;
        unmounting.transpose()?;
        if !output.is_json() && !interrupted {
            let end = if unmounted { "SAFE TO REMOVE" } else { "written and synced: eject it now" };
            output::text(&format!("{label}: {end}"))?;
        }
        outcome
    }

    /// On this thread, which may wait: the runtime moves its other work away.
    fn dock(&self, home: &Home, client: &mut Client, stop: Stop) -> Result<Docking, Failure> {
        tokio::task::block_in_place(|| docking::dock(home, client, &self.path, (Handle::current(), stop)))
    }
}

fn say(output: Output, docking: Docking, unmounted: bool) -> Result<(), Failure> {
    let Docking { id, label, summary } = docking;
    if output.is_json() {
        return output::json(&Line {
            id,
            label,
            taken: summary.taken,
            taken_octets: summary.taken_octets,
            put: summary.put,
            put_octets: summary.put_octets,
            on_drive: summary.on_drive + summary.put,
            refused: summary
                .refused
                .into_iter()
                .map(|(id, reason)| Refused { id: id.to_string(), reason })
                .collect(),
            refused_count: summary.refused_count,
            damages: summary.damages.iter().map(DamageLine::from).collect(),
            damage_count: summary.damage_count,
            left_out: summary
                .left_out
                .iter()
                .map(|left| LeftOut { id: left.id.to_string(), octets: left.octets })
                .collect(),
            left_out_count: summary.left_out_count,
            left_out_octets: summary.left_out_octets,
            unmounted,
            interrupted: summary.interrupted,
        });
    }
    summary.refused.iter().for_each(|(id, reason)| tell(&format!("not taken in: {id}: {reason}")));
    summary.damages.iter().for_each(|damage| tell(&format!("skipped: {damage}")));
    summary.left_out.iter().for_each(|left| tell(&format!("left out: {}, {}", left.id, size(left.octets))));
    output::text(&format!(
        "{label}: took in {} ({}), put out {} ({}); {} on the drive",
        count(summary.taken, "bundle"),
        size(summary.taken_octets),
        count(summary.put, "bundle"),
        size(summary.put_octets),
        count(summary.on_drive + summary.put, "bundle"),
    ))
}

/// What the exit code is about. Everything that could be done is done.
fn outcome(docking: &Docking) -> Result<(), Failure> {
    let Docking { label, summary, .. } = docking;
    let Summary { left_out_count, left_out_octets, damage_count, refused_count, no_room_here, .. } = *summary;
    if summary.interrupted {
        return Err(Failure::new(
            Kind::Interrupted,
            format!("{label}: interrupted; what was done until then is written and synced"),
        )
        .hint("dock it again to go on where this ended"));
    }
    if left_out_count > 0 {
        let what =
            format!("{label}: no room for {}, {}", count(left_out_count, "bundle"), size(left_out_octets));
        return Err(Failure::new(Kind::Partly, what)
            .hint("dock a second drive, or free some room on this one and dock it again"));
    }
    if no_room_here > 0 {
        return Err(Failure::new(
            Kind::StoreFull,
            format!("no room in the store for {} of the drive", count(no_room_here, "bundle")),
        )
        .hint("see 'packmule status' and 'packmule rm'; the drive keeps them"));
    }
    if damage_count > 0 {
        return Err(Failure::new(
            Kind::Drive,
            format!("{label}: damaged in {}; all that is whole was taken in", count(damage_count, "place")),
        )
        .hint("see 'packmule drive check'; do not trust this drive with more"));
    }
    if refused_count > 0 {
        return Err(Failure::new(
            Kind::Partly,
            format!("{label}: {} not taken in", count(refused_count, "bundle")),
        )
        .hint("the reasons are above; bundles of strangers need 'packmule trust add'"));
    }
    Ok(())
}
