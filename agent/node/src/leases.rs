//! Bundles that are out for delivery: each is given to one application at a time, until that has consumed it or is gone.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_core::store::Number;
use bundle_format::Eid;
use tokio::sync::watch;

/// All leases of a node.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    taken: Mutex<BTreeSet<(Eid, Number)>>,
    returned: watch::Sender<u64>,
}

impl Leases {
    /// Takes one, if nobody has it.
    pub(crate) fn take(&self, endpoint: &Eid, number: Number) -> bool {
        self.lock().insert((endpoint.clone(), number))
    }

    /// Gives one back.
    pub(crate) fn give_back(&self, endpoint: &Eid, number: Number) {
        self.lock().remove(&(endpoint.clone(), number));
        self.returned.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever one is given back.
    pub(crate) fn returned(&self) -> watch::Receiver<u64> {
        self.returned.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Eid, Number)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_out_once_at_a_time() {
        let leases = Leases::default();
        let inbox = Eid::dtn("a", "inbox").unwrap();
        let other = Eid::dtn("a", "other").unwrap();
        let number = Number::new(1);
        assert!(leases.take(&inbox, number));
        assert!(!leases.take(&inbox, number));
        assert!(leases.take(&other, number));
        leases.give_back(&inbox, number);
        assert!(leases.take(&inbox, number));
    }
}
