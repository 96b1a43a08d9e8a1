//! A serial line for measurements: two pseudo-terminals, and what one side writes is read on the other.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::failure::Failure;

/// The line. Dropped when nobody has its devices open any more, since its carriers end when they are closed.
pub(super) struct Cable {
    /// The devices at its ends.
    pub(super) devices: [PathBuf; 2],
    /// As long as they are open here, they are there.
    kept: Vec<File>,
    carriers: Vec<JoinHandle<()>>,
}

impl Cable {
    pub(super) fn lay() -> Result<Self, Failure> {
        let fault = |error: std::io::Error| Failure::failed(format!("a pseudo-terminal: {error}"));
        let [(near, near_device), (far, far_device)] =
            [terminal().map_err(fault)?, terminal().map_err(fault)?];
        let devices = [near_device, far_device];
        let open = |path: &PathBuf| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlags::NOCTTY.bits().cast_signed())
                .open(path)
        };
        let kept = devices.iter().map(open).collect::<Result<_, _>>().map_err(fault)?;
        let ways = [(near.try_clone().map_err(fault)?, far.try_clone().map_err(fault)?), (far, near)];
        let carriers = ways.map(|way| thread::spawn(move || carry(way))).into();
        Ok(Self { devices, kept, carriers })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.kept.clear();
        for carrier in self.carriers.drain(..) {
            // It only reads and writes.
            let _ = carrier.join();
        }
    }
}

/// Our side of a pseudo-terminal, and the device.
fn terminal() -> std::io::Result<(File, PathBuf)> {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let path = ptsname(&ours, Vec::new())?.into_string().map_err(std::io::Error::other)?;
    Ok((ours.into(), path.into()))
}

/// Ends when the device that is read from is closed everywhere.
fn carry((mut from, mut to): (File, File)) {
    let mut octets = [0; 4_096];
    while let Ok(length @ 1..) = from.read(&mut octets) {
        let written = octets.get(..length).map(|octets| to.write_all(octets));
        if !matches!(written, Some(Ok(()))) {
            return;
        }
    }
}
