//! Two pseudo-terminals and a cable between them that can be cut, and that may damage what it carries.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long octets are waited for before a look at whether the cable is still there.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A pseudo-terminal: the end that a node opens is a device, the other is ours.
pub(crate) struct Terminal {
    pub(crate) ours: File,
    pub(crate) path: PathBuf,
    /// Open, or what is written before a node comes would be an error.
    _kept: File,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = PathBuf::from(ptsname(&ours, Vec::new()).unwrap().into_string().unwrap());
        let kept = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK).unwrap();
        Self { ours: ours.into(), path, _kept: kept }
    }

    /// Octets that a node wrote, as far as there are any.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut some = vec![0; 4096];
        let length = self.ours.read(&mut some).unwrap_or(0);
        some.truncate(length);
        some
    }
}

/// A cable between two devices.
pub(crate) struct Cable {
    paths: [PathBuf; 2],
    stop: Arc<AtomicBool>,
    carrier: Option<JoinHandle<()>>,
    /// The octet in so many that is damaged.
    damage: Arc<Mutex<Option<u64>>>,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let ends = [Terminal::new(), Terminal::new()];
        let paths = ends.each_ref().map(|end| end.path.clone());
        let (stop, damage) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (stops, damages) = (Arc::clone(&stop), Arc::clone(&damage));
        let carrier = thread::spawn(move || carry(ends, &stops, &damages));
        Self { paths, stop, carrier: Some(carrier), damage }
    }

    pub(crate) fn path(&self, end: usize) -> &Path {
        &self.paths[end]
    }

    /// From now on one octet in so many is flipped, lost or doubled.
    pub(crate) fn damage(&self, one_in: u64) {
        *self.damage.lock().unwrap() = Some(one_in);
    }
}

impl Drop for Cable {
    /// Both devices are gone.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.carrier.take().unwrap().join().unwrap();
    }
}

fn carry(mut ends: [Terminal; 2], stop: &AtomicBool, damage: &Mutex<Option<u64>>) {
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut is_busy = false;
        for from in 0..2 {
            let octets = ends[from].written();
            is_busy |= !octets.is_empty();
            let damage = *damage.lock().unwrap();
            let mut carried = Vec::new();
            for octet in octets {
                count += 1;
                match (damage.is_some_and(|many| count.is_multiple_of(many)), count % 3) {
                    (false, _) => carried.push(octet),
                    (true, 0) => {}
                    (true, 1) => carried.extend([octet, octet]),
                    (true, _) => carried.push(octet ^ 0x10),
                }
            }
            // What a device has no room for is lost, as on a line.
            let _ = ends[1 - from].ours.write(&carried);
        }
        if !is_busy {
            let mut readable = ends.each_ref().map(|end| PollFd::new(&end.ours, PollFlags::IN));
            let _ = poll(&mut readable, Some(&PATIENCE));
        }
    }
}
