//! One local program's connection: its wishes are fulfilled one after another, and its leases end with it.

use std::sync::Arc;

use agent_core::store::{Number, StoreError};
use bundle_format::Eid;
use tokio::net::UnixStream;

use super::frame::{FrameError, FrameStream};
use super::wire::{Failure, Greeting, VERSION, Wish, Word};
use super::{body, delivery, small};
use crate::driver::Lost;
use crate::node::Node;

/// A connection, at the agent's side.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) node: Arc<Node>,
    pub(super) frames: FrameStream,
    pub(super) leased: Vec<(Eid, Number)>,
}

/// Why a wish was not fulfilled.
#[derive(Debug)]
pub(super) enum Fault {
    /// The client is told, and may go on.
    Told(Failure),
    /// The connection is of no more use.
    Connection(FrameError),
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::Connection(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Told(if error.is_full() { Failure::StoreFull } else { Failure::Store(error.to_string()) })
    }
}

impl From<Lost> for Fault {
    fn from(lost: Lost) -> Self {
        Self::Told(match lost {
            Lost::Stopped => Failure::Stopping,
            Lost::Full => Failure::StoreFull,
            Lost::Invalid(text) => Failure::Usage(text),
            Lost::Store(text) => Failure::Store(text),
        })
    }
}

impl Session {
    pub(crate) fn new(node: Arc<Node>, stream: UnixStream) -> Self {
        Self { node, frames: FrameStream::new(stream), leased: Vec::new() }
    }

    /// Serves until the client ends the connection or breaks the protocol.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            tracing::debug!(%error, "a local connection was ended");
        }
    }

    async fn serve(&mut self) -> Result<(), FrameError> {
        self.frames
            .send_message(&Greeting { packmule: VERSION, node: self.node.config.node.clone() })
            .await?;
        while let Some(wish) = self.frames.message::<Wish>().await? {
            match self.fulfil(wish).await {
                Ok(Some(word)) => self.frames.send_message(&word).await?,
                Ok(None) => {}
                Err(Fault::Told(failure)) => self.frames.send_message(&Word::Failed(failure)).await?,
                Err(Fault::Connection(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fulfils one wish; the answer, if it was not given already.
    async fn fulfil(&mut self, wish: Wish) -> Result<Option<Word>, Fault> {
        match wish {
            Wish::Call(call) => small::answer(&self.node, call).await.map(Word::Reply).map(Some),
            Wish::Send { order, length } => body::transmit(self, order, length).await.map(Some),
            Wish::Import { from, dormant_ms, way } => {
                body::import(self, from, (dormant_ms, way)).await.map(Some)
            }
            Wish::Read { id, part, onto } => body::read(self, id, part, onto).await.map(|()| None),
            Wish::Inventory => body::inventory(self).await.map(|()| None),
            Wish::Next { endpoint, timeout_ms } => delivery::next(self, endpoint, timeout_ms).await.map(Some),
            Wish::Consume { endpoint, number } => delivery::consume(self, endpoint, number).await.map(Some),
            Wish::Wait { id, until, timeout_ms } => {
                delivery::wait(self, id, until, timeout_ms).await.map(Some)
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for (endpoint, number) in self.leased.drain(..) {
            self.node.leases.give_back(&endpoint, number);
        }
    }
}
