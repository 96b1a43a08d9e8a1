//! What goes wrong in a world, and how often. All odds are in ten thousandths.

use crate::dice::Dice;

/// How often each fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// A parcel is lost on a lossy link; its sender is told after a while.
    pub loss: u32,
    /// A parcel arrives, its answer does not; the sender is told that it failed.
    pub lost_answer: u32,
    /// A parcel arrives twice on a lossy link.
    pub duplicate: u32,
    /// A parcel on a lossy link is held up, and arrives long after those that were sent behind it.
    pub delay: u32,
    /// A contact over a lossy link carries nothing in one direction for a while, neither parcels nor answers.
    pub one_way: u32,
    /// A parcel arrives with some of its bits wrong.
    pub bit_error: u32,
    /// The contact breaks while a parcel is under way.
    pub broken_contact: u32,
    /// Power is lost in a step, before its transaction is committed.
    pub crash_before_commit: u32,
    /// Power is lost in a step, after the commit and before any output has left.
    pub crash_after_commit: u32,
}

impl Faults {
    /// A world in which nothing goes wrong.
    pub const NONE: Self = Self {
        loss: 0,
        lost_answer: 0,
        duplicate: 0,
        delay: 0,
        one_way: 0,
        bit_error: 0,
        broken_contact: 0,
        crash_before_commit: 0,
        crash_after_commit: 0,
    };

    /// Each fault is absent from some worlds, rare in most and frequent in a few: a fault that is always there hides
    /// what only happens without it.
    pub fn chosen(dice: &mut Dice) -> Self {
        let mut faults = Self {
            loss: odds(dice, 2_500),
            lost_answer: odds(dice, 1_500),
            duplicate: odds(dice, 2_000),
            bit_error: odds(dice, 1_000),
            broken_contact: odds(dice, 500),
            crash_before_commit: odds(dice, 150),
            crash_after_commit: odds(dice, 150),
            ..Self::NONE
        };
        faults.delay = odds(dice, 1_000);
        faults.one_way = odds(dice, 4_000);
        faults
    }
}

/// Odds of up to so many ten thousandths: none in some worlds, few in most.
pub(crate) fn odds(dice: &mut Dice, most: u64) -> u32 {
    let most = match dice.below(10) {
        0..=2 => 0,
        3..=7 => most / 5,
        _ => most,
    };
    u32::try_from(dice.between(0, most)).expect("odds are small numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_absent_from_some_worlds_and_strikes_in_others() {
        let worlds: Vec<Faults> = (0..60).map(|seed| Faults::chosen(&mut Dice::new(seed))).collect();
        let faults: [fn(&Faults) -> u32; 9] = [
            |world| world.loss,
            |world| world.lost_answer,
            |world| world.duplicate,
            |world| world.delay,
            |world| world.one_way,
            |world| world.bit_error,
            |world| world.broken_contact,
            |world| world.crash_before_commit,
            |world| world.crash_after_commit,
        ];
        for (place, fault) in faults.iter().enumerate() {
            assert!(worlds.iter().any(|world| fault(world) == 0), "{place}");
            assert!(worlds.iter().any(|world| fault(world) > 0), "{place}");
        }
    }
}
