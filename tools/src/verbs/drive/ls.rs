//! `packmule drive ls`: what is on a drive. Needs no home: a drive of a dead node can be looked at anywhere.

use std::path::PathBuf;

use bundle_format::{BundleId, Head, Profile};
use clap::Args;
use drive_volume::{Access, Entry, RecordInfo, Volume};
use serde::Serialize;

use crate::bundle_line::time_of_dtn;
use crate::docking::head;
use crate::failure::{Failure, Kind};
use crate::output::{self, Output, Row, tell};
use crate::quantity::{count, size};

/// List the bundles on a drive
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Where it is mounted
    path: PathBuf,
}

#[derive(Serialize)]
struct Line {
    id: String,
    source: Option<String>,
    destination: Option<String>,
    file_name: Option<String>,
    octets: u64,
    stored_octets: u64,
    written: Option<String>,
    file: String,
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] = &["ID", ">SIZE", "FROM", "TO", "NAME"];

    fn cells(&self) -> Vec<String> {
        let unread = || "(unreadable)".to_owned();
        vec![
            self.id.clone(),
            size(self.octets),
            self.source.clone().unwrap_or_else(unread),
            self.destination.clone().unwrap_or_else(unread),
            self.file_name.clone().unwrap_or_default(),
        ]
    }
}

impl Ls {
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let volume = Volume::open(&self.path, Access::ReadOnly)?;
        let mut lines = Vec::new();
        let mut damages: u64 = 0;
        for entry in volume.records()? {
            match entry {
                Entry::Record(record) => {
                    let line = line(&volume, &record);
                    match output {
                        Output::Json => output::json(&line)?,
                        Output::Text => lines.push(line),
                    }
                }
                Entry::Torn(_) => {}
                Entry::Damage(damage) => {
                    damages += 1;
                    tell(&format!("skipped: {damage}"));
                }
            }
        }
        if output == Output::Text {
            output.list(&lines, "no bundles are on this drive")?;
        }
        if damages == 0 {
            return Ok(());
        }
        Err(Failure::new(Kind::Drive, format!("{}: damaged in {}", volume.label(), count(damages, "place")))
            .hint("see 'packmule drive check'; whole bundles are not affected"))
    }
}

fn line(volume: &Volume, record: &RecordInfo) -> Line {
    let head = head(volume, record);
    let primary = head.as_ref().map(Head::primary);
    Line {
        id: BundleId::from_bytes(record.id).to_string(),
        source: primary.map(|primary| primary.source.to_string()),
        destination: primary.map(|primary| primary.destination.to_string()),
        file_name: head.as_ref().and_then(|head| head.metadata(&Profile::default())?.file_name),
        octets: record.original,
        stored_octets: record.stored,
        written: record.written.and_then(time_of_dtn),
        file: record.file.to_string(),
    }
}
