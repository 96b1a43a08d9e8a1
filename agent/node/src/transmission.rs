//! The end of a transmission that was too large for memory: its payload is in the store, and is signed there.

use std::sync::Arc;

use agent_core::request::{Answer, Order, Request};
use agent_core::store::{CHUNK_OCTETS, Number, StoreError};
use bundle_format::{CheckedBundle, CreationTimestamp, StreamError};
use tokio::sync::Semaphore;

use crate::driver::Lost;
use crate::node::Node;
use crate::staging::{BUDGET_OCTETS, Staging, permit};

/// Signs what was staged, and has the agent take it over.
pub(crate) async fn finish(
    node: &Arc<Node>,
    staging: Staging,
    budget: &Arc<Semaphore>,
    (order, creation): (Order, CreationTimestamp),
) -> Result<Answer, Lost> {
    let octets = staging.octets();
    let number = staging.finish().await?;
    let unsigned = Unsigned { number, octets, order, creation };
    match sign(node, budget, unsigned).await {
        Ok(bundle) => {
            node.inputs.request(Request::FinishTransmission { number, bundle: Box::new(bundle) }).await
        }
        Err(lost) => {
            if !node.rooms.forget(number) {
                node.inputs.post_end(agent_core::input::Input::StagingAbandoned { number });
            }
            Err(lost)
        }
    }
}

struct Unsigned {
    number: Number,
    octets: u64,
    order: Order,
    creation: CreationTimestamp,
}

async fn sign(node: &Arc<Node>, budget: &Arc<Semaphore>, unsigned: Unsigned) -> Result<CheckedBundle, Lost> {
    // Permits come back when their octets are committed: with all of them here, all of the payload can be read.
    drop(permit(budget, BUDGET_OCTETS).await?);
    if node.rooms.contains(unsigned.number) {
        return Err(Lost::Full);
    }
    let node = Arc::clone(node);
    let signing = tokio::task::spawn_blocking(move || {
        let Unsigned { number, octets, order, creation } = unsigned;
        let config = &node.config;
        let draft = order.bundle(config, creation);
        let read = |sink: &mut dyn FnMut(&[u8])| pass(&node, number, octets, sink);
        draft.sign_streamed(&config.profile, &config.key, octets, read)
    });
    match signing.await {
        Ok(Ok(bundle)) => Ok(bundle),
        Ok(Err(StreamError::Read(error))) => Err(Lost::Store(error.to_string())),
        Ok(Err(error)) => Err(Lost::Invalid(error.to_string())),
        Err(_) => Err(Lost::Stopped),
    }
}

/// Passes a staged payload on, each piece in a look of its own.
fn pass(node: &Node, number: Number, octets: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
    let pieces = octets.div_ceil(CHUNK_OCTETS as u64);
    for index in 0..u32::try_from(pieces).unwrap_or(u32::MAX) {
        let txn = node.store.read()?;
        match txn.view().staged_chunk(number, index)? {
            Some(piece) => sink(&piece),
            // The length will not fit, which is told.
            None => return Ok(()),
        }
    }
    Ok(())
}
