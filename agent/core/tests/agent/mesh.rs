//! Ten nodes of which each has a contact with every other: a bundle crosses to each about once.

use std::collections::BTreeMap;

use agent_core::input::{ContactId, Input, SendOutcome, TransferId};
use agent_core::output::{Output, Parcel};
use agent_core::refusal::Refusal;
use agent_core::store::PayloadPlace;
use bundle_format::{Bundle, BundleId, Limits, Profile};

use crate::support::{Node, order};

const NAMES: [&str; 10] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"];

struct Mesh {
    nodes: Vec<Node>,
    wires: BTreeMap<ContactId, [usize; 2]>,
    work: Vec<(usize, Input)>,
    seed: u64,
    /// Bundles that crossed to each node.
    crossed: [usize; 10],
}

impl Mesh {
    fn of(count: usize, wires: &[(usize, usize)], seed: u64) -> Self {
        let nodes = NAMES[..count].iter().map(|name| Node::trusting(name, &others(name))).collect();
        let mut mesh = Self { nodes, wires: BTreeMap::new(), work: Vec::new(), seed, crossed: [0; 10] };
        mesh.join(wires);
        mesh.settle();
        mesh.wait_s(10);
        mesh
    }

    fn join(&mut self, wires: &[(usize, usize)]) {
        for (a, b) in wires {
            let contact = self.wires.len() as ContactId + 1;
            self.wires.insert(contact, [*a, *b]);
            for place in [*a, *b] {
                let (link, transfer_mru) = ("test".to_owned(), u64::MAX);
                self.work.push((
                    place,
                    Input::ContactOpened {
                        contact,
                        link,
                        declared: None,
                        transfer_mru,
                        octets_per_second: None,
                    },
                ));
            }
        }
    }

    /// Takes a wire out; what is on it is lost.
    fn cut(&mut self, contact: ContactId) {
        let ends = self.wires.remove(&contact).unwrap();
        self.work.retain(
            |(_, input)| !matches!(input, Input::BundleReceived { contact: of, .. } if *of == contact),
        );
        for place in ends {
            self.work.push((place, Input::ContactClosed { contact }));
        }
    }

    fn full(seed: u64) -> Self {
        let wires: Vec<_> = (0..10).flat_map(|a| (a + 1..10).map(move |b| (a, b))).collect();
        Self::of(10, &wires, seed)
    }

    /// What happens next is drawn by lot, among the first of each wire and direction.
    fn settle(&mut self) {
        for _ in 0..500_000 {
            if self.work.is_empty() {
                let due = self
                    .nodes
                    .iter()
                    .position(|node| node.agent.poll_timeout().is_some_and(|at| at <= node.now.node));
                let Some(place) = due else { return };
                self.step(place, Input::TimeoutReached);
                continue;
            }
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = self.work[usize::try_from(self.seed >> 33).unwrap() % self.work.len()].0;
            let first = self.work.iter().position(|(of, _)| *of == place).unwrap();
            let (place, input) = self.work.remove(first);
            self.step(place, input);
        }
        panic!("they never come to rest");
    }

    fn step(&mut self, place: usize, input: Input) {
        let outputs = self.nodes[place].step(input);
        self.see_to(place, outputs);
    }

    fn see_to(&mut self, place: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { contact, transfer, parcel } => self.carry(place, (contact, transfer), &parcel),
                Output::Accept { contact, transfer } => {
                    self.answer(place, (contact, transfer), SendOutcome::Sent);
                }
                Output::Refuse { contact, transfer, refusal } => {
                    let outcome = match refusal {
                        Refusal::Duplicate | Refusal::Gone => SendOutcome::AlreadyThere,
                        _ => SendOutcome::NotAcceptable,
                    };
                    self.answer(place, (contact, transfer), outcome);
                }
                _ => {}
            }
        }
    }

    fn other(&self, place: usize, contact: ContactId) -> Option<usize> {
        let [a, b] = *self.wires.get(&contact)?;
        Some(if a == place { b } else { a })
    }

    fn answer(&mut self, place: usize, (contact, transfer): (ContactId, TransferId), outcome: SendOutcome) {
        let Some(to) = self.other(place, contact) else { return };
        self.work.push((to, Input::SendSettled { contact, transfer, outcome }));
    }

    fn carry(&mut self, place: usize, (contact, transfer): (ContactId, TransferId), parcel: &Parcel) {
        let Some(to) = self.other(place, contact) else { return };
        let octets = self.nodes[place].octets_of(parcel);
        let bundle = Bundle::parse(octets, &Limits::default()).unwrap().check(&Profile::default());
        let is_message = bundle.head().primary().destination == agent_core::contact_endpoint();
        self.crossed[to] += usize::from(!is_message && !crate::support::is_custody_signal(&bundle));
        let (bundle, payload) = (Box::new(bundle), PayloadPlace::Inline);
        self.work.push((to, Input::BundleReceived { contact, transfer, bundle, payload }));
    }

    fn wait_s(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            for place in 0..self.nodes.len() {
                let outputs = self.nodes[place].wait_ms(500);
                self.see_to(place, outputs);
            }
            self.settle();
        }
    }

    fn make(&mut self, place: usize, number: usize) -> BundleId {
        let order = agent_core::request::Order {
            custody: agent_core::request::CustodyTransfer::NotWanted,
            ..order("dtn://all/~news")
        };
        let payload = format!("news {number}").into_bytes().into();
        let request = agent_core::request::Request::Transmit { order, payload };
        let (answer, outputs) = self.nodes[place].ask_and_hear(request);
        self.see_to(place, outputs);
        match answer {
            agent_core::request::Answer::Transmitted { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    fn assert_all_have(&self, ids: &[BundleId]) {
        for (place, node) in self.nodes.iter().enumerate() {
            let lacking = ids.iter().filter(|id| !node.has(id)).count();
            assert_eq!(lacking, 0, "node {place} lacks some");
        }
    }
}

fn others(name: &str) -> Vec<&'static str> {
    NAMES.into_iter().filter(|other| *other != name).collect()
}

#[test]
fn a_bundle_crosses_a_full_mesh_about_once_to_each() {
    for seed in 1..3 {
        let mut mesh = Mesh::full(seed);
        let ids: Vec<BundleId> = (0..50).map(|number| mesh.make(number * 7 % 10, number)).collect();
        mesh.settle();
        mesh.wait_s(60);
        mesh.assert_all_have(&ids);
        let crossed: usize = mesh.crossed.iter().sum();
        assert!(crossed * 10 <= 50 * 9 * 11, "seed {seed}: {crossed} transfers");
    }
}

#[test]
fn what_was_left_to_a_node_that_fell_silent_arrives_all_the_same() {
    let mut mesh = Mesh::full(5);
    let ids: Vec<BundleId> = (0..5).map(|number| mesh.make(0, number)).collect();
    let dead: Vec<ContactId> =
        mesh.wires.iter().filter(|(_, ends)| ends[0] == 0 && ends[1] > 4).map(|(id, _)| *id).collect();
    for contact in dead {
        mesh.cut(contact);
    }
    mesh.settle();
    mesh.wait_s(60);
    mesh.assert_all_have(&ids);
}

#[test]
fn in_a_chain_bundles_are_passed_on_at_once() {
    let mut mesh = Mesh::of(3, &[(0, 1), (1, 2)], 1);
    let id = mesh.make(0, 0);
    mesh.settle();
    mesh.assert_all_have(&[id]);
    assert_eq!(mesh.crossed[..3], [0, 1, 1]);
}

/// Nine nodes that have the same, and a tenth with next to nothing that is in contact with none of them yet.
fn nine_and_one(seed: u64) -> (Mesh, Vec<BundleId>) {
    let wires: Vec<_> = (0..9).flat_map(|a| (a + 1..9).map(move |b| (a, b))).collect();
    let mut mesh = Mesh::of(10, &wires, seed);
    let ids: Vec<BundleId> = (0..100).map(|number| mesh.make(number * 7 % 9, number)).collect();
    mesh.settle();
    mesh.wait_s(60);
    mesh.crossed = [0; 10];
    let its_own = (100..103).map(|number| mesh.make(9, number)).collect();
    (mesh, [ids, its_own].concat())
}

#[test]
fn who_comes_into_a_mesh_with_next_to_nothing_gets_everything_about_once() {
    for seed in 1..6 {
        let (mut mesh, ids) = nine_and_one(seed);
        mesh.join(&(0..9).map(|other| (other, 9)).collect::<Vec<_>>());
        mesh.settle();
        mesh.wait_s(60);
        mesh.assert_all_have(&ids);
        assert!(mesh.crossed[9] <= 110, "seed {seed}: {} transfers", mesh.crossed[9]);
    }
}

#[test]
fn what_a_node_that_went_should_have_given_comes_from_another() {
    let (mut mesh, ids) = nine_and_one(7);
    mesh.join(&(0..9).map(|other| (other, 9)).collect::<Vec<_>>());
    // Whoever is first to give it something goes with what is on the wire.
    while mesh.crossed[9] == 0 {
        let (place, input) = mesh.work.remove(0);
        mesh.step(place, input);
    }
    let giver = mesh.wires.iter().find_map(|(contact, ends)| {
        let is_giving = |(to, input): &(usize, Input)| {
            *to == 9 && matches!(input, Input::BundleReceived { contact: of, .. } if of == contact)
        };
        (ends[1] == 9 && mesh.work.iter().any(is_giving)).then_some(*contact)
    });
    mesh.cut(giver.unwrap());
    mesh.settle();
    mesh.wait_s(60);
    mesh.assert_all_have(&ids);
}

#[test]
fn who_was_just_given_everything_gives_it_on_at_once_to_who_knows_the_giver_not() {
    for seed in 0..10 {
        let mut mesh = Mesh::of(3, &[], seed);
        let ids: Vec<BundleId> = (0..60).map(|number| mesh.make(0, number)).collect();
        for wire in [(0, 1), (1, 2)] {
            mesh.join(&[wire]);
            mesh.settle();
        }
        mesh.assert_all_have(&ids);
    }
}
