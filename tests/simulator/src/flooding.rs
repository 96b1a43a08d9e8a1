//! Ideal flooding: when each node would have a bundle if every contact passed on everything at once, at no cost but its
//! latency and the millisecond that a step takes here. Nothing can be faster over the same plan, so that runs are measured
//! against it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::driving::PROMPT_MS;
use crate::plan::{Link, Meeting, Millis, NodeIndex};
use crate::routes::Drives;

/// How long a dock takes.
const DOCK_MS: Millis = 5_000;

/// The meetings of each node.
#[derive(Debug)]
pub(crate) struct Flooding {
    meetings: Vec<Vec<Edge>>,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    to: NodeIndex,
    opens: Millis,
    closes: Millis,
    latency_ms: Millis,
}

impl Flooding {
    /// A drive is a node behind the others: what is at a node or on the drive when a dock begins is at both when it ends.
    pub(crate) fn with_drives(nodes: usize, plan: &[Meeting], drives: &Drives) -> Self {
        let link = Some(Link { octets_per_s: 1, latency_ms: DOCK_MS });
        let mut all = plan.to_vec();
        for (drive, route) in (nodes..).zip(&drives.routes) {
            all.extend(route.iter().map(|stop| {
                let (a, b, opens, closes) = (stop.node, drive, stop.at, stop.at + DOCK_MS + PROMPT_MS);
                Meeting { a, b, opens, closes, link }
            }));
        }
        Self::new(nodes + drives.routes.len(), &all)
    }

    fn new(nodes: usize, plan: &[Meeting]) -> Self {
        let mut meetings = vec![Vec::new(); nodes];
        for Meeting { a, b, opens, closes, link } in plan.iter().copied() {
            let latency_ms = link.unwrap_or(Link::FAST).latency_ms + PROMPT_MS;
            for (from, to) in [(a, b), (b, a)] {
                let edges = meetings.get_mut(from).expect("plans name nodes of the world");
                edges.push(Edge { to, opens, closes, latency_ms });
            }
        }
        for edges in &mut meetings {
            edges.sort_by_key(|edge| edge.closes);
        }
        Self { meetings }
    }

    /// When each node would have what `from` is given at `at`; only nodes that `carries` is true of pass it on.
    pub(crate) fn arrivals(
        &self,
        (from, at): (NodeIndex, Millis),
        carries: impl Fn(NodeIndex) -> bool,
    ) -> Vec<Option<Millis>> {
        let mut known = vec![None; self.meetings.len()];
        let mut heap = BinaryHeap::from([Reverse((at + PROMPT_MS, from))]);
        while let Some(Reverse((at, node))) = heap.pop() {
            let Some(place) = known.get_mut(node).filter(|place| place.is_none()) else { continue };
            *place = Some(at);
            if node != from && !carries(node) {
                continue;
            }
            let edges = self.meetings.get(node).map_or(&[][..], Vec::as_slice);
            let still = edges.partition_point(|edge| edge.closes < at);
            for edge in edges.get(still..).unwrap_or_default() {
                let arrives = at.max(edge.opens) + edge.latency_ms;
                if arrives <= edge.closes && known.get(edge.to).is_some_and(Option::is_none) {
                    heap.push(Reverse((arrives, edge.to)));
                }
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_flow_along_contacts_in_the_order_of_time_only() {
        let link = Some(Link { octets_per_s: 1, latency_ms: 5 });
        let meeting = |a, b, opens, closes| Meeting { a, b, opens, closes, link };
        let plan =
            [meeting(0, 1, 100, 200), meeting(1, 2, 50, 150), meeting(2, 3, 0, 90), meeting(3, 4, 0, 999)];
        let flooding = Flooding::new(5, &plan);
        assert_eq!(flooding.arrivals((0, 10), |_| true), [Some(11), Some(106), Some(112), None, None]);
        assert_eq!(flooding.arrivals((0, 10), |_| false), [Some(11), Some(106), None, None, None]);
        assert_eq!(flooding.arrivals((0, 196), |_| true), [Some(197), None, None, None, None]);
    }
}
