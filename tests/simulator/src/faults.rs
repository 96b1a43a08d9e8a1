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
        bit_error: 0,
        broken_contact: 0,
        crash_before_commit: 0,
        crash_after_commit: 0,
    };

    /// Each fault is absent from some worlds, rare in most and frequent in a few: a fault that is always there hides
    /// what only happens without it.
    pub fn chosen(dice: &mut Dice) -> Self {
        Self {
            loss: odds(dice, 2_500),
            lost_answer: odds(dice, 1_500),
            duplicate: odds(dice, 2_000),
            bit_error: odds(dice, 1_000),
            broken_contact: odds(dice, 500),
            crash_before_commit: odds(dice, 150),
            crash_after_commit: odds(dice, 150),
        }
    }
}

fn odds(dice: &mut Dice, most: u64) -> u32 {
    let most = match dice.below(10) {
        0..=2 => 0,
        3..=7 => most / 5,
        _ => most,
    };
    u32::try_from(dice.between(0, most)).expect("odds are small numbers")
}
