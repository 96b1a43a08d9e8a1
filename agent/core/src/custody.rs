//! Custody transfer (CCSDS 734.6-O-1 §4.3, `docs/custody.md`): somebody answers for a bundle until somebody else does.
//!
//! A custodian asks the next node by a block in the bundle's head (`issuing`); who takes the bundle over notes it with the
//! bundle itself (`accepting`) and says so in a signed signal soon after (`signalling`), which lets the custodian go
//! (`releasing`). Where no signal comes while the contact is open, it is asked for again (`asking`).
//!
//! Invariant: whatever a signal says was committed before, and custody ends only by a signal, by delivery, by the end of
//! the bundle's lifetime, or because a user removed the bundle. What is kept here is soft; the rows of `store::custody` are not.

mod accepting;
mod asking;
mod issuing;
mod releasing;
mod signalling;
mod watch;

use std::collections::BTreeMap;

pub(crate) use watch::Watch;

use crate::dice::Dice;
use crate::store::{StoreError, Taker, View};
use crate::time::NodeTime;

/// Answers that may wait to be given; what is asked beyond is asked again later.
const OWED_MAX: usize = 65_536;

/// What is remembered of custody between steps.
#[derive(Debug)]
pub(crate) struct Custody {
    /// The random half of sequence ids that this run of the agent gives out, so that a store that went back in time
    /// never gives a number twice.
    run: u32,
    /// The next number for each taker in this run.
    next: BTreeMap<Taker, u64>,
    /// When answers are to be given, if any wait.
    pub(crate) due: Option<NodeTime>,
    owed: usize,
}

impl Custody {
    pub(crate) fn open(dice: &mut Dice, now: NodeTime, store: View<'_>) -> Result<Self, StoreError> {
        let owed = store.owed(OWED_MAX)?.len();
        Ok(Self { run: draw(dice), next: BTreeMap::new(), due: (owed > 0).then_some(now), owed })
    }
}

/// The random half of a sequence id; never 0, which would name the counter of a destination.
fn draw(dice: &mut Dice) -> u32 {
    let [a, b, c, d, ..] = dice.roll();
    u32::from_be_bytes([a, b, c, d]).max(1)
}
