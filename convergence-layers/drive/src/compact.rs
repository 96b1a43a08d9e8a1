//! Makes room on a full volume: survivors of old segments are copied to a new one, which is synced and named before
//! the old ones go. At every instant each survivor is on the drive at least once; a compaction that is cut off
//! leaves some of them there twice.
//!
//! The reserve that writers leave free is what a compaction works with; it is at least one segment by default.

use std::io;

use crate::error::{AppendError, Damage, Reason, VolumeError};
use crate::layout::{NodeHash, RECORD_HEADER, RecordHeader, SEGMENT_HEAD};
use crate::limits::{DAMAGES_NAMED_MAX, SEGMENT_OCTETS_MAX};
use crate::record::{RecordInfo, RecordReader};
use crate::room::Reserve;
use crate::scan::Entry;
use crate::volume::Volume;
use crate::walk::{Records, segments};
use crate::writer::{Appended, Writer, WriterOptions};

/// A segment is rewritten when at least one octet in so many is unwanted: flash wears.
const UNWANTED_SHARE: u64 = 4;

/// Survivors of several segments become one of at most this length.
const SURVIVORS_OCTETS_MAX: u64 = SEGMENT_OCTETS_MAX - 2 * SEGMENT_HEAD;

/// Who compacts, and when.
#[derive(Debug, Clone, Copy)]
pub struct CompactOptions {
    /// The node that does it.
    pub node: NodeHash,
    /// Now, in milliseconds since 2000-01-01 UTC (DTN time); `None` without a trusted clock.
    pub now: Option<u64>,
}

/// What the steps of a compaction ask and tell.
struct Compaction<'c> {
    options: CompactOptions,
    wanted: &'c mut dyn FnMut(&RecordInfo) -> bool,
    progress: &'c mut dyn FnMut(u64),
}

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments removed.
    pub segments: u64,
    /// Records copied to new segments.
    pub kept: u64,
    /// Records that were not wanted, and are gone.
    pub dropped: u64,
    /// Octets of the records that are gone.
    pub freed: u64,
    /// Segments that were worth rewriting, and for whose survivors there was no room.
    pub skipped: u64,
    /// What was damaged already and is gone with its segment; the first 10,000.
    pub damages: Vec<Damage>,
}

/// What is in a segment.
#[derive(Default)]
struct Census {
    kept: u64,
    unwanted: u64,
    /// Something in it is not understood or cannot be read now: the segment is left alone.
    untouchable: bool,
}

impl Census {
    fn is_worth_rewriting(&self) -> bool {
        !self.untouchable
            && self.unwanted > 0
            && self.unwanted >= (self.kept + self.unwanted) / UNWANTED_SHARE
    }
}

impl Volume {
    /// Removes records that are no longer `wanted`, which is asked twice for each. Segments of which little is unwanted,
    /// and those with something in them that cannot be read or understood, stay as they are. `progress` is told how
    /// many octets were copied since it was last called.
    pub fn compact(
        &self,
        options: CompactOptions,
        wanted: &mut dyn FnMut(&RecordInfo) -> bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Compacted, VolumeError> {
        let mut by = Compaction { options, wanted, progress };
        self.require_write()?;
        let mut done = Compacted::default();
        let mut group = Vec::new();
        let mut octets = 0;
        for name in segments(self)? {
            let census = self.census(&name, &mut by)?;
            if !census.is_worth_rewriting() {
                continue;
            }
            if census.kept + 2 * SEGMENT_HEAD > self.room()?.available {
                done.skipped += 1;
                continue;
            }
            let room = self.room()?.available.min(SURVIVORS_OCTETS_MAX);
            if !group.is_empty() && octets + census.kept > room {
                self.rewrite(&std::mem::take(&mut group), &mut by, &mut done)?;
                octets = 0;
            }
            octets += census.kept;
            group.push(name);
        }
        self.rewrite(&group, &mut by, &mut done)?;
        Ok(done)
    }

    /// Writes segments anew without the records in them that are damaged, so that nobody takes those for there. A segment with something
    /// in it that cannot be read now or understood, or for which there is no room, stays as it is.
    pub fn renew<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        options: CompactOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Compacted, VolumeError> {
        let mut by = Compaction { options, wanted: &mut |_| true, progress };
        self.require_write()?;
        let mut done = Compacted::default();
        for name in names {
            let census = self.census(name, &mut by)?;
            let is_roomy = census.kept + 2 * SEGMENT_HEAD <= self.room()?.available;
            let is_renewed = !census.untouchable
                && is_roomy
                && self.rewrite(&[name.to_owned()], &mut by, &mut done).is_ok();
            done.skipped += u64::from(!is_renewed);
        }
        Ok(done)
    }

    fn census(&self, name: &str, by: &mut Compaction<'_>) -> Result<Census, VolumeError> {
        let mut census = Census::default();
        for entry in Records::over(self, vec![name.to_owned()])? {
            match entry {
                Entry::Record(record) if (by.wanted)(&record) => census.kept += octets_of(&record),
                Entry::Record(record) => census.unwanted += octets_of(&record),
                Entry::Torn(_) => {}
                Entry::Damage(damage) => census.untouchable |= !is_final(&damage.reason),
            }
        }
        Ok(census)
    }

    /// Copies the survivors of some segments to a new one, and removes the segments once that one is durable.
    fn rewrite(
        &self,
        names: &[String],
        by: &mut Compaction<'_>,
        done: &mut Compacted,
    ) -> Result<(), VolumeError> {
        if names.is_empty() {
            return Ok(());
        }
        let reserve = Reserve { percent: 0, octets_min: 0 };
        let mut writer =
            self.writer(WriterOptions { node: by.options.node, now: by.options.now, reserve })?;
        let mut copied = Compacted::default();
        for entry in Records::over(self, names.to_vec())? {
            match entry {
                Entry::Record(record) if (by.wanted)(&record) => {
                    self.keep(&record, &mut writer, &mut copied)?;
                    (by.progress)(record.stored);
                }
                Entry::Record(record) => {
                    copied.dropped += 1;
                    copied.freed += octets_of(&record);
                }
                Entry::Torn(_) => {}
                Entry::Damage(damage) => copied.damages.push(damage),
            }
        }
        writer.finish()?;
        for name in names {
            self.folder.remove(name)?;
        }
        self.folder.sync()?;
        copied.segments = names.len() as u64;
        done.add(copied);
        Ok(())
    }

    fn keep(
        &self,
        record: &RecordInfo,
        writer: &mut Writer<'_>,
        copied: &mut Compacted,
    ) -> Result<(), VolumeError> {
        let header = RecordHeader {
            zstd: record.zstd,
            // The new segment gives its own.
            tag: [0; 8],
            id: record.id,
            written: record.written,
            stored: record.stored,
            original: record.original,
            body_crc: record.body_crc,
        };
        let appended = match RecordReader::open_stored(&self.folder, record) {
            Ok(reader) => writer.append_stored(&header, reader),
            Err(damage) => Err(AppendError::Source(io::Error::new(io::ErrorKind::InvalidData, damage))),
        };
        let path = || self.path().join(&*record.file);
        match appended {
            Ok(Appended::Taken { .. }) => copied.kept += 1,
            Ok(Appended::NoRoom { .. }) => {
                return Err(VolumeError::Full { path: path(), file_system: self.file_system() });
            }
            Err(AppendError::Volume(error)) => return Err(error),
            Err(AppendError::Source(error)) => match Damage::of(&error) {
                Some(damage) if is_final(&damage.reason) => copied.damages.push(damage.clone()),
                _ => return Err(VolumeError::io("read", &path(), error)),
            },
            Err(error) => return Err(VolumeError::io("copy", &path(), io::Error::other(error))),
        }
        Ok(())
    }
}

impl Compacted {
    fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.kept += other.kept;
        self.dropped += other.dropped;
        self.freed += other.freed;
        self.damages.extend(other.damages);
        self.damages.truncate(DAMAGES_NAMED_MAX);
    }
}

fn octets_of(record: &RecordInfo) -> u64 {
    RECORD_HEADER as u64 + record.stored
}

/// Whether damaged octets will still be damaged at the next attempt, and to the next release.
fn is_final(reason: &Reason) -> bool {
    match reason {
        Reason::Header
        | Reason::NoRecord
        | Reason::Body
        | Reason::Decompression
        | Reason::Cut
        | Reason::NoEnd
        | Reason::Missing
        | Reason::Trailing => true,
        Reason::TooLarge | Reason::NotAFile | Reason::Newer(_) | Reason::Budget | Reason::Unreadable(_) => {
            false
        }
    }
}
