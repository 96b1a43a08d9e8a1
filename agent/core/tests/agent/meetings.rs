//! Meetings of any number of nodes over wires that are cut after so many octets, in the middle of whatever is on them.

use std::collections::{BTreeMap, VecDeque};

use crate::support::Node;
use agent_core::input::{ContactId, Input, SendOutcome, TransferId, Way};
use agent_core::output::{Notice, Output};
use agent_core::refusal::{QuotaOf, Refusal};
use agent_core::store::{CHUNK_OCTETS, Number, PayloadPlace};
use bundle_format::{Bundle, BundleReader, CheckedBundle, Head, Limits, NewBundle, Profile};
use bytes::Bytes;

/// One of the nodes, by its place.
pub(crate) type Place = usize;

/// A wire between two nodes.
#[derive(Debug)]
struct Wire {
    ends: [Place; 2],
    /// Octets that it still carries, both ways together.
    left: usize,
}

/// Nodes, and the wires between them.
pub(crate) struct Field {
    pub(crate) nodes: Vec<Node>,
    wires: BTreeMap<ContactId, Wire>,
    work: VecDeque<(Place, Input)>,
    last_contact: ContactId,
    /// Octets of bundles that reached each node, broken transfers and Parts included, other messages not.
    pub(crate) arrived: Vec<usize>,
    pub(crate) told: Vec<(Place, Notice)>,
    /// Every Part that this node sends is wrong in its last octet.
    pub(crate) liar: Option<Place>,
    /// Parts that are lost on their way: every so manieth, without anybody saying so.
    pub(crate) loses_every: Option<usize>,
    /// This node's octets get nowhere.
    pub(crate) is_mute: Option<Place>,
    parts: usize,
    resumes: usize,
}

impl Field {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let arrived = vec![0; nodes.len()];
        Self {
            nodes,
            wires: BTreeMap::new(),
            work: VecDeque::new(),
            last_contact: 0,
            arrived,
            told: Vec::new(),
            liar: None,
            loses_every: None,
            is_mute: None,
            parts: 0,
            resumes: 0,
        }
    }

    /// Opens a wire that carries so many octets.
    pub(crate) fn open(&mut self, a: Place, b: Place, octets: usize) -> ContactId {
        self.last_contact += 1;
        let contact = self.last_contact;
        self.wires.insert(contact, Wire { ends: [a, b], left: octets });
        for (place, other) in [(a, b), (b, a)] {
            let declared = Some(self.nodes[other].agent.config().node.clone());
            let (link, transfer_mru) = ("test".to_owned(), u64::MAX);
            self.work.push_back((
                place,
                Input::ContactOpened { contact, link, declared, transfer_mru, octets_per_second: None },
            ));
        }
        contact
    }

    /// Lets everything happen that follows from what has happened.
    pub(crate) fn settle(&mut self) {
        for _ in 0..200_000 {
            let Some((place, input)) = self.work.pop_front().or_else(|| self.due()) else { return };
            let outputs = self.nodes[place].step(input);
            for output in outputs {
                self.see_to(place, output);
            }
        }
        panic!("they never come to rest");
    }

    /// Opens a wire, uses it up or until nothing is left to say, and cuts it.
    pub(crate) fn meet(&mut self, a: Place, b: Place, octets: usize) {
        let contact = self.open(a, b, octets);
        self.settle();
        self.cut(contact);
        self.settle();
    }

    /// Opens several wires at a time.
    pub(crate) fn meet_all(&mut self, wires: &[(Place, Place, usize)]) {
        let contacts: Vec<ContactId> =
            wires.iter().map(|(a, b, octets)| self.open(*a, *b, *octets)).collect();
        self.settle();
        for contact in contacts {
            self.cut(contact);
        }
        self.settle();
    }

    pub(crate) fn cut(&mut self, contact: ContactId) {
        let Some(wire) = self.wires.remove(&contact) else { return };
        for place in wire.ends {
            self.work.push_back((place, Input::ContactClosed { contact }));
        }
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        for place in 0..self.nodes.len() {
            let outputs = self.nodes[place].wait_ms(ms);
            for output in outputs {
                self.see_to(place, output);
            }
        }
        self.settle();
    }

    /// A node hears a contact message that nobody sent.
    pub(crate) fn say(&mut self, to: Place, contact: ContactId, payload: Vec<u8>) {
        let draft = NewBundle {
            destination: agent_core::contact_endpoint(),
            source: "dtn://forger/".parse().unwrap(),
            report_to: bundle_format::Eid::Null,
            creation: bundle_format::CreationTimestamp {
                time: bundle_format::DtnTime(800_000_000_000),
                sequence: 1,
            },
            lifetime_ms: 3_600_000,
            flags: bundle_format::BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: Some(0),
            hop_limit: Some(1),
            metadata: None,
        };
        let bundle = Box::new(draft.unsigned(&Profile::default(), payload.into()).unwrap());
        let (transfer, payload) = (0, PayloadPlace::Inline);
        self.work.push_back((to, Input::BundleReceived { contact, transfer, bundle, payload }));
        self.settle();
    }

    /// Times that a node was told that a bundle waits for it.
    pub(crate) fn deliveries(&self, place: Place) -> usize {
        let told = self.told.iter().filter(|(of, _)| *of == place);
        told.filter(|(_, notice)| matches!(notice, Notice::Deliverable { .. })).count()
    }

    /// Requests to go on with a bundle from some octet other than the first, since it was asked last.
    pub(crate) fn take_resumes(&mut self) -> usize {
        std::mem::take(&mut self.resumes)
    }

    fn due(&mut self) -> Option<(Place, Input)> {
        self.nodes.iter().enumerate().find_map(|(place, node)| {
            let due = node.agent.poll_timeout().is_some_and(|at| at <= node.now.node);
            due.then_some((place, Input::TimeoutReached))
        })
    }

    fn other(&self, contact: ContactId, place: Place) -> Option<Place> {
        let wire = self.wires.get(&contact)?;
        Some(if wire.ends[0] == place { wire.ends[1] } else { wire.ends[0] })
    }

    fn see_to(&mut self, place: Place, output: Output) {
        match output {
            Output::Send { contact, transfer, parcel } => {
                let octets = self.nodes[place].octets_of(&parcel);
                self.carry((place, contact, transfer), octets);
            }
            Output::Accept { contact, transfer } => {
                self.answer(place, contact, (transfer, SendOutcome::Sent));
            }
            Output::Refuse { contact, transfer, refusal } => {
                let outcome = match refusal {
                    Refusal::Duplicate | Refusal::Gone => SendOutcome::AlreadyThere,
                    Refusal::Quota { whose: QuotaOf::Node, .. } | Refusal::StoreFull => SendOutcome::NoRoom,
                    _ => SendOutcome::NotAcceptable,
                };
                self.answer(place, contact, (transfer, outcome));
            }
            Output::Prove { number, head } => {
                let bundle = proved(&self.nodes[place], number, &head).map(Box::new);
                self.work.push_back((place, Input::PartialProved { number, bundle }));
            }
            Output::Tell(notice) => self.told.push((place, notice)),
            Output::CloseContact { contact, .. } => self.cut(contact),
            Output::Answer { .. } | Output::StagingReady { .. } => {}
        }
    }

    fn answer(&mut self, place: Place, contact: ContactId, (transfer, outcome): (TransferId, SendOutcome)) {
        let Some(to) = self.other(contact, place) else { return };
        self.work.push_back((to, Input::SendSettled { contact, transfer, outcome }));
    }

    fn carry(&mut self, (from, contact, transfer): (Place, ContactId, TransferId), octets: Bytes) {
        let Some(to) = self.other(contact, from) else { return };
        let octets = self.tampered(from, octets);
        let Some(octets) = octets else {
            self.answer(to, contact, (transfer, SendOutcome::Sent));
            return;
        };
        let wire = self.wires.get_mut(&contact).expect("it is open");
        if wire.left < octets.len() {
            let came = octets.slice(..wire.left);
            self.break_off(to, contact, came);
            return;
        }
        wire.left -= octets.len();
        let bundle = Bundle::parse(octets.clone(), &Limits::default()).unwrap().check(&Profile::default());
        if is_bulk(&bundle) {
            self.arrived[to] += octets.len();
        }
        let (bundle, payload) = (Box::new(bundle), PayloadPlace::Inline);
        self.work.push_back((to, Input::BundleReceived { contact, transfer, bundle, payload }));
    }

    /// The wire ends within a transfer.
    fn break_off(&mut self, to: Place, contact: ContactId, came: Bytes) {
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        let octets = reader.push(came).unwrap();
        if let Some(head) = reader.head().cloned() {
            self.arrived[to] += octets.len();
            self.work.push_back((
                to,
                Input::TransferBroken { way: Way::Contact(contact), head, staging: None, octets },
            ));
        }
        self.cut(contact);
    }

    /// What comes out at the other end; `None` if nothing does.
    fn tampered(&mut self, from: Place, octets: Bytes) -> Option<Bytes> {
        let bundle = Bundle::parse(octets.clone(), &Limits::default()).unwrap();
        match kind(bundle.head(), bundle.payload()) {
            Some(8) => {
                let is_from_zero = bundle.payload().last() == Some(&0) && bundle.payload().len() < 22;
                self.resumes += usize::from(!is_from_zero);
                Some(octets)
            }
            Some(9) if self.is_mute == Some(from) => None,
            Some(9) => {
                self.parts += 1;
                if self.loses_every.is_some_and(|every| self.parts.is_multiple_of(every)) {
                    return None;
                }
                Some(if self.liar == Some(from) { with_a_lie(&bundle) } else { octets })
            }
            _ => Some(octets),
        }
    }
}

/// The kind of a contact message.
fn kind(head: &Head, payload: &[u8]) -> Option<u8> {
    (head.primary().destination == agent_core::contact_endpoint()).then(|| payload.get(2).copied()).flatten()
}

fn is_bulk(bundle: &CheckedBundle) -> bool {
    kind(bundle.head(), bundle.payload().unwrap()).is_none_or(|kind| kind == 9)
}

/// The same message with another last octet.
fn with_a_lie(message: &Bundle) -> Bytes {
    let mut payload = message.payload().to_vec();
    *payload.last_mut().unwrap() ^= 1;
    let primary = message.head().primary();
    let draft = NewBundle {
        destination: primary.destination.clone(),
        source: primary.source.clone(),
        report_to: primary.report_to.clone(),
        creation: primary.creation,
        lifetime_ms: primary.lifetime_ms,
        flags: primary.flags,
        age_ms: Some(0),
        hop_limit: Some(1),
        metadata: None,
    };
    draft.unsigned(&Profile::default(), payload.into()).unwrap().encode().unwrap()
}

/// What the driver does when a partial is to be proved.
fn proved(node: &Node, number: Number, head: &Head) -> Option<CheckedBundle> {
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    reader.push(head.bytes().clone()).ok()?;
    let txn = node.store.read().unwrap();
    for index in 0..u32::try_from(head.payload_octets().div_ceil(CHUNK_OCTETS as u64)).unwrap() {
        reader.push(txn.view().staged_chunk(number, index).ok()??).ok()?;
    }
    reader.finish_without_tail().ok()
}
