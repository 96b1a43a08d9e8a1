//! The device of a line: opened raw, and for one process alone.
//!
//! Two descriptors are open on it: one is read and written, the other holds the lock and sets what the first cannot.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{self, ControlModes, OptionalActions};
use serial2_tokio::SerialPort;

use crate::settings::Settings;

/// An open device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) port: SerialPort,
    _lock: Lock,
}

/// While it lives, nobody else opens the device.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A device that is gone needs none.
        let _ = termios::ioctl_tiocnxcl(&self.0);
    }
}

impl Device {
    /// Opens it; why it cannot be, in words.
    pub(crate) fn open(settings: &Settings) -> Result<Self, String> {
        let path = settings.device();
        let lock = Lock::take(path)?;
        let port = SerialPort::open(path, settings.baud())
            .map_err(|error| format!("{path} cannot be used at {} baud: {error}", settings.baud()))?;
        lock.set_up().map_err(|error| format!("{path} cannot be used: {error}"))?;
        // Whatever was said before we came.
        let _ = port.discard_buffers();
        Ok(Self { port, _lock: lock })
    }
}

impl Lock {
    fn take(path: &str) -> Result<Self, String> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        let file = file.map_err(|error| not_opened(path, &error))?;
        if !rustix::termios::isatty(&file) {
            return Err(format!("{path} is no serial device"));
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK) => Err(in_use(path)),
            Err(error) => Err(format!("{path} cannot be locked: {error}")),
        }
    }

    /// The line is up without a modem's say, and closed to others.
    fn set_up(&self) -> io::Result<()> {
        let mut attributes = termios::tcgetattr(&self.0)?;
        attributes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        termios::tcsetattr(&self.0, OptionalActions::Now, &attributes)?;
        termios::ioctl_tiocexcl(&self.0)?;
        Ok(())
    }
}

fn not_opened(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{path} is not there: it may be unplugged"),
        io::ErrorKind::PermissionDenied => {
            format!("{path} may not be opened by this user: who is in its group (often dialout) may")
        }
        io::ErrorKind::ResourceBusy => in_use(path),
        _ => format!("{path} cannot be opened: {error}"),
    }
}

fn in_use(path: &str) -> String {
    format!("{path} is in use by another program")
}
