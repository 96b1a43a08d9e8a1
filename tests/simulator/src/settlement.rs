//! How a scenario becomes nodes: names, keys, configurations, and whom they trust.

use std::path::Path;
use std::sync::Arc;

use agent_core::config::{CardSettings, Config, ForeignNeighbor};
use agent_core::routing::Policies;
use bundle_format::{Eid, Limits, NodeKey, Profile, PublicKey};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::foreign::Foreign;
use crate::liar::Lies;
use crate::node::Node;
use crate::plan::NodeIndex;
use crate::scenario::{Kind, Recipient, Scenario};
use crate::world::Inhabitant;

/// Nobody keeps anything longer, whatever it asks.
const LIFETIME_MS_MAX: u64 = 365 * 24 * 3_600_000;

/// The node ID of a node.
pub(crate) fn node_id(node: NodeIndex) -> Eid {
    Eid::dtn(&format!("n{node}"), "").expect("a short name of letters and digits")
}

/// A group.
pub(crate) fn group(group: usize) -> Eid {
    Eid::dtn("all", &format!("~news-{group}")).expect("a short name of letters and digits")
}

/// Where a recipient takes bundles.
pub(crate) fn endpoint(recipient: Recipient) -> Eid {
    match recipient {
        Recipient::Node(node) => inbox(node),
        Recipient::Group(number) => group(number),
    }
}

/// The endpoint of a node that everything for it alone is sent to.
pub(crate) fn inbox(node: NodeIndex) -> Eid {
    Eid::dtn(&format!("n{node}"), "inbox").expect("a short name of letters and digits")
}

/// The key of a node.
pub(crate) fn key(scenario: &Scenario, node: NodeIndex) -> NodeKey {
    NodeKey::from_seed(Dice::new(scenario.seed ^ (node as u64 + 1).rotate_left(40)).seed())
}

/// Everybody who lives in a scenario's world, still without power.
pub(crate) fn settle(
    scenario: &Scenario,
    folder: &Path,
    dice: &mut Dice,
) -> std::io::Result<Vec<Inhabitant>> {
    let keys: Vec<NodeKey> = (0..scenario.roles.len()).map(|node| key(scenario, node)).collect();
    let publics: Vec<PublicKey> = keys.iter().map(NodeKey::public).collect();
    (0..scenario.roles.len())
        .map(|index| {
            let role = scenario.role(index);
            if role.kind == Kind::Foreign {
                return Ok(Inhabitant::Foreign(Foreign::new()));
            }
            let home = folder.join(index.to_string());
            std::fs::create_dir(&home)?;
            let batch_max = *dice.pick(&[1, 4, 64]).expect("one of three");
            let incarnation = u32::try_from(dice.between(1, u64::from(u32::MAX))).expect("it fits 32 bits");
            let config = Arc::new(config(scenario, index, &publics));
            let node =
                Node::new((config, Clock::new(role.clock)), (home, role.disk), (batch_max, incarnation));
            Ok(Inhabitant::Ours(Box::new(node)))
        })
        .collect()
}

fn config(scenario: &Scenario, node: NodeIndex, keys: &[PublicKey]) -> Config {
    let role = scenario.role(node);
    let known = keys.iter().enumerate().filter(|(other, _)| {
        let is_known = scenario.knows_from_the_start(node, *other);
        *other != node && (is_known || scenario.role(*other).lies == Some(Lies::AsMember))
    });
    Config {
        node: node_id(node),
        ipn: None,
        key: key(scenario, node),
        profile: Profile::default(),
        limits: Limits::default(),
        carry: role.carry,
        strangers: role.strangers,
        unsigned: role.unsigned,
        quota_octets: role.quota_octets,
        stranger_quota_octets: role.quota_octets,
        source_quota_octets: 1 << 40,
        group_quota_octets: 1 << 40,
        lifetime_ms_max: LIFETIME_MS_MAX,
        hop_limit: 64,
        custodians: None,
        foreign: foreign_neighbors(scenario),
        policies: Policies::default(),
        trust: known.map(|(other, key)| (node_id(other), *key)).collect(),
        // What nodes say of themselves every day would break the silence that is demanded in the end.
        cards: CardSettings { first_ms: u64::MAX, ..CardSettings::default() },
    }
}

fn foreign_neighbors(scenario: &Scenario) -> Vec<ForeignNeighbor> {
    let foreign = (0..scenario.roles.len()).filter(|node| scenario.kind(*node) == Kind::Foreign);
    foreign
        .map(|node| ForeignNeighbor {
            node: node_id(node),
            groups: scenario.role(node).groups.iter().copied().map(group).collect(),
        })
        .collect()
}
