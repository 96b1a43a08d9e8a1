//! By what this node shows neighbors who it is, and whose keys it believes, for layers that encrypt.
//!
//! `run` makes it before the store is open, because listeners come first; until [`Trust::begin`] nobody is known.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use adapters::{Credentials, TrustedKeys, WallClock};
use bundle_format::Eid;

use crate::home::Home;
use crate::node::Ground;

/// What lies between the Unix epoch and that of DTN time (RFC 9171 §4.2.6).
const UNIX_TO_DTN: Duration = Duration::from_secs(946_684_800);

/// The keys that are trusted now, by `config.toml` and by the store.
#[derive(Debug, Default)]
pub(crate) struct Trust(Arc<OnceLock<Ground>>);

impl Trust {
    /// From now on it is known who is trusted.
    pub(crate) fn begin(&self, ground: &Ground) {
        self.0.get_or_init(|| ground.clone());
    }

    /// What links need of it and of the node's home.
    pub(crate) fn credentials(&self, home: &Home) -> Credentials {
        let (for_keys, for_time) = (Arc::clone(&self.0), Arc::clone(&self.0));
        Credentials {
            seed: home.key().seed(),
            trusted: TrustedKeys::new(move |node| trusted_key(for_keys.get()?, node)),
            files: home.config().tls.clone(),
            clock: WallClock::new(move || unix_time(for_time.get()?)),
        }
    }
}

/// A store that cannot be read ends the agent elsewhere; here nobody is known then.
fn trusted_key(ground: &Ground, node: &str) -> Option<[u8; 32]> {
    let node: Eid = node.parse().ok()?;
    // Who claims to be this node is settled on the contact: found by chance, it is not dialled again.
    if node == ground.config.node {
        return None;
    }
    let txn = ground.store.read().ok()?;
    let key = ground.config.trusted_key(txn.view(), &node).ok()??;
    Some(*key.as_bytes())
}

/// The wall clock, while it is trusted.
fn unix_time(ground: &Ground) -> Option<Duration> {
    ground.clock.now().utc.map(|time| UNIX_TO_DTN + Duration::from_millis(time.0))
}
