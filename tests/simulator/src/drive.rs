//! A drive between two docks: a folder with a volume in it that the product's own code (`drive-volume`) writes and reads,
//! and what befalls it in somebody's pocket.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bundle_format::{BundleId, Eid};
use drive_volume::{Access, InitOptions, Volume, VolumeError};

use crate::dice::Dice;
use crate::docking::Dock;
use crate::plan::Millis;

/// Where a volume is on a drive.
const VOLUME_FOLDER: &str = "packmule";
/// What the files with records are called.
const SEGMENT: &str = "pms";

/// A drive.
#[derive(Debug)]
pub(crate) struct Drive {
    home: PathBuf,
    /// Drives that were carried on this route before, and are lost.
    pub(crate) lost: u32,
    /// Whether records on it may be damaged, so that what they say is there is not.
    pub(crate) is_damaged: bool,
    /// Since when a bundle may be on it.
    pub(crate) put: BTreeMap<BundleId, Millis>,
    /// Where it is docked.
    pub(crate) dock: Option<Dock>,
}

impl Drive {
    /// A drive that nobody used; `home` is a folder that nobody else uses.
    pub(crate) fn new(home: PathBuf) -> Self {
        Self { home, lost: 0, is_damaged: false, put: BTreeMap::new(), dock: None }
    }

    /// The name under which nodes note what it holds. The volume's own id is drawn anew in every run.
    pub(crate) fn eid(&self, number: usize) -> Eid {
        Eid::dtn(&format!("drive-{number}-{}", self.lost), "").expect("a short name of letters and digits")
    }

    fn root(&self) -> PathBuf {
        self.home.join(self.lost.to_string())
    }

    /// The volume on it, which is made where there is none.
    pub(crate) fn volume(&self) -> Result<Volume, VolumeError> {
        let root = self.root();
        match Volume::open(&root, Access::ReadWrite) {
            Err(VolumeError::NoVolume(_) | VolumeError::NotAFolder(_)) => {
                std::fs::create_dir_all(&root).map_err(|_| VolumeError::NotAFolder(root.clone()))?;
                Volume::init(&root, InitOptions { label: "SIM".to_owned(), created: None })
            }
            result => result,
        }
    }

    /// It is lost, and somebody buys another.
    pub(crate) fn lose(&mut self) {
        self.lost += 1;
        self.is_damaged = false;
        self.put.clear();
    }

    /// Keeps a copy of it as it is now.
    pub(crate) fn remember(&self) -> io::Result<()> {
        copy(&self.root().join(VOLUME_FOLDER), &self.home.join("remembered").join(self.lost.to_string()))
    }

    /// Puts back what was remembered last; answers whether anything was.
    pub(crate) fn put_back(&self) -> io::Result<bool> {
        let remembered = self.home.join("remembered").join(self.lost.to_string());
        if !remembered.is_dir() {
            return Ok(false);
        }
        copy(&remembered, &self.root().join(VOLUME_FOLDER))?;
        Ok(true)
    }

    /// Damages one of its segments: some bits, a cluster of zeros, or its end.
    pub(crate) fn damage(&mut self, dice: &mut Dice) -> io::Result<()> {
        let segments = self.segments()?;
        let Some(path) = dice.pick(&segments) else { return Ok(()) };
        let mut octets = std::fs::read(path)?;
        let at = dice.index(octets.len().max(1));
        match dice.below(3) {
            0 => octets.truncate(at),
            1 => octets.iter_mut().skip(at).take(512).for_each(|octet| *octet = 0),
            _ => octets.iter_mut().skip(at).take(3).for_each(|octet| *octet ^= 0x55),
        }
        self.is_damaged = true;
        std::fs::write(path, octets)
    }

    /// The newest segment did not get onto it as a whole: it was pulled between the renaming and the sync.
    pub(crate) fn tear(&self, dice: &mut Dice) -> io::Result<()> {
        let Some(newest) = self.segments()?.pop() else { return Ok(()) };
        let octets = std::fs::read(&newest)?;
        let whole = octets.get(..dice.index(octets.len() + 1)).unwrap_or_default();
        std::fs::write(newest, whole)
    }

    /// Its segments, oldest first.
    fn segments(&self) -> io::Result<Vec<PathBuf>> {
        let folder = self.root().join(VOLUME_FOLDER);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut segments = names(&folder)?;
        segments.retain(|path| path.extension().is_some_and(|extension| extension == SEGMENT));
        Ok(segments)
    }
}

fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Makes a folder what another is.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    if to.is_dir() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for path in names(from)? {
        if let Some(name) = path.file_name() {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
