//! Two agents in this process, both stores on one disk, joined by a convergence layer, and a load that goes from one to the other.

use std::path::Path;
use std::time::{Duration, Instant};

use agent_node::{Call, Client, CustodyTransfer, Home, Order, Reply, Report};
use bundle_format::Metadata;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::task::JoinSet;

use super::cable::Cable;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::running_agent::RunningAgent;
use crate::stop::Stop;
use crate::temporary::TemporaryFolder;

/// Local programs that send at the same time, so that their bundles share fsyncs.
const SENDERS: u64 = 32;
/// How often the receiver is asked how much it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LIFETIME_MS: u64 = 86_400_000;

/// So many bundles of that size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) bundles: u64,
    pub(super) octets: usize,
}

/// Who calls whom, and where.
#[derive(Debug, Clone, Copy)]
pub(super) enum Joined {
    /// Both listen at such an address, and the receiver dials the sender.
    OneDials(&'static str),
    /// Both listen at such an address, and dial each other: each connection goes one way.
    BothDial(&'static str),
    /// Bare LTP, where nobody introduces himself: each names both engines, and how many octets a second there are.
    Engines { rate: u64 },
    /// Both name one folder.
    Folder,
    /// Each starts a program that copies into one pipe and out of another.
    Programs,
    /// Each has one end of a serial line.
    Line { baud: u32 },
}

impl Joined {
    /// Where the sender listens, and where the receiver.
    fn listen(self) -> [&'static str; 2] {
        match self {
            Self::OneDials(at) | Self::BothDial(at) => [at; 2],
            Self::Engines { .. } => ["ltp://127.0.0.1:0?own=1", "ltp://127.0.0.1:0?own=2"],
            Self::Folder | Self::Programs | Self::Line { .. } => ["tcp://127.0.0.1:0"; 2],
        }
    }

    /// Makes what the layer needs besides agents, in a folder of theirs alone.
    fn prepare(self, folder: &Path) -> Result<Option<Cable>, Failure> {
        match self {
            Self::Programs => {
                for name in PIPES {
                    let path = folder.join(name);
                    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                        .map_err(|error| Failure::io("make", &path, &error.into()))?;
                }
                Ok(None)
            }
            Self::Line { .. } => Cable::lay().map(Some),
            Self::OneDials(_) | Self::BothDial(_) | Self::Engines { .. } | Self::Folder => Ok(None),
        }
    }

    /// What the sender dials, where it does, and what the receiver.
    fn dial(
        self,
        [sender, receiver]: [&str; 2],
        (folder, cable): (&Path, Option<&Cable>),
    ) -> (Option<String>, String) {
        match self {
            Self::OneDials(_) => (None, sender.to_owned()),
            Self::BothDial(_) => (Some(receiver.to_owned()), sender.to_owned()),
            Self::Engines { rate } => {
                let place = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
                (
                    Some(format!("{}?engine=2&own=1&rate={rate}", place(receiver))),
                    format!("{}?engine=1&own=2&rate={rate}", place(sender)),
                )
            }
            Self::Folder => {
                let url = format!("folder:{}", folder.display());
                (Some(url.clone()), url)
            }
            Self::Programs => {
                let [there, back] = PIPES.map(|name| quoted(&folder.join(name)));
                (
                    Some(format!("pipe:cat {back} & exec cat > {there}")),
                    format!("pipe:cat {there} & exec cat > {back}"),
                )
            }
            Self::Line { baud } => {
                let [near, far] = cable.map(|cable| cable.devices.clone()).unwrap_or_default();
                let url = |device: &Path| format!("serial://{}?baud={baud}", device.display());
                (Some(url(&near)), url(&far))
            }
        }
    }
}

/// Pipes with names, between two programs.
const PIPES: [&str; 2] = ["there", "back"];

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// A transfer of a load, and how long it took.
pub(super) struct Run(Load, Duration);

#[expect(clippy::cast_precision_loss, reason = "loads are small numbers")]
impl Run {
    pub(super) fn bundles_per_second(&self) -> f64 {
        self.0.bundles as f64 / self.1.as_secs_f64()
    }

    pub(super) fn megabytes_per_second(&self) -> f64 {
        self.bundles_per_second() * self.0.octets as f64 / 1e6
    }
}

/// The time for bundles to get from a node that has them to one that it is joined with then.
pub(super) async fn transfer(
    folder: &Path,
    (joined, load): (Joined, Load),
    stop: &Stop,
) -> Result<Run, Failure> {
    let folder = TemporaryFolder::below(folder)?;
    let shared = TemporaryFolder::below(folder.path())?;
    let at =
        std::path::absolute(shared.path()).map_err(|error| Failure::io("find", shared.path(), &error))?;
    let home = |name: &str| Home::create(&folder.path().join(name), name, None);
    let (near, far) = (home("near")?, home("far")?);
    trust(&near, &far).await?;
    trust(&far, &near).await?;
    // Outlives both agents.
    let cable = joined.prepare(&at)?;
    let [at_sender, at_receiver] = joined.listen();
    let sender = RunningAgent::start_at(near.clone(), at_sender).await?;
    let receiver = RunningAgent::start_at(far.clone(), at_receiver).await?;
    let (of_sender, of_receiver) = joined.dial([&sender.url, &receiver.url], (&at, cable.as_ref()));
    let measured = async {
        fill(&near, load).await?;
        let (mut source, mut sink) = (Client::open(&near).await?, Client::open(&far).await?);
        let begun = Instant::now();
        done(sink.call(Call::PeerAdd { url: of_receiver }).await?)?;
        if let Some(url) = of_sender {
            done(source.call(Call::PeerAdd { url }).await?)?;
        }
        while waiting(&mut sink).await? < load.bundles {
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
pub(super) async fn fill(home: &Home, load: Load) -> Result<(), Failure> {
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
