//! A session, its clock, and what it is made to hear.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, Outgoing};
use tcpcl::Options;
use tcpcl::message::{Message, SegmentHead, SessInit};
use tcpcl::negotiation::Role;
use tcpcl::session::Session;

pub(crate) const CONTACT: &[u8] = b"dtn!\x04\x00";

pub(crate) struct Node {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    pub(crate) input: BytesMut,
}

impl Node {
    pub(crate) fn with(role: Role, options: Options) -> Self {
        let now = Instant::now();
        Self { session: Session::new(role, Arc::new(options), now).unwrap(), now, input: BytesMut::new() }
    }

    /// An established session whose opening has been read.
    pub(crate) fn open_with(options: Options) -> Self {
        let mut node = Self::with(Role::Passive, options);
        node.hear(CONTACT);
        node.hear(&init(256, &[]));
        assert!(matches!(node.events()[..], [Event::Opened { .. }]));
        node.said();
        node
    }

    pub(crate) fn open() -> Self {
        Self::open_with(Options::new("dtn://us/"))
    }

    pub(crate) fn hear(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        self.session.receive(self.now, &mut self.input);
    }

    pub(crate) fn decide(&mut self, control: Control) {
        self.session.decide(self.now, control);
    }

    pub(crate) fn send(&mut self, transfer: u64, length: u64, octets: usize) {
        self.session.take(self.now, Outgoing::Begin { transfer, length });
        self.session.take(self.now, Outgoing::Octets(Bytes::from(vec![7; octets])));
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    pub(crate) fn closed(&mut self) -> String {
        match self.events().pop() {
            Some(Event::Closed { reason }) => reason,
            other => panic!("not closed but {other:?}"),
        }
    }

    /// What was written since the last call.
    pub(crate) fn said(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while self.session.waiting() > 0 {
            let mut slices = [std::io::IoSlice::new(&[]); 16];
            let filled = self.session.slices(&mut slices);
            let octets = slices[..filled].concat_octets();
            self.session.written(self.now, octets.len());
            said.extend(octets);
        }
        said
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.session.timeout_reached(due);
        }
        self.now = end;
    }
}

trait Concat {
    fn concat_octets(&self) -> Vec<u8>;
}

impl Concat for [std::io::IoSlice<'_>] {
    fn concat_octets(&self) -> Vec<u8> {
        self.iter().flat_map(|slice| slice.to_vec()).collect()
    }
}

pub(crate) fn octets(message: &Message<'_>) -> Vec<u8> {
    let mut octets = BytesMut::new();
    message.encode(&mut octets);
    octets.to_vec()
}

pub(crate) fn init(keepalive_seconds: u16, extensions: &[u8]) -> Vec<u8> {
    let (segment_mru, transfer_mru) = (1000, 1 << 40);
    octets(&Message::Init(SessInit {
        keepalive_seconds,
        segment_mru,
        transfer_mru,
        node_id: "dtn://peer/",
        extensions,
    }))
}

pub(crate) fn segment(flags: u8, transfer: u64, extensions: &[u8], data: &[u8]) -> Vec<u8> {
    let head = SegmentHead { flags, transfer, extensions, data_length: data.len() as u64 };
    [octets(&Message::Segment(head)), data.to_vec()].concat()
}

pub(crate) fn ack(flags: u8, transfer: u64, length: u64) -> Vec<u8> {
    octets(&Message::Ack { flags, transfer, length })
}

pub(crate) fn refuse(reason: u8, transfer: u64) -> Vec<u8> {
    octets(&Message::Refuse { reason, transfer })
}

pub(crate) fn term(flags: u8, reason: u8) -> Vec<u8> {
    octets(&Message::Term { flags, reason })
}

pub(crate) fn reject(reason: u8, header: u8) -> Vec<u8> {
    octets(&Message::Reject { reason, header })
}
