//! Small files that are there whole or not at all, whatever happens to the power.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::HomeError;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner only.
    Owner,
    /// Whoever may enter the folder.
    Everyone,
}

/// Writes a file beside its place, syncs it, moves it into its place, and syncs the folder.
pub(crate) fn replace(file: &Path, octets: &[u8], access: Access) -> Result<(), HomeError> {
    let new = file.with_extension("new");
    let io = |error| HomeError::io("write", file, error);
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everyone => 0o644,
    };
    // A leftover of a crash may have other permissions: it goes, so that ours are those of the new file.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).map_err(io)?;
    opened.write_all(octets).map_err(io)?;
    opened.sync_all().map_err(io)?;
    std::fs::rename(&new, file).map_err(io)?;
    match file.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), HomeError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|error| HomeError::io("sync", folder, error))
}
