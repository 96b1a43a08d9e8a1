//! CRC, hash and signature of a payload that is too large for memory, computed beside the task that receives it.
//!
//! So receiving, hashing and writing can keep a processor each, and a bundle is hashed to its end while the next one
//! arrives already. Pieces are taken in their order, by one thread at a time. Octets that wait hold permits of their
//! origin's budget, so that a fast source waits for the hash as it does for the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bundle_format::PassingPayload;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::driver::Lost;

/// As much as is worth waking a thread: a third of a millisecond of SHA-512.
const WORTHWHILE_OCTETS: usize = 256 << 10;

/// A payload whose octets are given here, to be hashed elsewhere.
#[derive(Debug)]
pub(crate) struct Hashing {
    shared: Arc<Mutex<State>>,
}

/// A payload of which all octets were given.
#[derive(Debug)]
pub(crate) struct Hashed(oneshot::Receiver<PassingPayload>);

#[derive(Debug)]
struct State {
    waiting: Vec<(Bytes, OwnedSemaphorePermit)>,
    octets: usize,
    /// Not here while a thread is at work.
    idle: Option<PassingPayload>,
    /// Who wants the result, once no more octets will come.
    ended: Option<oneshot::Sender<PassingPayload>>,
}

impl Hashing {
    pub(crate) fn new(passing: PassingPayload) -> Self {
        let state = State { waiting: Vec::new(), octets: 0, idle: Some(passing), ended: None };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Takes the next octets, with the permits that they hold.
    pub(crate) fn push(&self, octets: Bytes, permit: OwnedSemaphorePermit) {
        let mut state = lock(&self.shared);
        state.octets += octets.len();
        state.waiting.push((octets, permit));
        if state.octets >= WORTHWHILE_OCTETS {
            self.start(&mut state);
        }
    }

    /// All octets were given.
    pub(crate) fn end(self) -> Hashed {
        let (done, result) = oneshot::channel();
        let mut state = lock(&self.shared);
        state.ended = Some(done);
        self.start(&mut state);
        drop(state);
        Hashed(result)
    }

    fn start(&self, state: &mut State) {
        if let Some(passing) = state.idle.take() {
            let shared = Arc::clone(&self.shared);
            tokio::task::spawn_blocking(move || work(&shared, passing));
        }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        if state.ended.is_none() {
            // Nobody will ask.
            state.waiting.clear();
        }
    }
}

impl Hashed {
    /// Waits for the result.
    pub(crate) async fn result(self) -> Result<PassingPayload, Lost> {
        self.0.await.map_err(|_| Lost::Stopped)
    }
}

/// Hashes what waits, until nothing does.
fn work(shared: &Mutex<State>, mut passing: PassingPayload) {
    loop {
        let mut state = lock(shared);
        if state.waiting.is_empty() {
            match state.ended.take() {
                // Who asked may be gone.
                Some(done) => drop(done.send(passing)),
                None => state.idle = Some(passing),
            }
            return;
        }
        let pieces = std::mem::take(&mut state.waiting);
        state.octets = 0;
        drop(state);
        for (octets, permit) in pieces {
            passing.update(&octets);
            drop(permit);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing that holds this lock can panic half-way.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use bundle_format::{
        BundleFlags, BundleReader, CheckedBundle, CreationTimestamp, DtnTime, Eid, Limits, NewBundle, Profile,
    };
    use tokio::sync::Semaphore;

    const OCTETS: usize = 3 << 20;

    fn bundle() -> CheckedBundle {
        let draft = NewBundle {
            destination: Eid::dtn("b", "inbox").unwrap(),
            source: Eid::dtn("a", "").unwrap(),
            report_to: Eid::Null,
            creation: CreationTimestamp { time: DtnTime(1), sequence: 1 },
            lifetime_ms: 1,
            flags: BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: None,
            hop_limit: None,
            metadata: None,
        };
        let payload: Vec<u8> = (0..=250).cycle().take(OCTETS).collect();
        draft.unsigned(&Profile::default(), payload.into()).unwrap()
    }

    /// A reader that has read the head, with its payload's hash elsewhere.
    fn begin(bundle: &CheckedBundle) -> (BundleReader, Hashing) {
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        reader.push(bundle.head().bytes().clone()).unwrap();
        let hashing = Hashing::new(reader.hand_over().unwrap());
        (reader, hashing)
    }

    async fn permit(budget: &Arc<Semaphore>, octets: usize) -> OwnedSemaphorePermit {
        Arc::clone(budget).acquire_many_owned(u32::try_from(octets).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn pieces_of_any_size_are_hashed_in_their_order_within_the_budget() {
        let bundle = bundle();
        let (mut reader, hashing) = begin(&bundle);
        let budget = Arc::new(Semaphore::new(WORTHWHILE_OCTETS + 70_000));
        let mut rest = bundle.payload().unwrap().clone();
        for size in [1, 70_000, 65_536, 4096].into_iter().cycle() {
            let piece = rest.split_to(size.min(rest.len()));
            if piece.is_empty() {
                break;
            }
            let passed = reader.push(piece).unwrap();
            // A source that is faster than the hash waits here, and goes on when there is room.
            let permit = permit(&budget, passed.len()).await;
            hashing.push(passed, permit);
        }
        reader.push(bundle.tail().clone()).unwrap();
        let checked = reader.finish_with(hashing.end().result().await.unwrap()).unwrap();
        assert_eq!(checked.id(), bundle.id());
        assert_eq!(budget.available_permits(), WORTHWHILE_OCTETS + 70_000);
    }

    #[tokio::test]
    async fn a_payload_that_breaks_off_gives_its_permits_back() {
        let bundle = bundle();
        let (_reader, hashing) = begin(&bundle);
        let budget = Arc::new(Semaphore::new(OCTETS));
        for start in (0..OCTETS / 2).step_by(50_000) {
            let octets = bundle.payload().unwrap().slice(start..start + 50_000);
            let permit = permit(&budget, octets.len()).await;
            hashing.push(octets, permit);
        }
        drop(hashing);
        let all = permit(&budget, OCTETS);
        drop(tokio::time::timeout(Duration::from_secs(60), all).await.expect("no octets are left behind"));
    }

    #[tokio::test]
    async fn a_result_that_nobody_waits_for_is_dropped() {
        let bundle = bundle();
        let (_reader, hashing) = begin(&bundle);
        let budget = Arc::new(Semaphore::new(OCTETS));
        let permit = permit(&budget, OCTETS).await;
        hashing.push(bundle.payload().unwrap().clone(), permit);
        drop(hashing.end());
        let all = Arc::clone(&budget).acquire_many_owned(u32::try_from(OCTETS).unwrap());
        assert!(tokio::time::timeout(Duration::from_secs(60), all).await.is_ok(), "the hash ended");
    }
}
