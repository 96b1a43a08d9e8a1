//! Stored payloads, copied out piece by piece: each look into the store is short and closed before anything is waited for.

use std::sync::Arc;

use agent_core::store::{Number, StoreError};
use bytes::Bytes;

use crate::node::Node;

/// Pieces copied in one read transaction: 1 MiB of a payload, so that waking a thread for it is worth while.
const PIECES_PER_READ: u32 = 16;

/// Some pieces of a stored payload, from `index` on; none where there are none. Every piece was checked against its
/// record.
pub(crate) async fn read(node: &Arc<Node>, number: Number, index: u32) -> Result<Vec<Bytes>, StoreError> {
    node.read(move |view| {
        let mut pieces = Vec::new();
        for index in index..index.saturating_add(PIECES_PER_READ) {
            match view.payload_chunk(number, index)? {
                Some(piece) => pieces.push(piece),
                None => break,
            }
        }
        Ok(pieces)
    })
    .await
}
