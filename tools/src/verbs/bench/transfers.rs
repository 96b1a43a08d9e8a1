//! Two nodes on loopback, both stores on one disk, and what that disk does by itself.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use agent_node::Home;

use super::figure::{Figure, median};
use super::pair::{Joined, Load, Run, fill, transfer};
use crate::failure::Failure;
use crate::running_agent::RunningAgent;
use crate::stop::Stop;
use crate::temporary::TemporaryFolder;

/// Runs of each figure.
const RUNS: usize = 3;
/// What is written in sequence to see what the disk does.
const DISK_OCTETS: usize = 500 << 20;
const BLOCK_OCTETS: usize = 1 << 20;
/// Half of the disk's own rate, for large bundles.
const DISK_SHARE: f64 = 0.5;

const SMALL: Load = Load { bundles: 10_000, octets: 1 << 10 };
const LARGE: Load = Load { bundles: 50, octets: 10 << 20 };
const FRESH: Load = Load { bundles: 100_000, octets: 1 << 10 };

pub(super) async fn measure(folder: &Path, stop: &Stop) -> Result<Vec<Figure>, Failure> {
    let (mut small, mut large, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that what disturbs the disk for a while disturbs all of them.
    for _ in 0..RUNS {
        small.push(over_tcp(folder, SMALL, stop).await?.bundles_per_second());
        disk.push(write_in_sequence(folder)?);
        large.push(over_tcp(folder, LARGE, stop).await?.megabytes_per_second());
    }
    let share = median(&large) / median(&disk);
    let fresh = over_tcp(folder, FRESH, stop).await?.bundles_per_second();
    Ok(vec![
        Figure::new("small_rate", "10,000 signed bundles of 1 KiB, node to node", (small, "bundles/s")),
        Figure::new("disk_rate", "the disk: 500 MiB in sequence, synced", (disk, "MB/s")),
        Figure::new("large_rate", "50 signed bundles of 10 MiB, node to node", (large, "MB/s")),
        Figure::new("large_share", "the same, beside the disk", (vec![share], "times")).at_least(DISK_SHARE),
        Figure::new("fresh_rate", "100,000 of 1 KiB to a node that has none", (vec![fresh], "bundles/s")),
    ])
}

async fn over_tcp(folder: &Path, load: Load, stop: &Stop) -> Result<Run, Failure> {
    transfer(folder, (Joined::OneDials("tcp://127.0.0.1:0"), load), stop).await
}

/// Fills a node's store with small bundles for another one, with an agent that runs meanwhile.
pub(super) async fn fill_store(home: &Home, bundles: u64, stop: &Stop) -> Result<(), Failure> {
    let agent = RunningAgent::start(home.clone()).await?;
    let filled = stop.unless_asked(fill(home, Load { bundles, octets: 256 })).await;
    let ended = agent.end().await;
    filled.and(ended)
}

/// What the disk does with a file that is written from its beginning to its end and then synced, in MB a second.
#[expect(clippy::cast_precision_loss, reason = "half a gigabyte is counted exactly")]
fn write_in_sequence(folder: &Path) -> Result<f64, Failure> {
    let folder = TemporaryFolder::below(folder)?;
    let path = folder.path().join("sequence");
    let fault = |error: std::io::Error| Failure::io("write", &path, &error);
    let mut block = vec![0; BLOCK_OCTETS];
    blake3::Hasher::new().update(b"packmule bench").finalize_xof().fill(&mut block);
    let begun = Instant::now();
    let mut file = std::fs::File::create(&path).map_err(fault)?;
    for _ in 0..DISK_OCTETS / BLOCK_OCTETS {
        file.write_all(&block).map_err(fault)?;
    }
    file.sync_all().map_err(fault)?;
    Ok(DISK_OCTETS as f64 / 1e6 / begun.elapsed().as_secs_f64())
}
