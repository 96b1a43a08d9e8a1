//! How a received file lands in a folder: written under another name, synced, renamed, and the folder synced.
//!
//! Whoever looks into the folder sees whole files only. What an earlier run left unfinished when the power went is
//! recognised by the lock that nobody holds on it any longer, and removed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::failure::Failure;
use crate::file_name;

const PREFIX: &str = ".packmule-";
const SUFFIX: &str = ".part";
/// Names tried before giving up: more than that many files of one name are somebody's mistake.
const NAMES_MAX: u32 = 10_000;

/// A file under way into a folder. Dropped before [`Landing::finish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct Landing {
    folder: PathBuf,
    temporary: PathBuf,
    file: File,
    landed: bool,
}

impl Landing {
    /// Begins a file in `folder`, which must exist.
    pub(crate) fn begin(folder: &Path) -> Result<Self, Failure> {
        sweep(folder);
        loop {
            let landing = Self::create(folder)?;
            // Ours as long as we live; file systems without locks lose only the cleaning up.
            let _ = flock(&landing.file, FlockOperation::NonBlockingLockExclusive);
            // Between the two lines above another run may have taken the file for a leftover.
            if landing.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0) {
                return Ok(landing);
            }
        }
    }

    fn create(folder: &Path) -> Result<Self, Failure> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce)
            .map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
        let name = format!("{PREFIX}{}{SUFFIX}", data_encoding::HEXLOWER.encode(&nonce));
        let temporary = folder.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| Failure::io("write into", folder, &error))?;
        Ok(Self { folder: folder.to_owned(), temporary, file, landed: false })
    }

    /// The next octets.
    pub(crate) fn push(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.file.write_all(octets).map_err(|error| Failure::io("write into", &self.folder, &error))
    }

    /// Makes the file durable under `name`, or under the first numbered form of it that is free. Never replaces a file.
    pub(crate) fn finish(mut self, name: &str) -> Result<PathBuf, Failure> {
        self.file.sync_all().map_err(|error| Failure::io("write into", &self.folder, &error))?;
        for n in 1..=NAMES_MAX {
            let path = self.folder.join(file_name::numbered(name, n));
            if self.rename(&path)? {
                self.landed = true;
                sync_folder(&self.folder)?;
                return Ok(path);
            }
        }
        Err(Failure::failed(format!("{} has too many files called {name}", self.folder.display())))
    }

    /// Whether the name was free.
    fn rename(&self, path: &Path) -> Result<bool, Failure> {
        match renameat_with(CWD, &self.temporary, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // The file system has no such rename: an empty file keeps the name until ours takes its place.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                match OpenOptions::new().write(true).create_new(true).open(path) {
                    Ok(_) => std::fs::rename(&self.temporary, path).map(|()| true),
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(error),
                }
                .map_err(|error| Failure::io("write", path, &error))
            }
            Err(error) => Err(Failure::io("write", path, &error.into())),
        }
    }
}

impl Write for Landing {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Makes sure that files can land in `folder`; makes it where nothing but it is missing.
pub(crate) fn folder(folder: &Path) -> Result<(), Failure> {
    match std::fs::create_dir(folder) {
        // A folder whose own name a power cut may take is no safe place for what is then taken off a queue.
        Ok(()) => {
            sync_folder(folder.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")))
        }
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::usage(format!("{} is not a folder", folder.display())))
        }
        Err(error) => Err(Failure::io("make the folder", folder, &error)),
    }
}

fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let synced = File::open(folder).and_then(|opened| opened.sync_all());
    synced.map_err(|error| Failure::io("sync", folder, &error))
}

/// Removes what a killed run left behind. That it cannot be removed is no reason not to receive.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Ok(file) = File::open(entry.path())
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_clash_gets_the_next_number_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["one", "two", "three"] {
            let mut landing = Landing::begin(folder.path()).unwrap();
            landing.push(text.as_bytes()).unwrap();
            landing.finish("report.pdf").unwrap();
        }
        assert_eq!(names(folder.path()), ["report-2.pdf", "report-3.pdf", "report.pdf"]);
        assert_eq!(std::fs::read(folder.path().join("report.pdf")).unwrap(), b"one");
        assert_eq!(std::fs::read(folder.path().join("report-3.pdf")).unwrap(), b"three");
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut landing = Landing::begin(folder.path()).unwrap();
        landing.push(b"half").unwrap();
        drop(landing);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".packmule-00.part"), "left by a power cut").unwrap();
        std::fs::write(folder.path().join(".packmule-notes"), "somebody's").unwrap();
        let living = Landing::begin(folder.path()).unwrap();
        let other = Landing::begin(folder.path()).unwrap();
        assert_eq!(names(folder.path()).len(), 3);
        other.finish("a").unwrap();
        living.finish("b").unwrap();
        assert_eq!(names(folder.path()), [".packmule-notes", "a", "b"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Landing::begin(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(format!("{error:?}").contains("/nowhere/at/all"));
    }
}
