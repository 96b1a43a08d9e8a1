//! Which drives are carried where, and what goes wrong with them. Drives bring together nodes that nobody connects.

use crate::dice::Dice;
use crate::faults::odds;
use crate::plan::{MINUTE, Millis, NodeIndex, Shape};
use crate::scenario::{Kind, Scenario};

/// A drive is docked at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// When.
    pub at: Millis,
    /// Where.
    pub node: NodeIndex,
}

/// The drives of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drives {
    /// Where each is docked, in the order of time.
    pub routes: Vec<Vec<Stop>>,
    /// What goes wrong with them.
    pub faults: DriveFaults,
}

/// How often each fault strikes at a dock, in ten thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveFaults {
    /// The drive is lost before it gets there, for ever; there is a new and empty one at the next stop.
    pub lost: u32,
    /// Its content is put back to what it was at an earlier dock.
    pub stale: u32,
    /// It is pulled in the middle of the dock.
    pub pulled: u32,
    /// Something on it is damaged.
    pub damaged: u32,
    /// It has hardly any room left.
    pub full: u32,
}

impl DriveFaults {
    /// Drives that nothing happens to.
    pub const NONE: Self = Self { lost: 0, stale: 0, pulled: 0, damaged: 0, full: 0 };

    fn chosen(dice: &mut Dice) -> Self {
        Self {
            lost: odds(dice, 1_000),
            stale: odds(dice, 2_000),
            pulled: odds(dice, 3_000),
            damaged: odds(dice, 2_000),
            full: odds(dice, 3_000),
        }
    }
}

impl Drives {
    /// No drives.
    pub const NONE: Self = Self { routes: Vec::new(), faults: DriveFaults::NONE };

    /// One drive that is carried around all these nodes, again and again, and docked once in every `every` milliseconds.
    pub fn round(nodes: usize, every: Millis, until: Millis) -> Self {
        let times = (1..).map(|stop| stop * every).take_while(|at| *at < until);
        let route = times.zip((0..nodes).cycle()).map(|(at, node)| Stop { at, node }).collect();
        Self { routes: vec![route], faults: DriveFaults::NONE }
    }

    /// One or two drives that are carried to any of these nodes at any time.
    pub(crate) fn chosen(dice: &mut Dice, nodes: &[NodeIndex], until: Millis) -> Self {
        let routes = (0..dice.between(1, 2)).map(|_| route(dice, nodes, until)).collect();
        Self { routes, faults: DriveFaults::chosen(dice) }
    }
}

impl Scenario {
    /// In some worlds drives are carried around, and in some of these nobody meets anybody: only the drives do. Where clocks are wrong
    /// there are none: two such clocks reckon the time on a drive by their difference, which may be years.
    pub(crate) fn carry_drives(&mut self, dice: &mut Dice) {
        if self.disagreement_ms() > 0 || !dice.happens(6_000) {
            return;
        }
        let nodes: Vec<NodeIndex> = (0..self.roles.len()).filter(|node| self.has_drives(*node)).collect();
        self.drives = Drives::chosen(dice, &nodes, self.faults_end);
        if dice.happens(3_000) {
            self.shape = Shape::Islands;
            self.plan.clear();
        }
    }

    /// Whether anybody docks drives at a node.
    pub fn has_drives(&self, node: NodeIndex) -> bool {
        self.kind(node) != Kind::Foreign
    }
}

fn route(dice: &mut Dice, nodes: &[NodeIndex], until: Millis) -> Vec<Stop> {
    let mut at = dice.between(MINUTE, 30 * MINUTE);
    let mut stops = Vec::new();
    while at + MINUTE < until
        && let Some(node) = dice.pick(nodes)
    {
        stops.push(Stop { at, node: *node });
        at += dice.between(2 * MINUTE, 30 * MINUTE);
    }
    stops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_goes_round_and_stops_in_time() {
        let drives = Drives::round(3, 10, 45);
        let stops: Vec<_> = drives.routes.iter().flatten().map(|stop| (stop.at, stop.node)).collect();
        assert_eq!(stops, [(10, 0), (20, 1), (30, 2), (40, 0)]);
    }

    #[test]
    fn drives_stop_at_every_node_and_every_fault_strikes_somewhere() {
        let worlds: Vec<Drives> =
            (0..40).map(|seed| Drives::chosen(&mut Dice::new(seed), &[0, 2, 3], 400 * MINUTE)).collect();
        for node in [0, 2, 3] {
            assert!(worlds.iter().all(|world| world.routes.concat().iter().any(|stop| stop.node == node)));
        }
        assert!(worlds.iter().any(|world| world.routes.len() == 2));
        let faults: [fn(&DriveFaults) -> u32; 5] = [
            |faults| faults.lost,
            |faults| faults.stale,
            |faults| faults.pulled,
            |faults| faults.damaged,
            |faults| faults.full,
        ];
        for fault in faults {
            assert!(worlds.iter().any(|world| fault(&world.faults) == 0));
            assert!(worlds.iter().any(|world| fault(&world.faults) > 0));
        }
    }
}
