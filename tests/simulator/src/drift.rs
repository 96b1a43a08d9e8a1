//! Clocks that are wrong and do not know it: by minutes to years, and jumping forward and back while their nodes run. And what can
//! be demanded where there are some.
//!
//! Nobody can tell a wrong clock from a right one. Who stamps bundles by it, or reckons their age by it, ends lifetimes too early or
//! too late, for itself and for nodes without clocks that get the bundle from it; by no more than the clocks of the world
//! disagree, all in all ([`Scenario::disagreement_ms`]). So much, and no more, is forgiven, and nothing where both the source and the
//! node in question have right clocks: those two reckon by the creation time, which nobody on the way can change. What is never
//! forgiven: a node lets go what is over by its own reckoning, delivers what was sent, keeps its store whole, and falls
//! silent in the end.

use crate::dice::Dice;
use crate::ledger::OrderNumber;
use crate::plan::{HOUR, MINUTE, Millis, NodeIndex};
use crate::scenario::{ClockKind, Role, Scenario};
use crate::world::World;

/// Most jumps of one clock.
const JUMPS: usize = 3;
const DAY: Millis = 24 * HOUR;
/// What was delivered is remembered so long after its end (`agent_core`'s memory of what is gone).
const REMEMBERED: Millis = DAY;

/// How a clock is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// How far it is ahead in the beginning; behind, where this is negative.
    pub first_ms: i64,
    /// When it jumps, in the order of time, and how far it is ahead from then on.
    pub jumps: [(Millis, i64); JUMPS],
}

impl Drift {
    /// A clock that is wrong for as long as there are faults; perhaps somebody sets it right in the end.
    pub(crate) fn chosen(dice: &mut Dice, until: Millis) -> Self {
        let first_ms = error(dice);
        let mut jumps = [(Millis::MAX, first_ms); JUMPS];
        let count = dice.index(JUMPS + 1);
        for jump in jumps.iter_mut().take(count) {
            *jump = (dice.below(until), error(dice));
        }
        jumps.sort_by_key(|(at, _)| *at);
        if dice.happens(5_000)
            && let Some(last) = jumps.iter_mut().take(count).last()
        {
            last.1 = 0;
        }
        Self { first_ms, jumps }
    }

    /// What such a clock shows at a time, where a right one shows `right`.
    pub(crate) fn shown(&self, at: Millis, right: u64) -> u64 {
        let jumped = self.jumps.iter().take_while(|(then, _)| *then <= at).last();
        right.saturating_add_signed(jumped.map_or(self.first_ms, |(_, ahead)| *ahead))
    }

    /// How far it strays, all jumps together: no reckoning by it is wrong by more.
    fn span_ms(&self) -> u64 {
        let mut ahead = self.first_ms;
        let mut span = ahead.unsigned_abs();
        for (_, next) in self.jumps.iter().filter(|(at, _)| *at != Millis::MAX) {
            span += next.abs_diff(ahead);
            ahead = *next;
        }
        span
    }
}

/// Minutes to years, ahead or behind.
fn error(dice: &mut Dice) -> i64 {
    let ms = match dice.below(4) {
        0 => dice.between(MINUTE, HOUR),
        1 => dice.between(HOUR, 2 * DAY),
        2 => dice.between(2 * DAY, 90 * DAY),
        _ => dice.between(90 * DAY, 20 * 365 * DAY),
    };
    let ms = i64::try_from(ms).expect("twenty years");
    if dice.happens(5_000) { ms } else { -ms }
}

/// In some worlds a node or two have wrong clocks.
pub(crate) fn set_wrong(dice: &mut Dice, roles: &mut [Role], until: Millis) {
    if !dice.happens(3_500) {
        return;
    }
    for _ in 0..dice.between(1, 2) {
        let node = dice.index(roles.len());
        if let Some(role) = roles.get_mut(node) {
            role.clock = ClockKind::Wrong(Drift::chosen(dice, until));
        }
    }
}

impl Scenario {
    /// By how much two nodes may think differently of when a bundle is over, because clocks are wrong.
    pub(crate) fn disagreement_ms(&self) -> u64 {
        let spans = self.roles.iter().map(|role| match role.clock {
            ClockKind::Wrong(drift) => drift.span_ms(),
            ClockKind::Trusted | ClockKind::Absent | ClockKind::RightSince(_) => 0,
        });
        spans.sum()
    }

    /// Whether a node's clock was right from the beginning.
    pub(crate) fn is_right(&self, node: NodeIndex) -> bool {
        self.role(node).clock == ClockKind::Trusted
    }
}

impl World {
    /// By how much a node may be mistaken about when an order is over; or, where there is no order, what agents say to each other.
    pub(crate) fn forgiven_ms(&self, node: NodeIndex, order: Option<OrderNumber>) -> u64 {
        let is_from_right = order.is_none_or(|order| self.scenario.is_right(self.ledger.order(order).from));
        let is_certain = self.scenario.is_right(node) && is_from_right;
        if is_certain { 0 } else { self.scenario.disagreement_ms() }
    }

    /// Until when a node must keep an order that it answers for.
    pub(crate) fn must_be_kept_until(&self, node: NodeIndex, order: OrderNumber) -> Millis {
        self.ledger.lifetime_ends(order).saturating_sub(self.forgiven_ms(node, Some(order)))
    }

    /// Whether an order may be over by now for whoever of all these nodes reckons worst.
    pub(crate) fn may_be_over(&self, order: OrderNumber) -> bool {
        self.ledger.lifetime_ends(order).saturating_sub(self.scenario.disagreement_ms()) <= self.now
    }

    /// Whether a node may have forgotten that it delivered an order, and get it again from one whose clock is another.
    pub(crate) fn may_have_forgotten(&self, node: NodeIndex, order: OrderNumber) -> bool {
        self.forgiven_ms(node, Some(order)) > REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_what_its_last_jump_made_of_it() {
        let drift = Drift { first_ms: -5, jumps: [(100, 7), (200, 0), (Millis::MAX, 9)] };
        let shown: Vec<u64> = [0, 99, 100, 199, 200, 300].map(|at| drift.shown(at, 1_000)).to_vec();
        assert_eq!(shown, [995, 995, 1_007, 1_007, 1_000, 1_000]);
        assert_eq!(drift.span_ms(), 5 + 12 + 7);
    }

    #[test]
    fn clocks_are_wrong_in_some_worlds_ahead_and_behind_and_some_are_set_right() {
        let mut drifts = Vec::new();
        for seed in 0..80 {
            let roles = Scenario::of(seed, 6).roles;
            drifts.extend(roles.iter().filter_map(|role| match role.clock {
                ClockKind::Wrong(drift) => Some(drift),
                _ => None,
            }));
        }
        assert!(drifts.len() > 10 && drifts.len() < 80, "{}", drifts.len());
        assert!(drifts.iter().any(|drift| drift.first_ms > 0));
        assert!(drifts.iter().any(|drift| drift.first_ms < 0));
        assert!(drifts.iter().any(|drift| drift.shown(Millis::MAX - 1, 10_u64.pow(12)) == 10_u64.pow(12)));
    }
}
