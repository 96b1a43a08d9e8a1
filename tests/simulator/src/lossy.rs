//! What lossy links do besides losing: they hold parcels up, so that others overtake them, and carry in one direction only for a
//! while. `links` asks; senders are told nothing but that their time is up.

use agent_core::input::ContactId;

use crate::contact::{Manners, Quality};
use crate::plan::{MINUTE, Millis, SECOND};
use crate::world::World;

/// A parcel that is held up arrives at most this much later.
const MAX_DELAY: Millis = 5 * MINUTE;

impl World {
    /// How long a parcel is held up on its way.
    pub(crate) fn delay(&mut self, quality: Quality) -> Millis {
        let is_held_up = quality.manners == Manners::Lossy && self.dice.happens(self.faults.delay);
        if is_held_up { self.dice.between(SECOND, MAX_DELAY) } else { 0 }
    }

    /// One side of a new contact, whichever it is, may not be heard by the other for a while, soon or later.
    pub(crate) fn may_carry_one_way(&mut self, (a, b): (ContactId, ContactId), quality: Quality) {
        if quality.manners == Manners::Orderly || !self.dice.happens(self.faults.one_way) {
            return;
        }
        let begins = if self.dice.happens(5_000) { self.now } else { self.now + self.dice.below(5 * MINUTE) };
        let ends = begins + self.dice.between(5 * SECOND, 10 * MINUTE);
        let mute = if self.dice.happens(5_000) { a } else { b };
        if let Some(side) = self.contacts.live(mute) {
            side.mute = begins..ends;
        }
        self.note(format_args!("nothing passes on {mute} from {begins} to {ends}"));
    }
}
