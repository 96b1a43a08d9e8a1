//! The writer: one thread that owns the agent and the right to write to the store.
//!
//! It waits for inputs or the next timeout, takes as many as are there up to a bound, has the agent take a step for each
//! in one transaction, commits (one fsync), and only then does what the agent wants done. So nothing is said before what
//! it says is on disk. Where the store fails, the transaction and all that the agent wanted are dropped, contacts are
//! ended, and the agent is opened again from what the disk has.

mod inputs;
mod outputs;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent_core::Agent;
use agent_core::input::Input;
use agent_core::request::Request;
use agent_core::store::{PayloadPlace, StoreError, WriteTxn};
use agent_core::time::NodeTime;
use bundle_format::CheckedBundle;
use thiserror::Error;
use tokio::sync::oneshot;

pub use self::inputs::Lost;
use self::inputs::{Askers, Permits, Posted};
pub(crate) use self::inputs::{Inputs, Room};
pub(crate) use self::outputs::{LostRooms, Outlets, refusal_reason};
use crate::node::Ground;

/// Inputs in one transaction: at 1 KiB a bundle the fsync costs a small part of the work.
const BATCH_INPUTS_MAX: usize = 512;
/// Octets of payload in one transaction.
const BATCH_OCTETS_MAX: usize = 4 << 20;
/// How long an input that nobody waits for may wait for company: an fsync is worth more than that.
const COMPANY: Duration = Duration::from_millis(5);
/// As much company as makes it worth an fsync.
const COMPANY_INPUTS: usize = 64;
/// Failures of the store in a row, without a commit between them, after which the process ends.
const FAILURES_MAX: u32 = 3;
/// The thread's stack: the agent's deepest step is a parser without recursion.
const STACK_OCTETS: usize = 1 << 20;

/// Why the writer ended.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The store fails again and again.
    #[error("the store failed {FAILURES_MAX} times in a row: {0}")]
    Store(#[from] StoreError),
    /// The writer's thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The writer's thread panicked: a fault of ours. The disk has all that was ever acknowledged.
    #[error(
        "the writer stopped by a fault in packmule; what was acknowledged is safe. Start it again, and please report this"
    )]
    Panicked,
}

/// The running writer.
#[derive(Debug)]
pub(crate) struct Driver {
    thread: JoinHandle<()>,
    /// Completes when the thread has ended; an error of the channel means that it panicked.
    ended: oneshot::Receiver<Result<(), DriverError>>,
}

impl Driver {
    /// Opens the agent and starts the thread.
    pub(crate) fn start(
        ground: Ground,
        queue: Receiver<Posted>,
        outlets: Outlets,
    ) -> Result<Self, DriverError> {
        let agent = open_agent(&ground)?;
        let (report, ended) = oneshot::channel();
        let mut writer = Writer { ground, queue, outlets, agent, failures: 0, has_lost_pieces: false };
        let run = move || {
            let outcome = writer.run();
            writer.outlets.close();
            // Where nobody asks any more, nobody needs to know.
            let _ = report.send(outcome);
        };
        let thread = std::thread::Builder::new().name("writer".into()).stack_size(STACK_OCTETS).spawn(run)?;
        Ok(Self { thread, ended })
    }

    /// Waits for the end of the writer; safe to cancel.
    pub(crate) async fn ended(&mut self) -> Result<(), DriverError> {
        (&mut self.ended).await.unwrap_or(Err(DriverError::Panicked))
    }

    /// Waits for the thread itself, which is over but for its last instructions.
    pub(crate) fn join(self) {
        // A panic was reported by `ended`.
        let _ = self.thread.join();
    }
}

fn open_agent(ground: &Ground) -> Result<Agent, StoreError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StoreError::Io(std::io::Error::other(error.to_string())))?;
    let txn = ground.store.read()?;
    Agent::open(Arc::clone(&ground.config), seed, ground.clock.now(), txn.view())
}

struct Writer {
    ground: Ground,
    queue: Receiver<Posted>,
    outlets: Outlets,
    agent: Agent,
    failures: u32,
    /// The last step was not kept: stagings may lack pieces, and are to be given up.
    has_lost_pieces: bool,
}

/// What is taken into one transaction.
#[derive(Default)]
struct Batch {
    inputs: Vec<Input>,
    permits: Vec<Permits>,
    octets: usize,
    last: bool,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.last || self.inputs.len() >= BATCH_INPUTS_MAX || self.octets >= BATCH_OCTETS_MAX
    }

    fn take(&mut self, posted: Posted) {
        match posted {
            Posted::Input(input, permits) => {
                self.octets += octets(&input);
                self.inputs.push(*input);
                self.permits.push(permits);
            }
            Posted::Stop => self.last = true,
        }
    }

    /// Whether nobody waits for what these inputs lead to.
    fn can_wait(&self) -> bool {
        self.inputs.len() < COMPANY_INPUTS
            && self.inputs.iter().all(|input| matches!(input, Input::SendSettled { .. }))
    }
}

fn octets(input: &Input) -> usize {
    match input {
        Input::ChunkArrived { octets, .. } | Input::TransferBroken { octets, .. } => octets.len(),
        Input::BundleReceived { bundle, .. } => bundle.payload().map_or(0, bytes::Bytes::len),
        _ => 0,
    }
}

impl Writer {
    fn run(&mut self) -> Result<(), DriverError> {
        loop {
            let batch = self.gather();
            let (last, askers) = (batch.last, Askers::of(&batch.inputs));
            match self.step(batch) {
                Ok(()) => self.failures = 0,
                Err(error) => self.recover(error, askers)?,
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Waits for the first input or the next timeout, then takes what else is there.
    fn gather(&self) -> Batch {
        let mut batch = Batch::default();
        match self.until_timeout() {
            Some(Duration::ZERO) => {}
            Some(wait) => self.wait_for_one(&mut batch, wait),
            None => match self.queue.recv() {
                Ok(posted) => batch.take(posted),
                Err(_) => batch.last = true,
            },
        }
        self.take_what_is_there(&mut batch);
        if !batch.inputs.is_empty() && batch.can_wait() && !batch.is_full() {
            self.wait_for_company(&mut batch);
        }
        if batch.inputs.is_empty() {
            batch.inputs.push(Input::TimeoutReached);
        }
        batch
    }

    fn until_timeout(&self) -> Option<Duration> {
        let due: NodeTime = self.agent.poll_timeout()?;
        Some(Duration::from_millis(due.since_ms(self.ground.clock.now().node)))
    }

    fn wait_for_one(&self, batch: &mut Batch, wait: Duration) {
        match self.queue.recv_timeout(wait) {
            Ok(posted) => batch.take(posted),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => batch.last = true,
        }
    }

    fn take_what_is_there(&self, batch: &mut Batch) {
        while !batch.is_full() {
            match self.queue.try_recv() {
                Ok(posted) => batch.take(posted),
                Err(_) => return,
            }
        }
    }

    fn wait_for_company(&self, batch: &mut Batch) {
        let until = Instant::now() + COMPANY;
        while batch.can_wait() && !batch.is_full() {
            match self.queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(posted) => batch.take(posted),
                Err(_) => return,
            }
        }
        self.take_what_is_there(batch);
    }

    /// One transaction: every input, one commit, then every output.
    fn step(&mut self, batch: Batch) -> Result<(), StoreError> {
        let now = self.ground.clock.now();
        let mut txn = self.ground.store.write()?;
        if self.has_lost_pieces {
            txn.abandon_leftovers()?;
        }
        for input in batch.inputs {
            let input = if self.fits(&input, &txn) { Some(input) } else { self.outlets.turn_away(input) };
            if let Some(input) = input {
                self.agent.handle(now, input, &mut txn)?;
            }
        }
        txn.set_node_time(now.node);
        txn.commit()?;
        self.has_lost_pieces = false;
        drop(batch.permits);
        while let Some(output) = self.agent.poll_output() {
            self.outlets.put(output);
        }
        Ok(())
    }

    /// Whether an input can be taken in without touching the room that deletions need.
    fn fits(&self, input: &Input, txn: &WriteTxn<'_>) -> bool {
        match room_needed(input) {
            Some(octets) => txn.has_room_for(octets) && !self.outlets.rooms.is_lost(input),
            None => true,
        }
    }

    /// The store failed: nothing of the step was kept, and what the agent remembers of it is wrong.
    fn recover(&mut self, error: StoreError, askers: Askers) -> Result<(), DriverError> {
        self.failures += 1;
        self.has_lost_pieces = true;
        tracing::error!(%error, "the store failed; contacts are ended and the agent is opened again");
        self.outlets.store_failed(&error, askers);
        if self.failures >= FAILURES_MAX {
            return Err(error.into());
        }
        self.agent = open_agent(&self.ground)?;
        if let Some(number) = error.damaged_bundle() {
            self.step(Batch { inputs: vec![Input::RecordDamaged { number }], ..Batch::default() })?;
        }
        Ok(())
    }
}

/// How much room an input that can be refused needs; `None` for one that must be taken in whatever happens.
fn room_needed(input: &Input) -> Option<u64> {
    match input {
        // What neighbors say to each other is not stored: a full node still gives away what it has.
        Input::BundleReceived { bundle, .. }
            if bundle.head().primary().destination == agent_core::contact_endpoint() =>
        {
            None
        }
        Input::BundleReceived { bundle, payload, .. } => Some(room_of_bundle(bundle, *payload)),
        Input::StagingRequested { .. } => Some(0),
        Input::ChunkArrived { octets, .. } => Some(octets.len() as u64),
        Input::Requested { request, .. } => match request {
            Request::Transmit { payload, .. } => Some(payload.len() as u64),
            Request::BeginTransmission { payload_octets, .. } => Some(*payload_octets),
            Request::FinishTransmission { bundle, number } => {
                Some(room_of_bundle(bundle, PayloadPlace::Staged(*number)))
            }
            Request::Import { bundle, payload, .. } => Some(room_of_bundle(bundle, *payload)),
            _ => None,
        },
        _ => None,
    }
}

fn room_of_bundle(bundle: &CheckedBundle, payload: PayloadPlace) -> u64 {
    match payload {
        PayloadPlace::Inline => bundle.octets(),
        PayloadPlace::Staged(_) => bundle.head().bytes().len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundle_format::{BundleFlags, CreationTimestamp, DtnTime, Eid, NewBundle, Profile};

    fn received(destination: Eid) -> Input {
        let draft = NewBundle {
            destination,
            source: Eid::dtn("a", "").unwrap(),
            report_to: Eid::Null,
            creation: CreationTimestamp { time: DtnTime(1), sequence: 1 },
            lifetime_ms: 1,
            flags: BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: None,
            hop_limit: None,
            metadata: None,
        };
        let bundle = Box::new(draft.unsigned(&Profile::default(), vec![0; 100].into()).unwrap());
        Input::BundleReceived { contact: 1, transfer: 1, bundle, payload: PayloadPlace::Inline }
    }

    #[test]
    fn a_full_node_still_listens_to_its_neighbors() {
        assert!(room_needed(&received(Eid::dtn("b", "inbox").unwrap())).is_some());
        assert_eq!(room_needed(&received(agent_core::contact_endpoint())), None);
    }
}
