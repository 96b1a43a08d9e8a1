//! What goes wrong with a drive, with what its owner can do about it.

use drive_volume::VolumeError;

use crate::failure::{Failure, Kind};

impl From<VolumeError> for Failure {
    fn from(error: VolumeError) -> Self {
        let message = error.to_string();
        match error {
            VolumeError::Label(_) => Self::usage(message),
            VolumeError::Io { .. } => Self::new(Kind::Drive, message)
                .hint("if the drive was pulled, plug it in and dock again; nothing here is lost"),
            _ => Self::new(Kind::Drive, message),
        }
    }
}
