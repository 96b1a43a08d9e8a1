//! What neighbors did not take lately, and why: for `packmule why`. In memory only: it is what this agent heard since it started.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use agent_core::output::{NotTaken, Notice};
use agent_core::time::NodeTime;
use bundle_format::{BundleId, Eid};

/// Of more bundles and neighbors the oldest are forgotten.
const REMEMBERED_MAX: usize = 512;

/// A bundle that a neighbor did not take, or does not answer for.
#[derive(Debug, Clone)]
pub(crate) struct Declined {
    id: BundleId,
    pub(crate) neighbor: Eid,
    pub(crate) why: NotTaken,
    /// When it is tried again; `None`: not in that contact.
    pub(crate) again: Option<NodeTime>,
    pub(crate) at: Instant,
}

/// The last of them, oldest first: one for each bundle and neighbor.
#[derive(Debug, Default)]
pub(crate) struct DeclinedLately(Mutex<VecDeque<Declined>>);

impl DeclinedLately {
    pub(crate) fn heard(&self, notice: &Notice) {
        let (id, neighbor) = match notice {
            Notice::NotTaken { id, neighbor: Some(neighbor), .. }
            | Notice::Carried { id, neighbor: Some(neighbor) } => (*id, neighbor),
            _ => return,
        };
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|one| one.id != id || one.neighbor != *neighbor);
        let Notice::NotTaken { why, again, .. } = notice else { return };
        if lately.len() >= REMEMBERED_MAX {
            lately.pop_front();
        }
        let (neighbor, why, again) = (neighbor.clone(), *why, *again);
        lately.push_back(Declined { id, neighbor, why, again, at: Instant::now() });
    }

    /// Who did not take a bundle.
    pub(crate) fn of(&self, id: &BundleId) -> Vec<Declined> {
        let lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lately.iter().filter(|one| one.id == *id).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> BundleId {
        BundleId::from_bytes((number as u128).to_be_bytes())
    }

    fn declined(number: usize, why: NotTaken) -> Notice {
        Notice::NotTaken { id: id(number), neighbor: Eid::dtn("hub", "").ok(), why, again: None }
    }

    #[test]
    fn the_last_word_of_a_neighbor_about_a_bundle_counts() {
        let lately = DeclinedLately::default();
        lately.heard(&declined(1, NotTaken::NoRoom));
        lately.heard(&declined(1, NotTaken::NotAcceptable));
        let [one] = <[Declined; 1]>::try_from(lately.of(&id(1))).unwrap();
        assert_eq!(one.why, NotTaken::NotAcceptable);
        lately.heard(&Notice::Carried { id: id(1), neighbor: Some(one.neighbor) });
        assert!(lately.of(&id(1)).is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let lately = DeclinedLately::default();
        for number in 0..=REMEMBERED_MAX {
            lately.heard(&declined(number, NotTaken::Failed));
        }
        assert!(lately.of(&id(0)).is_empty() && !lately.of(&id(REMEMBERED_MAX)).is_empty());
    }
}
