//! The end of a dock where the user asked for it: the drive is synced, unmounted, and safe to remove.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::failure::{Failure, Kind, plain};

/// Unmounts the drive that is mounted at `path`, after everything on it is synced.
pub(crate) fn unmount(path: &Path) -> Result<(), Failure> {
    let fault = |why: &str| {
        Failure::new(Kind::Drive, format!("{} was not unmounted: {why}", path.display()))
            .hint("everything is written and synced: unmount it as you usually do, then eject it")
    };
    let folder = path.canonicalize().map_err(|error| Failure::io("find", path, &error))?;
    if !is_mount_point(&folder) {
        return Err(fault("it is a folder, not where a drive is mounted"));
    }
    let synced = std::fs::File::open(&folder).and_then(|root| Ok(rustix::fs::syncfs(root)?));
    synced.map_err(|error| fault(&plain(&error)))?;
    match rustix::mount::unmount(&folder, UnmountFlags::empty()) {
        Ok(()) => Ok(()),
        // Whoever mounted it without being root may unmount it through the system's own program.
        Err(Errno::PERM) => {
            let status = Command::new("umount").arg(&folder).stdin(Stdio::null()).status();
            match status {
                Ok(status) if status.success() => Ok(()),
                Ok(_) => Err(fault("the system does not allow it to this user")),
                Err(error) => Err(fault(&plain(&error))),
            }
        }
        Err(Errno::BUSY) => Err(fault("another program is using it")),
        Err(error) => Err(fault(&plain(&error.into()))),
    }
}

fn is_mount_point(folder: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev());
    match (device(folder), folder.parent().map(device)) {
        (Ok(own), Some(Ok(parent))) => own != parent,
        // The root of everything is no drive.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_not_unmounted() {
        let folder = tempfile::tempdir().unwrap();
        let failure = unmount(folder.path()).unwrap_err();
        assert_eq!(failure.kind, Kind::Drive);
    }
}
