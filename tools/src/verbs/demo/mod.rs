//! `packmule demo`: three real nodes on this machine, a TCP link, and a drive. The product's own code, nothing played.
//!
//! The school has a network to the van and to nobody else; the clinic has none at all. What the school sends for the
//! clinic crosses the link to the van, and the rest of the way on a drive that is docked here and there.

mod cast;
mod journey;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agent_core::request::{CustodyTransfer, Order, Report};
use agent_node::{Client, Home, Until};
use bundle_format::{BundleId, Eid, Metadata, Priority};
use clap::Args;

use self::cast::{Cast, inbox};
use self::journey::{Arrival, Journey};
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::outgoing::{self, Outgoing};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::quantity::size;
use crate::stop::Stop;
use crate::temporary::TemporaryFolder;

/// How long a bundle of the demo is of use, in milliseconds.
const LIFETIME_MS: u64 = 3_600_000;
/// How much is generated where no file is given.
const GENERATED_OCTETS: usize = 20 << 20;
/// How long the link may take for everything, whatever the machine.
const PATIENCE: Duration = Duration::from_secs(600);
const TEXT: &str =
    "This letter went from the school to the van over TCP,\nand from the van to the clinic on a drive.\n";

/// Watch files travel between three nodes on this machine, over TCP and on a drive
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// What to send [default: a letter, and 20 MiB of noise]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A bundle that was sent, and what must arrive.
#[derive(Debug)]
struct Sample {
    id: BundleId,
    name: String,
    octets: u64,
    hash: blake3::Hash,
    destination: Eid,
    sent: Instant,
}

impl Demo {
    pub(crate) async fn run(self, invocation: &Invocation, stop: Stop) -> Result<(), Failure> {
        self.files.iter().try_for_each(|file| refuse(file))?;
        let folder = TemporaryFolder::new()?;
        let mut cast = Cast::new(folder.path())?;
        let played = self.play(&mut cast, folder.path(), (invocation.output, stop.clone()));
        let outcome = stop.unless_asked(played).await;
        // Whatever happened: the agents end before their folder goes.
        let ended = cast.end().await;
        outcome.and(ended)
    }

    async fn play(
        &self,
        cast: &mut Cast,
        folder: &Path,
        (output, stop): (Output, Stop),
    ) -> Result<(), Failure> {
        let tell = |text: &str| if output.is_json() { Ok(()) } else { output::text(text) };
        let files = if self.files.is_empty() { generate(folder)? } else { self.files.clone() };
        tell(
            "Three nodes: the school, the van, the clinic. Each has a home and a key of its own, and trusts the others' keys.",
        )?;
        cast.introduce().await?;
        cast.start().await?;
        tell(&format!(
            "The agents of the school and the van run; the school reaches the van at {}.",
            cast.van_url()
        ))?;
        tell("The clinic has no network and no agent: only somebody who brings a drive.\n")?;

        let mut school = Client::open(&cast.school).await?;
        let samples = send_all(&mut school, cast, &files).await?;
        for sample in &samples {
            tell(&format!(
                "school: sent {} ({}) to {}",
                sample.name,
                size(sample.octets),
                sample.destination
            ))?;
        }
        await_carried(&mut school, &samples).await?;
        school.close().await?;
        tell("van:    has all of it, by TCP, each acknowledged after it was on the disk")?;

        let drive = folder.join("drive");
        let put = cast.dock_van(&drive, stop.clone()).await?;
        tell(&format!(
            "van:    docked the drive: {} bundles put out, written and synced; it is pulled and carried away",
            put.put
        ))?;
        let taken = cast.dock_clinic(&drive, stop).await?;
        tell(&format!(
            "clinic: docked the drive: {} bundles taken in, every signature checked\n",
            taken.taken
        ))?;

        let mut journey = Journey::new(&samples, cast.school.key().public());
        for home in [&cast.school, &cast.van, &cast.clinic] {
            receive(home, cast, (folder, &mut journey)).await?;
        }
        journey.conclude(output, cast)
    }
}

/// Takes everything from the node's inbox and from the group, as an application would.
async fn receive(
    home: &Home,
    cast: &Cast,
    (folder, journey): (&Path, &mut Journey<'_>),
) -> Result<(), Failure> {
    let mut client = Client::open(home).await?;
    let out = folder.join(format!("received-{}", cast.name(home)));
    std::fs::create_dir_all(&out).map_err(|error| Failure::io("make", &out, &error))?;
    for endpoint in [inbox(home)?, cast.group.clone()] {
        while let Some(delivery) = client.next(&endpoint, Some(Duration::ZERO)).await? {
            let file = super::recv::land(&mut client, &delivery, &out).await?;
            client.consume(&delivery).await?;
            journey.arrived(&Arrival { node: cast.name(home), delivery: &delivery, file: &file })?;
        }
    }
    client.close().await?;
    Ok(())
}

fn refuse(file: &Path) -> Result<(), Failure> {
    outgoing::refuse_folder(file)?;
    if outgoing::is_stdin(file) {
        return Err(Failure::usage(
            "the demo sends each file twice, and the standard input is there once only",
        ));
    }
    std::fs::File::open(file).map(drop).map_err(|error| Failure::io("read", file, &error))
}

fn generate(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let write = |name: &str, contents: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, contents).map_err(|error| Failure::io("write", &path, &error))?;
        Ok::<_, Failure>(path)
    };
    let mut noise = vec![0; GENERATED_OCTETS];
    blake3::Hasher::new().update(b"packmule demo").finalize_xof().fill(&mut noise);
    Ok(vec![write("letter.txt", TEXT.as_bytes())?, write("noise.bin", &noise)?])
}

async fn send_all(school: &mut Client, cast: &Cast, files: &[PathBuf]) -> Result<Vec<Sample>, Failure> {
    let mut samples = Vec::new();
    for file in files {
        let hash = hash(file)?;
        for destination in [inbox(&cast.clinic)?, cast.group.clone()] {
            let Outgoing { body, name, octets } = outgoing::open(file).await?;
            let order = Order {
                destination: destination.clone(),
                source_demux: String::new(),
                lifetime_ms: LIFETIME_MS,
                metadata: Metadata {
                    file_name: name,
                    media_type: None,
                    priority: Priority::Normal,
                    record: None,
                },
                report: Report::Nothing,
                custody: CustodyTransfer::Wanted,
            };
            let sent = Instant::now();
            let mut progress = Progress::new(&file.display().to_string(), octets);
            let bundle = school.send(&order, body, octets, &mut |done| progress.reach(done)).await?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            samples.push(Sample { id: bundle.id, name, octets: bundle.octets, hash, destination, sent });
        }
    }
    Ok(samples)
}

async fn await_carried(school: &mut Client, samples: &[Sample]) -> Result<(), Failure> {
    for sample in samples {
        if school.wait(sample.id, Until::Carried, Some(PATIENCE)).await?.is_none() {
            return Err(Failure::new(Kind::TimedOut, format!("{} did not reach the van", sample.name)));
        }
    }
    Ok(())
}

/// The hash of a file's contents.
fn hash(file: &Path) -> Result<blake3::Hash, Failure> {
    let fault = |error: std::io::Error| Failure::io("read", file, &error);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(file).map_err(fault)?).map_err(fault)?;
    Ok(hasher.finalize())
}
