//! Puts bundles on a volume in new segments.
//!
//! A segment is written under a temporary name; `finish` closes it with an end mark, syncs it, renames it, and syncs
//! the folder: one sync per segment, and only then is any of its bundles on the drive. A writer that is dropped
//! loses the segment under way and nothing else, and so does a drive that is pulled.

use std::io::{self, Read, Write};

use crate::error::{AppendError, VolumeError};
use crate::layout::{END_MARK, NodeHash, RECORD_HEADER, RecordHeader, RecordId, SEGMENT_HEAD};
use crate::limits::{BUFFER_OCTETS, RECORD_OCTETS_MAX, SEGMENT_OCTETS_MAX};
use crate::room::Reserve;
use crate::segment::Segment;
use crate::stream;
use crate::volume::Volume;

/// Who writes, when, and how much room stays free.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// The writing node.
    pub node: NodeHash,
    /// Now, in milliseconds since 2000-01-01 UTC (DTN time); `None` without a trusted clock.
    pub now: Option<u64>,
    /// Room that is left free.
    pub reserve: Reserve,
}

/// What became of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the segment under way: on the drive once [`Writer::durable`] counts it.
    Taken {
        /// Octets that its body takes.
        stored: u64,
    },
    /// It does not fit; a smaller one may.
    NoRoom {
        /// The bundle.
        id: RecordId,
        /// Its length in octets.
        length: u64,
    },
}

/// What a writer put on the drive, durably.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bundles.
    pub records: u64,
    /// Octets of their bodies as stored.
    pub octets: u64,
    /// Segments.
    pub segments: u64,
}

/// A writer of new segments. Dropping it abandons the segment under way.
pub struct Writer<'v> {
    volume: &'v Volume,
    options: WriterOptions,
    segment: Option<Segment<'v>>,
    compressor: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
    compressed: Vec<u8>,
    durable: Written,
}

/// A body that is in memory as a whole, and what its header says about it.
#[derive(Clone, Copy)]
struct Body<'a> {
    zstd: bool,
    octets: &'a [u8],
    original: u64,
}

impl<'v> Writer<'v> {
    pub(crate) fn new(volume: &'v Volume, options: WriterOptions) -> Result<Self, VolumeError> {
        let compressor =
            stream::compressor().map_err(|e| VolumeError::io("prepare to compress for", volume.path(), e))?;
        Ok(Self {
            volume,
            options,
            segment: None,
            compressor,
            buffer: Vec::new(),
            compressed: Vec::new(),
            durable: Written::default(),
        })
    }

    /// Appends one bundle of exactly `length` octets. A bundle that does not fit into what is left of the segment
    /// finishes it first.
    pub fn append(
        &mut self,
        id: RecordId,
        length: u64,
        mut source: impl Read,
    ) -> Result<Appended, AppendError> {
        if !(1..=RECORD_OCTETS_MAX).contains(&length) {
            return Err(AppendError::Length(length));
        }
        let first = usize::try_from(length).unwrap_or(usize::MAX).min(BUFFER_OCTETS);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(first, 0);
        let result = stream::read_full(&mut source, &mut buffer, 0, length).and_then(|()| {
            if first as u64 == length {
                stream::require_end(&mut source, length)?;
                self.append_buffered(id, &buffer)
            } else {
                self.append_streamed(id, length, &mut buffer, &mut source)
            }
        });
        self.buffer = buffer;
        result
    }

    /// What is on the drive so far and stays there: the bundles that were taken first, this many of them.
    pub fn durable(&self) -> Written {
        self.durable
    }

    /// Makes everything appended durable. Only when this returns may anybody say that it was written.
    pub fn finish(mut self) -> Result<Written, VolumeError> {
        self.finish_segment()?;
        Ok(self.durable)
    }

    /// Appends a record as another segment holds it, without compressing it again.
    pub(crate) fn append_stored(
        &mut self,
        header: &RecordHeader,
        mut body: impl Read,
    ) -> Result<Appended, AppendError> {
        let Some((segment, at)) = self.room_for(header.stored)? else {
            return Ok(Appended::NoRoom { id: header.id, length: header.original });
        };
        let header = RecordHeader { tag: segment.tag, ..header.clone() };
        let mut sink = segment.sink(at);
        let copied = io::copy(&mut body, &mut sink).map(drop).map_err(AppendError::Source);
        let (_, _, outcome) = sink.close(copied);
        self.settle(&header, at, outcome)
    }

    fn append_buffered(&mut self, id: RecordId, original: &[u8]) -> Result<Appended, AppendError> {
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        // Room for less than the original: what does not become smaller fails, and is stored as it is.
        compressed.reserve(original.len());
        let shrunk = self.compressor.compress_to_buffer(original, &mut compressed).is_ok()
            && compressed.len() < original.len();
        let octets = if shrunk { compressed.as_slice() } else { original };
        let result = self.append_body(id, Body { zstd: shrunk, octets, original: original.len() as u64 });
        self.compressed = compressed;
        result
    }

    fn append_body(&mut self, id: RecordId, body: Body<'_>) -> Result<Appended, AppendError> {
        let stored = body.octets.len() as u64;
        let now = self.options.now;
        let Some((segment, at)) = self.room_for(stored)? else {
            return Ok(Appended::NoRoom { id, length: body.original });
        };
        let header = RecordHeader {
            zstd: body.zstd,
            tag: segment.tag,
            id,
            written: now,
            stored,
            original: body.original,
            body_crc: crc32fast::hash(body.octets),
        };
        let mut sink = segment.sink(at);
        let written = sink.write_all(body.octets).map_err(AppendError::Source);
        let (_, _, outcome) = sink.close(written);
        self.settle(&header, at, outcome)
    }

    /// Appends a bundle that is larger than the buffer, whose first octets are in it.
    fn append_streamed(
        &mut self,
        id: RecordId,
        length: u64,
        buffer: &mut [u8],
        source: &mut impl Read,
    ) -> Result<Appended, AppendError> {
        let zstd = self.pays(buffer);
        // zstd adds at most one part in 256 to what it cannot shrink.
        let stored_max = if zstd { length + length / 256 + 1024 } else { length };
        let now = self.options.now;
        let Some((segment, at)) = self.room_for(stored_max)? else {
            return Ok(Appended::NoRoom { id, length });
        };
        let tag = segment.tag;
        let mut sink = segment.sink(at);
        let streamed = if zstd {
            stream::compress(&mut sink, length, buffer, source)
        } else {
            stream::copy(&mut sink, length, buffer, source)
        };
        let (stored, body_crc, outcome) = sink.close(streamed);
        let header = RecordHeader { zstd, tag, id, written: now, stored, original: length, body_crc };
        self.settle(&header, at, outcome)
    }

    /// Whether compressing a large bundle pays, going by its first octets: at least one part in sixteen.
    fn pays(&mut self, sample: &[u8]) -> bool {
        self.compressed.clear();
        self.compressed.reserve(sample.len());
        self.compressor.compress_to_buffer(sample, &mut self.compressed).is_ok()
            && self.compressed.len() < sample.len() / 16 * 15
    }

    /// A segment with room for a body, and where its record begins; `None` where the drive has no room.
    fn room_for(&mut self, stored: u64) -> Result<Option<(&mut Segment<'v>, u64)>, VolumeError> {
        let needed = RECORD_HEADER as u64 + stored + END_MARK as u64;
        if self
            .segment
            .as_ref()
            .is_some_and(|segment| segment.records > 0 && segment.length + needed > SEGMENT_OCTETS_MAX)
        {
            self.finish_segment()?;
        }
        if self.segment.is_none() {
            let left = self.volume.room()?.beyond(self.options.reserve);
            if SEGMENT_HEAD + needed > left {
                return Ok(None);
            }
            self.segment = match Segment::begin(self.volume, &self.options, left) {
                Err(VolumeError::Full { .. }) => return Ok(None),
                segment => Some(segment?),
            };
        }
        Ok(self.segment.as_mut().filter(|segment| segment.length + needed <= segment.length_max).map(
            |segment| {
                let at = segment.length;
                (segment, at)
            },
        ))
    }

    /// Writes the header of a body that was written, or takes back what was written of it.
    fn settle(
        &mut self,
        header: &RecordHeader,
        at: u64,
        outcome: Result<(), AppendError>,
    ) -> Result<Appended, AppendError> {
        let segment = self.segment.as_mut().expect("room_for gave the segment that the body is in");
        let Err(error) = outcome.and_then(|()| Ok(segment.close_record(header, at)?)) else {
            return Ok(Appended::Taken { stored: header.stored });
        };
        let cut = segment.cut(at);
        match error {
            AppendError::Volume(VolumeError::Full { .. }) if cut.is_ok() => {
                segment.length_max = at;
                Ok(Appended::NoRoom { id: header.id, length: header.original })
            }
            AppendError::Volume(_) => {
                self.segment = None;
                Err(error)
            }
            _ if cut.is_err() => {
                self.segment = None;
                cut.map_err(AppendError::from)?;
                Err(error)
            }
            _ => Err(error),
        }
    }

    fn finish_segment(&mut self) -> Result<(), VolumeError> {
        let Some(mut segment) = self.segment.take().filter(|segment| segment.records > 0) else {
            return Ok(());
        };
        segment.finish()?;
        self.durable.records += u64::from(segment.records);
        self.durable.octets += segment.octets;
        self.durable.segments += 1;
        Ok(())
    }
}
