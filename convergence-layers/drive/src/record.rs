//! One record: where it is, and its bundle read back with every check on the way.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::error::{Damage, Reason};
use crate::folder::{Folder, Found};
use crate::layout::{NodeHash, RECORD_HEADER, RecordId};
use crate::limits::WINDOW_LOG_MAX;

/// Octets of a body read at once.
const INPUT_OCTETS: usize = 64 << 10;

/// A record on the volume whose header holds. Its body is checked when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordInfo {
    /// The bundle's id, as its writer says.
    pub id: RecordId,
    /// The segment's name in the volume's folder.
    pub file: Arc<str>,
    /// Where in the segment the record's header begins.
    pub offset: u64,
    /// Length of the body on the drive, in octets.
    pub stored: u64,
    /// Length of the bundle, in octets.
    pub original: u64,
    /// When it was put on the volume, in milliseconds since 2000-01-01 UTC; `None` where the writer had no clock.
    /// A compaction keeps it, so that a reader with a clock can add the days on the drive to a bundle's age.
    pub written: Option<u64>,
    /// The node that wrote the segment; `None` where the segment's header is damaged.
    pub writer: Option<NodeHash>,
    pub(crate) zstd: bool,
    pub(crate) body_crc: u32,
}

impl RecordInfo {
    /// The damage that losing this record is.
    pub(crate) fn damage(&self, reason: Reason) -> Damage {
        let end = self.offset + RECORD_HEADER as u64 + self.stored;
        Damage { file: self.file.clone(), octets: self.offset..end, id: Some(self.id), reason }
    }
}

/// Reads one bundle from a volume, decompressed.
///
/// The last octets are given only after length, CRC-32 and compression of the whole record were found right, so whoever
/// has all `original` octets has the whole bundle. Otherwise `read` fails with an error that carries a [`Damage`]
/// ([`Damage::of`]), and what came before must be thrown away, unless [`Reason::leaves_a_beginning`].
pub struct RecordReader {
    record: RecordInfo,
    file: File,
    body: Body,
    /// Next octet of the file to read, and how many of the body are left.
    at: u64,
    left: u64,
    crc: crc32fast::Hasher,
    /// How many octets are still to be given.
    owed: u64,
    failed: Option<Reason>,
}

enum Body {
    Stored,
    Zstd { decoder: Decoder<'static>, input: Vec<u8>, taken: usize, ended: bool },
}

impl RecordReader {
    pub(crate) fn open(folder: &Folder, record: &RecordInfo) -> Result<Self, Damage> {
        let body = if record.zstd { zstd_body() } else { Ok(Body::Stored) };
        let body = body.map_err(|error| record.damage(Reason::Unreadable(error.to_string())))?;
        Self::new(folder, record, body, record.original)
    }

    /// The body as it is on the drive, compressed or not, for copying it to another segment.
    pub(crate) fn open_stored(folder: &Folder, record: &RecordInfo) -> Result<Self, Damage> {
        Self::new(folder, record, Body::Stored, record.stored)
    }

    fn new(folder: &Folder, record: &RecordInfo, body: Body, owed: u64) -> Result<Self, Damage> {
        let file = match folder.open_file(&record.file) {
            Ok(Found::File(file, _)) => file,
            Ok(Found::Other) => return Err(record.damage(Reason::NotAFile)),
            Ok(Found::Nothing) => return Err(record.damage(Reason::Unreadable("the file is gone".into()))),
            Err(error) => return Err(record.damage(Reason::Unreadable(error.to_string()))),
        };
        Ok(Self {
            file,
            body,
            at: record.offset + RECORD_HEADER as u64,
            left: record.stored,
            crc: crc32fast::Hasher::new(),
            owed,
            failed: None,
            record: record.clone(),
        })
    }

    /// The damage that made `read` fail.
    pub(crate) fn damage_of(&self, error: &io::Error) -> Damage {
        Damage::of(error)
            .cloned()
            .unwrap_or_else(|| self.record.damage(Reason::Unreadable(error.to_string())))
    }

    fn give(&mut self, out: &mut [u8]) -> Result<usize, Reason> {
        let wanted = out.len().min(usize::try_from(self.owed).unwrap_or(usize::MAX));
        let out = out.get_mut(..wanted).unwrap_or_default();
        if out.is_empty() {
            return Ok(0);
        }
        let given = match self.body {
            Body::Stored => self.read_body(out)?,
            Body::Zstd { .. } => self.decompress(out)?,
        };
        self.owed -= given as u64;
        if self.owed == 0 {
            self.require_end()?;
        }
        Ok(given)
    }

    /// Reads more of the body as it is on the drive.
    fn read_body(&mut self, out: &mut [u8]) -> Result<usize, Reason> {
        let wanted = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let out = out.get_mut(..wanted).unwrap_or_default();
        let count = loop {
            match self.file.read_at(out, self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| Reason::Unreadable(error.to_string()))?,
            }
        };
        if count == 0 && wanted > 0 {
            return Err(Reason::Cut);
        }
        self.crc.update(out.get(..count).unwrap_or_default());
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }

    /// Decompresses at least one octet.
    fn decompress(&mut self, out: &mut [u8]) -> Result<usize, Reason> {
        loop {
            let given = self.decompress_once(out)?;
            if given > 0 {
                return Ok(given);
            }
            if self.frame_ended() {
                return Err(Reason::Decompression);
            }
        }
    }

    fn frame_ended(&self) -> bool {
        matches!(self.body, Body::Zstd { ended: true, .. })
    }

    /// One step of the decompressor, within one frame. Fails where it has no more input.
    fn decompress_once(&mut self, out: &mut [u8]) -> Result<usize, Reason> {
        let Body::Zstd { decoder, input, taken, ended } = &mut self.body else {
            return Err(Reason::Decompression);
        };
        let mut source = InBuffer::around(input.get(*taken..).unwrap_or_default());
        let mut target = OutBuffer::around(out);
        let hint = decoder.run(&mut source, &mut target).map_err(|_| Reason::Decompression)?;
        let (used, given) = (source.pos(), target.pos());
        *taken += used;
        *ended = hint == 0;
        if used == 0 && given == 0 && hint != 0 {
            self.refill()?;
        }
        Ok(given)
    }

    fn refill(&mut self) -> Result<(), Reason> {
        if self.left == 0 {
            return Err(Reason::Decompression);
        }
        let mut fresh = match &mut self.body {
            Body::Zstd { input, .. } => std::mem::take(input),
            Body::Stored => Vec::new(),
        };
        fresh.resize(INPUT_OCTETS, 0);
        let count = self.read_body(&mut fresh)?;
        fresh.truncate(count);
        if let Body::Zstd { input, taken, .. } = &mut self.body {
            (*input, *taken) = (fresh, 0);
        }
        Ok(())
    }

    /// All octets are out: the body must end here too, and its CRC-32 match.
    fn require_end(&mut self) -> Result<(), Reason> {
        if matches!(self.body, Body::Zstd { .. }) {
            let mut surplus = [0];
            while !self.frame_ended() {
                if self.decompress_once(&mut surplus)? > 0 {
                    return Err(Reason::Decompression);
                }
            }
            let unused = matches!(&self.body, Body::Zstd { input, taken, .. } if *taken < input.len());
            if unused || self.left > 0 {
                return Err(Reason::Decompression);
            }
        }
        let crc = std::mem::take(&mut self.crc).finalize();
        if crc == self.record.body_crc { Ok(()) } else { Err(Reason::Body) }
    }

    /// What does not decompress is damaged if its CRC-32 says so, and otherwise was written that way.
    fn blame(&mut self, reason: Reason) -> Reason {
        let mut rest = vec![0; INPUT_OCTETS];
        while reason == Reason::Decompression && self.left > 0 {
            if let Err(reason) = self.read_body(&mut rest) {
                return reason;
            }
        }
        let crc = std::mem::take(&mut self.crc).finalize();
        if reason == Reason::Decompression && crc != self.record.body_crc { Reason::Body } else { reason }
    }
}

impl Read for RecordReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            match self.give(out) {
                Ok(given) => return Ok(given),
                Err(reason) => self.failed = Some(self.blame(reason)),
            }
        }
        let reason = self.failed.clone().unwrap_or(Reason::Body);
        Err(io::Error::new(io::ErrorKind::InvalidData, self.record.damage(reason)))
    }
}

impl std::fmt::Debug for RecordReader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RecordReader")
            .field("record", &self.record)
            .field("owed", &self.owed)
            .finish_non_exhaustive()
    }
}

impl Damage {
    /// The damage that made a [`RecordReader`] fail.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

fn zstd_body() -> io::Result<Body> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
    Ok(Body::Zstd { decoder, input: Vec::new(), taken: 0, ended: false })
}
