//! Two nodes on loopback, both stores on one disk, and what that disk does by itself.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_node::{Call, Client, CustodyTransfer, Home, Order, Reply, Report};
use bundle_format::Metadata;
use tokio::task::JoinSet;

use super::figure::{Figure, median};
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::running_agent::RunningAgent;
use crate::stop::Stop;
use crate::temporary::TemporaryFolder;

/// Runs of each figure.
const RUNS: usize = 3;
/// Local programs that send at the same time, so that their bundles share fsyncs.
const SENDERS: u64 = 32;
/// How often the receiver is asked how much it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LIFETIME_MS: u64 = 86_400_000;
/// What is written in sequence to see what the disk does.
const DISK_OCTETS: usize = 500 << 20;
const BLOCK_OCTETS: usize = 1 << 20;
/// Half of the disk's own rate, for large bundles.
const DISK_SHARE: f64 = 0.5;

/// So many bundles of that size.
#[derive(Debug, Clone, Copy)]
struct Load {
    bundles: u64,
    octets: usize,
}

const SMALL: Load = Load { bundles: 10_000, octets: 1 << 10 };
const LARGE: Load = Load { bundles: 50, octets: 10 << 20 };
const FRESH: Load = Load { bundles: 100_000, octets: 1 << 10 };

pub(super) async fn measure(folder: &Path, stop: &Stop) -> Result<Vec<Figure>, Failure> {
    let (mut small, mut large, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that what disturbs the disk for a while disturbs all of them.
    for _ in 0..RUNS {
        small.push(transfer(folder, SMALL, stop).await?.bundles_per_second());
        disk.push(write_in_sequence(folder)?);
        large.push(transfer(folder, LARGE, stop).await?.megabytes_per_second());
    }
    let share = median(&large) / median(&disk);
    let fresh = transfer(folder, FRESH, stop).await?.bundles_per_second();
    Ok(vec![
        Figure::new("small_rate", "10,000 signed bundles of 1 KiB, node to node", (small, "bundles/s")),
        Figure::new("disk_rate", "the disk: 500 MiB in sequence, synced", (disk, "MB/s")),
        Figure::new("large_rate", "50 signed bundles of 10 MiB, node to node", (large, "MB/s")),
        Figure::new("large_share", "the same, beside the disk", (vec![share], "times")).at_least(DISK_SHARE),
        Figure::new("fresh_rate", "100,000 of 1 KiB to a node that has none", (vec![fresh], "bundles/s")),
    ])
}

/// A transfer of a load, and how long it took.
struct Run(Load, Duration);

#[expect(clippy::cast_precision_loss, reason = "loads are small numbers")]
impl Run {
    fn bundles_per_second(&self) -> f64 {
        self.0.bundles as f64 / self.1.as_secs_f64()
    }

    fn megabytes_per_second(&self) -> f64 {
        self.bundles_per_second() * self.0.octets as f64 / 1e6
    }
}

/// The time for bundles to get from a node that has them to one that connects to it.
async fn transfer(folder: &Path, load: Load, stop: &Stop) -> Result<Run, Failure> {
    let folder = TemporaryFolder::below(folder)?;
    let home = |name: &str| Home::create(&folder.path().join(name), name, None);
    let (near, far) = (home("near")?, home("far")?);
    trust(&near, &far).await?;
    trust(&far, &near).await?;
    let (sender, receiver) =
        (RunningAgent::start(near.clone()).await?, RunningAgent::start(far.clone()).await?);
    let measured = async {
        fill(&near, load).await?;
        let mut client = Client::open(&far).await?;
        let begun = Instant::now();
        done(client.call(Call::PeerAdd { url: sender.url.clone() }).await?)?;
        while waiting(&mut client).await? < load.bundles {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Run(load, begun.elapsed()))
    };
    let outcome = stop.unless_asked(measured).await;
    // Whatever happened: the agents end before their folder goes.
    let ended = receiver.end().await.and(sender.end().await);
    outcome.and_then(|run| ended.map(|()| run))
}

async fn trust(home: &Home, other: &Home) -> Result<(), Failure> {
    let mut client = Client::open(home).await?;
    let (node, key) = (other.node().clone(), other.key().public());
    done(client.call(Call::TrustAdd { node, key, replace: false }).await?)?;
    Ok(client.close().await?)
}

/// How many bundles wait for applications at a node.
async fn waiting(client: &mut Client) -> Result<u64, Failure> {
    match client.call(Call::Status).await? {
        Reply::Status(status) => Ok(status.queues.iter().map(|queue| queue.bundles).sum()),
        other => Err(unexpected(&other)),
    }
}

fn done(reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Done { .. } => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// Sends a load to the node called `far`, from several programs at once. The agent runs.
async fn fill(home: &Home, load: Load) -> Result<(), Failure> {
    let order = Order {
        destination: super::bundles::draft(0).destination,
        source_demux: String::new(),
        lifetime_ms: LIFETIME_MS,
        metadata: Metadata::default(),
        report: Report::Nothing,
        custody: CustodyTransfer::Wanted,
    };
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (home, order) = (home.clone(), order.clone());
        senders.spawn(async move {
            let mut client = Client::open(&home).await?;
            for number in (sender..load.bundles).step_by(usize::try_from(SENDERS).unwrap_or(1)) {
                let mut body = number.to_be_bytes().to_vec();
                body.resize(load.octets, 0);
                client.send(&order, &body[..], Some(load.octets as u64), &mut |_| {}).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.map_err(|error| Failure::failed(format!("a sender ended in disorder: {error}")))??;
    }
    Ok(())
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
