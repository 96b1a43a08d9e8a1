//! How long to wait before a peer is dialled again.

use std::time::Duration;

/// The first pause: a peer that restarts is back soon.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest: a node that is away for weeks costs a handful of packets in five minutes.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The longest where the peer is a device of this machine: whoever plugs it in waits for it.
const LOCAL_PAUSE_MAX: Duration = Duration::from_secs(4);
/// A contact that lasted this long was a real one: the next pause is short again.
const LASTED: Duration = Duration::from_secs(30);
/// The longest after a contact, however short, on which the neighbor proved who it is: a link that keeps breaking is used
/// as often as it works, and a neighbor that falls over each time is not dialled all the time.
const PROVEN_PAUSE_MAX: Duration = Duration::from_secs(4);

/// Who was at the other end of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbor {
    /// A node that proved who it is.
    Proven,
    /// Nobody, or who knows who.
    Unproven,
}

/// Pauses that double, with jitter, so that many nodes do not dial a returning one in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    /// `is_local`: the peer is a device of this machine.
    pub(crate) fn new(is_local: bool) -> Self {
        let most = if is_local { LOCAL_PAUSE_MAX } else { PAUSE_MAX };
        Self { next: PAUSE_MIN, most }
    }

    /// A contact ended after `lasted`.
    pub(crate) fn contact_ended(&mut self, lasted: Duration, neighbor: Neighbor) {
        if lasted >= LASTED {
            self.next = PAUSE_MIN;
        } else if neighbor == Neighbor::Proven {
            self.next = self.next.min(PROVEN_PAUSE_MAX);
        }
    }

    /// The pause before the next try: between half and all of what is due. `roll` is random.
    pub(crate) fn pause(&mut self, roll: u32) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.most);
        due / 2 + (due / 2).mul_f64(f64::from(roll) / f64::from(u32::MAX))
    }
}

/// A roll for [`Backoff::pause`]. Where the system gives no random numbers nodes may dial in step, no more.
pub(crate) fn roll() -> u32 {
    getrandom::u32().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut backoff = Backoff::new(false);
        let pauses: Vec<u64> = (0..12).map(|_| backoff.pause(u32::MAX).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn a_device_of_this_machine_is_looked_for_every_few_seconds() {
        let mut backoff = Backoff::new(true);
        let pauses: Vec<u64> = (0..6).map(|_| backoff.pause(u32::MAX).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 4, 4, 4]);
    }

    #[test]
    fn jitter_takes_at_most_half_away() {
        assert_eq!(Backoff::new(false).pause(0), Duration::from_millis(500));
    }

    #[test]
    fn a_contact_that_lasted_begins_anew_and_a_short_one_does_not() {
        let mut backoff = Backoff::new(false);
        for _ in 0..5 {
            backoff.pause(0);
        }
        backoff.contact_ended(Duration::from_secs(2), Neighbor::Unproven);
        assert_eq!(backoff.pause(u32::MAX).as_secs(), 32);
        backoff.contact_ended(Duration::from_secs(60), Neighbor::Unproven);
        assert_eq!(backoff.pause(u32::MAX).as_secs(), 1);
    }

    #[test]
    fn a_neighbor_that_proved_who_it_is_is_dialled_again_soon_however_often_the_link_breaks() {
        let mut backoff = Backoff::new(false);
        for _ in 0..8 {
            backoff.pause(0);
        }
        for _ in 0..3 {
            backoff.contact_ended(Duration::from_millis(20), Neighbor::Proven);
            assert_eq!(backoff.pause(u32::MAX).as_secs(), 4);
        }
    }
}
