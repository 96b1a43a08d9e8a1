//! Bundles in memory, looked at off the writer's thread: first the cheap questions of admission, then hash and signature.
//!
//! As many threads as there are processors. Each takes what waits, a batch at a time, so that one look into the store
//! serves many bundles under load. The queue is bounded by the octets that contacts may have under way.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use agent_core::admission;
use agent_core::refusal::Refusal;
use agent_core::store::StoreError;
use bundle_format::{Bundle, CheckedBundle};
use tokio::sync::oneshot;

use crate::node::Ground;

/// Bundles that one thread takes at a time: about a millisecond of signatures.
const BATCH: usize = 32;
/// A thread's stack: parsers here do not recurse.
const STACK_OCTETS: usize = 512 << 10;

/// What came of a bundle.
pub(crate) type Verdict = Result<Result<Box<CheckedBundle>, Refusal>, StoreError>;

struct Job {
    bundle: Bundle,
    answer: oneshot::Sender<Verdict>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

/// The threads that check bundles; they end when this is dropped.
pub(crate) struct Verification {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Verification {
    /// Starts the threads.
    pub(crate) fn start(ground: &Ground) -> io::Result<Self> {
        let mut verification = Self { shared: Arc::default(), threads: Vec::new() };
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..count {
            let (shared, ground) = (Arc::clone(&verification.shared), ground.clone());
            let work = move || work(&shared, &ground);
            let thread = std::thread::Builder::new().name(format!("check-{index}")).stack_size(STACK_OCTETS);
            verification.threads.push(thread.spawn(work)?);
        }
        Ok(verification)
    }

    /// Has a bundle looked at. The channel closes without an answer only when the node is going down.
    pub(crate) fn check(&self, bundle: Bundle) -> oneshot::Receiver<Verdict> {
        let (answer, verdict) = oneshot::channel();
        lock(&self.shared.queue).jobs.push_back(Job { bundle, answer });
        self.shared.arrived.notify_one();
        verdict
    }
}

impl Drop for Verification {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.arrived.notify_all();
        for thread in self.threads.drain(..) {
            // A panic there was reported there; what it was asked is answered by silence.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verification")
            .field("waiting", &lock(&self.shared.queue).jobs.len())
            .finish_non_exhaustive()
    }
}

fn work(shared: &Shared, ground: &Ground) {
    while let Some(batch) = next_batch(shared) {
        let bundles: Vec<&Bundle> = batch.iter().map(|job| &job.bundle).collect();
        let refusals = consider(ground, &bundles);
        for (job, refusal) in batch.into_iter().zip(refusals) {
            let verdict = match refusal {
                Ok(None) => Ok(Ok(Box::new(job.bundle.check(&ground.config.profile)))),
                Ok(Some(refusal)) => Ok(Err(refusal)),
                Err(error) => Err(error),
            };
            // Who asked may be gone.
            let _ = job.answer.send(verdict);
        }
    }
}

/// A share of what waits; `None` at the end.
fn next_batch(shared: &Shared) -> Option<Vec<Job>> {
    let mut queue = lock(&shared.queue);
    while queue.jobs.is_empty() {
        if queue.closed {
            return None;
        }
        queue = shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    // Half of it, so that the other threads have their part.
    let count = queue.jobs.len().div_ceil(2).min(BATCH);
    Some(queue.jobs.drain(..count).collect())
}

/// The cheap questions, for all of a batch in one look into the store.
fn consider(ground: &Ground, bundles: &[&Bundle]) -> Vec<Result<Option<Refusal>, StoreError>> {
    let now = ground.clock.now();
    match ground.store.read() {
        Ok(txn) => bundles
            .iter()
            .map(|bundle| admission::consider(&ground.config, txn.view(), now, bundle.head()))
            .collect(),
        Err(error) => {
            let text = error.to_string();
            bundles.iter().map(|_| Err(StoreError::Io(io::Error::other(text.clone())))).collect()
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
