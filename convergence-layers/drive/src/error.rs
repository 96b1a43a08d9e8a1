//! What can go wrong with a volume, sorted by who must act: [`VolumeError`] stops what was asked for, [`Damage`] is
//! found on the drive and skipped, and a failing bundle source is [`AppendError::Source`].

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::layout::RecordId;

/// Why a volume could not be made, opened, or written.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The drive's root does not exist or is no folder.
    #[error("{0}: not a folder; name the folder where the drive is mounted")]
    NotAFolder(PathBuf),
    /// There is no volume at this place.
    #[error("{0}: no packmule volume here; prepare one with `packmule drive init`")]
    NoVolume(PathBuf),
    /// A volume is there already.
    #[error("{path}: a volume with the label \"{label}\" is there already; it was left as it is")]
    Exists {
        /// The volume's folder.
        path: PathBuf,
        /// Its label.
        label: String,
    },
    /// Something that is not a plain file or folder stands where one should be.
    #[error("{path}: this should be {expected}, and is not; move it away and try again")]
    Obstructed {
        /// What stands in the way.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// Another process writes to the volume.
    #[error("{0}: another dock is using this volume; wait until it has finished")]
    InUse(PathBuf),
    /// The drive cannot be written to.
    #[error(
        "{path}: the drive ({file_system}) can only be read; look for a write-protect switch, for missing \
         permissions, or for a file system that needs a check"
    )]
    ReadOnly {
        /// The volume's folder or the drive's root.
        path: PathBuf,
        /// The file system's name.
        file_system: &'static str,
    },
    /// The drive is full.
    #[error("{path}: the drive ({file_system}) is full; free some room and try again")]
    Full {
        /// The file that was being written.
        path: PathBuf,
        /// The file system's name.
        file_system: &'static str,
    },
    /// The volume was made by a newer release.
    #[error("{path}: format version {version}, and this release knows 1 only; use a newer packmule")]
    Newer {
        /// The volume file.
        path: PathBuf,
        /// Its format version.
        version: u16,
    },
    /// The volume file is damaged and no segment is left that tells what it said.
    #[error(
        "{0}: damaged, and no segment repeats what it said; `packmule drive init` makes a new volume here"
    )]
    Damaged(PathBuf),
    /// The volume was opened for reading.
    #[error("{0}: opened for reading only")]
    OpenedReadOnly(PathBuf),
    /// The label cannot be used.
    #[error("a label has 1 to 64 octets of UTF-8 without control characters; {0:?} does not fit that")]
    Label(String),
    /// An inventory is larger than a volume takes.
    #[error("an inventory of {0} octets is larger than the {max} that a volume takes", max = crate::limits::INVENTORY_OCTETS_MAX)]
    InventoryTooLarge(usize),
    /// Every file name that a writer could use is taken.
    #[error("{0}: no file name is left for another segment; prepare a new volume")]
    NamesUsedUp(PathBuf),
    /// The drive failed, or was pulled.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl VolumeError {
    /// Sorts what the system said while something was done to `path`.
    pub(crate) fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let file_system = || crate::room::file_system(path.parent().unwrap_or(path));
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: path.into(), file_system: file_system() }
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path: path.into(), file_system: file_system() }
            }
            _ => Self::Io { doing, path: path.into(), source },
        }
    }
}

/// Why a bundle was not appended. After [`AppendError::Source`] and [`AppendError::Length`] the writer can go on with
/// the next bundle; after [`AppendError::Volume`] the segment under way is lost, and nothing else.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The bundle's source failed.
    #[error("the bundle could not be read: {0}")]
    Source(#[source] io::Error),
    /// The bundle is empty or larger than a volume takes.
    #[error("a bundle of {0} octets; a volume takes 1 to {max}", max = crate::limits::RECORD_OCTETS_MAX)]
    Length(u64),
    /// The source gave fewer or more octets than were declared.
    #[error("the bundle was declared with {declared} octets, and its source gave {}", given(*.found))]
    Declared {
        /// What the caller declared.
        declared: u64,
        /// What came; `None` for more than declared.
        found: Option<u64>,
    },
    /// The drive failed.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

fn given(found: Option<u64>) -> String {
    found.map_or_else(|| "more".into(), |found| found.to_string())
}

/// Octets of the volume that a reader skipped, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the volume's folder.
    pub file: Arc<str>,
    /// Which of its octets.
    pub octets: Range<u64>,
    /// The bundle that was lost, where its header could be read.
    pub id: Option<RecordId>,
    /// Why.
    pub reason: Reason,
}

/// Why octets of a volume were skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The file's header does not hold; its records may.
    Header,
    /// No record is there.
    NoRecord,
    /// The record's body does not match its CRC-32.
    Body,
    /// The record's body does not decompress to the declared length: made by mistake or as a bomb.
    Decompression,
    /// The file ends in the middle of the record.
    Cut,
    /// The file ends without an end mark: the copy was torn. Nothing else is wrong with it.
    NoEnd,
    /// The end mark does not match what comes before it: records are missing.
    Missing,
    /// Octets after the end mark.
    Trailing,
    /// The file is larger than a writer makes.
    TooLarge,
    /// The file is no plain file; it was not opened.
    NotAFile,
    /// The file was written by a newer release with this format version.
    Newer(u16),
    /// The drive needs more work than its size allows for: it was made to waste time.
    Budget,
    /// The drive could not be read there; what the system said.
    Unreadable(String),
}

impl Reason {
    /// Whether a reader that failed with this had read all that there is of a record: it goes on elsewhere, if anywhere. Nobody
    /// vouches for what was read; but nothing says that it is wrong.
    pub fn leaves_a_beginning(&self) -> bool {
        matches!(self, Self::Cut | Self::Unreadable(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Header => "the header is damaged",
            Self::NoRecord => "no record is there",
            Self::Body => "the record is damaged",
            Self::Decompression => "the record does not decompress to its declared length",
            Self::Cut => "the file ends within the record",
            Self::NoEnd => "the file was cut off: its end mark is missing",
            Self::Missing => "records are missing before the end mark",
            Self::Trailing => "octets after the end mark",
            Self::TooLarge => "the file is larger than any writer makes it",
            Self::NotAFile => "not a plain file, and therefore not opened",
            Self::Newer(version) => {
                return write!(out, "written in format version {version} by a newer release");
            }
            Self::Budget => "searching for records would take longer than the drive's size justifies",
            Self::Unreadable(error) => return write!(out, "the drive cannot be read: {error}"),
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, octets {} to {}: {}", self.file, self.octets.start, self.octets.end, self.reason)
    }
}

impl std::error::Error for Damage {}
