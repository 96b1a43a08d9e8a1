//! A node: a real store in a folder, a real agent, and the same three steps as the real driver: take what is there into
//! one transaction, commit, then see to the outputs.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use agent_core::Agent;
use agent_core::config::Config;
use agent_core::input::{ContactId, Input, Ticket, TransferId};
use agent_core::output::Output;
use agent_core::request::RequestId;
use agent_core::store::{Number, Store, StoreError};
use bundle_format::{BundleId, CheckedBundle};
use bytes::Bytes;

use crate::clock::Clock;
use crate::docking::Errand;
use crate::full_disk::{FullDisk, Rooms};
use crate::ledger::{Delivery, OrderNumber};
use crate::plan::Millis;
use crate::sabotage::Sabotage;

/// Steps without room in a row after which the real driver gives up (`agent-node`).
const FAILURES_MAX: u32 = 3;

/// A node that runs our agent.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    folder: PathBuf,
    disk: Option<FullDisk>,
    /// It runs on a backup that was put back, and does not know yet.
    is_put_back: bool,
    /// Steps in a row that failed because there was no room.
    failures: u32,
    incarnation: u32,
    /// `None` while it is without power.
    pub(crate) running: Option<Running>,
    /// How often it was started.
    pub(crate) life: u32,
    /// When power was lost.
    down_since: Millis,
    /// When it came back.
    pub(crate) up_since: Millis,
    /// Most inputs that share a transaction.
    pub(crate) batch_max: usize,
}

/// What a node has while it has power.
#[derive(Debug)]
pub(crate) struct Running {
    // Before the store, so that it is dropped before it.
    pub(crate) agent: Agent,
    pub(crate) store: Store,
    inbox: VecDeque<Input>,
    /// When the next step is due.
    pub(crate) step_at: Option<Millis>,
    pub(crate) requests: BTreeMap<RequestId, Asked>,
    last_request: RequestId,
    pub(crate) staging: BTreeMap<Ticket, Staging>,
    last_ticket: Ticket,
    rooms: Rooms,
    /// Transfers that arrived and were or will be answered.
    pub(crate) received: BTreeMap<(ContactId, TransferId), Received>,
    /// Steps in a row that nothing but a timeout called for, each within a millisecond of the one before.
    pub(crate) idle_steps: u32,
    stepped_at: Millis,
    pub(crate) steps: u64,
}

/// What a request was for.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// An order, all at once.
    Transmit(OrderNumber),
    /// Room for an order.
    Begin(OrderNumber),
    /// The last step of such an order.
    Finish(OrderNumber),
    /// An application has a bundle.
    Consume(Delivery),
    /// A setting.
    Chore(usize),
    /// Something for a drive that is docked.
    Drive {
        /// Which.
        number: usize,
        /// What.
        errand: Errand,
    },
}

/// A received bundle that waits for room in the store.
#[derive(Debug)]
pub(crate) struct Staging {
    pub(crate) contact: ContactId,
    pub(crate) transfer: TransferId,
    pub(crate) bundle: Box<CheckedBundle>,
    pub(crate) payload: Bytes,
}

/// What a transfer brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) id: BundleId,
    pub(crate) order: Option<OrderNumber>,
    /// It is as its source made it, and not a copy that was disturbed on its way.
    pub(crate) genuine: bool,
    /// Nobody is promised to find it in the store: a contact message, or a record for the node itself.
    pub(crate) passing: bool,
}

/// Whether a step goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Survives,
    DiesBeforeCommit,
    DiesAfterCommit,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) enum Stepped {
    /// Everything is on disk; these outputs are to be seen to.
    Outputs(Vec<Output>),
    /// Power was lost; with these outputs already out, which only a driver that is wrong lets happen.
    Died(Vec<Output>),
}

impl Node {
    pub(crate) fn new(
        (config, clock): (Arc<Config>, Clock),
        (folder, disk): (PathBuf, Option<FullDisk>),
        (batch_max, incarnation): (usize, u32),
    ) -> Self {
        Self {
            config,
            clock,
            folder,
            disk,
            is_put_back: false,
            failures: 0,
            incarnation,
            running: None,
            life: 0,
            down_since: 0,
            up_since: 0,
            batch_max,
        }
    }

    /// Power comes back: opens the store and the agent. Answers how much time passed that the node did not notice.
    pub(crate) fn start(&mut self, at: Millis, seed: [u8; 32]) -> Result<u64, StoreError> {
        let unnoticed = self.clock.slept(self.down_since, at);
        let now = self.clock.now(at);
        let small = self.disk.filter(|disk| at < disk.until).map(|disk| disk.octets);
        let store = crate::disk::open(&self.folder, self.incarnation, small)?;
        if std::mem::take(&mut self.is_put_back) {
            self.incarnation = crate::disk::begin_anew(&store, seed)?;
        }
        let agent = Agent::open(Arc::clone(&self.config), seed, now, store.read()?.view())?;
        self.life += 1;
        self.up_since = at;
        self.running = Some(Running {
            agent,
            store,
            inbox: VecDeque::new(),
            step_at: None,
            requests: BTreeMap::new(),
            last_request: 0,
            staging: BTreeMap::new(),
            last_ticket: 0,
            rooms: Rooms::default(),
            idle_steps: 0,
            stepped_at: 0,
            steps: 0,
            received: BTreeMap::new(),
        });
        Ok(unnoticed)
    }

    /// Copies the store as it is.
    pub(crate) fn save(&self) -> std::io::Result<()> {
        crate::disk::save(&self.folder)
    }

    /// Puts the copy in the place of the store.
    pub(crate) fn put_back(&mut self, sabotage: Sabotage) -> std::io::Result<()> {
        assert!(self.running.is_none(), "nobody replaces a store that is open");
        self.is_put_back = sabotage != Sabotage::BackupIsNotNoticed;
        crate::disk::put_back(&self.folder)
    }

    /// Power is lost.
    pub(crate) fn stop(&mut self, at: Millis) {
        self.running = None;
        self.down_since = at;
    }

    /// Takes what lies in the inbox into one transaction. Where there is no room for what must be written, nothing of it is kept,
    /// and the agent is opened again; not again and again.
    pub(crate) fn step(&mut self, at: Millis, fate: Fate, sabotage: Sabotage) -> Result<Stepped, StoreError> {
        match self.try_step(at, fate, sabotage) {
            Err(error) if error.is_full() && self.failures + 1 < FAILURES_MAX => {
                self.failures += 1;
                Ok(Stepped::Died(Vec::new()))
            }
            Err(error) => Err(error),
            Ok(stepped) => {
                self.failures = 0;
                Ok(stepped)
            }
        }
    }

    fn try_step(&mut self, at: Millis, fate: Fate, sabotage: Sabotage) -> Result<Stepped, StoreError> {
        let now = self.clock.now(at);
        let running = self.running.as_mut().expect("only nodes with power take steps");
        let inputs = running.take_inputs(self.batch_max, at);
        if self.disk.is_some_and(|disk| at >= disk.until) {
            crate::disk::grow(&mut running.store)?;
        }
        let mut txn = running.store.write()?;
        let mut turned_away = Vec::new();
        for input in inputs {
            let Some(input) = running.rooms.admit(input, &running.staging, &txn, &mut turned_away) else {
                continue;
            };
            running.agent.handle(now, input, &mut txn)?;
        }
        if sabotage == Sabotage::FullDiskIsDenied {
            deny(&mut turned_away);
        }
        let mut premature = Vec::new();
        if sabotage == Sabotage::OutputsBeforeCommit {
            premature = drain(&mut running.agent);
        }
        if fate == Fate::DiesBeforeCommit {
            return Ok(Stepped::Died(premature));
        }
        if running.steps % 50 == 49 {
            sabotage.tamper(&mut txn)?;
        }
        txn.commit()?;
        if fate == Fate::DiesAfterCommit {
            return Ok(Stepped::Died(premature));
        }
        premature.extend(turned_away);
        premature.extend(drain(&mut running.agent));
        Ok(Stepped::Outputs(premature))
    }

    /// When the agent wants to be woken, in the world's time.
    pub(crate) fn timeout(&self) -> Option<Millis> {
        let running = self.running.as_ref()?;
        running.agent.poll_timeout().map(|time| self.clock.in_world(time))
    }
}

impl Running {
    pub(crate) fn put(&mut self, input: Input) {
        self.inbox.push_back(input);
    }

    pub(crate) fn has_inputs(&self) -> bool {
        !self.inbox.is_empty()
    }

    pub(crate) fn request(&mut self, request: agent_core::request::Request, asked: Asked) {
        self.last_request += 1;
        self.requests.insert(self.last_request, asked);
        self.put(Input::Requested { id: self.last_request, request });
    }

    /// Asks for room for a payload that is too large for memory.
    pub(crate) fn stage(&mut self, staging: Staging) {
        self.last_ticket += 1;
        self.staging.insert(self.last_ticket, staging);
        self.put(Input::StagingRequested { ticket: self.last_ticket });
    }

    /// The pieces of a staged payload.
    pub(crate) fn put_chunks(&mut self, number: Number, payload: &Bytes) {
        let size = agent_core::store::CHUNK_OCTETS;
        for (index, at) in (0..).zip((0..payload.len()).step_by(size)) {
            let octets = payload.slice(at..(at + size).min(payload.len()));
            self.put(Input::ChunkArrived { number, index, octets });
        }
    }

    fn take_inputs(&mut self, most: usize, at: Millis) -> Vec<Input> {
        self.steps += 1;
        let rushed = at <= self.stepped_at + 1;
        self.stepped_at = at;
        self.step_at = None;
        let count = self.inbox.len().min(most);
        if count > 0 {
            self.idle_steps = 0;
            return self.inbox.drain(..count).collect();
        }
        self.idle_steps = if rushed { self.idle_steps + 1 } else { 0 };
        vec![Input::TimeoutReached]
    }
}

/// A driver that says that it has what it had no room for.
fn deny(turned_away: &mut [Output]) {
    for output in turned_away {
        if let Output::Refuse { contact, transfer, .. } = *output {
            *output = Output::Accept { contact, transfer };
        }
    }
}

fn drain(agent: &mut Agent) -> Vec<Output> {
    std::iter::from_fn(|| agent.poll_output()).collect()
}
