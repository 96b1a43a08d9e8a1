//! How fast bundles go from one node's disk to another's over loopback, what a full store costs to open, and what an idle
//! agent costs to keep.
//!
//! `cargo bench -p agent-node`, or with `-- small`, `-- large` or `-- many` one part of it. Both nodes are real: signed
//! bundles, every acknowledgement after its fsync, both ends on the same two stores' disk (`TMPDIR` chooses it) and the
//! same processors. Large bundles take turns with plain writing of as many octets to the same disk, because shared disks
//! do not keep their pace: each run is compared with the disk as it was a moment before. A virtual machine gives free
//! memory back to its host, and its first use after that takes longer than the disk does; so every measurement of octets
//! that are new to the disk begins after a pause, and shows beside it what the disk does with pages that are in memory.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops where it cannot go on"
)]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded anyway")]

use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use agent_node::{
    Address, Call, Client, CustodyTransfer, Discovery, Home, Order, Reply, Report, RunOptions, Status,
};
use bundle_format::Metadata;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Runs of each measurement; the middle one counts.
const RUNS: usize = 5;
/// As long as it takes until free memory was given back.
const PAUSE: Duration = Duration::from_secs(4);
/// Octets between two syncs where the disk is measured as the writer uses it: what one transaction takes at most.
const COMMIT_OCTETS: usize = 4 << 20;
/// Local programs that fill a store at the same time, so that their bundles share fsyncs.
const SENDERS: usize = 32;
/// The argument with which this program runs an idle agent in a process of its own.
const IDLE: &str = "--idle-agent";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [first, home] = arguments.as_slice()
        && first == IDLE
    {
        return runtime().block_on(idle(Path::new(home)));
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    runtime().block_on(async {
        println!("{:<48} {:>12} {:>22}", "", "time", "rate");
        if wanted("small") {
            small(10_000, 1 << 10).await;
        }
        if wanted("large") {
            large(50, 10 << 20).await;
        }
        if wanted("many") {
            many(100_000).await;
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Many small bundles from node to node.
async fn small(bundles: u64, octets: usize) {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(transfer(bundles, octets).await.0);
    }
    let time = middle(&times);
    let per_second = bundles as f64 / time.as_secs_f64();
    let rate = format!("{per_second:.0}/s {:.1} MB/s", per_second * octets as f64 / 1e6);
    row(&format!("{bundles} x {octets} octets, signed, node to node"), time, &rate);
}

/// A few large bundles from node to node, in turns with the disk by itself.
async fn large(bundles: u64, octets: usize) {
    let all = octets * usize::try_from(bundles).unwrap();
    let (mut new, mut again, mut often, mut sent) = (vec![], vec![], vec![], vec![]);
    let (mut shares, mut worked) = (vec![], vec![]);
    for _ in 0..RUNS {
        often.push(write(all, COMMIT_OCTETS).0);
        let (disk, in_memory) = write(all, all);
        let (transferred, work) = transfer(bundles, octets).await;
        shares.push(disk.as_secs_f64() / transferred.as_secs_f64());
        new.push(disk);
        again.push(in_memory);
        sent.push(transferred);
        worked.push(work);
    }
    for (what, times) in [
        (format!("{all} octets written, synced at the end"), new),
        ("    the same again, over pages in memory".to_owned(), again),
        (format!("{all} octets written, synced each {COMMIT_OCTETS}"), often),
        (format!("{bundles} x {octets} octets, signed, node to node"), sent),
    ] {
        let time = middle(&times);
        row(&what, time, &format!("{:.1} MB/s", all as f64 / 1e6 / time.as_secs_f64()));
        println!("    runs: {times:.2?}");
    }
    shares.sort_by(f64::total_cmp);
    println!("    of the disk's rate, synced at the end: {shares:.2?}");
    println!("    processor time of both nodes: {:.2?}", middle(&worked));
}

/// The time for bundles to get from a node that has them to one that connects to it, and what processors worked on it.
async fn transfer(bundles: u64, octets: usize) -> (Duration, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (new_home(folder.path(), "a"), new_home(folder.path(), "b"));
    trust(&a, &b).await;
    trust(&b, &a).await;
    let (a, b) = (Agent::start(a).await, Agent::start(b).await);
    fill(&a.home, bundles, octets).await;
    let mut at_b = Client::open(&b.home).await.unwrap();
    std::thread::sleep(PAUSE);
    let (began, worked) = (Instant::now(), processor_time());
    at_b.call(Call::PeerAdd { url: a.url.clone() }).await.unwrap();
    while status(&mut at_b).await.store.bundles < bundles {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (time, worked) = (began.elapsed(), processor_time().saturating_sub(worked));
    drop(at_b);
    a.stop().await;
    b.stop().await;
    (time, worked)
}

/// The times to write so many octets to a new file in sequence, and to write them there again. They are synced whenever
/// `each` of them are written: with all of them what `dd bs=4M conv=fdatasync` does.
fn write(octets: usize, each: usize) -> (Duration, Duration) {
    let mut file = tempfile::tempfile().unwrap();
    let block = noise(COMMIT_OCTETS);
    std::thread::sleep(PAUSE);
    let mut once = || {
        let began = Instant::now();
        file.rewind().unwrap();
        for written in (block.len()..=octets).step_by(block.len()) {
            file.write_all(&block).unwrap();
            if written % each == 0 {
                file.sync_data().unwrap();
            }
        }
        began.elapsed()
    };
    (once(), once())
}

/// Octets that no disk can make small.
fn noise(octets: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = Vec::with_capacity(octets + 8);
    while noise.len() < octets {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&state.to_be_bytes());
    }
    noise.truncate(octets);
    noise
}

/// What processors have worked for this process.
fn processor_time() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(clock).unwrap()
}

fn middle(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    *times.get(RUNS / 2).unwrap()
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
    row(&format!("opening a store of {bundles} bundles"), middle(&times), "");
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
    println!("{what:<48} {:>12.1}ms {rate:>22}", time.as_secs_f64() * 1e3);
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
                let mut body = noise(octets);
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
        custody: CustodyTransfer::Wanted,
    }
}

async fn status(client: &mut Client) -> Status {
    match client.call(Call::Status).await.unwrap() {
        Reply::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}
