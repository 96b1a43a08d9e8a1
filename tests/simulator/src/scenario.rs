//! One world, drawn from its seed: who lives there, who meets whom, what is sent, and what goes wrong.

use agent_core::config::{Carry, Stance};

use crate::backups::{self, Restoration};
use crate::dice::Dice;
use crate::drift::{self, Drift};
use crate::faults::Faults;
use crate::full_disk::{self, FullDisk};
use crate::liar::{self, Lies};
use crate::plan::{HOUR, MINUTE, Meeting, Millis, NodeIndex, SECOND, Shape};
use crate::routes::Drives;

/// Groups that exist in a world.
pub(crate) const GROUPS: usize = 3;
/// A quota that nothing in a world can fill.
pub(crate) const AMPLE_OCTETS: u64 = 1 << 30;
/// A bundle whose lifetime is this long outlives its world.
pub(crate) const LONG_LIFETIME_MS: u64 = 30 * 24 * HOUR;

/// Everything that makes one world differ from another.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where all of it comes from.
    pub seed: u64,
    /// The shape of the contact plan.
    pub shape: Shape,
    /// Who lives there.
    pub roles: Vec<Role>,
    /// Who meets whom while there are faults.
    pub plan: Vec<Meeting>,
    /// What is sent, in the order of time.
    pub orders: Vec<PlacedOrder>,
    /// Settings that are changed while the world runs.
    pub chores: Vec<Chore>,
    /// The backup that is put back, where one is.
    pub restoration: Option<Restoration>,
    /// What goes wrong.
    pub faults: Faults,
    /// Drives that are carried around.
    pub drives: Drives,
    /// When it stops going wrong.
    pub faults_end: Millis,
}

/// What a node is.
#[derive(Debug, Clone)]
pub struct Role {
    /// Whether it runs our agent.
    pub kind: Kind,
    /// What it carries for others.
    pub carry: Carry,
    /// Its stance towards bundles of strangers.
    pub strangers: Stance,
    /// Its stance towards unsigned bundles.
    pub unsigned: Stance,
    /// What it knows of the time.
    pub clock: ClockKind,
    /// Whether it lies, where it is foreign.
    pub lies: Option<Lies>,
    /// Groups that it subscribes to from the beginning.
    pub groups: Vec<usize>,
    /// Whether its disk is full for a time.
    pub disk: Option<FullDisk>,
    /// Most octets in its store.
    pub quota_octets: u64,
}

/// Whether a node runs our agent, and whether others know its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Our agent; all others trust its key.
    Member,
    /// Our agent; nobody trusts its key.
    Stranger,
    /// Another implementation: says no Hello, signs nothing.
    Foreign,
}

/// What a node knows of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// Its clock is right.
    Trusted,
    /// It has no clock that can be trusted, and while it is without power no time passes for it.
    Absent,
    /// Its clock is right from then on.
    RightSince(Millis),
    /// Its clock is wrong, and it does not know.
    Wrong(Drift),
}

/// Something that somebody sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// When.
    pub at: Millis,
    /// Where.
    pub from: NodeIndex,
    /// Where to.
    pub to: Recipient,
    /// Length of the payload.
    pub octets: usize,
    /// How long it is of use.
    pub lifetime_ms: u64,
    /// 0 bulk, 1 normal, 2 urgent.
    pub urgency: u8,
    /// Whether the destination is asked to report.
    pub wants_report: bool,
}

/// Where something is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// The inbox of one node.
    Node(NodeIndex),
    /// All members of a group.
    Group(usize),
}

/// A setting that somebody changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chore {
    /// When.
    pub at: Millis,
    /// Where.
    pub node: NodeIndex,
    /// What.
    pub what: Setting,
}

/// What a chore changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Become a member of a group.
    Subscribe(usize),
    /// Trust the key of another node, which was left out of the configuration.
    Trust(NodeIndex),
}

impl Scenario {
    /// The world of a seed.
    pub fn of(seed: u64, nodes: usize) -> Self {
        let mut dice = Dice::new(seed);
        let shape = Shape::chosen(&mut dice);
        let faults_end = dice.between(2 * HOUR, 12 * HOUR);
        let roles = roles(&mut dice.branch(), nodes);
        let mut scenario = Self {
            seed,
            shape,
            plan: shape.plan(&mut dice.branch(), nodes, faults_end),
            orders: orders(&mut dice.branch(), &roles, faults_end),
            chores: chores(&mut dice.branch(), &roles, faults_end),
            restoration: None,
            faults: Faults::chosen(&mut dice.branch()),
            drives: Drives::NONE,
            faults_end,
            roles,
        };
        drift::set_wrong(&mut dice.branch(), &mut scenario.roles, faults_end);
        full_disk::set_small(&mut dice.branch(), (&mut scenario.roles, &mut scenario.orders), faults_end);
        scenario.restoration = backups::chosen(&mut dice.branch(), &scenario.roles, faults_end);
        scenario.carry_drives(&mut dice.branch());
        liar::choose(&mut dice.branch(), &mut scenario.roles);
        scenario
    }

    /// Whether a node was told the key of another before the world began.
    pub fn knows_from_the_start(&self, node: NodeIndex, other: NodeIndex) -> bool {
        self.kind(other) == Kind::Member
            && !self.chores.iter().any(|chore| chore.node == node && chore.what == Setting::Trust(other))
    }

    /// What a node is.
    pub fn role(&self, node: NodeIndex) -> &Role {
        self.roles.get(node).expect("nodes are numbered by their roles")
    }

    /// Whether it runs our agent.
    pub fn kind(&self, node: NodeIndex) -> Kind {
        self.role(node).kind
    }
}

/// At most one stranger and one foreign node, and never at the ends, where hubs and buses are: the rest must be able to
/// reach each other without them.
fn roles(dice: &mut Dice, nodes: usize) -> Vec<Role> {
    let stranger = (nodes > 4 && dice.happens(6_000)).then_some(1);
    let foreign = (nodes > 4 && dice.happens(5_000)).then_some(2);
    (0..nodes)
        .map(|node| {
            let kind = match node {
                _ if Some(node) == stranger => Kind::Stranger,
                _ if Some(node) == foreign => Kind::Foreign,
                _ => Kind::Member,
            };
            role(dice, kind)
        })
        .collect()
}

fn role(dice: &mut Dice, kind: Kind) -> Role {
    Role {
        kind,
        carry: if dice.happens(7_500) { Carry::All } else { Carry::Wanted },
        strangers: stance(dice),
        unsigned: stance(dice),
        clock: match dice.below(10) {
            0..=5 => ClockKind::Trusted,
            6..=8 => ClockKind::Absent,
            _ => ClockKind::RightSince(dice.between(HOUR, 4 * HOUR)),
        },
        disk: None,
        lies: None,
        groups: (0..GROUPS).filter(|_| dice.happens(4_000)).collect(),
        quota_octets: if dice.happens(800) { dice.between(20_000, 200_000) } else { AMPLE_OCTETS },
    }
}

fn stance(dice: &mut Dice) -> Stance {
    match dice.below(10) {
        0..=6 => Stance::Refuse,
        7..=8 => Stance::Carry,
        _ => Stance::Deliver,
    }
}

fn orders(dice: &mut Dice, roles: &[Role], until: Millis) -> Vec<PlacedOrder> {
    let count = 4 * roles.len() as u64 + dice.below(6 * roles.len() as u64);
    let mut orders: Vec<PlacedOrder> = (0..count).map(|_| order(dice, roles, until)).collect();
    orders.sort_by_key(|order| order.at);
    orders
}

fn order(dice: &mut Dice, roles: &[Role], until: Millis) -> PlacedOrder {
    let from = dice.index(roles.len());
    let to = match dice.below(2) {
        0 => Recipient::Group(dice.index(GROUPS)),
        _ => Recipient::Node(dice.index(roles.len())),
    };
    let octets = match dice.below(20) {
        0 => dice.between(30_000, 300_000),
        1..=4 => dice.between(2_000, 30_000),
        _ => dice.between(16, 2_000),
    };
    let lifetime_ms = match dice.below(10) {
        0 => dice.between(10 * SECOND, 10 * MINUTE),
        1 => dice.between(10 * MINUTE, 4 * HOUR),
        _ => LONG_LIFETIME_MS,
    };
    PlacedOrder {
        at: dice.below(until),
        from,
        to,
        octets: usize::try_from(octets).expect("payloads here are small"),
        lifetime_ms,
        urgency: u8::try_from(dice.below(3)).expect("one of three"),
        wants_report: dice.happens(2_000),
    }
}

fn chores(dice: &mut Dice, roles: &[Role], until: Millis) -> Vec<Chore> {
    let mut chores = Vec::new();
    for (node, role) in roles.iter().enumerate().filter(|(_, role)| role.kind != Kind::Foreign) {
        chores.extend(role.groups.iter().map(|group| Chore {
            at: 1,
            node,
            what: Setting::Subscribe(*group),
        }));
        for group in (0..GROUPS).filter(|group| !role.groups.contains(group)) {
            if dice.happens(1_500) {
                chores.push(Chore { at: dice.below(until), node, what: Setting::Subscribe(group) });
            }
        }
        for (other, known) in roles.iter().enumerate() {
            if other != node && known.kind == Kind::Member && dice.happens(500) {
                chores.push(Chore { at: dice.below(until), node, what: Setting::Trust(other) });
            }
        }
    }
    chores.sort_by_key(|chore| (chore.at, chore.node));
    chores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_world() {
        let text = |seed| format!("{:?}", Scenario::of(seed, 9));
        assert_eq!(text(5), text(5));
        assert_ne!(text(5), text(6));
    }

    #[test]
    fn every_kind_of_node_and_shape_of_plan_occurs() {
        let worlds: Vec<Scenario> = (0..60).map(|seed| Scenario::of(seed, 8)).collect();
        for kind in [Kind::Member, Kind::Stranger, Kind::Foreign] {
            assert!(worlds.iter().any(|world| world.roles.iter().any(|role| role.kind == kind)));
        }
        for shape in [Shape::Random, Shape::BusLine, Shape::Star, Shape::Mesh] {
            assert!(worlds.iter().any(|world| world.shape == shape));
        }
        assert!(worlds.iter().any(|world| world.faults == Faults { crash_after_commit: 0, ..world.faults }));
        assert!(worlds.iter().any(|world| world.faults.crash_after_commit > 0));
    }
}
