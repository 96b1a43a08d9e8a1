//! Two serial devices with a cable between them, made of pseudo-terminals. Where the cable is pulled, both devices are gone, and
//! others come under the same names.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long a carrier waits for octets before it looks whether the cable is still plugged in.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A cable with a device at each end.
pub(crate) struct Terminals {
    folder: PathBuf,
    count: usize,
    plugged: Option<Plugged>,
}

/// What is plugged in: the carriers have the sides of the devices that nobody opens, and while those are open, the devices are there.
struct Plugged {
    pulled: Arc<AtomicBool>,
    carriers: Vec<JoinHandle<()>>,
    /// What is written before anybody opens a device waits there.
    _kept: Vec<File>,
}

impl Terminals {
    /// Plugs in two devices, named in the folder.
    pub(crate) fn plugged(folder: &Path) -> Self {
        let mut terminals = Self { folder: folder.to_owned(), count: 0, plugged: None };
        terminals.plug_in();
        terminals
    }

    /// Where a device is, whichever it is by now.
    pub(crate) fn path(&self, end: usize) -> PathBuf {
        self.folder.join(format!("line-{end}"))
    }

    /// Pulls both devices and plugs in others.
    pub(crate) fn replug(&mut self) {
        self.plugged = None;
        self.plug_in();
    }

    fn plug_in(&mut self) {
        self.count += 1;
        let (near, far) = (terminal(), terminal());
        let ends = [near, far];
        for (end, (_, path)) in ends.iter().enumerate() {
            let fresh = self.folder.join(format!("new-{end}-{}", self.count));
            symlink(path, &fresh).unwrap();
            fs::rename(&fresh, self.path(end)).unwrap();
        }
        let open = |path: &PathBuf| OpenOptions::new().read(true).write(true).open(path).unwrap();
        let kept = ends.iter().map(|(_, path)| open(path)).collect();
        let pulled = Arc::new(AtomicBool::new(false));
        let [(near, _), (far, _)] = ends;
        let ways = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
        let carriers = ways.map(|way| {
            let pulled = Arc::clone(&pulled);
            thread::spawn(move || carry(way, &pulled))
        });
        self.plugged = Some(Plugged { pulled, carriers: carriers.into(), _kept: kept });
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        self.pulled.store(true, Ordering::Relaxed);
        for carrier in self.carriers.drain(..) {
            // It only reads and writes.
            let _ = carrier.join();
        }
    }
}

/// A pseudo-terminal: our side of it, and the device.
fn terminal() -> (File, PathBuf) {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours.into(), path.into())
}

fn carry((mut from, mut to): (File, File), pulled: &AtomicBool) {
    let mut octets = [0; 4_096];
    while !pulled.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(&from, PollFlags::IN)];
        if poll(&mut ready, Some(&LOOK_EVERY)) != Ok(1) {
            continue;
        }
        let Ok(length @ 1..) = from.read(&mut octets) else { continue };
        let mut left = &octets[..length];
        while !left.is_empty() && !pulled.load(Ordering::Relaxed) {
            let mut ready = [PollFd::new(&to, PollFlags::OUT)];
            if poll(&mut ready, Some(&LOOK_EVERY)) == Ok(1) {
                // A whole line's worth might wait for a reader that does not come.
                let some = left.len().min(256);
                to.write_all(&left[..some]).unwrap();
                left = &left[some..];
            }
        }
    }
}
