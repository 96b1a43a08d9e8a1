//! How fast bundles go from one node's disk to another's over loopback, what a full store costs to open, and what an idle
//! agent costs to keep.
//!
//! `cargo bench -p agent-node`. Both nodes are real: signed bundles, every acknowledgement after its fsync, both ends on
//! the same two stores' disk (`TMPDIR` chooses it) and the same processors. Beside them stands what the disk itself does.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops where it cannot go on"
)]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded anyway")]

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_node::{Address, Call, Client, Discovery, Home, Order, Reply, Report, RunOptions, Status};
use bundle_format::Metadata;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Runs of each transfer; the middle one counts.
const RUNS: usize = 3;
/// Local programs that fill a store at the same time, so that their bundles share fsyncs.
const SENDERS: usize = 32;
/// The argument with which this program runs an idle agent in a process of its own.
const IDLE: &str = "--idle-agent";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some(first), Some(home)) = (arguments.next(), arguments.next())
        && first == IDLE
    {
        return runtime().block_on(idle(Path::new(&home)));
    }
    runtime().block_on(async {
        println!("{:<44} {:>14} {:>14}", "", "time", "rate");
        transfer(10_000, 1 << 10).await;
        transfer(50, 10 << 20).await;
        disk(500 << 20);
        many(100_000).await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The time for bundles to get from a node that has them to one that connects to it.
async fn transfer(bundles: u64, octets: usize) {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (new_home(folder.path(), "a"), new_home(folder.path(), "b"));
        trust(&a, &b).await;
        trust(&b, &a).await;
        let (a, b) = (Agent::start(a).await, Agent::start(b).await);
        fill(&a.home, bundles, octets).await;
        let mut at_b = Client::open(&b.home).await.unwrap();
        let began = Instant::now();
        at_b.call(Call::PeerAdd { url: a.url.clone() }).await.unwrap();
        while status(&mut at_b).await.store.bundles < bundles {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(began.elapsed());
        drop(at_b);
        a.stop().await;
        b.stop().await;
    }
    times.sort();
    let time = times.get(RUNS / 2).unwrap();
    let seconds = time.as_secs_f64();
    let all = bundles as f64 * octets as f64 / 1e6;
    let rate = format!("{:.0}/s {:.1} MB/s", bundles as f64 / seconds, all / seconds);
    row(&format!("{bundles} x {octets} octets, signed, node to node"), *time, &rate);
    println!("    runs: {times:?}");
}

/// What `dd bs=1M conv=fsync` does.
fn disk(octets: usize) {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().unwrap();
        let block: Vec<u8> =
            (0..1_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let began = Instant::now();
        let mut file = std::fs::File::create(folder.path().join("file")).unwrap();
        for _ in 0..octets / block.len() {
            file.write_all(&block).unwrap();
        }
        file.sync_all().unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    let time = times.get(RUNS / 2).unwrap();
    let rate = format!("{:.1} MB/s", octets as f64 / 1e6 / time.as_secs_f64());
    row(&format!("{octets} octets written in sequence and synced"), *time, &rate);
}

/// Opening a store with many bundles, and the memory of an idle agent on it.
async fn many(bundles: u64) {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a");
    let agent = Agent::start(home.clone()).await;
    let began = Instant::now();
    fill(&home, bundles, 256).await;
    row(&format!("{bundles} x 256 octets, sent by {SENDERS} programs"), began.elapsed(), "");
    agent.stop().await;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let client = Client::open(&home).await.unwrap();
        times.push(began.elapsed());
        client.close().await.unwrap();
    }
    times.sort();
    row(&format!("opening a store of {bundles} bundles"), *times.get(RUNS / 2).unwrap(), "");
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this).arg(IDLE).arg(home.folder()).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout).trim_end());
}

async fn idle(folder: &Path) {
    let agent = Agent::start(Home::open(folder).unwrap()).await;
    let mut client = Client::open(&agent.home).await.unwrap();
    status(&mut client).await;
    drop(client);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    println!("an idle agent: {}, {}", line("RssAnon").replace('\t', " "), line("Threads").replace('\t', " "));
    agent.stop().await;
}

fn row(what: &str, time: Duration, rate: &str) {
    println!("{what:<44} {:>12.1}ms {rate:>22}", time.as_secs_f64() * 1e3);
}

struct Agent {
    home: Home,
    url: String,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Agent {
    async fn start(home: Home) -> Self {
        let (told, ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let listen: Vec<Address> = vec!["tcp://127.0.0.1:0".parse().unwrap()];
        let options = RunOptions { listen, discovery: Discovery::Off };
        let of_agent = home.clone();
        let running = tokio::spawn(async move {
            let ready = |urls: &[String]| told.send(urls.to_vec()).unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            agent_node::run(of_agent, options, ready, stopped).await.unwrap();
        });
        let url = ready.await.unwrap().first().unwrap().clone();
        Self { home, url, stop, running }
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.running.await.unwrap();
    }
}

fn new_home(folder: &Path, name: &str) -> Home {
    Home::create(&folder.join(name), name, None).unwrap()
}

async fn trust(home: &Home, other: &Home) {
    let mut client = Client::open(home).await.unwrap();
    let call = Call::TrustAdd { node: other.node().clone(), key: other.key().public(), replace: false };
    client.call(call).await.unwrap();
    client.close().await.unwrap();
}

/// Sends bundles to another node, from several programs at once.
async fn fill(home: &Home, bundles: u64, octets: usize) {
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS as u64 {
        let home = home.clone();
        senders.spawn(async move {
            let mut client = Client::open(&home).await.unwrap();
            let order = order();
            for index in (sender..bundles).step_by(SENDERS) {
                let mut body = vec![0_u8; octets];
                body.get_mut(..8).unwrap().copy_from_slice(&index.to_be_bytes());
                client.send(&order, &body[..], Some(octets as u64), &mut |_| {}).await.unwrap();
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
}

fn order() -> Order {
    Order {
        destination: "dtn://b/inbox".parse().unwrap(),
        source_demux: String::new(),
        lifetime_ms: 86_400_000,
        metadata: Metadata::default(),
        report: Report::Nothing,
    }
}

async fn status(client: &mut Client) -> Status {
    match client.call(Call::Status).await.unwrap() {
        Reply::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}
