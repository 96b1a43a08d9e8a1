//! A node without links: its store open, its writer running. `run.rs` adds links and a socket; a client without an agent
//! talks to it directly.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use agent_core::config::Config;
use agent_core::store::{Store, StoreError, StoreOptions};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, ClockRecord};
use crate::contacts::Contacts;
use crate::driver::{Driver, DriverError, Inputs, Outlets};
use crate::home::{Home, HomeError, HomeLock};
use crate::leases::Leases;
use crate::links::Peers;
use crate::news::News;
use crate::node::{Ground, Node};
use crate::proving::Prover;
use crate::verification::Verification;

/// How often the clock's record is written while the node runs: a reboot without a trusted clock forgets that much.
const CLOCK_WRITTEN_EVERY: Duration = Duration::from_secs(600);

/// How often to look whether everybody has let go of the store, and how long.
const LETTING_GO: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// A node cannot work.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Its folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its store.
    #[error("the store in {}: {error}", folder.display())]
    Store {
        /// Where it is.
        folder: PathBuf,
        /// What is wrong.
        error: StoreError,
    },
    /// Its writer.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

/// A working node.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) node: Arc<Node>,
    driver: Option<Driver>,
    clock_file: PathBuf,
    // Given back last.
    lock: Option<HomeLock>,
}

impl Engine {
    /// Opens the store and starts the writer, which decides as `config` says.
    pub(crate) fn start(home: &Home, lock: HomeLock, config: Config) -> Result<Self, EngineError> {
        let folder = home.store_folder();
        let fail = |error| EngineError::Store { folder: folder.clone(), error };
        let store = Store::open(&folder, &StoreOptions::default()).map_err(fail)?;
        let clock_file = home.folder().join("clock");
        let clock = settle(&store, home, &clock_file).map_err(fail)?;

        let ground = Ground { config: Arc::new(config), clock: Arc::new(clock), store: Arc::new(store) };
        let verification = Verification::start(&ground).map_err(DriverError::Thread)?;
        let (queue, inputs_taken) = mpsc::channel();
        let inputs = Inputs::new(queue);
        let node = Arc::new(Node {
            ground: ground.clone(),
            settings: home.config().clone(),
            inputs: inputs.clone(),
            contacts: Arc::new(Contacts::new(home.node().clone())),
            news: Arc::new(News::new()),
            rooms: Arc::default(),
            verification,
            peers: Peers::default(),
            leases: Leases::default(),
            started: Instant::now(),
            listening: OnceLock::new(),
            contact_ids: AtomicU64::new(1),
            cut_off: CancellationToken::new(),
        });
        let prover = Prover::start(&ground, inputs.clone()).map_err(DriverError::Thread)?;
        let outlets = Outlets {
            inputs,
            prover,
            contacts: Arc::clone(&node.contacts),
            news: Arc::clone(&node.news),
            rooms: Arc::clone(&node.rooms),
        };
        let driver = Driver::start(ground, inputs_taken, outlets)?;
        Ok(Self { node, driver: Some(driver), clock_file, lock: Some(lock) })
    }

    /// Waits for the writer's end, which comes only by [`Engine::stop`] or by a fault; keeps the clock's record meanwhile.
    pub(crate) async fn ended(&mut self) -> Result<(), DriverError> {
        let Some(driver) = &mut self.driver else { return Ok(()) };
        let mut interval = tokio::time::interval(CLOCK_WRITTEN_EVERY);
        loop {
            tokio::select! {
                outcome = driver.ended() => return outcome,
                _ = interval.tick() => write_clock(&self.clock_file, &self.node.clock),
            }
        }
    }

    /// Lets the writer finish what is queued, and gives the home back.
    pub(crate) async fn stop(mut self) -> Result<(), DriverError> {
        self.node.inputs.stop();
        let Some(mut driver) = self.driver.take() else { return Ok(()) };
        let outcome = driver.ended().await;
        driver.join();
        write_clock(&self.clock_file, &self.node.clock);
        let lock = self.lock.take();
        let store = Arc::downgrade(&self.node.store);
        drop(self);
        // Tasks that were told to end, and looks into the store, let go of it within moments.
        let closed = async {
            while store.strong_count() > 0 {
                tokio::time::sleep(LETTING_GO).await;
            }
        };
        if tokio::time::timeout(PATIENCE, closed).await.is_err() {
            tracing::warn!("something still reads the store");
        }
        drop(lock);
        outcome
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.node.inputs.stop();
            // A few milliseconds: the lock must not be given back while the writer still writes.
            driver.join();
        }
    }
}

/// Brings an opened store into the state that the writer expects, and finds out what time it is.
fn settle(store: &Store, home: &Home, clock_file: &Path) -> Result<Clock, StoreError> {
    let mut txn = store.write()?;
    let settings = txn.view().settings()?;
    let record = read_clock(clock_file);
    let clock = Clock::resume(home.config().clock, record.as_ref(), settings.node_time);
    if settings.incarnation == 0 || store.rolled_back() {
        if store.rolled_back() {
            tracing::error!(
                "the store is older than it was, or a copy: a backup was put back, the home was copied to another place, or the \
                 disk lost what it had promised; neighbors are told to forget what this node had"
            );
            txn.raise_epoch();
        }
        txn.new_incarnation(random_incarnation()?);
    }
    let leftovers = txn.abandon_leftovers()?;
    if leftovers > 0 {
        tracing::info!(
            leftovers,
            "bundles that were under way when the agent ended were dropped; they will come again"
        );
    }
    txn.set_node(home.node());
    txn.set_node_time(clock.now().node);
    txn.commit()?;
    Ok(clock)
}

fn random_incarnation() -> Result<u32, StoreError> {
    // 0 means that none was drawn.
    let drawn = getrandom::u32().map_err(|error| StoreError::Io(std::io::Error::other(error.to_string())))?;
    Ok(drawn.max(1))
}

fn read_clock(file: &Path) -> Option<ClockRecord> {
    ClockRecord::from_line(&std::fs::read_to_string(file).ok()?)
}

/// The record is moved into its place whole, and not synced: losing it costs no more than not having written it.
fn write_clock(file: &Path, clock: &Clock) {
    let new = file.with_extension("new");
    let written = std::fs::write(&new, clock.record().to_line()).and_then(|()| std::fs::rename(&new, file));
    if let Err(error) = written {
        tracing::warn!(%error, "the clock's record could not be written");
    }
}
