//! The folder that is read: files that are whole, a few at a time. Blocks; `offering` runs it where that harms nobody.
//!
//! A folder may hold any number of files: a step looks at a bounded number of names and remembers none but those that it hands out. A file is
//! never followed elsewhere, and never removed but by [`Inbox::taken`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, ReadDir};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use rustix::fs::OFlags;

use crate::naming::{self, REFUSED};
use crate::outbox::has_expired;

/// Names that one step looks at.
const LOOKED_AT_MAX: usize = 1_000;
/// Files that one step hands out.
const FOUND_MAX: usize = 64;
/// A file of somebody who does not rename is left alone until nothing was written to it for so long.
const QUIET: Duration = Duration::from_secs(2);
/// A file that is no whole bundle after so long without a change never will be.
const HOPELESS: Duration = Duration::from_secs(600);
/// Files of one name that are kept aside; the last gives way to the next.
const NAMESAKES_MAX: u32 = 20;
/// What a bundle begins and ends with: an array of indefinite length, and its end (RFC 9171 §4.1).
const BUNDLE_START: u8 = 0x9f;
const BUNDLE_END: u8 = 0xff;
/// Octets of a file in one piece.
pub(crate) const PIECE: usize = 64 * 1024;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    path: PathBuf,
}

/// A file that may be a bundle, and how it looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: OsString,
    pub(crate) octets: u64,
    modified: Option<SystemTime>,
}

/// What a step found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) found: Vec<Found>,
    /// Where to go on; `None` where all names have been looked at.
    pub(crate) rest: Option<ReadDir>,
    /// What was moved aside, in words.
    pub(crate) fault: Option<String>,
}

impl Inbox {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Looks at the next names, or begins again. `known` are left out. An error is of the folder: it is gone.
    pub(crate) fn look(
        &self,
        rest: Option<ReadDir>,
        (octets_max, now): (u64, SystemTime),
        known: &BTreeSet<OsString>,
    ) -> io::Result<Look> {
        naming::check_folder(&self.path)?;
        let mut listing = rest.map_or_else(|| fs::read_dir(&self.path), Ok)?;
        let (mut look, mut is_all) = (Look::default(), false);
        for _ in 0..LOOKED_AT_MAX {
            let Some(entry) = listing.next() else {
                is_all = true;
                break;
            };
            let name = entry?.file_name();
            if naming::is_left_alone(&name) || known.contains(&name) {
                continue;
            }
            match self.weigh(&name, octets_max, now) {
                Weight::Nothing => {}
                Weight::Bundle(found) => look.found.push(found),
                Weight::Hopeless(why) => look.fault = Some(self.set_aside(&name, why)),
            }
            if look.found.len() == FOUND_MAX {
                break;
            }
        }
        look.rest = (!is_all).then_some(listing);
        // As they were written, as far as that can be seen.
        look.found.sort_by_key(|found| found.modified);
        Ok(look)
    }

    fn weigh(&self, name: &OsString, octets_max: u64, now: SystemTime) -> Weight {
        let path = self.path.join(name);
        let Ok(about) = fs::symlink_metadata(&path) else { return Weight::Nothing };
        if !about.is_file() {
            return Weight::Nothing;
        }
        // When it got its name or was written to here, whatever time its writer gave it.
        let changed =
            u64::try_from(about.ctime()).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let quiet = changed.ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
        if !naming::is_of_bundle(name) && quiet < QUIET {
            return Weight::Nothing;
        }
        if about.len() <= octets_max && is_whole(&path) {
            return Weight::Bundle(Found {
                name: name.clone(),
                octets: about.len(),
                modified: about.modified().ok(),
            });
        }
        match quiet < HOPELESS {
            true => Weight::Nothing,
            false if about.len() > octets_max => Weight::Hopeless("is larger than what is taken here"),
            false => Weight::Hopeless("is no whole bundle"),
        }
    }

    /// Opens a file that was found; `None` where it is not what it was.
    pub(crate) fn open(&self, found: &Found) -> Option<File> {
        let file = open(&self.path.join(&found.name)).ok()?;
        let about = file.metadata().ok()?;
        is_same(&about, found).then_some(file)
    }

    /// The agent has it: the file goes, if it is still what was read.
    pub(crate) fn taken(&self, found: &Found) {
        let path = self.path.join(&found.name);
        if fs::symlink_metadata(&path).is_ok_and(|about| is_same(&about, found)) {
            // One that cannot be removed is known to be here when it is offered again.
            let _ = fs::remove_file(path);
        }
    }

    /// The agent will never take it: it goes aside, unless its time was over anyway.
    pub(crate) fn refused(&self, found: &Found) -> Option<String> {
        let path = self.path.join(&found.name);
        if !fs::symlink_metadata(&path).is_ok_and(|about| is_same(&about, found)) {
            return None;
        }
        if has_expired(&path) {
            let _ = fs::remove_file(path);
            return None;
        }
        Some(self.set_aside(&found.name, "was refused"))
    }

    /// Moves a file where nobody reads it. What happened, in words.
    fn set_aside(&self, name: &OsString, why: &str) -> String {
        let refused = self.path.join(REFUSED);
        let shown = name.to_string_lossy();
        let outcome = naming::folder(&refused)
            .and_then(|()| fs::rename(self.path.join(name), place_in(&refused, name)));
        match outcome {
            Ok(()) => format!("the file {shown} {why}, and was moved to {}", refused.display()),
            Err(error) => format!("the file {shown} {why}, and cannot be moved away: {error}"),
        }
    }
}

/// A place for a file, beside others of its name.
fn place_in(refused: &Path, name: &OsString) -> PathBuf {
    let mut place = refused.join(name);
    for number in 2..=NAMESAKES_MAX {
        if fs::symlink_metadata(&place).is_err() {
            break;
        }
        let mut other = name.clone();
        other.push(format!(".{number}"));
        place = refused.join(other);
    }
    place
}

enum Weight {
    Nothing,
    Bundle(Found),
    Hopeless(&'static str),
}

fn is_same(about: &Metadata, found: &Found) -> bool {
    about.is_file() && about.len() == found.octets && about.modified().ok() == found.modified
}

/// Opens a file that is one: nothing is followed, and nothing is waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Whether a file begins and ends as a bundle does. What is between is the agent's to judge.
pub(crate) fn is_whole(path: &Path) -> bool {
    let ends = || -> io::Result<[u8; 2]> {
        let (mut file, mut first, mut last) = (open(path)?, [0], [0]);
        file.read_exact(&mut first)?;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok([first[0], last[0]])
    };
    ends().is_ok_and(|ends| ends == [BUNDLE_START, BUNDLE_END])
}

/// The beginning of a file, one piece at most.
pub(crate) fn beginning(path: &Path) -> io::Result<Bytes> {
    piece(&mut open(path)?)
}

/// The next piece of a file; empty at its end.
pub(crate) fn piece(file: &mut File) -> io::Result<Bytes> {
    let mut octets = BytesMut::zeroed(PIECE);
    let read = file.read(&mut octets)?;
    octets.truncate(read);
    Ok(octets.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, as it is looked at two hours from now.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &[u8])]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, octets) in files {
                fs::write(folder.path().join(name), octets).unwrap();
            }
            Self(folder)
        }

        fn inbox(&self) -> Inbox {
            Inbox::new(self.0.path().to_owned())
        }

        fn look(&self, after: Duration) -> (Vec<String>, Option<String>) {
            let look = self.inbox().look(None, (100, SystemTime::now() + after), &BTreeSet::new()).unwrap();
            let mut names: Vec<_> =
                look.found.into_iter().map(|found| found.name.into_string().unwrap()).collect();
            names.sort();
            (names, look.fault)
        }

        fn has(&self, name: &str) -> bool {
            self.0.path().join(name).exists()
        }
    }

    const NOW: Duration = Duration::ZERO;
    const SOON: Duration = Duration::from_secs(5);
    const LATE: Duration = Duration::from_secs(7_200);

    #[test]
    fn a_file_of_another_program_waits_until_nobody_writes_to_it() {
        let folder = Folder::with(&[("adu-1", b"\x9f..\xff"), ("ours.bundle", b"\x9f..\xff")]);
        assert_eq!(folder.look(NOW).0, ["ours.bundle"]);
        assert_eq!(folder.look(SOON).0, ["adu-1", "ours.bundle"]);
    }

    #[test]
    fn what_is_not_whole_waits_and_goes_aside_when_it_never_will_be() {
        let folder =
            Folder::with(&[("half.bundle", b"\x9f.."), ("empty.bundle", b""), ("note.txt", b"hello")]);
        fs::write(folder.0.path().join("large.bundle"), [0x9f; 101]).unwrap();
        assert_eq!(folder.look(SOON), (vec![], None));
        fs::create_dir(folder.0.path().join("refused")).unwrap();
        fs::write(folder.0.path().join("refused/note.txt"), b"another").unwrap();
        assert!(folder.has("half.bundle") && folder.has("note.txt"));
        let (names, fault) = folder.look(LATE);
        assert!(names.is_empty() && fault.unwrap().contains("was moved to"));
        for name in ["half.bundle", "empty.bundle", "note.txt", "large.bundle"] {
            assert!(!folder.has(name) && folder.has(&format!("refused/{name}")), "{name}");
        }
        assert!(folder.has("refused/note.txt.2"), "the other is not lost");
    }

    #[test]
    fn what_others_are_at_is_left_alone_for_ever() {
        let names =
            [".syncthing.a.bundle.tmp", "~syncthing~a.bundle.tmp", "a.bundle.1a2b.partial", ".a.bundle.Xy"];
        let folder = Folder::with(&names.map(|name| (name, &b"\x9f\xff"[..])));
        assert_eq!(folder.look(LATE), (vec![], None));
        assert!(names.into_iter().all(|name| folder.has(name)));
    }

    #[test]
    fn nothing_is_followed_and_nothing_waited_for() {
        let elsewhere = Folder::with(&[("secret", b"\x9f..\xff")]);
        let folder = Folder::with(&[]);
        let at = |name: &str| folder.0.path().join(name);
        std::os::unix::fs::symlink(elsewhere.0.path().join("secret"), at("link.bundle")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("fifo.bundle")).status().unwrap().success());
        fs::create_dir(at("folder.bundle")).unwrap();
        assert_eq!(folder.look(LATE), (vec![], None));
        let inbox = at("inbox");
        std::os::unix::fs::symlink(elsewhere.0.path(), &inbox).unwrap();
        let error = Inbox::new(inbox).look(None, (100, SystemTime::now()), &BTreeSet::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_full_folder_is_read_a_few_files_at_a_time() {
        const FILES: usize = 3_000;
        let folder = Folder::with(&[]);
        for number in 0..FILES {
            fs::write(folder.0.path().join(format!("{number}.bundle")), b"\x9f\xff").unwrap();
        }
        let (mut names, mut rest) = (BTreeSet::new(), None);
        loop {
            let look = folder.inbox().look(rest, (100, SystemTime::now()), &BTreeSet::new()).unwrap();
            assert!(look.found.len() <= FOUND_MAX);
            names.extend(look.found.into_iter().map(|found| found.name));
            rest = look.rest;
            if rest.is_none() {
                break;
            }
        }
        assert_eq!(names.len(), FILES);
    }

    #[test]
    fn only_what_was_read_is_removed() {
        let folder = Folder::with(&[("a.bundle", b"\x9f..\xff"), ("b.bundle", b"\x9f..\xff")]);
        let inbox = folder.inbox();
        let look = inbox.look(None, (100, SystemTime::now()), &BTreeSet::new()).unwrap();
        fs::write(folder.0.path().join("b.bundle"), b"\x9f another\xff").unwrap();
        for found in &look.found {
            inbox.taken(found);
        }
        assert!(!folder.has("a.bundle") && folder.has("b.bundle"));
        let b = look.found.iter().find(|found| found.name == "b.bundle").unwrap();
        assert!(inbox.open(b).is_none());
    }
}
