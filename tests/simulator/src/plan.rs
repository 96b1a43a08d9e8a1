//! Contact plans: who meets whom, and when. A plan is only a possibility; faults break what it promises.

use crate::dice::Dice;

/// Virtual time, in milliseconds since the world began.
pub type Millis = u64;

/// One second of it.
pub(crate) const SECOND: Millis = 1_000;
/// One minute of it.
pub(crate) const MINUTE: Millis = 60 * SECOND;
/// One hour of it.
pub(crate) const HOUR: Millis = 60 * MINUTE;

/// A node's place in the world.
pub type NodeIndex = usize;

/// Two nodes can reach each other for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// One of them.
    pub a: NodeIndex,
    /// The other.
    pub b: NodeIndex,
    /// From then on,
    pub opens: Millis,
    /// until then.
    pub closes: Millis,
    /// What lies between them; `None` where the world decides.
    pub link: Option<Link>,
}

impl Meeting {
    /// The same over a fast link, where nothing is said of it.
    pub(crate) fn over_a_known_link(self) -> Self {
        Self { link: self.link.or(Some(Link::FAST)), ..self }
    }
}

/// How fast a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Octets that it takes in a second, in each direction.
    pub octets_per_s: u64,
    /// How long each of them travels.
    pub latency_ms: Millis,
}

impl Link {
    /// As a good radio or a cable.
    pub const FAST: Self = Self { octets_per_s: 1_000_000, latency_ms: 10 };
}

/// The shapes of contact plans that are generated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any two meet at any time.
    Random,
    /// Villages along a road; a bus, the last node, goes up and down and meets one at a time.
    BusLine,
    /// One hub that everybody meets, one at a time or several.
    Star,
    /// A LAN: everybody sees everybody, all the time but for a few gaps.
    Mesh,
    /// Nobody meets anybody: only drives go around.
    Islands,
}

impl Shape {
    /// Any of them.
    pub fn chosen(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => Self::Random,
            1 => Self::BusLine,
            2 => Self::Star,
            _ => Self::Mesh,
        }
    }

    /// A plan of this shape that ends before `until`.
    pub fn plan(self, dice: &mut Dice, nodes: usize, until: Millis) -> Vec<Meeting> {
        let mut meetings = match self {
            Self::Random => random_meetings(dice, nodes, until),
            Self::BusLine => bus_line(dice, nodes, until),
            Self::Star => star(dice, nodes, until),
            Self::Mesh => mesh(dice, nodes, until),
            Self::Islands => Vec::new(),
        };
        meetings.retain(|meeting| meeting.closes <= until);
        meetings.sort_by_key(|meeting| (meeting.opens, meeting.a, meeting.b));
        meetings
    }
}

fn random_meetings(dice: &mut Dice, nodes: usize, until: Millis) -> Vec<Meeting> {
    (0..nodes * 4)
        .filter_map(|_| {
            let (a, b) = (dice.index(nodes), dice.index(nodes));
            let opens = dice.below(until);
            let closes = opens + dice.between(20 * SECOND, 20 * MINUTE);
            (a != b).then_some(Meeting { a, b, opens, closes, link: None })
        })
        .collect()
}

fn bus_line(dice: &mut Dice, nodes: usize, until: Millis) -> Vec<Meeting> {
    let bus = nodes - 1;
    let ride = dice.between(5 * MINUTE, 20 * MINUTE);
    let (mut stop, mut upwards, mut at) = (0, true, dice.below(ride));
    let mut meetings = Vec::new();
    while at < until && bus > 0 {
        let stay = dice.between(20 * SECOND, ride / 2);
        meetings.push(Meeting { a: bus, b: stop, opens: at, closes: at + stay, link: None });
        at += stay + ride;
        upwards = if stop + 1 >= bus { false } else { upwards || stop == 0 };
        stop = if upwards { stop + 1 } else { stop.saturating_sub(1) };
    }
    meetings
}

/// A long bus line: `buses` buses, the last nodes, each with a stretch of the villages of its own, and a village at each end that
/// the next bus visits too. They ride until `until`, and stay a minute.
pub fn long_line(nodes: usize, buses: usize, until: Millis) -> Vec<Meeting> {
    let villages = nodes.saturating_sub(buses);
    let stretch = stretch(villages, buses);
    let mut meetings = Vec::new();
    for bus in 0..buses {
        let first = bus * stretch;
        let last = (first + stretch).min(villages.saturating_sub(1));
        let (mut stop, mut upwards) = (first, true);
        let mut at = 1_000 + 7_000 * bus as u64 % (2 * MINUTE);
        while at + MINUTE < until && first < last {
            let (a, b, link) = (villages + bus, stop, Some(Link::FAST));
            meetings.push(Meeting { a, b, opens: at, closes: at + MINUTE, link });
            at += 3 * MINUTE;
            upwards = if stop >= last { false } else { upwards || stop == first };
            stop = if upwards { stop + 1 } else { stop - 1 };
        }
    }
    meetings.sort_by_key(|meeting| (meeting.opens, meeting.a, meeting.b));
    meetings
}

/// Villages from the first of one bus to the first of the next.
pub(crate) fn stretch(villages: usize, buses: usize) -> usize {
    villages.div_ceil(buses.max(1)).max(1)
}

fn star(dice: &mut Dice, nodes: usize, until: Millis) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    for leaf in 1..nodes {
        let mut at = dice.below(HOUR);
        while at < until {
            let closes = at + dice.between(30 * SECOND, 10 * MINUTE);
            meetings.push(Meeting { a: 0, b: leaf, opens: at, closes, link: None });
            at = closes + dice.between(10 * MINUTE, 2 * HOUR);
        }
    }
    meetings
}

fn mesh(dice: &mut Dice, nodes: usize, until: Millis) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    for a in 0..nodes {
        for b in a + 1..nodes {
            let mut at = dice.below(MINUTE);
            while at < until {
                let closes = (at + dice.between(HOUR / 2, 4 * HOUR)).min(until);
                meetings.push(Meeting { a, b, opens: at, closes, link: None });
                at = closes + dice.between(MINUTE, HOUR);
            }
        }
    }
    meetings
}

/// A tournament: in each round every node meets one other, and after the last round everybody has met everybody once.
pub(crate) fn tournament(nodes: usize, begins: Millis, round: Millis) -> Vec<Meeting> {
    let seats = nodes + nodes % 2;
    let mut meetings = Vec::new();
    let mut opens = begins;
    for turn in 0..seats.saturating_sub(1) {
        for table in 0..seats / 2 {
            let (a, b) = pairing(seats, turn, table);
            if a < nodes && b < nodes {
                meetings.push(Meeting { a, b, opens, closes: opens + round, link: None });
            }
        }
        opens += 2 * round;
    }
    meetings
}

/// When a tournament is over.
pub(crate) fn tournament_ends(nodes: usize, begins: Millis, round: Millis) -> Millis {
    let rounds = (nodes + nodes % 2).saturating_sub(1) as u64;
    begins + rounds * 2 * round
}

/// The circle method: the last seat stays, the others move on by one each turn.
fn pairing(seats: usize, turn: usize, table: usize) -> (usize, usize) {
    let circle = seats - 1;
    let left = (turn + table) % circle;
    let right = if table == 0 { circle } else { (turn + circle - table) % circle };
    (left, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn in_a_tournament_everybody_meets_everybody_once_and_nobody_two_at_a_time() {
        for nodes in 2..12 {
            let meetings = tournament(nodes, 0, MINUTE);
            let pairs: BTreeSet<_> =
                meetings.iter().map(|met| (met.a.min(met.b), met.a.max(met.b))).collect();
            assert_eq!((pairs.len(), meetings.len()), (nodes * (nodes - 1) / 2, nodes * (nodes - 1) / 2));
            let seats: BTreeSet<_> =
                meetings.iter().flat_map(|met| [(met.opens, met.a), (met.opens, met.b)]).collect();
            assert_eq!(seats.len(), 2 * meetings.len());
            assert!(
                meetings.iter().all(|met| met.a != met.b && met.closes < tournament_ends(nodes, 0, MINUTE))
            );
        }
    }

    #[test]
    fn plans_end_in_time_and_nobody_meets_itself() {
        for seed in 0..40 {
            let mut dice = Dice::new(seed);
            let nodes = 2 + dice.index(10);
            let plan = Shape::chosen(&mut dice).plan(&mut dice, nodes, 10 * HOUR);
            assert!(!plan.is_empty());
            assert!(plan.iter().all(|met| met.a < nodes && met.b < nodes && met.a != met.b));
            assert!(plan.iter().all(|met| met.opens < met.closes && met.closes <= 10 * HOUR));
        }
    }

    #[test]
    fn a_bus_visits_every_village() {
        let plan = Shape::BusLine.plan(&mut Dice::new(3), 6, 48 * HOUR);
        let villages: BTreeSet<_> = plan.iter().map(|met| met.b).collect();
        assert_eq!(villages, (0..5).collect());
    }
}
