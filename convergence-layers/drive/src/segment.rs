//! The segment under way: a temporary file that becomes a segment, or nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::error::{AppendError, VolumeError};
use crate::layout::{EndMark, RECORD_HEADER, RecordHeader, SEGMENT_HEAD, SegmentBlock};
use crate::names::{self, Kind};
use crate::volume::{Volume, random};
use crate::writer::WriterOptions;

pub(crate) struct Segment<'v> {
    volume: &'v Volume,
    file: File,
    number: u32,
    pub(crate) tag: [u8; 8],
    /// Its length so far, and how long it may become before room runs out.
    pub(crate) length: u64,
    pub(crate) length_max: u64,
    pub(crate) records: u32,
    /// Octets of bodies.
    pub(crate) octets: u64,
    published: bool,
}

impl<'v> Segment<'v> {
    /// Makes the temporary file with its head.
    pub(crate) fn begin(
        volume: &'v Volume,
        options: &WriterOptions,
        length_max: u64,
    ) -> Result<Self, VolumeError> {
        let mut tag = [0; 8];
        random(&mut tag, &volume.folder)?;
        let (number, file) = create(volume)?;
        let segment = Self {
            volume,
            file,
            number,
            tag,
            length: SEGMENT_HEAD,
            length_max,
            records: 0,
            octets: 0,
            published: false,
        };
        let block = SegmentBlock { tag, writer: options.node, written: options.now, number };
        segment.write_at(&volume.block.encode(), 0)?;
        segment.write_at(&block.encode(), volume.block.encode().len() as u64)?;
        Ok(segment)
    }

    /// A sink for the body of the record that begins at `at`.
    pub(crate) fn sink(&self, at: u64) -> Sink<'_> {
        let body = at + RECORD_HEADER as u64;
        Sink { segment: self, body, at: body, crc: crc32fast::Hasher::new(), failed: None }
    }

    /// Writes the header of a record whose body is there, which makes it a record.
    pub(crate) fn close_record(&mut self, header: &RecordHeader, at: u64) -> Result<(), VolumeError> {
        self.write_at(&header.encode(), at)?;
        self.length = at + header.octets();
        self.records += 1;
        self.octets += header.stored;
        Ok(())
    }

    /// Takes back what was written from `at` on.
    pub(crate) fn cut(&self, at: u64) -> Result<(), VolumeError> {
        self.file.set_len(at).map_err(|error| self.failed("shorten", error))
    }

    /// End mark, sync, rename, folder synced: from here on the segment is on the drive, and never written again.
    pub(crate) fn finish(&mut self) -> Result<(), VolumeError> {
        let mark = EndMark {
            records: self.records,
            tag: self.tag,
            length: self.length + crate::layout::END_MARK as u64,
        };
        self.write_at(&mark.encode(), self.length)?;
        self.file.sync_all().map_err(|error| self.failed("sync", error))?;
        let (tmp, name) = (names::segment_tmp(self.number), names::segment(self.number));
        self.volume.folder.publish_new(&tmp, &name)?;
        self.published = true;
        Ok(())
    }

    fn write_at(&self, octets: &[u8], at: u64) -> Result<(), VolumeError> {
        self.file.write_all_at(octets, at).map_err(|error| self.failed("write", error))
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> VolumeError {
        VolumeError::io(doing, &self.volume.path().join(names::segment_tmp(self.number)), error)
    }
}

impl Drop for Segment<'_> {
    fn drop(&mut self) {
        if !self.published {
            // The next writer cleans up if this fails.
            let _ = self.volume.folder.remove(&names::segment_tmp(self.number));
        }
    }
}

/// Takes the next number: above every segment's, and where those are used up the lowest that is free.
fn create(volume: &Volume) -> Result<(u32, File), VolumeError> {
    let taken: std::collections::BTreeSet<u32> = volume
        .folder
        .names()?
        .iter()
        .filter_map(|name| match names::kind(name) {
            Some(Kind::Segment(number)) => Some(number),
            _ => None,
        })
        .collect();
    let after = taken.last().map_or(Some(1), |last| last.checked_add(1));
    let gap = || (1..=u32::MAX).find(|number| !taken.contains(number));
    let mut number = after.or_else(gap);
    // More than one try only where somebody else's files have our names, or another writer is at work unlocked.
    for _ in 0..=crate::limits::ENTRIES_MAX {
        let Some(candidate) = number else { break };
        if !taken.contains(&candidate)
            && let Some(file) = volume.folder.create(&names::segment_tmp(candidate))?
        {
            return Ok((candidate, file));
        }
        number = candidate.checked_add(1);
    }
    Err(VolumeError::NamesUsedUp(volume.path().into()))
}

/// Writes a record's body, with its CRC-32.
pub(crate) struct Sink<'s> {
    segment: &'s Segment<'s>,
    body: u64,
    at: u64,
    crc: crc32fast::Hasher,
    /// What the drive said, when the writing side failed and not the source.
    failed: Option<io::Error>,
}

impl Sink<'_> {
    /// The body's length and CRC-32, and who failed if anybody did.
    pub(crate) fn close(self, streamed: Result<(), AppendError>) -> (u64, u32, Result<(), AppendError>) {
        let outcome = match self.failed {
            Some(error) => Err(self.segment.failed("write", error).into()),
            None => streamed,
        };
        (self.at - self.body, self.crc.finalize(), outcome)
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.segment.file.write_at(octets, self.at) {
            Ok(count) => {
                self.crc.update(octets.get(..count).unwrap_or(octets));
                self.at += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
