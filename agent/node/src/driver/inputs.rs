//! The way to the writer: inputs go in from any task, answers come back to whoever asked.
//!
//! The queue itself has no bound; every input in it holds a permit until its step is committed, and there are
//! [`QUEUED_MAX`] of those. Inputs that carry octets hold permits of their contact's budget as well.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_core::input::{Input, Ticket};
use agent_core::request::{Answer, Request, RequestId};
use agent_core::store::Number;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Inputs that may await their commit: a few batches' worth.
const QUEUED_MAX: usize = 2048;

/// What the writer receives.
#[derive(Debug)]
pub(crate) enum Posted {
    /// An input, with the permits that it gives back at commit.
    Input(Box<Input>, Permits),
    /// Nothing more will come: finish and end.
    Stop,
}

/// Permits that are given back when they are dropped.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    _slot: Option<OwnedSemaphorePermit>,
    _octets: Option<OwnedSemaphorePermit>,
}

/// The writer will not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Lost {
    /// It is stopping.
    #[error("the agent is stopping")]
    Stopped,
    /// There is no room.
    #[error("the store is full")]
    Full,
    /// It cannot be made: such a bundle would not be valid.
    #[error("{0}")]
    Invalid(String),
    /// The store failed during the step; nothing of it was kept.
    #[error("the store failed: {0}")]
    Store(String),
}

type Reply<T> = oneshot::Sender<Result<T, Lost>>;

/// Room in the store that was asked for, and will be there with the next commit.
#[derive(Debug)]
pub(crate) struct Room(oneshot::Receiver<Result<Number, Lost>>);

impl Room {
    /// Waits until it is there.
    pub(crate) async fn number(self) -> Result<Number, Lost> {
        self.0.await.map_err(|_| Lost::Stopped)?
    }
}

/// Those who asked for something in the inputs of one step.
#[derive(Debug, Default)]
pub(super) struct Askers {
    requests: Vec<RequestId>,
    stagings: Vec<Ticket>,
}

impl Askers {
    pub(super) fn of(inputs: &[Input]) -> Self {
        let mut askers = Self::default();
        for input in inputs {
            match input {
                Input::Requested { id, .. } => askers.requests.push(*id),
                Input::StagingRequested { ticket } => askers.stagings.push(*ticket),
                _ => {}
            }
        }
        askers
    }
}

/// Those who wait for an answer.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: BTreeMap<RequestId, Reply<Answer>>,
    stagings: BTreeMap<Ticket, Reply<Number>>,
    stopped: bool,
}

/// A handle to the writer's queue; clones lead to the same.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    queue: Sender<Posted>,
    slots: Arc<Semaphore>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Inputs {
    pub(crate) fn new(queue: Sender<Posted>) -> Self {
        Self { queue, slots: Arc::new(Semaphore::new(QUEUED_MAX)), waiting: Arc::default() }
    }

    /// Queues an input; waits while too many are queued.
    pub(crate) async fn post(&self, input: Input) -> Result<(), Lost> {
        self.post_holding(input, None).await
    }

    /// Queues an input that gives back `octets` once it is committed.
    pub(crate) async fn post_holding(
        &self,
        input: Input,
        octets: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Lost> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Lost::Stopped)?;
        let permits = Permits { _slot: Some(slot), _octets: octets };
        self.queue.send(Posted::Input(Box::new(input), permits)).map_err(|_| Lost::Stopped)
    }

    /// Queues an input that must not wait: the end of something, of which there are no more than beginnings.
    pub(crate) fn post_end(&self, input: Input) {
        // Where the writer is gone, so is what would have ended.
        let _ = self.queue.send(Posted::Input(Box::new(input), Permits::default()));
    }

    /// Asks for something and waits for the answer, which is durable.
    pub(crate) async fn request(&self, request: Request) -> Result<Answer, Lost> {
        let (reply, answer) = oneshot::channel();
        let id = self.enroll(|waiting, id| waiting.answers.insert(id, reply).is_none())?;
        self.post(Input::Requested { id, request }).await?;
        answer.await.map_err(|_| Lost::Stopped)?
    }

    /// Asks for room for a payload that is too large for memory. Who drops the answer gives the room back.
    pub(crate) async fn ask_for_room(&self) -> Result<Room, Lost> {
        let (reply, answer) = oneshot::channel();
        let ticket = self.enroll(|waiting, id| waiting.stagings.insert(id, reply).is_none())?;
        self.post(Input::StagingRequested { ticket }).await?;
        Ok(Room(answer))
    }

    /// Lets the writer finish what is queued, and end.
    pub(crate) fn stop(&self) {
        let _ = self.queue.send(Posted::Stop);
    }

    pub(super) fn answered(&self, id: RequestId, answer: Result<Answer, Lost>) {
        let unheard = match self.waiting().answers.remove(&id) {
            Some(reply) => reply.send(answer).err(),
            None => Some(answer),
        };
        // Nobody is left who would fill the room that was made.
        if let Some(Ok(Answer::Staging { number, .. })) = unheard {
            self.post_end(Input::StagingAbandoned { number });
        }
    }

    pub(super) fn staged(&self, ticket: Ticket, staged: Result<Number, Lost>) {
        let unheard = match self.waiting().stagings.remove(&ticket) {
            Some(reply) => reply.send(staged).err(),
            None => Some(staged),
        };
        if let Some(Ok(number)) = unheard {
            self.post_end(Input::StagingAbandoned { number });
        }
    }

    /// Those whose step was lost are told so. What others asked for is still in the queue, and will be done.
    pub(super) fn lose(&self, askers: Askers, lost: &Lost) {
        for id in askers.requests {
            self.answered(id, Err(lost.clone()));
        }
        for ticket in askers.stagings {
            self.staged(ticket, Err(lost.clone()));
        }
    }

    /// Everybody who waits is told that no answer will come.
    pub(super) fn lose_all(&self, lost: &Lost) {
        let (answers, stagings) = {
            let mut waiting = self.waiting();
            waiting.stopped |= *lost == Lost::Stopped;
            (std::mem::take(&mut waiting.answers), std::mem::take(&mut waiting.stagings))
        };
        // Who waits no longer need not be told.
        for reply in answers.into_values() {
            let _ = reply.send(Err(lost.clone()));
        }
        for reply in stagings.into_values() {
            let _ = reply.send(Err(lost.clone()));
        }
    }

    fn enroll(&self, insert: impl FnOnce(&mut Waiting, u64) -> bool) -> Result<u64, Lost> {
        let mut waiting = self.waiting();
        if waiting.stopped {
            return Err(Lost::Stopped);
        }
        waiting.next += 1;
        let id = waiting.next;
        let is_new = insert(&mut waiting, id);
        assert!(is_new, "names of requests are not used twice");
        Ok(id)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that holds this lock can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_is_told_to_those_whose_step_it_was_and_to_nobody_else() {
        let (queue, posted) = std::sync::mpsc::channel();
        let inputs = Inputs::new(queue);
        let (first, second) = (inputs.ask_for_room().await.unwrap(), inputs.ask_for_room().await.unwrap());
        let Ok(Posted::Input(input, _)) = posted.recv() else { panic!("the first was posted") };
        inputs.lose(Askers::of(&[*input]), &Lost::Store("it burns".to_owned()));
        assert_eq!(first.number().await, Err(Lost::Store("it burns".to_owned())));
        let Ok(Posted::Input(input, _)) = posted.recv() else { panic!("the second was posted") };
        inputs.staged(Askers::of(&[*input]).stagings[0], Ok(Number::new(7)));
        assert_eq!(second.number().await, Ok(Number::new(7)));
    }
}
