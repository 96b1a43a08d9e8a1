//! `packmule bench`: what this machine does, in a few minutes, with the product's own code and every promise kept: signed
//! bundles, an fsync before each acknowledgement.

mod bundles;
mod cable;
mod figure;
mod full_store;
mod ingest;
mod links;
mod pair;
mod sets;
mod transfers;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::figure::Figure;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::output;
use crate::stop::Stop;
use crate::temporary::TemporaryFolder;

/// Measure what this machine does, in a few minutes
///
/// Everything is the product's own code at work on real disks and sockets: signed bundles, every acknowledgement after
/// its fsync. It needs about 3 GB of room in the folder, and leaves nothing there.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure [default: everything]
    #[arg(value_name = "PART", hide_possible_values = false)]
    parts: Vec<Part>,
    /// Where the stores lie meanwhile: a folder on the disk that the node is to use
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Bundles in memory: parsing, signing, checking
    Bundles,
    /// Sets of ids, as nodes compare them
    Sets,
    /// One node taking in small bundles, step by step
    Ingest,
    /// Two nodes on loopback, and the disk beside them
    Transfers,
    /// Two nodes on loopback, over one convergence layer after the other
    Links,
    /// A store with 100,000 bundles: opening it, and an idle agent on it
    FullStore,
}

impl Bench {
    pub(crate) async fn run(self, invocation: &Invocation, stop: Stop) -> Result<(), Failure> {
        let folder = TemporaryFolder::below(&self.dir)?;
        let parts = if self.parts.is_empty() { Part::value_variants() } else { &self.parts };
        let mut figures = Vec::new();
        for part in parts {
            figures.extend(part.measure(&folder, &stop).await?);
            // Parts that are over in seconds do not look.
            if stop.is_asked() {
                return Err(Failure::interrupted());
            }
        }
        invocation.output.list(&figures, "nothing was measured")
    }
}

impl Part {
    /// Returns when nothing writes into the folder any more, interrupted or not.
    async fn measure(self, folder: &TemporaryFolder, stop: &Stop) -> Result<Vec<Figure>, Failure> {
        let folder = folder.path();
        output::note(match self {
            Self::Bundles => "measuring bundles in memory",
            Self::Sets => "measuring sets of ids",
            Self::Ingest => "measuring how one node takes in small bundles",
            Self::Transfers => "measuring two nodes on loopback; this takes a minute or two",
            Self::Links => "measuring the convergence layers on loopback; this takes a minute or two",
            Self::FullStore => "filling a store with 100,000 bundles",
        });
        match self {
            Self::Bundles => bundles::measure(),
            Self::Sets => sets::measure(),
            Self::Ingest => ingest::measure(folder),
            Self::Transfers => transfers::measure(folder, stop).await,
            Self::Links => links::measure(folder, stop).await,
            Self::FullStore => full_store::measure(folder, stop).await,
        }
    }
}
