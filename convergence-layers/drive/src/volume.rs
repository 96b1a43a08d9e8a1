//! A volume: made once on a drive, then opened at each dock.
//!
//! Init writes the volume file last, so that an interrupted init leaves no volume. Opening for writing takes the
//! lock, removes what an interrupted writer left, and writes the volume file and the README again where they are lost.

use std::io::{self, Read};
use std::path::Path;

use crate::error::{Damage, VolumeError};
use crate::folder::{Folder, Found};
use crate::layout::{BlockError, VOLUME_BLOCK, VolumeBlock};
use crate::limits::LABEL_OCTETS_MAX;
use crate::names::{self, Kind};
use crate::record::{RecordInfo, RecordReader};
use crate::room::Room;
use crate::walk::Records;
use crate::writer::{Writer, WriterOptions};

/// What a new volume is called.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// What is written on the drive, and where to return it: 1 to 64 octets of UTF-8 without control characters.
    pub label: String,
    /// Now, in milliseconds since 2000-01-01 UTC (DTN time); `None` without a trusted clock.
    pub created: Option<u64>,
}

/// What a volume is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Takes no lock, changes nothing. A compaction at the same time may hide records or show them twice.
    ReadOnly,
    /// For one process at a time.
    ReadWrite,
}

/// Whether other writers are kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Opened for reading: none is needed.
    NotTaken,
    /// Ours until the volume is dropped.
    Taken,
    /// The file system has no locks. A second dock at the same time costs one of the two its copy under way.
    Unavailable,
}

/// An open volume.
#[derive(Debug)]
pub struct Volume {
    pub(crate) folder: Folder,
    pub(crate) block: VolumeBlock,
    access: Access,
    lock: Lock,
}

impl Volume {
    /// Prepares a drive: `root` is the folder where it is mounted, or any folder. Opens the new volume for writing.
    pub fn init(root: &Path, options: InitOptions) -> Result<Self, VolumeError> {
        let InitOptions { label, created } = options;
        if label.is_empty() || label.len() > LABEL_OCTETS_MAX || label.contains(char::is_control) {
            return Err(VolumeError::Label(label));
        }
        let folder = Folder::make(root)?;
        folder.require_writable()?;
        let lock = take_lock(&folder)?;
        match identify(&folder) {
            Ok(block) => {
                return Err(VolumeError::Exists { path: folder.path().into(), label: block.label });
            }
            Err(VolumeError::NoVolume(_) | VolumeError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let mut id = [0; 16];
        random(&mut id, &folder)?;
        let volume =
            Self { block: VolumeBlock { id, created, label }, folder, access: Access::ReadWrite, lock };
        volume.restore_files()?;
        Ok(volume)
    }

    /// Opens the volume below `root`, the folder where the drive is mounted.
    pub fn open(root: &Path, access: Access) -> Result<Self, VolumeError> {
        let folder = Folder::open(root)?.ok_or_else(|| VolumeError::NoVolume(root.into()))?;
        let lock = match access {
            Access::ReadOnly => Lock::NotTaken,
            Access::ReadWrite => {
                folder.require_writable()?;
                take_lock(&folder)?
            }
        };
        let block = identify(&folder)?;
        let volume = Self { folder, block, access, lock };
        if access == Access::ReadWrite {
            volume.remove_leftovers()?;
            volume.restore_files()?;
        }
        Ok(volume)
    }

    /// The volume's random id.
    pub fn id(&self) -> [u8; 16] {
        self.block.id
    }

    /// Its label; control characters are replaced.
    pub fn label(&self) -> &str {
        &self.block.label
    }

    /// When it was made, in milliseconds since 2000-01-01 UTC; `None` where its maker had no clock.
    pub fn created(&self) -> Option<u64> {
        self.block.created
    }

    /// The volume's folder on the drive.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether other writers are kept out.
    pub fn lock(&self) -> Lock {
        self.lock
    }

    /// What the drive's file system is called, for messages.
    pub fn file_system(&self) -> &'static str {
        self.folder.file_system()
    }

    /// The drive's size and free room.
    pub fn room(&self) -> Result<Room, VolumeError> {
        self.folder.room()
    }

    /// Every record on the volume, oldest segment first, and what had to be skipped. Reads headers only: a body may
    /// still turn out damaged when it is read. The same bundle may be there more than once.
    pub fn records(&self) -> Result<Records<'_>, VolumeError> {
        Records::of(self)
    }

    /// The bundle of a record. The reader gives its last octets only after the whole of it was found right.
    pub fn read(&self, record: &RecordInfo) -> Result<RecordReader, Damage> {
        RecordReader::open(&self.folder, record)
    }

    /// A writer of new segments.
    pub fn writer(&self, options: WriterOptions) -> Result<Writer<'_>, VolumeError> {
        self.require_write()?;
        Writer::new(self, options)
    }

    pub(crate) fn require_write(&self) -> Result<(), VolumeError> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(VolumeError::OpenedReadOnly(self.path().into())),
        }
    }

    /// Removes temporary files: since no other writer is at work, they are what an interrupted one left.
    fn remove_leftovers(&self) -> Result<(), VolumeError> {
        for name in self.folder.names()? {
            if names::kind(&name) == Some(Kind::Temporary) {
                self.folder.remove(&name)?;
            }
        }
        Ok(())
    }

    fn restore_files(&self) -> Result<(), VolumeError> {
        if read_block(&self.folder, names::VOLUME)?.is_none_or(|block| block.as_ref() != Ok(&self.block)) {
            self.folder.write_whole(names::VOLUME_TMP, names::VOLUME, &[&self.block.encode()])?;
        }
        if !self.folder.exists(names::README)? {
            let text = readme(&self.block.label);
            self.folder.write_whole(names::README_TMP, names::README, &[text.as_bytes()])?;
        }
        Ok(())
    }
}

fn take_lock(folder: &Folder) -> Result<Lock, VolumeError> {
    Ok(if folder.lock()? { Lock::Taken } else { Lock::Unavailable })
}

/// Fills octets with randomness.
pub(crate) fn random(octets: &mut [u8], folder: &Folder) -> Result<(), VolumeError> {
    getrandom::fill(octets).map_err(|e| {
        VolumeError::io("draw a random number for", folder.path(), io::Error::other(e.to_string()))
    })
}

/// What the volume is: as its file says, or else as the first segment repeats it.
fn identify(folder: &Folder) -> Result<VolumeBlock, VolumeError> {
    let path = folder.path().join(names::VOLUME);
    let from_file = read_block(folder, names::VOLUME)?;
    match &from_file {
        Some(Ok(block)) => return Ok(block.clone()),
        Some(Err(BlockError::Newer(version))) => return Err(VolumeError::Newer { path, version: *version }),
        Some(Err(BlockError::Damaged)) | None => {}
    }
    for name in folder.names()? {
        if matches!(names::kind(&name), Some(Kind::Segment(_)))
            && let Ok(Some(Ok(block))) = read_block(folder, &name)
        {
            return Ok(block);
        }
    }
    Err(if from_file.is_some() {
        VolumeError::Damaged(path)
    } else {
        VolumeError::NoVolume(folder.path().into())
    })
}

/// The volume block at a file's beginning; `None` where there is no such file.
fn read_block(folder: &Folder, name: &str) -> Result<Option<Result<VolumeBlock, BlockError>>, VolumeError> {
    let path = || folder.path().join(name);
    match folder.open_file(name)? {
        Found::Nothing => Ok(None),
        Found::Other => Err(VolumeError::Obstructed { path: path(), expected: "a plain file" }),
        Found::File(mut file, _) => {
            let mut octets = [0; VOLUME_BLOCK];
            match file.read_exact(&mut octets) {
                Ok(()) => Ok(Some(VolumeBlock::parse(&octets))),
                // A drive pulled during init can leave the name on an empty file.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Ok(Some(Err(BlockError::Damaged)))
                }
                Err(error) => Err(VolumeError::io("read", &path(), error)),
            }
        }
    }
}

/// What a finder reads. CRLF, for the notepads of this world.
fn readme(label: &str) -> String {
    [
        "This drive carries messages and files between computers that have no network in common.",
        "The program that does so is called packmule. It keeps everything in this folder, and",
        "leaves whatever else is on the drive alone.",
        "",
        "If you found this drive: please return it. Its label says to whom or where:",
        "",
        &format!("    {label}"),
        "",
        "Please do not delete or rename anything in this folder. To take a message further, put",
        "the drive into a computer that runs packmule, and type: packmule drive dock FOLDER",
        "",
        "If you use this drive: whoever holds it can read what is on it. Messages are signed, so",
        "nobody can change them unnoticed, but they are not encrypted by the drive.",
        "",
    ]
    .join("\r\n")
}
