//! What the parts of a running node share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use agent_core::config::Config;
use agent_core::input::ContactId;
use agent_core::store::{Store, StoreError, View};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::contacts::Contacts;
use crate::driver::{Inputs, LostRooms};
use crate::leases::Leases;
use crate::links::Peers;
use crate::news::News;
use crate::settings::Settings;
use crate::verification::Verification;

/// What every part of a node stands on, its threads included.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) store: Arc<Store>,
}

/// One running node: everything but the right to write, which the writer has.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) ground: Ground,
    pub(crate) settings: Settings,
    pub(crate) inputs: Inputs,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) news: Arc<News>,
    pub(crate) rooms: Arc<LostRooms>,
    pub(crate) verification: Verification,
    pub(crate) peers: Peers,
    pub(crate) leases: Leases,
    pub(crate) started: Instant,
    /// Where neighbors may connect; not set where no agent runs.
    pub(crate) listening: OnceLock<Vec<String>>,
    pub(crate) contact_ids: AtomicU64,
    /// Contacts that have not ended in time when the node stops are dropped where they are.
    pub(crate) cut_off: CancellationToken,
}

impl std::ops::Deref for Node {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl Node {
    /// A number for a contact that was never used before.
    pub(crate) fn next_contact(&self) -> ContactId {
        self.contact_ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Looks into the store in a transaction of its own, on a thread that may wait for the disk.
    pub(crate) async fn read<T, L>(self: &Arc<Self>, look: L) -> Result<T, StoreError>
    where
        T: Send + 'static,
        L: FnOnce(View<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let node = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            let txn = node.store.read()?;
            look(txn.view())
        });
        match looked.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Io(std::io::Error::other("the agent is stopping"))),
            },
        }
    }
}
