//! The sending half of a link: bundles become files, one after another, urgent ones next.
//!
//! `connection` runs it until the folder is gone. A bundle for which there is no room is refused for now.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use convergence_layer::{Event, Gauge, Outgoing, RefusalReason, TransferId};
use tokio::sync::mpsc;
use tokio::task;

use crate::outbox::{Draft, Outbox};

/// The sending half.
pub(crate) struct Writing {
    pub(crate) outbox: Outbox,
    pub(crate) ordinary: mpsc::Receiver<Outgoing>,
    pub(crate) express: mpsc::Receiver<Outgoing>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) gauge: Arc<Gauge>,
}

/// How far a bundle came.
enum Outcome {
    Left,
    /// It cannot be completed.
    Abandoned,
    Full(io::Error),
}

impl Writing {
    /// Writes until the folder fails. Does not end because the agent has nothing to send any more.
    pub(crate) async fn run(&mut self) -> io::Error {
        loop {
            // Urgent ones first, but never within another.
            let (outgoing, is_express) = tokio::select! {
                biased;
                Some(outgoing) = self.express.recv() => (outgoing, true),
                Some(outgoing) = self.ordinary.recv() => (outgoing, false),
                else => return std::future::pending().await,
            };
            // What follows a bundle that was refused is passed over.
            let Outgoing::Begin { transfer, length } = outgoing else { continue };
            let outcome = match self.bundle(transfer, length, is_express).await {
                Err(error) if is_full(&error) => Ok(Outcome::Full(error)),
                outcome => outcome,
            };
            let event = match outcome {
                Ok(Outcome::Left) => Event::Left(transfer),
                Ok(Outcome::Abandoned) => continue,
                Ok(Outcome::Full(error)) => {
                    self.gauge.fault(&format!("there is no room for another file: {error}"));
                    Event::Refused { transfer, reason: RefusalReason::NoResources }
                }
                Err(error) => return error,
            };
            // Who dropped the link needs no word.
            let _ = self.events.send(event).await;
        }
    }

    async fn bundle(&mut self, transfer: TransferId, length: u64, is_express: bool) -> io::Result<Outcome> {
        let outbox = self.outbox.clone();
        let mut draft: Draft = blocking(move || outbox.begin(transfer, length)).await?;
        let mut left = length;
        while left > 0 {
            let lane = if is_express { &mut self.express } else { &mut self.ordinary };
            let Some(Outgoing::Octets(octets)) = lane.recv().await else { return Ok(Outcome::Abandoned) };
            left = left.saturating_sub(octets.len() as u64);
            self.gauge.wrote(octets.len() as u64);
            draft = blocking(move || draft.write(&octets)).await?;
        }
        blocking(move || draft.finish()).await?;
        Ok(Outcome::Left)
    }
}

/// Does what waits for the disk where nobody else has to wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    // It is lost only when everything ends.
    task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ErrorKind::Interrupted.into()))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
