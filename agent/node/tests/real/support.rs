//! Real nodes in one process, joined over loopback.

use std::path::Path;
use std::time::Duration;

use agent_node::{
    Address, Call, Client, CustodyTransfer, Delivery, Discovery, Home, Order, Part, Reply, Report, RunError,
    RunOptions, Sent, Status,
};
use bundle_format::{Eid, Metadata, Priority};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running agent with a home of its own.
pub(crate) struct Node {
    pub(crate) home: Home,
    pub(crate) urls: Vec<String>,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    agent: JoinHandle<Result<(), RunError>>,
}

impl Node {
    /// Makes a home and starts its agent on a free port of loopback.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, "").await
    }

    /// The same with more lines in `config.toml`.
    pub(crate) async fn start_with(name: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = new_home(folder.path(), name, config);
        Self::run(folder, home).await
    }

    /// Makes a home and starts its agent where it is told to listen.
    pub(crate) async fn start_at(name: &str, address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = new_home(folder.path(), name, "");
        Self::run_at(folder, home, address.parse().unwrap()).await
    }

    /// Starts the agent of a home.
    pub(crate) async fn run(folder: TempDir, home: Home) -> Self {
        Self::run_at(folder, home, loopback()).await
    }

    async fn run_at(folder: TempDir, home: Home, address: Address) -> Self {
        let (told, ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let options = RunOptions { listen: vec![address], discovery: Discovery::Off };
        let ready_to = |urls: &[String]| told.send(urls.to_vec()).unwrap();
        let running = home.clone();
        let agent = tokio::spawn(async move {
            agent_node::run(running, options, ready_to, async {
                let _ = stopped.await;
            })
            .await
        });
        let Ok(urls) = ready.await else { panic!("the agent did not start: {:?}", agent.await) };
        Self { home, urls, folder, stop, agent }
    }

    /// Stops the agent in an orderly way and keeps the home.
    pub(crate) async fn stop(self) -> (TempDir, Home) {
        let _ = self.stop.send(());
        self.agent.await.unwrap().unwrap();
        (self.folder, self.home)
    }

    /// Stops the agent and starts it again.
    pub(crate) async fn restart(self) -> Self {
        let (folder, home) = self.stop().await;
        Self::run(folder, home).await
    }

    pub(crate) async fn client(&self) -> Client {
        let client = Client::open(&self.home).await.unwrap();
        assert!(client.is_agent());
        client
    }

    /// The URL at which this node is reached over loopback.
    pub(crate) fn url(&self) -> String {
        self.urls[0].clone()
    }

    pub(crate) async fn peer_with(&self, other: &Self) {
        let mut client = self.client().await;
        client.call(Call::PeerAdd { url: other.url() }).await.unwrap();
    }

    /// Waits until this node's status is as wanted. It is asked again and again: the local socket tells of bundles that were
    /// carried or delivered, but not of all else that tests wait for.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let mut client = self.client().await;
        let waiting = async {
            loop {
                let status = status(&mut client).await;
                if is_so(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("it never came about that {what}"))
    }
}

pub(crate) fn loopback() -> Address {
    "tcp://127.0.0.1:0".parse().unwrap()
}

pub(crate) fn new_home(folder: &Path, name: &str, config: &str) -> Home {
    let home = Home::create(folder, name, None).unwrap();
    if config.is_empty() {
        return home;
    }
    let file = home.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "\n" + config).unwrap();
    Home::open(home.folder()).unwrap()
}

/// Each trusts the other's key.
pub(crate) async fn trust_each_other(nodes: &[&Node]) {
    for a in nodes {
        let mut client = a.client().await;
        for b in nodes {
            let call =
                Call::TrustAdd { node: b.home.node().clone(), key: b.home.key().public(), replace: false };
            client.call(call).await.unwrap();
        }
    }
}

pub(crate) async fn status(client: &mut Client) -> Status {
    match client.call(Call::Status).await.unwrap() {
        Reply::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn order(destination: &str, file_name: &str) -> Order {
    Order {
        destination: destination.parse::<Eid>().unwrap(),
        source_demux: String::new(),
        lifetime_ms: 3_600_000,
        metadata: Metadata {
            file_name: Some(file_name.to_owned()),
            media_type: None,
            priority: Priority::Normal,
            record: None,
        },
        report: Report::Nothing,
        custody: CustodyTransfer::Wanted,
    }
}

pub(crate) async fn send(client: &mut Client, destination: &str, body: &[u8]) -> Sent {
    client.send(&order(destination, "a file"), body, Some(body.len() as u64), &mut |_| {}).await.unwrap()
}

pub(crate) async fn next(client: &mut Client, endpoint: &str) -> Delivery {
    let endpoint: Eid = endpoint.parse().unwrap();
    client.next(&endpoint, Some(PATIENCE)).await.unwrap().expect("a bundle comes")
}

/// Receives one bundle, checks its contents and consumes it.
pub(crate) async fn receive(client: &mut Client, endpoint: &str, expected: &[u8]) -> Delivery {
    let delivery = next(client, endpoint).await;
    let body = client.read(delivery.bundle.id, Part::Payload).await.unwrap();
    assert_eq!(body.octets(), expected.len() as u64);
    let octets = body.collect(1 << 30).await.unwrap();
    assert!(octets == expected, "the contents are those that were sent");
    client.consume(&delivery).await.unwrap();
    delivery
}

/// Octets that do not repeat and compress badly.
pub(crate) fn noise(octets: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(octets + 8);
    while noise.len() < octets {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(octets);
    noise
}

/// Some public key.
pub(crate) fn key(seed: u8) -> bundle_format::PublicKey {
    bundle_format::NodeKey::from_seed([seed; 32]).public()
}
