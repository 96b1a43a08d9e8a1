//! Reads one segment from its beginning to its end, and finds every record in it whatever happened to the rest.
//!
//! Headers are read, bodies are stepped over. A record counts if its header's CRC-32 holds and something that holds
//! follows its body; if nothing does, its body's CRC-32 decides at once. After damage the next record is found by its
//! magic, from just behind the last header that held: lost clusters shift what follows to the left, into the
//! room of a body. Records never overlap, positions only grow, and the work is bounded by the file's length, whoever
//! wrote the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::error::{Damage, Reason};
use crate::layout::{
    BlockError, END_MARK, EndMark, NodeHash, RECORD_HEADER, RecordHeader, RecordId, SEARCHED, SEGMENT_HEAD,
    SEGMENT_HEAD_OCTETS, SegmentBlock, VOLUME_BLOCK, VolumeBlock,
};
use crate::limits::SEGMENT_READ_OCTETS_MAX;
use crate::record::RecordInfo;

/// Octets read at once where a segment is read through.
const WINDOW_OCTETS: usize = 64 << 10;
/// Octets read at once where a header stands alone between large bodies, and around a failing block.
const GLANCE_OCTETS: usize = 4 << 10;
/// After so many blocks that cannot be read the segment is given up: the drive was probably pulled.
const FAILURES_MAX: u32 = 64;

/// What a volume holds: a record, or octets that had to be skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A record whose header holds.
    Record(RecordInfo),
    /// A record whose header holds, and behind whose beginning the file ends: what there is of it can be read. The damage
    /// that it is comes beside it. At most one in a segment.
    Torn(RecordInfo),
    /// Octets that were skipped. Other records are not touched by it.
    Damage(Damage),
}

/// What stands at a position.
enum Probe {
    Record(RecordHeader),
    End(EndMark),
    Nothing,
}

pub(crate) struct SegmentScan {
    name: Arc<str>,
    window: Window,
    /// Where looking stops.
    end: u64,
    at: u64,
    /// From the segment's header; unknown where that is damaged.
    tag: Option<[u8; 8]>,
    writer: Option<NodeHash>,
    found: VecDeque<Entry>,
    records: u32,
    /// Headers whose records the file's end tears.
    torn: u32,
    damaged: bool,
    closed: bool,
    done: bool,
    /// Octets that may still be searched or checked.
    work: u64,
    /// What `work` began with.
    allowed: u64,
    failures: u32,
}

impl SegmentScan {
    /// Begins to read a segment; `work` is how many octets may be searched and checked for the whole volume.
    pub(crate) fn new(name: Arc<str>, file: File, length: u64, work: u64) -> Self {
        let end = length.min(SEGMENT_READ_OCTETS_MAX);
        // Honest damage costs one search and one check of each octet.
        let allowed = work.min(end.saturating_mul(3));
        let mut scan = Self {
            name,
            window: Window { file, length: end, start: 0, octets: Vec::new() },
            end,
            at: 0,
            tag: None,
            writer: None,
            found: VecDeque::new(),
            records: 0,
            torn: 0,
            damaged: false,
            closed: false,
            done: false,
            work: allowed,
            allowed,
            failures: 0,
        };
        if length > end {
            scan.report(end, length, None, Reason::TooLarge);
        }
        if let Err(error) = scan.begin() {
            scan.fail(&error);
        }
        scan
    }

    /// How many octets were searched and checked.
    pub(crate) fn work_done(&self) -> u64 {
        self.allowed - self.work
    }

    fn begin(&mut self) -> io::Result<()> {
        let head = self.window.at(0, SEGMENT_HEAD_OCTETS)?;
        let blocks = head.split_first_chunk::<VOLUME_BLOCK>().and_then(|(volume, rest)| {
            Some((VolumeBlock::parse(volume), SegmentBlock::parse(rest.first_chunk()?)))
        });
        match blocks {
            Some((Err(BlockError::Newer(version)), _)) => {
                self.report(0, self.end, None, Reason::Newer(version));
                self.done = true;
            }
            Some((volume, Some(segment))) => {
                if volume.is_err() {
                    self.report(0, VOLUME_BLOCK as u64, None, Reason::Header);
                }
                self.tag = Some(segment.tag);
                self.writer = Some(segment.writer);
                self.at = SEGMENT_HEAD;
            }
            Some((_, None)) | None => self.skip(0, 0, None, Reason::Header)?,
        }
        Ok(())
    }

    fn step(&mut self) -> io::Result<()> {
        if self.at >= self.end {
            self.done = true;
            if !self.closed {
                self.report(self.end, self.end, None, Reason::NoEnd);
            }
            return Ok(());
        }
        match self.probe(self.at)? {
            Probe::Record(header) => self.take(&header),
            Probe::End(mark) => {
                self.close(&mark);
                Ok(())
            }
            Probe::Nothing => {
                let reason = if self.closed { Reason::Trailing } else { Reason::NoRecord };
                self.skip(self.at, self.at + 1, None, reason)
            }
        }
    }

    fn take(&mut self, header: &RecordHeader) -> io::Result<()> {
        let (at, end) = (self.at, self.at + header.octets());
        let body = at + RECORD_HEADER as u64;
        if end > self.end {
            // The end of a file tears one record; whoever claims more wants the same octets read again and again.
            self.torn = self.torn.saturating_add(1);
            if self.torn == 1 {
                let record = self.record(header);
                self.found.push_back(Entry::Torn(record));
            }
            return self.skip(at, body, Some(header.id), Reason::Cut);
        }
        // Where the drive cannot be read behind the body, nothing is known to follow it.
        let followed = end == self.end || matches!(self.probe(end), Ok(Probe::Record(_) | Probe::End(_)));
        if !followed && !self.body_holds(body, header)? {
            return self.skip(at, body, Some(header.id), Reason::Body);
        }
        let record = self.record(header);
        self.found.push_back(Entry::Record(record));
        self.records = self.records.saturating_add(1);
        self.at = end;
        Ok(())
    }

    /// The record whose header is here.
    fn record(&self, header: &RecordHeader) -> RecordInfo {
        RecordInfo {
            id: header.id,
            file: self.name.clone(),
            offset: self.at,
            stored: header.stored,
            original: header.original,
            written: header.written,
            writer: self.writer,
            zstd: header.zstd,
            body_crc: header.body_crc,
        }
    }

    fn close(&mut self, mark: &EndMark) {
        let end = self.at + END_MARK as u64;
        if !self.damaged && (mark.length != end || mark.records != self.records) {
            self.report(self.at, end, None, Reason::Missing);
        }
        self.closed = true;
        self.at = end;
    }

    /// Reports what is skipped from `start`, and goes on at the next thing that holds at or after `from`.
    fn skip(&mut self, start: u64, from: u64, id: Option<RecordId>, reason: Reason) -> io::Result<()> {
        let mut at = from;
        loop {
            let view = self.window.at(at, SEARCHED.len())?;
            if view.len() < SEARCHED.len() {
                at = self.end;
                break;
            }
            let hit = view.windows(SEARCHED.len()).position(|octets| octets == SEARCHED);
            let passed = hit.unwrap_or(view.len() + 1 - SEARCHED.len()) as u64;
            at += passed;
            self.work = self.work.saturating_sub(passed + 1);
            if self.work == 0 {
                self.report(at, self.end, None, Reason::Budget);
                self.closed = true;
                self.report(start, at, id, reason);
                self.at = self.end;
                return Ok(());
            }
            if hit.is_some() {
                if !matches!(self.probe(at)?, Probe::Nothing) {
                    break;
                }
                at += 1;
            }
        }
        self.report(start, at, id, reason);
        self.at = at;
        Ok(())
    }

    fn probe(&mut self, at: u64) -> io::Result<Probe> {
        let tag = self.tag;
        let ours = |found| tag.is_none_or(|tag| tag == found);
        let view = self.window.at(at, RECORD_HEADER)?;
        if let Some(header) =
            view.first_chunk().and_then(RecordHeader::parse).filter(|header| ours(header.tag))
        {
            return Ok(Probe::Record(header));
        }
        let mark = view.first_chunk().and_then(EndMark::parse).filter(|mark| ours(mark.tag));
        Ok(mark.map_or(Probe::Nothing, Probe::End))
    }

    fn body_holds(&mut self, at: u64, header: &RecordHeader) -> io::Result<bool> {
        if self.work < header.stored {
            self.work = 0;
            return Ok(false);
        }
        self.work -= header.stored;
        let mut crc = crc32fast::Hasher::new();
        let (mut at, end) = (at, at + header.stored);
        while at < end {
            let view = self.window.at(at, 1)?;
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX);
            let view = view.get(..wanted).unwrap_or(view);
            if view.is_empty() {
                return Ok(false);
            }
            crc.update(view);
            at += view.len() as u64;
        }
        Ok(crc.finalize() == header.body_crc)
    }

    fn report(&mut self, start: u64, end: u64, id: Option<RecordId>, reason: Reason) {
        self.damaged = true;
        let damage = Damage { file: self.name.clone(), octets: start..end, id, reason };
        self.found.push_back(Entry::Damage(damage));
    }

    /// Goes around a block that the drive cannot read.
    fn fail(&mut self, error: &io::Error) {
        self.failures += 1;
        let from = self.window.start.max(self.at);
        let next = (from / GLANCE_OCTETS as u64 + 1) * GLANCE_OCTETS as u64;
        let next = if self.failures > FAILURES_MAX { self.end } else { next.min(self.end) };
        self.report(self.at, next, None, Reason::Unreadable(error.to_string()));
        self.at = next;
    }
}

impl Iterator for SegmentScan {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.found.pop_front() {
                return Some(entry);
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.step() {
                self.fail(&error);
            }
        }
    }
}

/// A few octets of a file, read ahead where it is read through.
struct Window {
    file: File,
    length: u64,
    start: u64,
    octets: Vec<u8>,
}

impl Window {
    /// At least `wanted` octets from a position on; fewer only at the end.
    fn at(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let held = at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let have = held.map_or(0, |skip| self.octets.len().saturating_sub(skip));
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        if have >= wanted.min(left) {
            return Ok(held.and_then(|skip| self.octets.get(skip..)).unwrap_or_default());
        }
        let near = held.is_some_and(|skip| skip <= self.octets.len() + WINDOW_OCTETS);
        let ahead = if near { WINDOW_OCTETS } else { GLANCE_OCTETS };
        if self.fill(at, ahead.min(left)).is_err() {
            self.fill(at, wanted.min(left))?;
        }
        Ok(&self.octets)
    }

    fn fill(&mut self, at: u64, wanted: usize) -> io::Result<()> {
        self.start = at;
        self.octets.resize(wanted, 0);
        let mut filled = 0;
        while let Some(rest) = self.octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.octets.clear();
                    return Err(error);
                }
            }
        }
        self.octets.truncate(filled);
        Ok(())
    }
}
