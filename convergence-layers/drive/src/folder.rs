//! The volume's folder as an open descriptor: every file of the volume is reached through it by a single name.
//!
//! The drive may have been prepared by an enemy. Nothing here follows a symbolic link, leaves the folder, waits on a
//! FIFO, or opens a device: a name must be a plain file before and after it is opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, Stat,
    StatVfsMountFlags,
};
use rustix::io::Errno;

use crate::error::VolumeError;
use crate::limits::ENTRIES_MAX;
use crate::names;
use crate::room::{Room, file_system_of};

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// NONBLOCK: if a FIFO takes the file's place between the two looks, opening it returns at once.
const FILE_FLAGS: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// What stands under a name.
#[derive(Debug)]
pub(crate) enum Found {
    File(File, u64),
    Nothing,
    /// Something that is no plain file.
    Other,
}

#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the volume's folder below the drive's root; `None` where there is none.
    pub(crate) fn open(root: &Path) -> Result<Option<Self>, VolumeError> {
        let root_fd = open_root(root)?;
        let path = root.join(names::FOLDER);
        match open_beneath(&root_fd, names::FOLDER, FOLDER_FLAGS, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(VolumeError::Obstructed { path, expected: "a folder" }),
            Err(error) => Err(VolumeError::io("open the folder", &path, error)),
        }
    }

    /// Makes the volume's folder below the drive's root, or opens it, and makes that last.
    pub(crate) fn make(root: &Path) -> Result<Self, VolumeError> {
        let root_fd = open_root(root)?;
        let path = root.join(names::FOLDER);
        match rustix::fs::mkdirat(&root_fd, names::FOLDER, Mode::from_raw_mode(0o755)) {
            Ok(()) => sync_folder(&root_fd).map_err(|e| VolumeError::io("sync the folder", root, e))?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(VolumeError::io("make the folder", &path, error)),
        }
        Self::open(root)?.ok_or(VolumeError::NoVolume(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names in the folder that could be ours, in order: 8.3, ASCII; at most [`ENTRIES_MAX`] are looked at.
    pub(crate) fn names(&self) -> Result<Vec<String>, VolumeError> {
        let failed = |error| VolumeError::io("list the folder", &self.path, error);
        let mut entries = Dir::read_from(&self.fd).map_err(failed)?;
        let mut found = Vec::new();
        for _ in 0..ENTRIES_MAX {
            let Some(entry) = entries.read() else { break };
            let entry = entry.map_err(failed)?;
            if let Some(name) = entry.file_name().to_str().ok().filter(|name| names::kind(name).is_some()) {
                found.push(name.to_owned());
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Opens a plain file for reading, with its length.
    pub(crate) fn open_file(&self, name: &str) -> Result<Found, VolumeError> {
        let failed = |error| VolumeError::io("open", &self.path.join(name), error);
        // Looked at before it is opened: merely opening a device can do something to it.
        match self.stat(name).map_err(failed)? {
            None => return Ok(Found::Nothing),
            Some(stat) if !is_file(&stat) => return Ok(Found::Other),
            Some(_) => {}
        }
        let fd = match open_beneath(&self.fd, name, FILE_FLAGS | OFlags::RDONLY, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP | Errno::XDEV | Errno::NXIO) => return Ok(Found::Other),
            Err(error) => return Err(failed(error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(if is_file(&stat) { Found::File(fd.into(), length) } else { Found::Other })
    }

    /// Whether anything at all stands under a name.
    pub(crate) fn exists(&self, name: &str) -> Result<bool, VolumeError> {
        let stat = self.stat(name).map_err(|e| VolumeError::io("look at", &self.path.join(name), e))?;
        Ok(stat.is_some())
    }

    /// Makes a new file for writing; `None` where the name is taken.
    pub(crate) fn create(&self, name: &str) -> Result<Option<File>, VolumeError> {
        let flags = FILE_FLAGS | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        match open_beneath(&self.fd, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::EXIST) => Ok(None),
            Err(error) => Err(VolumeError::io("create", &self.path.join(name), error)),
        }
    }

    /// Writes a small file so that it is there whole or not at all: temporary name, fsync, rename, folder synced.
    pub(crate) fn write_whole(&self, tmp: &str, name: &str, parts: &[&[u8]]) -> Result<(), VolumeError> {
        self.remove(tmp)?;
        let path = self.path.join(tmp);
        let file = self
            .create(tmp)?
            .ok_or_else(|| VolumeError::Obstructed { path: path.clone(), expected: "a plain file" })?;
        let written = parts
            .iter()
            .try_for_each(|part| io::Write::write_all(&mut &file, part))
            .and_then(|()| file.sync_all());
        if let Err(error) = written {
            // The room that the partial file takes may be what the drive lacks.
            let _ = self.remove(tmp);
            return Err(VolumeError::io("write", &path, error));
        }
        self.publish(tmp, name)
    }

    /// Gives a synced temporary file its name, and makes the name last.
    pub(crate) fn publish(&self, tmp: &str, name: &str) -> Result<(), VolumeError> {
        rustix::fs::renameat(&self.fd, tmp, &self.fd, name)
            .map_err(|e| VolumeError::io("rename", &self.path.join(tmp), e))?;
        self.sync()
    }

    /// As [`Self::publish`], but never over a file that is there.
    pub(crate) fn publish_new(&self, tmp: &str, name: &str) -> Result<(), VolumeError> {
        let path = self.path.join(name);
        match rustix::fs::renameat_with(&self.fd, tmp, &self.fd, name, RenameFlags::NOREPLACE) {
            Ok(()) => self.sync(),
            // Not every file system knows the flag. The lock keeps other writers out between look and rename.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !self.exists(name)? => {
                self.publish(tmp, name)
            }
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                Err(VolumeError::Obstructed { path, expected: "a free name" })
            }
            Err(error) => Err(VolumeError::io("rename", &path, error)),
        }
    }

    /// Removes a plain file, if it is there. Anything else under that name is left alone.
    pub(crate) fn remove(&self, name: &str) -> Result<(), VolumeError> {
        let failed = |error| VolumeError::io("remove", &self.path.join(name), error);
        if !self.stat(name).map_err(failed)?.is_some_and(|stat| is_file(&stat)) {
            return Ok(());
        }
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Makes new and removed names last.
    pub(crate) fn sync(&self) -> Result<(), VolumeError> {
        sync_folder(&self.fd).map_err(|e| VolumeError::io("sync", &self.path, e))
    }

    /// Takes the one writer's lock: `Ok(false)` where the file system has no locks. The kernel drops it with the
    /// descriptor, so neither a crash nor a pulled drive can leave it taken.
    pub(crate) fn lock(&self) -> Result<bool, VolumeError> {
        match rustix::fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Err(VolumeError::InUse(self.path.clone())),
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL | Errno::BADF) => Ok(false),
            Err(error) => Err(VolumeError::io("lock", &self.path, error)),
        }
    }

    /// Refuses a drive that cannot be written to, before anything is tried.
    pub(crate) fn require_writable(&self) -> Result<(), VolumeError> {
        let stat = rustix::fs::fstatvfs(&self.fd).map_err(|e| VolumeError::io("look at", &self.path, e))?;
        let allowed =
            rustix::fs::accessat(&self.fd, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty());
        if stat.f_flag.contains(StatVfsMountFlags::RDONLY) || allowed.is_err() {
            return Err(VolumeError::ReadOnly { path: self.path.clone(), file_system: self.file_system() });
        }
        Ok(())
    }

    pub(crate) fn room(&self) -> Result<Room, VolumeError> {
        let stat = rustix::fs::fstatvfs(&self.fd).map_err(|e| VolumeError::io("look at", &self.path, e))?;
        Ok(Room::of(&stat))
    }

    pub(crate) fn file_system(&self) -> &'static str {
        file_system_of(&self.fd)
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The root is the user's own word: links in it are followed.
fn open_root(root: &Path) -> Result<OwnedFd, VolumeError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, root, flags, Mode::empty()) {
        Ok(fd) => Ok(fd),
        Err(Errno::NOENT | Errno::NOTDIR) => Err(VolumeError::NotAFolder(root.into())),
        Err(error) => Err(VolumeError::io("open the folder", root, error)),
    }
}

/// Opens one name in a folder. Kernels before 5.6, and sandboxes that forbid openat2, get the same from NOFOLLOW,
/// since a name has a single component; only a mount over the file goes unnoticed there.
fn open_beneath(folder: &OwnedFd, name: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match rustix::fs::openat2(folder, name, flags, mode, resolve) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(folder, name, flags, mode),
        result => result,
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Some file systems in user space cannot sync a folder: there the whole file system is synced.
fn sync_folder(folder: impl AsFd) -> Result<(), Errno> {
    match rustix::fs::fsync(&folder) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rustix::fs::syncfs(folder),
        result => result,
    }
}
