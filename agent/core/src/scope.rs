//! What two neighbors compare: bundles that both want, as both Hellos tell (`docs/sync.md`, "Scope"). What only one of them
//! wants is no matter for a sketch: it would differ for ever.

use std::collections::BTreeSet;

use bundle_format::Eid;

use crate::set::Compared;
use crate::store::Partition;

/// Bundles by their destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All, but those for these nodes: nobody else needs what reached its destination.
    AllBut(BTreeSet<Eid>),
    /// Those for these groups.
    Groups(BTreeSet<Eid>),
}

/// What one node said in its Hello.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'h> {
    pub(crate) wants_all: bool,
    pub(crate) groups: &'h [Eid],
    pub(crate) node: &'h Eid,
    pub(crate) also: &'h [Eid],
}

impl Scope {
    /// What both want; the same whichever side asks.
    pub(crate) fn of(one: Side<'_>, other: Side<'_>) -> Self {
        let groups = |side: Side<'_>| side.groups.iter().cloned().collect::<BTreeSet<Eid>>();
        match (one.wants_all, other.wants_all) {
            (true, true) => {
                let sides = [one, other].into_iter();
                Self::AllBut(sides.flat_map(|side| side.also.iter().chain([side.node]).cloned()).collect())
            }
            (true, false) => Self::Groups(groups(other)),
            (false, true) => Self::Groups(groups(one)),
            (false, false) => Self::Groups(groups(one).intersection(&groups(other)).cloned().collect()),
        }
    }

    /// The part of a set that it is.
    pub(crate) fn compared(&self) -> Compared {
        match self {
            Self::AllBut(nodes) => Compared::AllBut(partitions(nodes)),
            Self::Groups(groups) => Compared::Only(partitions(groups)),
        }
    }

    /// The part of a set that the other side may want, and that is not compared.
    pub(crate) fn unshared(&self, other: Side<'_>) -> Compared {
        let mut wanted: BTreeSet<Eid> = other.also.iter().chain([other.node]).cloned().collect();
        match self {
            Self::Groups(groups) if other.wants_all => Compared::AllBut(partitions(groups)),
            Self::Groups(groups) => {
                wanted.extend(other.groups.iter().filter(|group| !groups.contains(group)).cloned());
                Compared::Only(partitions(&wanted))
            }
            Self::AllBut(_) => Compared::Only(partitions(&wanted)),
        }
    }

    /// By what both sides see that they mean the same; never zero.
    pub(crate) fn hash(&self) -> [u8; 8] {
        let (kind, eids) = match self {
            Self::AllBut(nodes) => (0, nodes),
            Self::Groups(groups) => (1, groups),
        };
        let mut names: Vec<Vec<u8>> = eids.iter().map(Eid::to_cbor).collect();
        names.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]);
        for name in names {
            hasher.update(&name);
        }
        let hash: [u8; 8] = *hasher.finalize().as_bytes().first_chunk().expect("a digest is longer");
        if hash == [0; 8] { [1; 8] } else { hash }
    }
}

fn partitions(destinations: &BTreeSet<Eid>) -> BTreeSet<Partition> {
    destinations.iter().map(Partition::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eid(text: &str) -> Eid {
        text.parse().unwrap()
    }

    #[test]
    fn what_both_want_is_compared_but_not_what_is_for_one_of_them() {
        let (a, b) = (eid("dtn://a/"), eid("dtn://b/"));
        let (news, maps) = (eid("dtn://all/~news"), eid("dtn://all/~maps"));
        let everything = |node| Side { wants_all: true, groups: &[], node, also: &[] };
        let all = Scope::of(everything(&a), everything(&b));
        let part = |names: &[&Eid]| names.iter().map(|name| Partition::of(name)).collect();
        assert_eq!(all.compared(), Compared::AllBut(part(&[&a, &b])));
        assert_eq!(all.unshared(everything(&b)), Compared::Only(part(&[&b])));

        let groups = [news.clone()];
        let leaf = Side { wants_all: false, groups: &groups, node: &b, also: &[] };
        let some = Scope::of(everything(&a), leaf);
        assert_eq!(some, Scope::of(leaf, everything(&a)));
        assert_eq!(some.compared(), Compared::Only(part(&[&news])));
        assert_eq!(some.unshared(everything(&a)), Compared::AllBut(part(&[&news])));
        assert_eq!(some.unshared(leaf), Compared::Only(part(&[&b])));

        let others = [news.clone(), maps.clone()];
        let other = Side { wants_all: false, groups: &others, node: &a, also: &[] };
        let shared = Scope::of(leaf, other);
        assert_eq!(shared.compared(), Compared::Only(part(&[&news])));
        assert_eq!(shared.unshared(other), Compared::Only(part(&[&a, &maps])));
        assert_ne!(all.hash(), some.hash());
    }
}
