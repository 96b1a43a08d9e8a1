//! The witness: a small file that remembers how far the store had come, so that a store that went back is noticed.
//!
//! A backup that was put back, a card that lied about flushing, or a snapshot of a machine leaves a store that is whole and
//! too old: its sequence numbers would be used twice, and neighbors would think that it has what it lost. The witness is
//! written after a commit has returned, never before, so that it never claims more than what is durable; it is not flushed, so that
//! it costs nothing, and may lag. A witness that cannot be read claims nothing.
//!
//! It also says when its own file was made, which no copy of a file has in common with it: so a whole folder that was put back, or
//! copied to another disk, is noticed too, although its witness came along. Where the file system does not tell, it claims nothing.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use crate::store::StoreError;
use crate::store::record::{Reader, Writer, checksum};

const FILE_NAME: &str = "witness";
const MAGIC: &[u8; 8] = b"pmwitn02";
const OCTETS: usize = 36;
/// The tag of the witness in its checksum; no table has it.
const TAG: u8 = 0;
/// Commits between two writes.
const INTERVAL: u64 = 16;

/// Whether a store was ever at work in this folder.
pub(crate) fn exists(folder: &Path) -> bool {
    folder.join(FILE_NAME).exists()
}

/// How far a store had come: ordered by epoch, then by transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Progress {
    pub(crate) epoch: u64,
    pub(crate) transaction: u64,
}

/// Remembers the progress of one open store.
#[derive(Debug)]
pub(crate) struct Witness {
    path: PathBuf,
    /// What the file said when the store was opened.
    pub(crate) found: Progress,
    /// The file that said so is a copy of one that was made at another time.
    pub(crate) is_copy: bool,
    written: AtomicU64,
    latest: AtomicU64,
    epoch: AtomicU64,
}

impl Witness {
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let mut octets = Vec::with_capacity(OCTETS);
        let mut born = 0;
        match File::open(&path) {
            Ok(file) => {
                born = birth(&file.metadata()?);
                file.take(OCTETS as u64).read_to_end(&mut octets)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let (found, said) = decode(&octets).unwrap_or_default();
        Ok(Self {
            path,
            found,
            is_copy: born != 0 && said != 0 && born != said,
            written: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
        })
    }

    /// A commit has returned, and is durable.
    pub(crate) fn committed(&self, progress: Progress) {
        self.epoch.store(progress.epoch, Ordering::Relaxed);
        self.latest.store(progress.transaction, Ordering::Relaxed);
        if progress.transaction.saturating_sub(self.written.load(Ordering::Relaxed)) >= INTERVAL {
            self.write();
        }
    }

    /// Writes what is known. A witness that cannot be written is one that lags.
    pub(crate) fn write(&self) {
        let latest = self.latest.load(Ordering::Relaxed);
        let progress = Progress { epoch: self.epoch.load(Ordering::Relaxed), transaction: latest };
        if latest == self.written.load(Ordering::Relaxed) {
            return;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path);
        let written = file.and_then(|file| {
            let born = birth(&file.metadata()?);
            file.write_all_at(&encode(progress, born), 0)
        });
        if written.is_ok() {
            self.written.store(latest, Ordering::Relaxed);
        }
    }
}

/// When a file was made, in nanoseconds of Unix time; 0 where the file system does not tell.
fn birth(file: &Metadata) -> u64 {
    let since = file.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn encode(progress: Progress, born: u64) -> Vec<u8> {
    let Progress { epoch, transaction } = progress;
    let body = Writer::with_capacity(OCTETS).octets(MAGIC).u64(epoch).u64(transaction).u64(born).done();
    let sum = checksum(TAG, b"", &body);
    [body.as_slice(), sum.as_slice()].concat()
}

fn decode(octets: &[u8]) -> Option<(Progress, u64)> {
    let (body, sum) = octets.split_last_chunk()?;
    if checksum(TAG, b"", body) != *sum {
        return None;
    }
    let mut fields = Reader::new(body);
    if fields.array()? != *MAGIC {
        return None;
    }
    Some((Progress { epoch: fields.u64()?, transaction: fields.u64()? }, fields.u64()?))
}
