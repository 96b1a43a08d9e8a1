//! One process at a time works on a home. The kernel gives the lock back when its holder dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::error::HomeError;

/// The right to work on a home's store, until it is dropped.
#[derive(Debug)]
pub struct HomeLock {
    // Closing it gives the lock back.
    _file: File,
}

impl HomeLock {
    /// Takes the lock at once, or says who has it.
    pub(super) fn take(folder: &Path) -> Result<Self, HomeError> {
        let path = folder.join("lock");
        let io = |error| HomeError::io("lock", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(HomeError::Locked { folder: folder.to_owned(), pid: holder(&file) });
            }
            Err(error) => return Err(io(error.into())),
        }
        // For whoever comes second; the lock itself is the kernel's.
        file.set_len(0).map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = HomeLock::take(folder.path()).unwrap();
        let error = HomeLock::take(folder.path()).unwrap_err();
        assert!(
            matches!(error, HomeError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
            "{error}"
        );
        drop(lock);
        HomeLock::take(folder.path()).unwrap();
    }
}
