//! The ballast: a file that only takes up room, and gives it back when somebody else has filled the file system.
//!
//! A deletion copies pages before it frees any. Where the file system has no octet left and the store's own file no free page, that
//! would fail, and the store could not even make room. So the ballast goes first.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

const FILE_NAME: &str = "ballast";
/// More than the pages that a transaction of some hundred deletions copies.
pub(crate) const BALLAST_OCTETS: u64 = 16 << 20;
/// With less than this left on the file system, the ballast goes.
const LOW_OCTETS: u64 = 4 << 20;
/// With more than this left, it comes back.
const AMPLE_OCTETS: u64 = 4 * BALLAST_OCTETS;

#[derive(Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
    is_there: AtomicBool,
}

impl Ballast {
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join(FILE_NAME);
        let is_there = fs::metadata(&path).is_ok_and(|file| file.len() >= BALLAST_OCTETS);
        Self { path, is_there: AtomicBool::new(is_there) }
    }

    /// Takes up room or gives it back, as there is room on the file system. A ballast that cannot be made is none: the
    /// store works without it.
    pub(crate) fn trim(&self, free_octets: u64) {
        let is_there = self.is_there.load(Ordering::Relaxed);
        if is_there && free_octets < LOW_OCTETS {
            let removed = fs::remove_file(&self.path).is_ok();
            self.is_there.store(!removed, Ordering::Relaxed);
        } else if !is_there && free_octets > AMPLE_OCTETS {
            let made = self.make().is_ok();
            self.is_there.store(made, Ordering::Relaxed);
        }
    }

    fn make(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, BALLAST_OCTETS)?)
    }
}
