//! Two sessions against each other in one process, with random cuts, orders, decisions and stalls.
//!
//! Checked: every bundle arrives whole and in order or is refused, `Sent` is said exactly for what was accepted, limits
//! hold at every step, and the session ends in order on both sides.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use convergence_layer::{CloseReason, Control, Event, Outgoing, RefusalReason};
use proptest::prelude::*;
use tcpcl::Options;
use tcpcl::negotiation::Role;
use tcpcl::session::{EVENTS_MAX, OUTBOX_MAX, Session};

/// Small numbers from a seed; the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }
}

/// What became of a transfer, as its sender heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sent,
    Refused,
}

struct Node {
    session: Session,
    input: BytesMut,
    outgoing: VecDeque<Outgoing>,
    bundles: BTreeMap<u64, Bytes>,
    fates: BTreeMap<u64, Fate>,
    arriving: Option<(u64, Vec<u8>)>,
    undecided: VecDeque<(u64, Vec<u8>)>,
    accepted: BTreeMap<u64, Vec<u8>>,
    broken: usize,
    closed: Option<String>,
}

impl Node {
    fn new(role: Role, dice: &mut Dice, length_max: usize, now: Instant) -> Self {
        let mut options = Options::new(format!("dtn://{role:?}/"));
        options.segment_mru = [256, 1000, 64 * 1024][dice.roll(3)];
        options.transfer_mru = 150_000;
        options.unanswered_max = 1 + dice.roll(5);
        options.unacknowledged_max = 1 + dice.roll(5);
        let (mut outgoing, mut bundles) = (VecDeque::new(), BTreeMap::new());
        for transfer in 0..dice.roll(15) as u64 {
            let length =
                [0, 1, dice.roll(600), dice.roll(5000), dice.roll(200_000)][dice.roll(5)].min(length_max);
            let fill = u8::try_from(dice.roll(256)).unwrap();
            let bundle: Bytes =
                (0..length).map(|at| fill.wrapping_add(u8::try_from(at % 255).unwrap())).collect();
            outgoing.push_back(Outgoing::Begin { transfer, length: length as u64 });
            let piece = 1 + dice.roll(length + 1).max(length / 50);
            outgoing.extend((0..length).step_by(piece).map(|at| {
                let end = length.min(at + piece);
                Outgoing::Octets(bundle.slice(at..end))
            }));
            if dice.roll(8) == 0 && length > 0 {
                outgoing.pop_back();
                outgoing.push_back(Outgoing::Abandon);
            } else {
                bundles.insert(transfer, bundle);
            }
        }
        Self {
            session: Session::new(role, Arc::new(options), now).unwrap(),
            input: BytesMut::new(),
            outgoing,
            bundles,
            fates: BTreeMap::new(),
            arriving: None,
            undecided: VecDeque::new(),
            accepted: BTreeMap::new(),
            broken: 0,
            closed: None,
        }
    }

    /// One random thing that an agent may do.
    fn act(&mut self, dice: &mut Dice, now: Instant) {
        match dice.roll(4) {
            0 => {
                for _ in 0..dice.roll(10) {
                    if let Some(event) = self.session.poll_event() {
                        self.hear(event);
                    }
                }
            }
            1 if self.session.takes_outgoing() => {
                if let Some(outgoing) = self.outgoing.pop_front() {
                    self.session.take(now, outgoing);
                }
            }
            2 => self.decide(dice, now),
            _ => self.session.receive(now, &mut self.input),
        }
        assert!(self.session.waiting() <= OUTBOX_MAX + 1000);
    }

    fn decide(&mut self, dice: &mut Dice, now: Instant) {
        let waiting = self.undecided.len();
        if dice.roll(30) == 0
            && let Some((transfer, _)) = self.arriving
        {
            self.session.decide(now, Control::Refuse(transfer, RefusalReason::Completed));
        }
        if waiting == 0 {
            return;
        }
        let (transfer, bundle) = self.undecided.remove(dice.roll(waiting)).unwrap();
        if dice.roll(4) == 0 {
            self.session.decide(now, Control::Refuse(transfer, RefusalReason::NoResources));
        } else {
            // A transfer that was refused while its end was on its way up is not accepted by this.
            self.session.decide(now, Control::Accept(transfer));
            self.accepted.insert(transfer, bundle);
        }
    }

    fn hear(&mut self, event: Event) {
        assert!(self.closed.is_none(), "{event:?} after the end");
        match event {
            Event::Opened { .. } => {}
            Event::Left(_) => panic!("TCPCL acknowledges"),
            // A transfer that we refused is not mentioned again.
            Event::Receiving { transfer, .. } => self.arriving = Some((transfer, Vec::new())),
            Event::Octets(octets) => self.arriving.as_mut().unwrap().1.extend_from_slice(&octets),
            Event::Received => self.undecided.extend(self.arriving.take()),
            Event::Broken => {
                self.arriving.take().unwrap();
                self.broken += 1;
            }
            Event::Sent(transfer) => assert_eq!(self.fates.insert(transfer, Fate::Sent), None),
            Event::Refused { transfer, .. } => assert_eq!(self.fates.insert(transfer, Fate::Refused), None),
            Event::Closed { reason } => self.closed = Some(reason),
        }
    }
}

/// Moves up to `most` octets, as a network would.
fn carry(from: &mut Node, to: &mut Node, most: usize, now: Instant) {
    let octets: Vec<u8> = {
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = from.session.slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).take(most).collect()
    };
    if !octets.is_empty() && to.input.len() < 100_000 {
        from.session.written(now, octets.len());
        to.input.extend_from_slice(&octets);
    }
}

/// Once one side is over and all it said has been heard, its FIN arrives.
fn close(from: &Node, to: &mut Node) {
    if from.session.is_over() && from.session.waiting() == 0 && to.input.is_empty() {
        to.session.connection_lost("closed");
    }
}

fn run(seed: u64) {
    let dice = &mut Dice(seed);
    let mut now = Instant::now();
    let (close_early, wire) = (dice.roll(3) == 0, [1, 40, 3000, 70_000][dice.roll(4)]);
    let length_max = wire * 3000;
    let mut nodes = [Role::Active, Role::Passive].map(|role| Node::new(role, dice, length_max, now));
    let early = dice.roll(3000);
    for step in 0..3_000_000 {
        now += Duration::from_micros(1);
        let [first, second] = &mut nodes;
        let most = 1 + dice.roll(wire);
        match dice.roll(4) {
            0 => carry(first, second, most, now),
            1 => carry(second, first, most, now),
            2 => first.act(dice, now),
            _ => second.act(dice, now),
        }
        close(first, second);
        close(second, first);
        let all_done = nodes.iter().all(|node| {
            let is_heard = node.bundles.keys().all(|transfer| node.fates.contains_key(transfer));
            node.outgoing.is_empty() && is_heard
        });
        if (close_early && step == early) || (all_done && step % 64 == 0) {
            nodes[0].session.decide(now, Control::Close(CloseReason::Unknown));
        }
        assert!(nodes.iter().all(|node| node.closed.is_some() || step < 2_999_999), "stuck");
        if nodes.iter().all(|node| node.closed.is_some()) {
            break;
        }
    }
    check(&nodes[0], &nodes[1]);
    check(&nodes[1], &nodes[0]);
}

fn check(sender: &Node, receiver: &Node) {
    assert!(sender.closed.as_ref().unwrap().starts_with("ended by"), "{:?}", sender.closed);
    for (transfer, fate) in &sender.fates {
        let accepted = receiver.accepted.get(transfer);
        match fate {
            Fate::Sent => assert_eq!(accepted.unwrap(), &sender.bundles[transfer], "transfer {transfer}"),
            // Accepted too late: the refusal had gone out while the end was on its way up.
            Fate::Refused => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_sessions_carry_everything_both_ways_and_end_in_order(seed in any::<u64>()) {
        run(seed);
    }
}

#[test]
fn no_number_of_unread_events_exceeds_its_limit() {
    // One message makes at most three events, and is taken only below the limit.
    let dice = &mut Dice(1);
    let now = Instant::now();
    let mut node = Node::new(Role::Passive, dice, 1000, now);
    let mut peer = Node::new(Role::Active, dice, 1000, now);
    for _ in 0..100_000 {
        carry(&mut peer, &mut node, 10_000, now);
        carry(&mut node, &mut peer, 10_000, now);
        peer.act(dice, now);
        node.session.receive(now, &mut node.input);
    }
    let unread = std::iter::from_fn(|| node.session.poll_event()).count();
    assert!(unread <= EVENTS_MAX + 2, "{unread}");
}
