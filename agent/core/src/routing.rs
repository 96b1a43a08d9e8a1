//! Which neighbors a bundle is given to: the one place that says so. Whoever wants a bundle gets it, unless a policy of the
//! operator names its destination: then only who is its end, or who the policy names.
//!
//! `listing::offerable` asks for each bundle and neighbor, `pouring` before it goes on with one, `packmule drive dock` for
//! each bundle and drive. What policy keeps from a neighbor stays in the set that is compared with it (`docs/sync.md`,
//! "Policies"): the set is this node's, and policies are told to nobody.

use std::str::FromStr;

use bundle_format::{Eid, EidError};
use thiserror::Error;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::output::Standing;
use crate::publishing::is_everybodys;

/// What the operator decided about bundles for some destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which destinations.
    pub destination: Pattern,
    /// Who gets them.
    pub forward: Forward,
    /// Nodes that get them whatever they want themselves.
    pub via: Vec<Eid>,
}

/// Who gets bundles, besides the nodes that a policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Every neighbor that wants or carries them.
    Replicate,
    /// Neighbors for which they are: the destination itself, or members of the group.
    Direct,
    /// The destination itself, if it is one node; of a group nobody.
    Via,
}

/// What a node has to do with a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Nothing.
    None,
    /// It carries bundles for everybody.
    Carrier,
    /// It is the destination, or asked for the group by its name.
    Member,
}

/// Destinations, by their text: an endpoint ID, or the beginning of some and `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `*`: all.
    Any,
    /// An endpoint ID: itself.
    Exactly(Eid),
    /// `ipn:7.*`, `dtn://hub/*`, `dtn://hub/photos/*`: endpoints of a `dtn` name or an `ipn` node with a demux that begins so.
    Below(Eid),
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It has no `*` at its end, and is not an endpoint ID.
    #[error("{0}")]
    Eid(#[from] EidError),
    /// A `*` stands elsewhere, or behind something that does not name a node.
    #[error("a * stands at the end, behind a node, as in dtn://hub/* or ipn:7.*")]
    Star,
    /// The null endpoint is nobody's destination.
    #[error("no bundle goes to the null endpoint")]
    Null,
}

/// The operator's policies, in the order in which they were written: the first that names a destination counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies(Vec<Policy>);

impl Pattern {
    /// Whether it names a destination.
    pub fn matches(&self, destination: &Eid) -> bool {
        match (self, destination) {
            (Self::Any, _) => true,
            (Self::Exactly(eid), _) => eid == destination,
            (Self::Below(Eid::Dtn(above)), Eid::Dtn(below)) => {
                above.node() == below.node() && below.demux().starts_with(above.demux())
            }
            (Self::Below(above @ Eid::Ipn { .. }), Eid::Ipn { .. }) => {
                destination.node_id().as_ref() == Some(above)
            }
            (Self::Below(_), _) => false,
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.strip_suffix('*').unwrap_or(text).contains('*') {
            return Err(PatternError::Star);
        }
        let Some(beginning) = text.strip_suffix('*') else {
            let eid: Eid = text.parse()?;
            return if eid.is_null() { Err(PatternError::Null) } else { Ok(Self::Exactly(eid)) };
        };
        if beginning.is_empty() {
            return Ok(Self::Any);
        }
        let is_ipn = beginning.starts_with("ipn:");
        let above = if is_ipn {
            // The administrative endpoint of the node that the star is behind.
            let node = beginning.strip_suffix('.').ok_or(PatternError::Star)?;
            format!("{node}.0")
        } else {
            beginning.to_owned()
        };
        match above.parse() {
            Ok(Eid::Null) => Err(PatternError::Null),
            Ok(eid) => Ok(Self::Below(eid)),
            Err(_) => Err(PatternError::Star),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(eid) => eid.fmt(f),
            Self::Below(eid @ Eid::Ipn { .. }) => write!(f, "{}*", eid.to_string().trim_end_matches('0')),
            Self::Below(eid) => write!(f, "{eid}*"),
        }
    }
}

impl std::fmt::Display for Forward {
    /// As `config.toml` writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Replicate => "replicate",
            Self::Direct => "direct",
            Self::Via => "via",
        })
    }
}

impl Policies {
    /// These, the first that names a destination counting.
    pub fn new(policies: Vec<Policy>) -> Self {
        Self(policies)
    }

    /// The policy for a destination, where there is one. What nodes tell each other of themselves is under none.
    pub fn of(&self, destination: &Eid) -> Option<&Policy> {
        if is_everybodys(destination) {
            return None;
        }
        self.0.iter().find(|policy| policy.destination.matches(destination))
    }

    /// Whether bundles for a destination go to a node of these names, with this interest in them.
    pub fn lead_to(&self, names: &[&Eid], interest: Interest, destination: &Eid) -> bool {
        let Some(policy) = self.of(destination) else { return interest > Interest::None };
        let by_interest = match policy.forward {
            Forward::Replicate => interest > Interest::None,
            Forward::Direct => interest == Interest::Member,
            Forward::Via => interest == Interest::Member && destination.is_singleton(),
        };
        by_interest || names.iter().any(|name| policy.via.contains(name))
    }

    /// Whether bundles for a destination go onto a drive that these other nodes are known to visit. Whoever visits it takes
    /// what is on it, so that all of them must be allowed to have it.
    pub fn lead_onto_drive(&self, visitors: &[Eid], destination: &Eid) -> bool {
        let Some(policy) = self.of(destination) else { return true };
        let end = destination.node_id();
        let may_have = |node: &Eid| policy.via.contains(node) || end.as_ref() == Some(node);
        policy.forward == Forward::Replicate || (!visitors.is_empty() && visitors.iter().all(may_have))
    }
}

impl Agent {
    /// Whether a neighbor is to get bundles for a destination. Nobody gets back what only its destination, this node, is to
    /// have.
    pub(crate) fn wanted_by(&self, contact: &Contact, destination: &Eid) -> bool {
        if destination.node_id().is_some_and(|node| self.is_self(&node)) {
            return false;
        }
        let names: Vec<&Eid> = match (contact.standing, &contact.claim) {
            (Some(Standing::Authenticated), Some(claim)) => {
                claim.hello.also.iter().chain([&claim.node]).collect()
            }
            (Some(Standing::Foreign), _) => contact.declared.iter().collect(),
            _ => return false,
        };
        let interest = self.interest_of(contact, &names, destination);
        self.config.policies.lead_to(&names, interest, destination)
    }

    /// What a neighbor asked for where it is authenticated, else what is addressed to it or configured for it.
    fn interest_of(&self, contact: &Contact, names: &[&Eid], destination: &Eid) -> Interest {
        if destination.node_id().is_some_and(|node| names.contains(&&node)) {
            return Interest::Member;
        }
        match (contact.standing, &contact.claim) {
            (Some(Standing::Authenticated), Some(claim)) if claim.hello.groups.contains(destination) => {
                Interest::Member
            }
            (Some(Standing::Authenticated), Some(claim)) if claim.hello.wants_all => Interest::Carrier,
            (Some(Standing::Foreign), _) => {
                let mut foreign = self.config.foreign.iter().filter(|foreign| names.contains(&&foreign.node));
                if foreign.any(|foreign| foreign.groups.contains(destination)) {
                    Interest::Member
                } else {
                    Interest::None
                }
            }
            _ => Interest::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eid(text: &str) -> Eid {
        text.parse().unwrap()
    }

    fn policies(entries: &[(&str, Forward, &[&str])]) -> Policies {
        let policy = |(destination, forward, via): &(&str, Forward, &[&str])| Policy {
            destination: destination.parse().unwrap(),
            forward: *forward,
            via: via.iter().map(|node| eid(node)).collect(),
        };
        Policies::new(entries.iter().map(policy).collect())
    }

    #[test]
    fn a_pattern_names_what_begins_with_it() {
        for (pattern, destination, matches) in [
            ("*", "dtn://hub/inbox", true),
            ("dtn://hub/*", "dtn://hub/", true),
            ("dtn://hub/*", "dtn://hub/~news", true),
            ("dtn://hub/*", "dtn://hub2/inbox", false),
            ("dtn://hub/photos/*", "dtn://hub/photos/1", true),
            ("dtn://hub/photos/*", "dtn://hub/inbox", false),
            ("dtn://all/~*", "dtn://all/~news", true),
            ("dtn://all/~news", "dtn://all/~news", true),
            ("dtn://all/~news", "dtn://all/~news2", false),
            ("ipn:7.*", "ipn:7.1", true),
            ("ipn:7.*", "ipn:70.1", false),
            ("ipn:7.*", "ipn:7.1.1", false),
            ("ipn:977000.7.*", "ipn:977000.7.4", true),
            ("ipn:7.1", "ipn:7.2", false),
            ("ipn:7.*", "dtn://hub/", false),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&eid(destination)), matches, "{pattern} {destination}");
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_was_read_and_others_are_refused() {
        for text in
            ["*", "dtn://hub/*", "dtn://hub/photos/*", "ipn:7.*", "ipn:70.*", "ipn:977000.7.*", "ipn:7.1"]
        {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        for text in ["", "hub", "dtn://*", "ipn:7*", "ipn:*", "ipn:0.*", "dtn:none", "dtn://*/inbox*", "**"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_way_of_forwarding_names_its_neighbors() {
        let policies = policies(&[
            ("dtn://hub/*", Forward::Direct, &[]),
            ("ipn:7.*", Forward::Via, &["dtn://gateway/"]),
            ("dtn://all/~news", Forward::Direct, &[]),
            ("dtn://all/~maps", Forward::Via, &["dtn://gateway/"]),
            ("ipn:8.*", Forward::Replicate, &["dtn://gateway/"]),
            ("*", Forward::Replicate, &[]),
        ]);
        let gateway = eid("dtn://gateway/");
        for (destination, [none, carrier, member], by_name) in [
            ("dtn://hub/inbox", [false, false, true], false),
            ("ipn:7.1", [false, false, true], true),
            ("dtn://all/~news", [false, false, true], false),
            ("dtn://all/~maps", [false, false, false], true),
            ("ipn:8.1", [false, true, true], true),
            ("dtn://other/", [false, true, true], false),
        ] {
            let destination = eid(destination);
            let other = eid("dtn://other-node/");
            let to = |name, interest| policies.lead_to(&[name], interest, &destination);
            assert_eq!(to(&other, Interest::None), none, "{destination}");
            assert_eq!(to(&other, Interest::Carrier), carrier, "{destination}");
            assert_eq!(to(&other, Interest::Member), member, "{destination}");
            assert_eq!(to(&gateway, Interest::None), by_name, "{destination}");
        }
    }

    #[test]
    fn a_drive_gets_what_all_who_visit_it_may_have() {
        let policies = policies(&[
            ("dtn://hub/*", Forward::Direct, &[]),
            ("ipn:7.*", Forward::Via, &["dtn://gateway/"]),
        ]);
        let (hub, gateway) = (eid("dtn://hub/"), eid("dtn://gateway/"));
        let onto = |visitors: &[Eid], destination| policies.lead_onto_drive(visitors, &eid(destination));
        assert!(onto(&[], "dtn://elsewhere/inbox") && !onto(&[], "dtn://hub/inbox"));
        assert!(onto(std::slice::from_ref(&hub), "dtn://hub/inbox"));
        assert!(!onto(&[hub.clone(), gateway.clone()], "dtn://hub/inbox"));
        assert!(onto(std::slice::from_ref(&gateway), "ipn:7.1") && !onto(&[hub, gateway], "ipn:7.1"));
    }

    #[test]
    fn what_nodes_tell_of_themselves_is_under_no_policy() {
        let policies = policies(&[("*", Forward::Direct, &[])]);
        for group in crate::publishing::everybodys() {
            assert!(policies.lead_to(&[&eid("dtn://b/")], Interest::Carrier, &group));
        }
        assert!(!policies.lead_to(&[&eid("dtn://b/")], Interest::Carrier, &eid("dtn://c/inbox")));
    }
}
