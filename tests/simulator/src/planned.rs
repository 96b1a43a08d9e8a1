//! Worlds that follow a contact plan to the letter: all nodes are members with room enough, and nothing goes wrong but
//! what is asked for. They measure; what comes of them is set beside ideal flooding.

use agent_core::config::{Carry, Stance};

use crate::dice::Dice;
use crate::faults::Faults;
use crate::flooding::Flooding;
use crate::outcome::Counts;
use crate::plan::{HOUR, Meeting, Millis, NodeIndex, Shape, stretch};
use crate::routes::Drives;
use crate::sabotage::Sabotage;
use crate::scenario::{
    AMPLE_OCTETS, Chore, ClockKind, Kind, LONG_LIFETIME_MS, PlacedOrder, Recipient, Role, Scenario, Setting,
};
use crate::trace::Show;
use crate::violation::Violation;
use crate::world::World;
use crate::{Failure, Outcome};

/// What is sent over a plan, and who carries it.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Bundles, sent in the first half of the plan by anybody.
    pub bundles: usize,
    /// Octets of the payload of each.
    pub octets: usize,
    /// Whether each goes to everybody, or to one node.
    pub to: Audience,
    /// Who carries what is not for it.
    pub carriers: Carriers,
}

/// Whom bundles are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// All nodes.
    Everybody,
    /// One node each.
    One,
}

/// Who carries what is not for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriers {
    /// All nodes.
    All,
    /// Of a line of so many buses, the last nodes: these, and the villages where one bus meets the stretch of the next.
    Line(usize),
}

impl Carriers {
    fn include(self, node: NodeIndex, nodes: usize) -> bool {
        match self {
            Self::All => true,
            Self::Line(buses) => {
                let villages = nodes.saturating_sub(buses);
                node >= villages || node.is_multiple_of(stretch(villages, buses))
            }
        }
    }
}

/// What came of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What was counted, and the hash of what happened.
    pub outcome: Outcome,
    /// Pairs of a bundle and a node that ideal flooding brings together, before the only node that the bundle is for has it:
    /// when it has, nobody needs copies any more, and they are dropped.
    pub ideal: usize,
    /// Pairs of them that came together.
    pub reached: usize,
    /// The median of the times that ideal flooding takes, over the pairs that came together.
    pub ideal_median_ms: Millis,
    /// The median of the times that it took.
    pub median_ms: Millis,
    /// The time within which 95 of 100 of them came together.
    pub late_ms: Millis,
    /// Pairs of them whose node the bundle is for.
    pub wanted: usize,
    /// Pairs of those that came together.
    pub delivered: usize,
}

impl Scenario {
    /// A world that follows a plan. Where the plan says nothing of a link, it is fast.
    pub fn planned(seed: u64, nodes: usize, plan: Vec<Meeting>, load: Load) -> Self {
        Self::planned_with(seed, (nodes, plan, Drives::NONE), load)
    }

    /// The same, with drives.
    pub fn planned_with(seed: u64, (nodes, plan, drives): (usize, Vec<Meeting>, Drives), load: Load) -> Self {
        let stops = drives.routes.iter().flatten().map(|stop| stop.at);
        let ends = plan.iter().map(|meeting| meeting.closes).chain(stops).max().unwrap_or(HOUR);
        let role = |node: NodeIndex| Role {
            kind: Kind::Member,
            carry: if load.carriers.include(node, nodes) { Carry::All } else { Carry::Wanted },
            strangers: Stance::Refuse,
            unsigned: Stance::Refuse,
            clock: ClockKind::Trusted,
            groups: if load.to == Audience::Everybody { vec![0] } else { Vec::new() },
            disk: None,
            lies: None,
            quota_octets: AMPLE_OCTETS,
        };
        let chore = |node| Chore { at: 1, node, what: Setting::Subscribe(0) };
        let subscribers = if load.to == Audience::Everybody { nodes } else { 0 };
        Self {
            seed,
            shape: Shape::Random,
            roles: (0..nodes).map(role).collect(),
            plan: plan.into_iter().map(Meeting::over_a_known_link).collect(),
            orders: orders(&mut Dice::new(seed), nodes, load, ends / 2),
            chores: (0..subscribers).map(chore).collect(),
            restoration: None,
            faults: Faults::NONE,
            drives,
            faults_end: ends + HOUR,
        }
    }
}

fn orders(dice: &mut Dice, nodes: usize, load: Load, until: Millis) -> Vec<PlacedOrder> {
    let mut orders: Vec<PlacedOrder> = (0..load.bundles).map(|_| order(dice, nodes, (load, until))).collect();
    orders.sort_by_key(|order| order.at);
    orders
}

fn order(dice: &mut Dice, nodes: usize, (load, until): (Load, Millis)) -> PlacedOrder {
    let from = dice.index(nodes);
    // Anybody else: what is for the node itself travels nowhere.
    let other = (from + 1 + dice.index(nodes.saturating_sub(1).max(1))) % nodes.max(1);
    PlacedOrder {
        at: dice.between(100, until.max(100)),
        from,
        to: match load.to {
            Audience::Everybody => Recipient::Group(0),
            Audience::One => Recipient::Node(other),
        },
        octets: load.octets.max(8),
        lifetime_ms: LONG_LIFETIME_MS,
        urgency: 1,
        wants_report: false,
    }
}

/// Runs a scenario to the end of its plan; `progress` is told what was counted, now and then, and how far time is.
pub fn measure(
    scenario: &Scenario,
    show: Show,
    progress: &mut dyn FnMut(&Counts, Millis),
) -> Result<Measured, Failure> {
    let mut world = World::new(scenario.clone(), Sabotage::Nothing, show)?;
    let end = scenario.faults_end.saturating_sub(1);
    let ran = world.begin().and_then(|()| in_slices(&mut world, end, progress));
    ran.map_err(|violation| Failure::Planned { violation })?;
    Ok(compare(&world))
}

fn in_slices(
    world: &mut World,
    end: Millis,
    progress: &mut dyn FnMut(&Counts, Millis),
) -> Result<(), Violation> {
    const SLICES: u64 = 1_000;
    for slice in 1..=SLICES {
        world.run_until(end / SLICES * slice)?;
        progress(&world.counts, world.now);
    }
    Ok(())
}

fn compare(world: &World) -> Measured {
    let scenario = &world.scenario;
    let nodes = scenario.roles.len();
    let flooding = Flooding::with_drives(nodes, &scenario.plan, &scenario.drives);
    let carries = |node| node >= nodes || scenario.role(node).carry == Carry::All;
    let (mut ideal, mut wanted, mut delivered) = (0, 0, 0);
    let (mut ideal_times, mut times) = (Vec::new(), Vec::new());
    for (number, order, _) in world.ledger.orders() {
        let arrivals = flooding.arrivals((order.from, order.at), carries);
        let is_over = match order.to {
            Recipient::Node(to) => arrivals.get(to).copied().flatten(),
            Recipient::Group(_) => None,
        };
        for (node, best) in
            arrivals.into_iter().take(nodes).enumerate().filter(|(node, _)| *node != order.from)
        {
            let is_for_it = match order.to {
                Recipient::Node(to) => to == node,
                Recipient::Group(group) => scenario.role(node).groups.contains(&group),
            };
            let Some(best) =
                best.filter(|best| is_for_it || (carries(node) && is_over.is_none_or(|over| *best < over)))
            else {
                continue;
            };
            ideal += 1;
            wanted += usize::from(is_for_it);
            if let Some(came) = world.ledger.arrival(node, number) {
                delivered += usize::from(is_for_it);
                ideal_times.push(best - order.at);
                times.push(came - order.at);
            }
        }
    }
    ideal_times.sort_unstable();
    times.sort_unstable();
    Measured {
        outcome: Outcome { counts: world.counts, trace: world.trace.hash() },
        ideal,
        reached: times.len(),
        ideal_median_ms: percentile(&ideal_times, 50),
        median_ms: percentile(&times, 50),
        late_ms: percentile(&times, 95),
        wanted,
        delivered,
    }
}

/// The time that so many of a hundred do not pass, of times in their order.
fn percentile(times: &[Millis], percent: usize) -> Millis {
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}
