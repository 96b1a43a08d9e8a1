//! What the node lacks comes in from the drive: whole bundles, and then the beginnings of large ones that are torn.

use std::collections::BTreeSet;

use agent_core::LARGE_OCTETS;
use agent_node::{Call, ClientError, Imported, Reply};
use bundle_format::BundleId;
use drive_volume::{CompactOptions, Damage, Entry, Reason, RecordInfo, Volume};

use super::Docked;
use super::bridges::FromDrive;
use crate::failure::{Failure, Kind};
use crate::failure_of_client::unexpected;
use crate::progress::Progress;

/// Records asked about at once.
const PAGE: usize = 2048;
/// Ids of the drive that are remembered: 64 MiB of them. Of a drive with more, some may be put out twice.
const IDS_MAX: usize = 4 << 20;

/// Torn records that are looked at: as many beginnings as a node keeps.
const TORN_MAX: usize = 64;

/// The ids on a drive.
#[derive(Debug, Default)]
pub(super) struct OnDrive {
    /// All of them, sorted.
    ids: Vec<BundleId>,
    /// Those that this node did not take in, sorted.
    refused: Vec<BundleId>,
}

impl OnDrive {
    pub(super) fn has(&self, id: BundleId) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// Whether a bundle of the drive is here, or was.
    pub(super) fn is_known_here(&self, id: BundleId) -> bool {
        self.has(id) && self.refused.binary_search(&id).is_err()
    }

    fn sort(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup();
        self.refused.sort_unstable();
    }
}

/// What became of one record.
enum Took {
    Stored,
    Known,
    Refused { kind: String, reason: String },
    Damaged(Damage),
    Stopped,
}

impl Docked<'_> {
    /// Takes in every record that the node lacks, and returns which ids the drive has.
    pub(super) fn take_in(&mut self, volume: &Volume) -> Result<OnDrive, Failure> {
        let mut progress = Progress::new(&format!("{}: taking in", volume.label()), None);
        let mut on_drive = OnDrive::default();
        let (mut page, mut torn): (Vec<RecordInfo>, Vec<RecordInfo>) = (Vec::new(), Vec::new());
        for entry in volume.records()? {
            match entry {
                Entry::Record(record) => page.push(record),
                Entry::Torn(record) if torn.len() < TORN_MAX && record.original > LARGE_OCTETS => {
                    torn.push(record);
                }
                Entry::Torn(_) => {}
                Entry::Damage(damage) => self.summary.damaged(damage),
            }
            if page.len() == PAGE {
                self.take_page(volume, std::mem::take(&mut page), (&mut on_drive, &mut progress))?;
            }
            if self.is_stopped() {
                break;
            }
        }
        self.take_page(volume, page, (&mut on_drive, &mut progress))?;
        self.take_beginnings(volume, &torn)?;
        on_drive.sort();
        self.summary.on_drive = on_drive.ids.len() as u64;
        Ok(on_drive)
    }

    fn take_page(
        &mut self,
        volume: &Volume,
        page: Vec<RecordInfo>,
        (on_drive, progress): (&mut OnDrive, &mut Progress),
    ) -> Result<(), Failure> {
        let mut lacking = self.lacking(&page)?;
        for record in page {
            let id = BundleId::from_bytes(record.id);
            // A second copy of what was just taken is not lacking any more.
            let took = if lacking.remove(&id) { self.take(volume, &record)? } else { Took::Known };
            match took {
                Took::Stopped => return Ok(()),
                Took::Damaged(damage) => {
                    // Another copy may be whole.
                    lacking.insert(id);
                    if matches!(damage.reason, Reason::Body | Reason::Decompression) {
                        self.damaged.insert(damage.file.clone());
                    }
                    self.summary.damaged(damage);
                    continue;
                }
                Took::Refused { kind, reason } => {
                    on_drive.refused.push(id);
                    self.note_refusal(id, (&kind, reason));
                }
                Took::Stored => {
                    self.summary.taken += 1;
                    self.summary.taken_octets += record.original;
                    progress.reach(self.summary.taken_octets);
                }
                Took::Known => {}
            }
            if on_drive.ids.len() < IDS_MAX {
                on_drive.ids.push(id);
            }
        }
        Ok(())
    }

    /// Removes from the drive the records whose bodies were found damaged: to a node that has their bundles, whose headers are all that it reads,
    /// they would count as there.
    pub(super) fn renew(&mut self, volume: &Volume) -> Result<(), Failure> {
        let damaged = std::mem::take(&mut self.damaged);
        let options = CompactOptions { node: super::node_hash(&self.node), now: self.now };
        volume.renew(damaged.iter().map(|name| &**name), options, &mut |_| {})?;
        Ok(())
    }

    /// Gives the node what there is of torn records. Whatever is whole came before, so that only what is lacking still is kept.
    fn take_beginnings(&mut self, volume: &Volume, torn: &[RecordInfo]) -> Result<(), Failure> {
        let lacking = self.lacking(torn)?;
        for record in torn.iter().filter(|record| lacking.contains(&BundleId::from_bytes(record.id))) {
            // The damage that it is was told of when it was found.
            self.take(volume, record)?;
        }
        Ok(())
    }

    fn lacking(&mut self, page: &[RecordInfo]) -> Result<BTreeSet<BundleId>, Failure> {
        if page.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ids = page.iter().map(|record| BundleId::from_bytes(record.id)).collect();
        match self.ask(Call::Lacking { ids })? {
            Reply::Ids(ids) => Ok(ids.into_iter().collect()),
            other => Err(unexpected(&other)),
        }
    }

    fn take(&mut self, volume: &Volume, record: &RecordInfo) -> Result<Took, Failure> {
        if self.is_stopped() {
            return Ok(Took::Stopped);
        }
        let mut reader = match volume.read(record) {
            Ok(reader) => reader,
            Err(damage) => return Ok(Took::Damaged(damage)),
        };
        let mut body = FromDrive { record: &mut reader, stop: &self.stop, failed: None };
        let way = format!("drive \"{}\"", volume.label());
        // Only the holder's own signature says who has it; see `inventories`.
        let imported =
            self.runtime.block_on(self.client.import(&mut body, None, (self.dormant_ms(record), &way)));
        if let Some(error) = &body.failed {
            return match Damage::of(error) {
                Some(damage) => Ok(Took::Damaged(damage.clone())),
                None => Err(Failure::new(
                    Kind::Drive,
                    format!("{} cannot be read: {error}", volume.path().display()),
                )),
            };
        }
        match imported {
            Ok(Imported::Taken { .. }) => Ok(Took::Stored),
            Ok(Imported::Already { .. }) => Ok(Took::Known),
            Ok(Imported::Refused { kind, reason }) => Ok(Took::Refused { kind, reason }),
            Ok(Imported::Malformed { reason }) => Ok(Took::Refused { kind: "malformed".to_owned(), reason }),
            Err(ClientError::Body(_)) if self.is_stopped() => Ok(Took::Stopped),
            Err(error) => Err(error.into()),
        }
    }

    /// How long a record lay on the drive, where both ends of that time are known.
    fn dormant_ms(&self, record: &RecordInfo) -> u64 {
        match (self.now, record.written) {
            (Some(now), Some(written)) => now.saturating_sub(written),
            _ => 0,
        }
    }

    fn note_refusal(&mut self, id: BundleId, (kind, reason): (&str, String)) {
        if matches!(kind, "quota" | "store_full") {
            self.summary.no_room_here += 1;
        }
        self.summary.refused(id, reason);
    }
}
