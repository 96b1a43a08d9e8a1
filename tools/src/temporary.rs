//! A folder that goes when nobody needs it any more.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A new folder, readable by its owner only. Removed with all that is in it when dropped.
#[derive(Debug)]
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Below the system's temporary folder.
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::below(&std::env::temp_dir())
    }

    /// Below that folder.
    pub(crate) fn below(parent: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce)
            .map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
        let path = parent.join(format!("packmule-{}", data_encoding::HEXLOWER.encode(&nonce)));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::io("make", &path, &error))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            crate::output::tell(&format!(
                "{} was not removed: {}",
                self.0.display(),
                crate::failure::plain(&error)
            ));
        }
    }
}
