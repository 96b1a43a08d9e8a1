//! `packmule drive check`: reads a whole drive, and names what is damaged.

use std::path::PathBuf;

use clap::Args;
use drive_volume::{Access, Damage, Volume};
use serde::Serialize;

use crate::docking::volume_name;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::progress::Progress;
use crate::quantity::{count, size};

/// Read a whole drive and name what is damaged; changes nothing
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Where it is mounted
    path: PathBuf,
}

#[derive(Serialize)]
struct Line {
    id: String,
    label: String,
    segments: u64,
    bundles: u64,
    octets: u64,
    inventories: u64,
    damages: Vec<DamageLine>,
    damages_unnamed: u64,
}

#[derive(Serialize)]
pub(super) struct DamageLine {
    file: String,
    from: u64,
    to: u64,
    bundle: Option<String>,
    reason: String,
}

impl From<&Damage> for DamageLine {
    fn from(damage: &Damage) -> Self {
        Self {
            file: damage.file.to_string(),
            from: damage.octets.start,
            to: damage.octets.end,
            bundle: damage.id.map(|id| bundle_format::BundleId::from_bytes(id).to_string()),
            reason: damage.reason.to_string(),
        }
    }
}

impl Check {
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let volume = Volume::open(&self.path, Access::ReadOnly)?;
        let room = volume.room()?;
        let mut progress = Progress::new(volume.label(), Some(room.total.saturating_sub(room.available)));
        let mut done = 0;
        let checked = volume.check(&mut |octets| {
            done += octets;
            progress.reach(done);
        })?;
        drop(progress);
        let line = Line {
            id: volume_name(volume.id()),
            label: volume.label().to_owned(),
            segments: checked.segments,
            bundles: checked.records,
            octets: checked.octets,
            inventories: checked.inventories,
            damages: checked.damages.iter().map(DamageLine::from).collect(),
            damages_unnamed: checked.damages_unnamed,
        };
        output.say(&line, || text(&line, &checked.damages))?;
        if checked.is_whole() {
            return Ok(());
        }
        let places = checked.damages.len() as u64 + checked.damages_unnamed;
        Err(Failure::new(Kind::Drive, format!("{}: damaged in {}", volume.label(), count(places, "place")))
            .hint("what is whole can be taken in with 'packmule drive dock'; then use another drive, or check its file system"))
    }
}

fn text(line: &Line, damages: &[Damage]) -> String {
    let whole = format!("{}: {} whole, {}", line.label, count(line.bundles, "bundle"), size(line.octets));
    let damages = damages.iter().map(ToString::to_string);
    std::iter::once(whole).chain(damages).collect::<Vec<_>>().join("\n")
}
