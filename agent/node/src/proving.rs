//! Large bundles that came in parts, read back from the store and checked as a whole, on a thread of its own.
//!
//! The writer hands over what is complete; what comes of it goes back as an input. One at a time, a few pieces in memory.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

use agent_core::config::Config;
use agent_core::input::Input;
use agent_core::store::{CHUNK_OCTETS, Number, Store, StoreError};
use bundle_format::{BundleReader, CheckedBundle, Head};
use bytes::Bytes;

use crate::driver::Inputs;
use crate::node::Ground;

/// Pieces read in one look into the store: 512 KiB.
const PIECES_PER_READ: u32 = 8;
/// The thread's stack: parsers here do not recurse.
const STACK_OCTETS: usize = 512 << 10;

/// The way to the thread that checks; it ends when nobody has one any more.
#[derive(Debug, Clone)]
pub(crate) struct Prover(Sender<(Number, Head)>);

impl Prover {
    /// Starts the thread.
    pub(crate) fn start(ground: &Ground, inputs: Inputs) -> std::io::Result<Self> {
        let (to_prove, jobs) = channel();
        // The store closes when the node stops, whether or not something is being checked.
        let proving =
            Proving { config: Arc::clone(&ground.config), store: Arc::downgrade(&ground.store), inputs };
        let thread = std::thread::Builder::new().name("prove".into()).stack_size(STACK_OCTETS);
        thread.spawn(move || proving.all(&jobs))?;
        Ok(Self(to_prove))
    }

    /// Has a staged payload checked as that of a bundle with this head.
    pub(crate) fn prove(&self, number: Number, head: Head) {
        // A thread that is gone reported its fault; the partial is checked after the next start.
        let _ = self.0.send((number, head));
    }
}

struct Proving {
    config: Arc<Config>,
    store: Weak<Store>,
    inputs: Inputs,
}

/// The node is going down.
struct Stopped;

impl Proving {
    fn all(&self, jobs: &Receiver<(Number, Head)>) {
        while let Ok((number, head)) = jobs.recv() {
            let bundle = match self.read(number, &head) {
                Ok(bundle) => bundle.map(Box::new),
                Err(Stopped) => return,
            };
            self.inputs.post_end(Input::PartialProved { number, bundle });
        }
    }

    /// The bundle; `None` if the octets are none, or damaged.
    fn read(&self, number: Number, head: &Head) -> Result<Option<CheckedBundle>, Stopped> {
        let mut reader = BundleReader::new(&self.config.limits, &self.config.profile);
        if reader.push(head.bytes().clone()).is_err() {
            return Ok(None);
        }
        let pieces = head.payload_octets().div_ceil(CHUNK_OCTETS as u64);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        let mut next = 0;
        while next < pieces {
            let end = next.saturating_add(PIECES_PER_READ).min(pieces);
            let read = match self.pieces(number, next..end)? {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "a part of a bundle cannot be read back");
                    return Ok(None);
                }
            };
            if read.into_iter().any(|piece| reader.push(piece).is_err()) {
                return Ok(None);
            }
            next = end;
        }
        Ok(reader.finish_without_tail().ok())
    }

    fn pieces(
        &self,
        number: Number,
        indexes: std::ops::Range<u32>,
    ) -> Result<Result<Vec<Bytes>, StoreError>, Stopped> {
        let Some(store) = self.store.upgrade() else { return Err(Stopped) };
        let read = store.read().and_then(|txn| {
            let pieces = indexes.map(|index| txn.view().staged_chunk(number, index));
            pieces.filter_map(Result::transpose).collect()
        });
        Ok(read)
    }
}
