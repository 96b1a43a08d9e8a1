//! Walks all segments of a volume, oldest first.

use std::sync::Arc;

use crate::error::{Damage, Reason, VolumeError};
use crate::folder::Found;
use crate::names::{self, Kind};
use crate::scan::{Entry, SegmentScan};
use crate::volume::Volume;

/// How often the drive's size may be searched and checked for one walk, whatever its files claim.
const WORK_PER_SIZE: u64 = 2;

/// Every record of a volume, and what had to be skipped. See [`Volume::records`].
pub struct Records<'v> {
    volume: &'v Volume,
    names: std::vec::IntoIter<String>,
    segment: Option<SegmentScan>,
    work: u64,
}

impl<'v> Records<'v> {
    pub(crate) fn of(volume: &'v Volume) -> Result<Self, VolumeError> {
        Self::over(volume, segments(volume)?)
    }

    /// Walks some of the segments.
    pub(crate) fn over(volume: &'v Volume, names: Vec<String>) -> Result<Self, VolumeError> {
        let work = volume.room()?.total.saturating_mul(WORK_PER_SIZE);
        Ok(Self { volume, names: names.into_iter(), segment: None, work })
    }

    fn open(&mut self, name: &str) -> Option<Damage> {
        let shared: Arc<str> = Arc::from(name);
        let reason = match self.volume.folder.open_file(name) {
            Ok(Found::File(file, length)) => {
                self.segment = Some(SegmentScan::new(shared, file, length, self.work));
                return None;
            }
            // A compaction removed it since the folder was listed.
            Ok(Found::Nothing) => return None,
            Ok(Found::Other) => Reason::NotAFile,
            Err(error) => Reason::Unreadable(error.to_string()),
        };
        Some(Damage { file: shared, octets: 0..0, id: None, reason })
    }
}

impl Iterator for Records<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(scan) = &mut self.segment {
                if let Some(entry) = scan.next() {
                    return Some(entry);
                }
                self.work = self.work.saturating_sub(scan.work_done());
                self.segment = None;
            }
            let name = self.names.next()?;
            if let Some(damage) = self.open(&name) {
                return Some(Entry::Damage(damage));
            }
        }
    }
}

/// The names of all segments, oldest first.
pub(crate) fn segments(volume: &Volume) -> Result<Vec<String>, VolumeError> {
    let mut names = volume.folder.names()?;
    names.retain(|name| matches!(names::kind(name), Some(Kind::Segment(_))));
    names.sort_by_key(|name| name.to_ascii_lowercase());
    Ok(names)
}
