//! One session against scripted octets of its neighbor, on a clock that the test sets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use convergence_layer::{CloseReason, Control, Event, Outgoing, RefusalReason};
use tcpcl::Options;
use tcpcl::extension::{Item, transfer_length_list};
use tcpcl::message::{END, Message, START, SegmentHead, SessInit};
use tcpcl::negotiation::Role;
use tcpcl::session::{EVENTS_MAX, OUTBOX_MAX, Session};

const CONTACT: &[u8] = b"dtn!\x04\x00";

struct Node {
    session: Session,
    now: Instant,
    input: BytesMut,
}

impl Node {
    fn with(role: Role, options: Options) -> Self {
        let now = Instant::now();
        Self { session: Session::new(role, Arc::new(options), now).unwrap(), now, input: BytesMut::new() }
    }

    /// An established session whose opening has been read.
    fn open_with(options: Options) -> Self {
        let mut node = Self::with(Role::Passive, options);
        node.hear(CONTACT);
        node.hear(&init(256, &[]));
        assert!(matches!(node.events()[..], [Event::Opened { .. }]));
        node.said();
        node
    }

    fn open() -> Self {
        Self::open_with(Options::new("dtn://us/"))
    }

    fn hear(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        self.session.receive(self.now, &mut self.input);
    }

    fn decide(&mut self, control: Control) {
        self.session.decide(self.now, control);
    }

    fn send(&mut self, transfer: u64, length: u64, octets: usize) {
        self.session.take(self.now, Outgoing::Begin { transfer, length });
        self.session.take(self.now, Outgoing::Octets(Bytes::from(vec![7; octets])));
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn closed(&mut self) -> String {
        match self.events().pop() {
            Some(Event::Closed { reason }) => reason,
            other => panic!("not closed but {other:?}"),
        }
    }

    /// What was written since the last call.
    fn said(&mut self) -> Vec<u8> {
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

    fn pass(&mut self, time: Duration) {
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

fn octets(message: &Message<'_>) -> Vec<u8> {
    let mut octets = BytesMut::new();
    message.encode(&mut octets);
    octets.to_vec()
}

fn init(keepalive_seconds: u16, extensions: &[u8]) -> Vec<u8> {
    let (segment_mru, transfer_mru) = (1000, 1 << 40);
    octets(&Message::Init(SessInit {
        keepalive_seconds,
        segment_mru,
        transfer_mru,
        node_id: "dtn://peer/",
        extensions,
    }))
}

fn segment(flags: u8, transfer: u64, extensions: &[u8], data: &[u8]) -> Vec<u8> {
    let head = SegmentHead { flags, transfer, extensions, data_length: data.len() as u64 };
    [octets(&Message::Segment(head)), data.to_vec()].concat()
}

fn ack(flags: u8, transfer: u64, length: u64) -> Vec<u8> {
    octets(&Message::Ack { flags, transfer, length })
}

fn refuse(reason: u8, transfer: u64) -> Vec<u8> {
    octets(&Message::Refuse { reason, transfer })
}

fn term(flags: u8, reason: u8) -> Vec<u8> {
    octets(&Message::Term { flags, reason })
}

fn reject(reason: u8, header: u8) -> Vec<u8> {
    octets(&Message::Reject { reason, header })
}

// Opening.

#[test]
fn the_active_side_speaks_first_and_the_passive_side_answers() {
    let mut active = Node::with(Role::Active, Options::new("dtn://us/"));
    assert_eq!(active.said(), CONTACT);
    let mut passive = Node::with(Role::Passive, Options::new("dtn://us/"));
    assert_eq!(passive.said(), b"");
    passive.hear(CONTACT);
    assert_eq!(passive.said(), CONTACT);
    active.hear(CONTACT);
    let ours = active.said();
    assert_eq!(ours[0], 7);
    passive.hear(&ours);
    assert_eq!(passive.said(), ours);
    assert!(passive.session.is_established() && !active.session.is_established());
}

#[test]
fn a_wrong_magic_is_answered_with_nothing_at_all() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(b"GET / HTTP/1.1");
    assert!(node.closed().contains("does not speak TCPCL"));
    assert_eq!(node.said(), b"");
}

#[test]
fn another_version_is_told_so_by_the_passive_side_only() {
    let mut passive = Node::with(Role::Passive, Options::new("dtn://us/"));
    passive.hear(b"dtn!\x03\x00\x00\x1e");
    assert_eq!(passive.said(), [CONTACT, &term(0, 2)].concat());
    assert!(passive.closed().contains("version 3"));
    let mut active = Node::with(Role::Active, Options::new("dtn://us/"));
    active.hear(b"dtn!\x03\x00");
    assert_eq!(active.said(), CONTACT);
    assert!(active.closed().contains("version 3"));
}

#[test]
fn a_neighbor_that_can_use_tls_is_talked_to_without_it() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(b"dtn!\x04\xff");
    node.hear(&init(30, &[]));
    assert!(matches!(node.events()[..], [Event::Opened { .. }]));
}

#[test]
fn a_neighbor_that_demands_tls_ends_the_session_and_is_answered() {
    let mut node = Node::with(Role::Active, Options::new("dtn://us/"));
    node.hear(b"dtn!\x04\x01");
    node.said();
    node.hear(&term(0, 4));
    assert_eq!(node.said(), term(1, 4));
    assert_eq!(node.closed(), "ended by the neighbor: contact failure");
}

#[test]
fn a_critical_session_extension_is_a_contact_failure_and_another_one_is_ignored() {
    let mut item = BytesMut::new();
    Item { flags: 1, item_type: 0x9000, value: b"x" }.encode(&mut item);
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(30, &item)].concat());
    assert!(node.said().ends_with(&term(0, 4)));
    assert!(node.closed().contains("critical"));
    item[0] = 0;
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(30, &item)].concat());
    assert!(node.session.is_established());
}

#[test]
fn segments_that_would_be_mostly_heads_are_a_contact_failure() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    let dribble = Message::Init(SessInit {
        keepalive_seconds: 1,
        segment_mru: 1,
        transfer_mru: 1,
        node_id: "",
        extensions: &[],
    });
    node.hear(&[CONTACT, &octets(&dribble)].concat());
    assert!(node.said().ends_with(&term(0, 4)));
    assert!(node.closed().contains("at most 1 octets"));
}

#[test]
fn messages_before_the_parameters_are_unexpected() {
    for message in
        [segment(START | END, 0, &[], b"x"), ack(1, 0, 1), octets(&Message::Keepalive), refuse(0, 0)]
    {
        let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
        node.hear(&[CONTACT, &message].concat());
        assert!(node.said().ends_with(&[reject(3, message[0]), term(0, 4)].concat()));
        assert!(node.session.is_over());
    }
}

#[test]
fn a_stranger_has_only_so_long_to_say_who_it_is() {
    let mut silent = Node::with(Role::Passive, Options::new("dtn://us/"));
    silent.hear(b"dtn!");
    silent.pass(Duration::from_millis(14_999));
    assert!(!silent.session.is_over());
    silent.pass(Duration::from_millis(1));
    assert!(silent.closed().contains("no contact header"));
    assert_eq!(silent.said(), b"");
    let mut half = Node::with(Role::Passive, Options::new("dtn://us/"));
    half.hear(CONTACT);
    // Each octet comes in time, and all of them together do not.
    for octet in &init(30, &[])[..29] {
        half.pass(Duration::from_millis(600));
        half.hear(&[*octet]);
    }
    assert!(half.said().ends_with(&term(0, 4)));
    assert!(half.closed().contains("no SESS_INIT"));
}

// Receiving.

#[test]
fn segments_are_acknowledged_at_once_and_the_last_one_when_the_bundle_is_accepted() {
    let mut node = Node::open();
    node.hear(&segment(START, 5, &transfer_length_list(5), b"abc"));
    assert_eq!(node.said(), ack(START, 5, 3));
    // Flags that we do not know are repeated.
    node.hear(&segment(END | 0x80, 5, &[], b"de"));
    assert_eq!(node.said(), b"");
    let events = [
        Event::Receiving { transfer: 5, length: Some(5) },
        Event::Octets(Bytes::from_static(b"abc")),
        Event::Octets(Bytes::from_static(b"de")),
        Event::Received,
    ];
    assert_eq!(node.events(), events);
    node.decide(Control::Accept(5));
    assert_eq!(node.said(), ack(END | 0x80, 5, 5));
    node.decide(Control::Accept(5));
    assert_eq!(node.said(), b"");
}

#[test]
fn refusals_wait_for_the_answers_to_earlier_transfers() {
    let mut node = Node::open();
    for transfer in 1..=3 {
        node.hear(&segment(START | END, transfer, &[], b"x"));
    }
    node.decide(Control::Refuse(2, RefusalReason::Completed));
    node.decide(Control::Accept(3));
    assert_eq!(node.said(), ack(START | END, 3, 1));
    node.decide(Control::Accept(1));
    assert_eq!(node.said(), [ack(START | END, 1, 1), refuse(1, 2)].concat());
}

#[test]
fn segments_that_cross_a_refusal_are_refused_too() {
    let mut node = Node::open();
    let first = segment(START, 1, &[], b"abcdef");
    node.hear(&first[..first.len() - 3]);
    node.decide(Control::Refuse(1, RefusalReason::NoResources));
    assert_eq!(node.said(), refuse(2, 1));
    node.hear(&first[first.len() - 3..]);
    assert_eq!(node.said(), b"");
    node.hear(&segment(0, 1, &[], b"more"));
    assert_eq!(node.said(), refuse(2, 1));
    node.hear(&segment(START | END, 2, &[], b"next"));
    node.decide(Control::Accept(2));
    assert_eq!(node.said(), ack(START | END, 2, 4));
    assert_eq!(node.events().iter().filter(|event| **event == Event::Received).count(), 1);
}

#[test]
fn an_unknown_critical_transfer_extension_is_an_extension_failure() {
    let mut node = Node::open();
    let mut item = BytesMut::new();
    Item { flags: 1, item_type: 0x9000, value: b"x" }.encode(&mut item);
    node.hear(&segment(START, 1, &item, b"x"));
    assert_eq!(node.said(), refuse(5, 1));
    node.hear(&segment(END, 1, &[], b"y"));
    assert_eq!(node.said(), refuse(5, 1));
    // A list that disagrees with its length.
    node.hear(&segment(START | END, 2, &item[..4], b"x"));
    assert_eq!(node.said(), refuse(5, 2));
    assert_eq!(node.events(), []);
}

#[test]
fn a_transfer_of_another_length_than_declared_is_not_acceptable() {
    let mut node = Node::open();
    node.hear(&segment(START, 1, &transfer_length_list(10), b"abc"));
    node.hear(&segment(END, 1, &[], b"de"));
    assert_eq!(node.said(), [ack(START, 1, 3), refuse(4, 1)].concat());
    assert_eq!(node.events().last(), Some(&Event::Broken));
    node.hear(&segment(START, 2, &transfer_length_list(4), b"abc"));
    node.hear(&segment(0, 2, &[], b"de"));
    assert_eq!(node.said(), [ack(START, 2, 3), refuse(4, 2)].concat());
    assert_eq!(node.events().last(), Some(&Event::Broken));
    node.hear(&segment(START | END, 3, &transfer_length_list(4), b"abc"));
    assert_eq!(node.said(), refuse(4, 3));
}

#[test]
fn a_transfer_above_our_limit_is_refused_before_it_and_within_it() {
    let mut node = Node::open_with(Options { transfer_mru: 10, ..Options::new("dtn://us/") });
    node.hear(&segment(START, 1, &transfer_length_list(11), b"abc"));
    assert_eq!((node.said(), node.events()), (refuse(4, 1), vec![]));
    node.hear(&segment(START, 2, &[], b"abcdef"));
    node.hear(&segment(0, 2, &[], b"ghijk"));
    assert_eq!(node.said(), [ack(START, 2, 6), refuse(4, 2)].concat());
    assert_eq!(node.events().last(), Some(&Event::Broken));
}

#[test]
fn a_segment_above_our_limit_ends_the_session_whatever_its_length() {
    for length in [64 * 1024 + 1, 1 << 63, u64::MAX] {
        let mut node = Node::open();
        let head = SegmentHead { flags: START, transfer: 1, extensions: &[], data_length: length };
        node.hear(&octets(&Message::Segment(head)));
        assert_eq!(node.said(), [reject(2, 1), term(0, 5)].concat());
        assert!(node.closed().contains("segment MRU"));
    }
}

#[test]
fn a_segment_of_no_transfer_is_rejected_and_skipped() {
    let mut node = Node::open();
    node.hear(&segment(0, 1, &[], b"lost"));
    node.hear(&segment(START | END, 2, &[], b"fine"));
    assert_eq!(node.said(), reject(3, 1));
    assert_eq!(node.events().last(), Some(&Event::Received));
}

#[test]
fn transfers_that_are_mixed_up_end_the_session() {
    let second = [
        segment(START, 2, &[], b"x"),
        segment(START, 1, &[], b"x"),
        segment(0, 2, &[], b"x"),
        segment(END, 2, &[], b"x"),
    ];
    for second in second {
        let mut node = Node::open();
        node.hear(&segment(START, 1, &[], b"x"));
        node.hear(&second);
        assert!(node.said().ends_with(&[reject(3, 1), term(0, 0)].concat()));
        let events = node.events();
        assert!(matches!(events[events.len() - 2..], [Event::Broken, Event::Closed { .. }]), "{events:?}");
    }
    let mut node = Node::open();
    node.hear(&segment(START | END, 1, &[], b"x"));
    node.hear(&segment(START | END, 1, &[], b"x"));
    assert!(node.closed().contains("twice"));
}

#[test]
fn a_neighbor_waits_when_too_many_of_its_transfers_are_unanswered() {
    let mut node = Node::open_with(Options { unanswered_max: 2, ..Options::new("dtn://us/") });
    for transfer in 1..=3 {
        node.hear(&segment(START | END, transfer, &[], b"x"));
    }
    assert!(!node.session.takes_octets());
    assert_eq!(node.events().len(), 6);
    node.decide(Control::Accept(1));
    node.hear(b"");
    assert_eq!(node.events().len(), 3);
}

#[test]
fn events_that_nobody_takes_stop_the_neighbor() {
    let mut node = Node::open();
    for transfer in 0..1000 {
        node.hear(&segment(START | END, transfer, &[], b"x"));
    }
    assert!(!node.session.takes_octets());
    assert!(node.events().len() <= EVENTS_MAX + 2);
}

#[test]
fn a_neighbor_that_never_reads_costs_bounded_memory() {
    let mut node = Node::open();
    node.send(1, 1 << 30, 1 << 20);
    for _ in 0..100_000 {
        // Each of them makes an answer.
        node.hear(&segment(0, 99, &[], b""));
        if !node.session.takes_octets() {
            break;
        }
    }
    assert!(!node.session.takes_octets() && !node.session.takes_outgoing());
    assert!(node.session.waiting() < OUTBOX_MAX + 100);
    // It ends by itself, because nothing moves.
    node.pass(Duration::from_secs(599));
    assert!(!node.session.is_over());
    node.pass(Duration::from_secs(16));
    assert!(node.closed().contains("did not end in time"));
}

// Sending.

#[test]
fn a_bundle_is_cut_to_the_neighbors_segments_and_declares_its_length_once() {
    let mut node = Node::open();
    node.send(3, 2500, 2500);
    let list = transfer_length_list(2500);
    let expected = [
        segment(START, 3, &list, &[7; 1000]),
        segment(0, 3, &[], &[7; 1000]),
        segment(END, 3, &[], &[7; 500]),
        segment(START | END, 4, &[], &[7; 1000]),
        segment(START | END, 5, &[], b""),
    ];
    node.send(4, 1000, 1000);
    node.send(5, 0, 0);
    assert_eq!(node.said(), expected.concat());
    node.hear(&[ack(START, 3, 1000), ack(START | END, 4, 1000), ack(0, 3, 2000), ack(END, 3, 2500)].concat());
    assert_eq!(node.events(), [Event::Sent(4), Event::Sent(3)]);
}

#[test]
fn small_pieces_make_full_segments() {
    let mut node = Node::open();
    node.session.take(node.now, Outgoing::Begin { transfer: 1, length: 1500 });
    for _ in 0..15 {
        node.session.take(node.now, Outgoing::Octets(Bytes::from_static(&[1; 100])));
    }
    let list = transfer_length_list(1500);
    assert_eq!(node.said(), [segment(START, 1, &list, &[1; 1000]), segment(END, 1, &[], &[1; 500])].concat());
}

#[test]
fn the_end_of_a_transfer_counts_only_with_its_flag_and_its_length() {
    let mut node = Node::open();
    node.send(1, 10, 10);
    node.hear(&ack(START, 1, 10));
    assert_eq!(node.events(), []);
    node.hear(&ack(START | END, 1, 9));
    assert!(node.closed().contains("half a transfer"));
}

#[test]
fn octets_that_were_not_sent_cannot_be_acknowledged() {
    let mut node = Node::open();
    node.send(1, 3000, 1500);
    node.said();
    node.hear(&ack(END, 1, 3000));
    assert_eq!(node.said(), [reject(3, 2), term(0, 0)].concat());
    assert!(node.closed().contains("not sent"));
}

#[test]
fn answers_to_transfers_that_never_were_are_rejected_and_late_ones_ignored() {
    let mut node = Node::open();
    node.hear(&[ack(END, 9, 3), refuse(0, 9)].concat());
    assert_eq!(node.said(), [reject(3, 2), reject(3, 3)].concat());
    node.send(9, 1, 1);
    node.said();
    node.hear(&[refuse(1, 9), refuse(1, 9), ack(END, 9, 1)].concat());
    assert_eq!(node.events(), [Event::Refused { transfer: 9, reason: RefusalReason::Completed }]);
    assert_eq!(node.said(), b"");
}

#[test]
fn nothing_more_of_a_refused_transfer_is_sent() {
    let mut node = Node::open();
    node.send(1, 10_000, 5000);
    let first = octets(&Message::Segment(SegmentHead {
        flags: START,
        transfer: 1,
        extensions: &transfer_length_list(10_000),
        data_length: 1000,
    }));
    // Only the beginning of the first segment is on the wire.
    node.session.written(node.now, 10);
    node.hear(&refuse(0xf7, 1));
    assert_eq!(node.said().len(), first.len() + 1000 - 10);
    assert_eq!(node.events(), [Event::Refused { transfer: 1, reason: RefusalReason::Unknown }]);
    node.session.take(node.now, Outgoing::Octets(Bytes::from(vec![7; 100])));
    node.send(2, 1, 1);
    assert_eq!(node.said(), segment(START | END, 2, &[], &[7]));
}

#[test]
fn only_so_many_bundles_wait_for_an_answer() {
    let mut node = Node::open_with(Options { unacknowledged_max: 2, ..Options::new("dtn://us/") });
    node.send(1, 1, 1);
    node.send(2, 1, 1);
    assert!(!node.session.takes_outgoing());
    node.hear(&ack(START | END, 1, 1));
    assert!(node.session.takes_outgoing());
}

// Upkeep.

#[test]
fn keepalives_are_sent_at_the_smaller_interval_and_silence_of_twice_that_ends_the_session() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(10, &[])].concat());
    node.events();
    node.said();
    node.pass(Duration::from_millis(9_999));
    assert_eq!(node.said(), b"");
    node.pass(Duration::from_millis(1));
    assert_eq!(node.said(), b"\x04");
    node.hear(b"\x04");
    node.pass(Duration::from_secs(19));
    assert!(!node.session.is_over());
    node.said();
    node.pass(Duration::from_secs(1));
    assert!(node.said().ends_with(&term(0, 1)));
    assert!(node.closed().contains("silent"));
}

#[test]
fn an_interval_of_zero_disables_keepalives() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(0, &[])].concat());
    node.said();
    node.pass(Duration::from_secs(599));
    assert_eq!(node.said(), b"");
    assert!(!node.session.is_over());
}

#[test]
fn keepalives_alone_do_not_keep_a_session_for_ever() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(1, &[])].concat());
    for _ in 0..599 {
        node.pass(Duration::from_secs(1));
        node.hear(b"\x04");
        assert!(!node.said().contains(&5));
    }
    node.events();
    node.pass(Duration::from_secs(1));
    assert!(node.said().ends_with(&term(0, 1)));
    node.hear(&term(1, 1));
    assert_eq!(node.closed(), "ended by us: idle timeout");
}

#[test]
fn time_in_which_we_do_not_read_does_not_count_against_the_neighbor() {
    let mut node = Node::open_with(Options { unanswered_max: 1, ..Options::new("dtn://us/") });
    node.hear(&segment(START | END, 1, &[], b"x"));
    node.pass(Duration::from_secs(5000));
    assert!(!node.session.is_over());
    node.decide(Control::Accept(1));
    node.pass(Duration::from_secs(59));
    assert!(!node.session.is_over());
    node.pass(Duration::from_secs(1));
    assert!(node.session.is_over());
}

#[test]
fn an_unknown_message_type_is_rejected_and_the_connection_closed() {
    for header in [0x00, 0x08, 0xf0] {
        let mut node = Node::open();
        node.hear(&[header, 1, 2, 3]);
        assert_eq!(node.said(), reject(1, header));
        assert!(node.closed().contains("unknown type"));
    }
}

#[test]
fn a_second_set_of_parameters_is_rejected_and_changes_nothing() {
    let mut node = Node::open();
    node.hear(&init(1, &[]));
    assert_eq!(node.said(), reject(3, 7));
    assert!(!node.session.is_over());
}

#[test]
fn endless_extension_items_end_the_session() {
    let mut node = Node::open();
    let head =
        octets(&Message::Segment(SegmentHead { flags: START, transfer: 1, extensions: &[], data_length: 0 }));
    node.hear(&[&head[..10], &[0xff; 4]].concat());
    assert_eq!(node.said(), [reject(2, 1), term(0, 5)].concat());
    assert!(node.session.is_over());
}

#[test]
fn a_rejected_segment_ends_the_session_and_a_rejected_keepalive_does_not() {
    let mut node = Node::open();
    node.hear(&reject(3, 4));
    assert_eq!(node.said(), b"");
    node.hear(&reject(3, 1));
    assert_eq!(node.said(), term(0, 0));
    assert!(!node.session.is_over());
}

// Termination.

#[test]
fn the_neighbors_end_is_answered_with_the_same_words() {
    let mut node = Node::open();
    node.hear(&term(0x80, 0xfe));
    assert_eq!(node.said(), term(0x81, 0xfe));
    assert_eq!(node.closed(), "ended by the neighbor: no reason given");
}

#[test]
fn transfers_under_way_are_finished_on_both_sides_and_none_begins() {
    let mut node = Node::open();
    node.hear(&segment(START, 1, &[], b"abc"));
    node.send(1, 2000, 1000);
    node.said();
    node.decide(Control::Close(CloseReason::ResourceExhaustion));
    assert_eq!(node.said(), term(0, 5));
    node.hear(&segment(END, 1, &[], b"d"));
    node.hear(&segment(START | END, 2, &[], b"new"));
    assert_eq!(node.said(), b"", "the refusal waits for the answer to the earlier transfer");
    node.hear(&term(1, 5));
    node.session.take(node.now, Outgoing::Octets(Bytes::from(vec![7; 1000])));
    node.decide(Control::Accept(1));
    let finished = [segment(END, 1, &[], &[7; 1000]), ack(END, 1, 4), refuse(6, 2)].concat();
    assert_eq!(node.said(), finished);
    node.session.take(node.now, Outgoing::Begin { transfer: 2, length: 5 });
    assert!(!node.session.is_over());
    node.hear(&[ack(START, 1, 1000), ack(END, 1, 2000)].concat());
    let events = node.events();
    let refused = Event::Refused { transfer: 2, reason: RefusalReason::SessionTerminating };
    assert!(events.contains(&refused) && events.contains(&Event::Sent(1)), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Closed { reason: "ended by us: resource exhaustion".to_owned() }));
}

#[test]
fn a_bundle_of_which_nothing_was_sent_does_not_begin_once_the_session_ends() {
    let mut node = Node::open();
    node.send(1, 2000, 10);
    node.hear(&term(0, 0));
    assert_eq!(node.said(), term(1, 0));
    let events = node.events();
    assert_eq!(events[0], Event::Refused { transfer: 1, reason: RefusalReason::SessionTerminating });
}

#[test]
fn ends_that_cross_are_both_complete() {
    let mut node = Node::open();
    node.decide(Control::Close(CloseReason::Unknown));
    node.hear(&term(0, 3));
    assert_eq!(node.said(), term(0, 0));
    assert!(node.session.is_over());
}

#[test]
fn a_neighbor_that_does_not_answer_an_end_is_left() {
    let mut node = Node::open();
    node.decide(Control::Close(CloseReason::Unknown));
    node.said();
    for _ in 0..14 {
        node.pass(Duration::from_secs(1));
        node.hear(b"\x04");
    }
    assert!(!node.session.is_over());
    node.pass(Duration::from_secs(1));
    assert!(node.closed().contains("did not end in time"));
}

#[test]
fn a_dropped_link_refuses_what_it_cannot_answer_and_ends_soon() {
    let mut node = Node::open();
    node.hear(&segment(START | END, 1, &[], b"x"));
    node.hear(&segment(START, 2, &[], b"y"));
    node.send(1, 2000, 1500);
    node.said();
    node.session.link_dropped(node.now);
    assert_eq!(node.said(), [refuse(6, 1), refuse(6, 2), segment(END, 1, &[], b""), term(0, 0)].concat());
    node.hear(&segment(0, 2, &[], b"more"));
    node.pass(Duration::from_secs(2));
    assert!(node.session.is_over());
    let mut quick = Node::open();
    quick.session.link_dropped(quick.now);
    quick.hear(&term(1, 0));
    assert!(quick.session.is_over());
}

#[test]
fn a_transfer_whose_connection_breaks_is_broken() {
    let mut node = Node::open();
    node.hear(&segment(START, 1, &[], b"x"));
    node.events();
    node.session.connection_lost("the cable was pulled");
    assert_eq!(node.events(), [Event::Broken, Event::Closed { reason: "the cable was pulled".to_owned() }]);
}

#[test]
fn the_last_transfer_number_ends_the_session_after_its_transfer() {
    let mut node = Node::open();
    node.send(u64::MAX, 1, 1);
    assert_eq!(node.said(), [segment(START | END, u64::MAX, &[], &[7]), term(0, 5)].concat());
    node.hear(&[ack(START | END, u64::MAX, 1), term(1, 5)].concat());
    assert!(node.events().contains(&Event::Sent(u64::MAX)));
}
