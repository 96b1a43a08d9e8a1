//! `packmule store`: looking after the store itself.
//!
//! `dump` and `load` work on the store directly, under the home's lock: a dump is the way out of a store that no agent
//! can be started on.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use agent_core::store::{Store as Database, StoreError, StoreOptions};
use agent_node::{Call, Home, HomeLock, Reply};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::landing::Landing;
use crate::outgoing::is_stdin;
use crate::output::{note, tell};
use crate::progress::Progress;
use crate::quantity::{count, size};

/// Check the store, write it to a file, or read such a file into a new one
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Look at every record and every index
    Check {
        /// Take damaged bundles out of service and make indexes anew
        #[arg(long)]
        repair: bool,
    },
    /// Write everything that the store holds to a file; the agent must not run
    Dump {
        /// A file that is not there yet, or - for the standard output
        file: PathBuf,
    },
    /// Read a dump into the store of a new home; the agent must not run
    Load {
        /// What 'packmule store dump' wrote, or - for the standard input
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Checked<'a> {
    findings: &'a [String],
    quarantined: u64,
    rows: u64,
}

#[derive(Serialize)]
struct Moved {
    file: String,
    bundles: u64,
    octets: u64,
    skipped: Vec<String>,
}

impl Store {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.action {
            Action::Check { repair } => check(invocation, repair).await,
            Action::Dump { file } => tokio::task::block_in_place(|| dump(invocation, &file)),
            Action::Load { file } => tokio::task::block_in_place(|| load(invocation, &file)),
        }
    }
}

async fn check(invocation: &Invocation, repair: bool) -> Result<(), Failure> {
    note("looking at every record; this takes a while for a large store");
    let (findings, quarantined, rows) = match invocation.ask(Call::Check { repair }).await? {
        Reply::Checked { findings, quarantined, rows } => (findings, quarantined, rows),
        other => return Err(unexpected(&other)),
    };
    invocation.output.say(&Checked { findings: &findings, quarantined, rows }, || match findings.len() {
        0 => "the store is sound".to_owned(),
        _ => findings.join("\n"),
    })?;
    let found = count(findings.len() as u64, "finding");
    match (findings.is_empty(), repair) {
        (true, _) => Ok(()),
        (false, true) => {
            let gone = count(quarantined, "damaged bundle");
            tell(&format!(
                "{found}: {gone} taken out of service, {} of indexes put right",
                count(rows, "row")
            ));
            Ok(())
        }
        (false, false) => Err(Failure::failed(format!("{found} in the store")).hint(
            "packmule store check --repair puts right what can be; neighbors offer damaged bundles again",
        )),
    }
}

fn dump(invocation: &Invocation, file: &Path) -> Result<(), Failure> {
    if is_stdin(file) {
        let moved = dump_to(invocation, file, std::io::stdout().lock())?;
        tell(&summary(&moved));
        return skipped(&moved);
    }
    let name =
        file.file_name().ok_or_else(|| Failure::usage(format!("{} is not a file's name", file.display())))?;
    if file.exists() {
        return Err(Failure::usage(format!("{} is there already", file.display()))
            .hint("name a file that is not there yet"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut landing = Landing::begin(folder)?;
    let moved = dump_to(invocation, file, &mut landing)?;
    landing.finish(&name.to_string_lossy())?;
    invocation.output.say(&moved, || format!("{}: {}", moved.file, summary(&moved)))?;
    skipped(&moved)
}

fn dump_to(invocation: &Invocation, file: &Path, to: impl Write) -> Result<Moved, Failure> {
    let (_lock, store) = open(&invocation.home()?)?;
    let mut to = Counted { inner: BufWriter::new(to), octets: 0, progress: Progress::new("dumping", None) };
    let txn = store.read().map_err(|error| failure(&error))?;
    let dumped = txn.view().dump(&mut to, &mut |_| {}).map_err(|error| failure(&error))?;
    to.flush().map_err(|error| Failure::io("write", file, &error))?;
    Ok(Moved {
        file: file.display().to_string(),
        bundles: dumped.bundles,
        octets: to.octets,
        skipped: dumped.skipped.iter().map(ToString::to_string).collect(),
    })
}

fn load(invocation: &Invocation, file: &Path) -> Result<(), Failure> {
    let from: Box<dyn Read> = if is_stdin(file) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(|error| Failure::io("read", file, &error))?)
    };
    let (_lock, store) = open(&invocation.home()?)?;
    let mut from =
        Counted { inner: BufReader::new(from), octets: 0, progress: Progress::new("loading", None) };
    let loaded = store.load(&mut from, incarnation()?, &mut |_| {}).map_err(|error| match error {
        StoreError::NotEmpty => Failure::failed(error.to_string())
            .hint("load a dump into a home that 'packmule init' has just made"),
        error => failure(&error),
    })?;
    let moved = Moved {
        file: file.display().to_string(),
        bundles: loaded.bundles,
        octets: from.octets,
        skipped: Vec::new(),
    };
    invocation.output.say(&moved, || format!("loaded {}", summary(&moved)))
}

/// The store itself, with nobody else at work on it.
fn open(home: &Home) -> Result<(HomeLock, Database), Failure> {
    let lock = home.lock()?;
    let store =
        Database::open(&home.store_folder(), &StoreOptions::default()).map_err(|error| failure(&error))?;
    Ok((lock, store))
}

fn failure(error: &StoreError) -> Failure {
    Failure::new(if error.is_full() { Kind::StoreFull } else { Kind::Failed }, error.to_string())
}

/// One that was never used, not even by the node that wrote the dump.
fn incarnation() -> Result<u32, Failure> {
    let drawn = getrandom::u32().map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
    Ok(drawn.max(1))
}

fn summary(moved: &Moved) -> String {
    format!("{}, {}", count(moved.bundles, "bundle"), size(moved.octets))
}

fn skipped(moved: &Moved) -> Result<(), Failure> {
    if moved.skipped.is_empty() {
        return Ok(());
    }
    moved.skipped.iter().for_each(|finding| tell(&format!("left out: {finding}")));
    Err(Failure::new(
        Kind::Partly,
        format!("{} not in the dump", count(moved.skipped.len() as u64, "damaged bundle")),
    )
    .hint("neighbors that have them will offer them again"))
}

/// Octets that pass by, counted.
struct Counted<I> {
    inner: I,
    octets: u64,
    progress: Progress,
}

impl<I> Counted<I> {
    fn count(&mut self, octets: usize) -> usize {
        self.octets += octets as u64;
        self.progress.reach(self.octets);
        octets
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(octets)?;
        Ok(self.count(written))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(octets)?;
        Ok(self.count(read))
    }
}
