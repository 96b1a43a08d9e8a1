//! A wire between two agents that loses nothing.

use std::collections::VecDeque;

use agent_core::input::{Input, SendOutcome, TransferId};
use agent_core::output::{Notice, Output};
use agent_core::refusal::{QuotaOf, Refusal};
use agent_core::request::Request;
use agent_core::store::PayloadPlace;
use bundle_format::{Bundle, Eid, Limits, Profile};
use bytes::Bytes;

use super::{CONTACT, Node, is_custody_signal, message_kind};

/// Two nodes with a contact open between them.
pub(crate) struct Pair {
    pub(crate) a: Node,
    pub(crate) b: Node,
    /// Notices of both, in order, with the side that told them.
    pub(crate) told: Vec<(Side, Notice)>,
    /// Bundles that crossed; contact messages and custody signals are not counted.
    pub(crate) crossed: usize,
    /// Kinds of the contact messages that crossed, in order.
    pub(crate) said: Vec<u8>,
    pub(crate) closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

impl Pair {
    pub(crate) fn meet(a: Node, b: Node) -> Self {
        let names = [&a, &b].map(|node| node.agent.config().node.clone());
        Self::meet_as(a, b, names)
    }

    /// They declare these names to the layer below.
    pub(crate) fn meet_as(a: Node, b: Node, [name_of_a, name_of_b]: [Eid; 2]) -> Self {
        let mut pair = Self { a, b, told: Vec::new(), crossed: 0, said: Vec::new(), closed: false };
        let mut work = VecDeque::new();
        for (side, declared) in [(Side::A, name_of_b), (Side::B, name_of_a)] {
            let input = Input::ContactOpened {
                contact: CONTACT,
                link: "test".into(),
                declared: Some(declared),
                transfer_mru: u64::MAX,
                octets_per_second: None,
            };
            work.push_back((side, input));
        }
        pair.run(work);
        pair
    }

    pub(crate) fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Puts a request to one side and carries everything that follows from it.
    pub(crate) fn ask(&mut self, side: Side, request: Request) {
        self.run(VecDeque::from([(side, Input::Requested { id: 1, request })]));
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        for side in [Side::A, Side::B] {
            let outputs = self.node(side).wait_ms(ms);
            let mut work = VecDeque::new();
            self.carry(side, outputs, &mut work);
            self.run(work);
        }
    }

    fn run(&mut self, mut work: VecDeque<(Side, Input)>) {
        for _ in 0..100_000 {
            let Some((side, input)) = work.pop_front().or_else(|| self.due()) else { return };
            let outputs = self.node(side).step(input);
            self.carry(side, outputs, &mut work);
        }
        panic!("the two never come to rest");
    }

    /// Work that an agent left for its next step.
    fn due(&mut self) -> Option<(Side, Input)> {
        [Side::A, Side::B].into_iter().find_map(|side| {
            let node = self.node(side);
            let due = node.agent.poll_timeout().is_some_and(|at| at <= node.now.node);
            due.then_some((side, Input::TimeoutReached))
        })
    }

    fn carry(&mut self, side: Side, outputs: Vec<Output>, work: &mut VecDeque<(Side, Input)>) {
        for output in outputs {
            match output {
                Output::Send { transfer, parcel, .. } => {
                    let octets = self.node(side).octets_of(&parcel);
                    let input = self.arrival(transfer, octets);
                    work.push_back((other(side), input));
                }
                Output::Accept { transfer, .. } => {
                    work.push_back((other(side), settled(transfer, SendOutcome::Sent)));
                }
                Output::Refuse { transfer, refusal, .. } => {
                    let outcome = match refusal {
                        Refusal::Duplicate | Refusal::Gone | Refusal::Superseded | Refusal::Delivered => {
                            SendOutcome::AlreadyThere
                        }
                        Refusal::Quota { whose: QuotaOf::Node, .. } | Refusal::StoreFull => {
                            SendOutcome::NoRoom
                        }
                        _ => SendOutcome::NotAcceptable,
                    };
                    work.push_back((other(side), settled(transfer, outcome)));
                }
                Output::CloseContact { .. } => self.closed = true,
                Output::Tell(notice) => self.told.push((side, notice)),
                Output::Answer { .. } | Output::StagingReady { .. } | Output::Prove { .. } => {}
            }
        }
    }

    pub(crate) fn arrival(&mut self, transfer: TransferId, octets: Bytes) -> Input {
        let bundle = Bundle::parse(octets, &Limits::default()).unwrap().check(&Profile::default());
        let is_signal = is_custody_signal(&bundle);
        match message_kind(&bundle) {
            Some(kind) => self.said.push(kind),
            None => self.crossed += usize::from(!is_signal),
        }
        Input::BundleReceived {
            contact: CONTACT,
            transfer,
            bundle: Box::new(bundle),
            payload: PayloadPlace::Inline,
        }
    }
}

fn settled(transfer: TransferId, outcome: SendOutcome) -> Input {
    Input::SendSettled { contact: CONTACT, transfer, outcome }
}

fn other(side: Side) -> Side {
    match side {
        Side::A => Side::B,
        Side::B => Side::A,
    }
}
