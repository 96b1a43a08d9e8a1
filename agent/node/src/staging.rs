//! Fills the store with a payload that is too large for memory, in pieces of the size that the store wants.
//!
//! Octets that are not yet committed hold permits of their origin's budget, so that a fast source waits for the disk.
//! What is not finished when it is dropped is given up, or kept as a partial where more of it may come.

use std::sync::Arc;

use agent_core::input::{Input, Way};
use agent_core::store::{CHUNK_OCTETS, Number};
use bundle_format::Head;
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::driver::Lost;
use crate::node::Node;

/// Octets that one contact or one local program may have under way between its socket and the disk: twice what one
/// transaction takes, so that the next is filled while one is on its way to the disk, and as much again as half of that
/// for the hash to fall behind. Octets that await both count twice.
pub(crate) const BUDGET_OCTETS: usize = 12 << 20;

/// A budget of [`BUDGET_OCTETS`].
pub(crate) fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BUDGET_OCTETS))
}

/// Takes as much of a budget as some octets need; waits for the disk where there is too little.
pub(crate) async fn permit(budget: &Arc<Semaphore>, octets: usize) -> Result<OwnedSemaphorePermit, Lost> {
    let wanted = u32::try_from(octets.min(BUDGET_OCTETS)).unwrap_or(u32::MAX);
    Arc::clone(budget).acquire_many_owned(wanted).await.map_err(|_| Lost::Stopped)
}

/// A payload on its way into the store.
#[derive(Debug)]
pub(crate) struct Staging {
    node: Arc<Node>,
    number: Number,
    index: u32,
    octets: u64,
    partial: BytesMut,
    held: Option<OwnedSemaphorePermit>,
    /// As the beginning of which bundle, and from where, it is kept if it breaks off.
    kept_as: Option<(Way, Head)>,
    finished: bool,
}

impl Staging {
    /// Goes on with a place in the store that was made for it.
    pub(crate) fn at(node: &Arc<Node>, number: Number) -> Self {
        let partial = BytesMut::new();
        let (index, octets, held, kept_as) = (0, 0, None, None);
        Self { node: Arc::clone(node), number, index, octets, partial, held, kept_as, finished: false }
    }

    /// From now on what came is kept, should the transfer break off or the process end.
    pub(crate) async fn keep_as(&mut self, way: Way, head: Head) -> Result<(), Lost> {
        self.kept_as = Some((way, head.clone()));
        self.node.inputs.post(Input::TransferStaged { way, number: self.number, head }).await
    }

    /// Nothing of it is to be kept.
    pub(crate) fn give_up(&mut self) {
        self.kept_as = None;
    }

    /// Octets that it was given.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes octets, with the permits that they hold.
    pub(crate) async fn push(
        &mut self,
        mut octets: Bytes,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Lost> {
        if self.node.rooms.contains(self.number) {
            return Err(Lost::Full);
        }
        self.octets += octets.len() as u64;
        match (&mut self.held, permit) {
            (Some(held), Some(permit)) => held.merge(permit),
            (held, permit) => *held = held.take().or(permit),
        }
        while !octets.is_empty() {
            // In one place from the beginning: a buffer that grows is copied as often as it does.
            self.partial.reserve(CHUNK_OCTETS - self.partial.len());
            let next = octets.split_to(octets.len().min(CHUNK_OCTETS - self.partial.len()));
            self.partial.extend_from_slice(&next);
            if self.partial.len() == CHUNK_OCTETS {
                self.post().await?;
            }
        }
        Ok(())
    }

    /// All octets were given: the last of them need not wait for more.
    pub(crate) async fn post_rest(&mut self) -> Result<(), Lost> {
        if self.partial.is_empty() { Ok(()) } else { self.post().await }
    }

    /// Whoever adopts the payload now finds it whole.
    pub(crate) async fn finish(mut self) -> Result<Number, Lost> {
        self.post_rest().await?;
        self.finished = true;
        Ok(self.number)
    }

    async fn post(&mut self) -> Result<(), Lost> {
        let octets = self.partial.split().freeze();
        let held = self.held.as_mut().and_then(|held| held.split(octets.len().min(held.num_permits())));
        let input = Input::ChunkArrived { number: self.number, index: self.index, octets };
        self.index = self.index.checked_add(1).ok_or(Lost::Full)?;
        self.node.inputs.post_holding(input, held).await
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let number = self.number;
        if self.finished || self.node.rooms.forget(number) {
            return;
        }
        self.node.inputs.post_end(match self.kept_as.take() {
            Some((way, head)) => {
                let octets = self.partial.split().freeze();
                Input::TransferBroken { way, head, staging: Some(number), octets }
            }
            None => Input::StagingAbandoned { number },
        });
    }
}
