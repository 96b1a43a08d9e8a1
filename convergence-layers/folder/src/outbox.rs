//! The folder that is written: a file aside, octet by octet, then its name. Blocks; `writing` runs it where that harms nobody.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bundle_format::{BundleReader, Head, Limits, Profile};
use bytes::Bytes;

use crate::inbox;
use crate::naming::{self, ASIDE};

/// Room that is left on the disk: the store may be there too.
const ROOM_LEFT: u64 = 64 << 20;
/// Files of earlier contacts that are looked at when one begins, so that an outbox that nobody empties does not grow for ever.
const LOOKED_AT_MAX: usize = 100_000;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    path: PathBuf,
}

/// A file that is being written; removed when it is dropped without a name.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    aside: PathBuf,
    folder: PathBuf,
    naming: Naming,
}

/// What the file will be called.
enum Naming {
    Reading(Box<(BundleReader, blake3::Hasher)>),
    Known(String),
}

impl std::fmt::Debug for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if let Self::Known(name) = self { name } else { "not known yet" })
    }
}

impl Outbox {
    /// The folder as it is now, without what an earlier contact left unfinished and without bundles whose time is over.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        naming::check_folder(&path)?;
        for entry in fs::read_dir(&path)?.take(LOOKED_AT_MAX) {
            let entry = entry?;
            let name = entry.file_name();
            let is_aside = name.to_str().is_some_and(|name| name.starts_with(ASIDE));
            if is_aside || naming::is_of_bundle(&name) && has_expired(&entry.path()) {
                // Whoever carries files may have taken it just now.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { path })
    }

    /// Begins a file of so many octets. The number tells it from others that are not finished.
    pub(crate) fn begin(&self, number: u64, octets: u64) -> io::Result<Draft> {
        naming::check_folder(&self.path)?;
        let stat = rustix::fs::statvfs(&self.path)?;
        if stat.f_bavail.saturating_mul(stat.f_frsize) < octets.saturating_add(ROOM_LEFT) {
            return Err(ErrorKind::StorageFull.into());
        }
        let aside = self.path.join(format!("{ASIDE}{number}.tmp"));
        // What somebody else may have put there is not followed.
        let _ = fs::remove_file(&aside);
        let file = File::create_new(&aside)?;
        let reader = BundleReader::new(&Limits::default(), &Profile::default());
        let naming = Naming::Reading(Box::new((reader, blake3::Hasher::new())));
        Ok(Draft { file, aside, folder: self.path.clone(), naming })
    }
}

impl Draft {
    /// Writes more of it.
    pub(crate) fn write(mut self, octets: &Bytes) -> io::Result<Self> {
        self.file.write_all(octets)?;
        if let Naming::Reading(reading) = &mut self.naming {
            let (reader, all) = &mut **reading;
            all.update(octets);
            let is_bundle = reader.push(octets.clone()).is_ok();
            if let Some(head) = reader.head() {
                self.naming = Naming::Known(naming::file_name(head.primary_octets()));
            } else if !is_bundle {
                // Whatever it is, the other side decides about it.
                self.naming = Naming::Known(naming::file_name(all.finalize().as_bytes()));
            }
        }
        Ok(self)
    }

    /// Gives the file its name. Where the bundle is there already, nothing changes.
    pub(crate) fn finish(self) -> io::Result<()> {
        let name = match &self.naming {
            Naming::Known(name) => name.clone(),
            Naming::Reading(reading) => naming::file_name(reading.1.finalize().as_bytes()),
        };
        let place = self.folder.join(name);
        if inbox::is_whole(&place) {
            return Ok(());
        }
        // Without this a loss of power could leave the name and not the octets.
        self.file.sync_data()?;
        fs::rename(&self.aside, place)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        let _ = fs::remove_file(&self.aside);
    }
}

/// Whether a bundle's lifetime is over, counted from when its file was written; what cannot be read is not.
pub(crate) fn has_expired(path: &Path) -> bool {
    let lifetime = read_head(path).map(|head| Duration::from_millis(head.primary().lifetime_ms));
    let written = fs::symlink_metadata(path).and_then(|found| found.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    lifetime.zip(age).is_some_and(|(lifetime, age)| age > lifetime)
}

fn read_head(path: &Path) -> Option<Head> {
    let octets = inbox::beginning(path).ok()?;
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    reader.push(octets).ok()?;
    reader.head().cloned()
}
