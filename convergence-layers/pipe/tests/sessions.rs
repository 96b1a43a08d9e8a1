//! Messages and sessions without a program: what is said in octets, and what nonsense does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, Outgoing, RefusalReason};
use pipe::message::{Malformed, Message};
use pipe::session::{Lane, Local, Session, Violation};

fn local(transfer_mru: u64) -> Local {
    Local { node_id: "dtn://a/".into(), transfer_mru }
}

/// A session that heard a Hello of somebody who takes bundles of 1,000 octets.
fn open() -> Session {
    let mut session = Session::new(&local(500));
    hear(&mut session, &[hello()]).unwrap();
    assert!(matches!(session.poll_event(), Some(Event::Opened { .. })));
    session.written(session.output().len());
    session
}

fn hello() -> Message {
    Message::Hello { bundle_max: 1_000, octets_per_second: 0, node_id: String::new() }
}

fn hear(session: &mut Session, messages: &[Message]) -> Result<(), Violation> {
    let mut octets = BytesMut::new();
    for message in messages {
        message.encode(&mut octets);
    }
    session.receive(&mut octets)
}

fn bundle(number: u64, length: u64) -> Message {
    Message::Bundle { number, length, is_urgent: false }
}

fn octets(count: usize) -> Bytes {
    vec![7; count].into()
}

fn said(session: &Session) -> Vec<Message> {
    let mut output = BytesMut::from(session.output());
    std::iter::from_fn(|| Message::decode(&mut output).unwrap()).collect()
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

#[test]
fn messages_are_these_octets() {
    for (message, octets) in [
        (
            Message::Hello { bundle_max: 256, octets_per_second: 2, node_id: "dtn:x".into() },
            &b"\0\0\0\x17\0\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x02dtn:x"[..],
        ),
        (
            Message::Bundle { number: 1, length: 3, is_urgent: true },
            b"\0\0\0\x12\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\x01",
        ),
        (Message::Octets(Bytes::from_static(b"abc")), b"\0\0\0\x04\x02abc"),
        (Message::Abandon, b"\0\0\0\x01\x03"),
        (Message::Taken(9), b"\0\0\0\x09\x04\0\0\0\0\0\0\0\x09"),
        (Message::Refused(9, RefusalReason::NoResources), b"\0\0\0\x0a\x05\0\0\0\0\0\0\0\x09\x02"),
        (Message::Left(9), b"\0\0\0\x09\x06\0\0\0\0\0\0\0\x09"),
    ] {
        let mut written = BytesMut::new();
        message.encode(&mut written);
        assert_eq!(written, octets);
        for end in 0..octets.len() {
            assert_eq!(Message::decode(&mut octets[..end].into()), Ok(None), "{message:?}");
        }
        assert_eq!(Message::decode(&mut written), Ok(Some(message)));
    }
}

#[test]
fn a_type_that_nobody_knows_is_passed_over() {
    let mut input = BytesMut::from(&b"\0\0\0\x03\x63ab\0\0\0\x01\x03"[..]);
    assert_eq!(Message::decode(&mut input), Ok(Some(Message::Abandon)));
}

#[test]
fn no_length_is_trusted() {
    for length in [0, 65_537, u32::MAX] {
        let mut input = BytesMut::from(&length.to_be_bytes()[..]);
        assert_eq!(Message::decode(&mut input), Err(Malformed::Length(length)));
    }
    let mut input = BytesMut::from(&b"\0\0\0\x02\x04\0"[..]);
    assert_eq!(Message::decode(&mut input), Err(Malformed::Body(4)));
}

#[test]
fn who_speaks_another_version_or_says_no_hello_is_told_from_others() {
    let mut session = Session::new(&local(500));
    let other = session.receive(&mut BytesMut::from(&b"\0\0\0\x02\0\x02"[..]));
    assert_eq!(other, Err(Violation::Malformed(Malformed::Version(2))));
    let mut session = Session::new(&local(500));
    assert_eq!(hear(&mut session, &[bundle(0, 1)]), Err(Violation::NoHello));
}

#[test]
fn a_bundle_that_comes_is_answered_once() {
    let mut session = open();
    hear(&mut session, &[bundle(4, 5), Message::Octets(octets(3)), Message::Octets(octets(2))]).unwrap();
    assert_eq!(
        events(&mut session),
        [
            Event::Receiving { transfer: 4, length: Some(5) },
            Event::Octets(octets(3)),
            Event::Octets(octets(2)),
            Event::Received,
        ]
    );
    session.decide(Control::Accept(4));
    session.decide(Control::Accept(4));
    session.decide(Control::Accept(77));
    assert_eq!(said(&session), [Message::Taken(4)]);
}

#[test]
fn a_bundle_that_is_too_large_is_refused_and_passed_over() {
    let mut session = open();
    hear(&mut session, &[bundle(0, 1 << 60), Message::Octets(octets(9)), Message::Abandon]).unwrap();
    hear(&mut session, &[bundle(1, 0), bundle(2, 1), Message::Octets(octets(1))]).unwrap();
    let refused = |number| Message::Refused(number, RefusalReason::NotAcceptable);
    assert_eq!(said(&session), [refused(0), refused(1)]);
    assert!(session.poll_fault().unwrap().contains("of 0 octets"));
    assert_eq!(events(&mut session)[0], Event::Receiving { transfer: 2, length: Some(1) });
}

#[test]
fn what_breaks_the_rules_ends_the_contact() {
    for (messages, violation) in [
        (vec![bundle(3, 9), Message::Octets(octets(9)), bundle(3, 9)], Violation::Number(3)),
        (vec![bundle(0, 9), bundle(1, 9)], Violation::Within),
        (vec![bundle(0, 9), Message::Octets(octets(10))], Violation::Length),
        (vec![Message::Octets(octets(1))], Violation::Length),
    ] {
        assert_eq!(hear(&mut open(), &messages), Err(violation));
    }
}

#[test]
fn nothing_more_is_read_while_much_awaits_a_decision() {
    let mut session = open();
    let mut read = 0;
    for number in 0..10_000 {
        if !session.takes_octets() {
            break;
        }
        hear(&mut session, &[bundle(number, 1), Message::Octets(octets(1))]).unwrap();
        events(&mut session);
        read += 1;
    }
    assert_eq!(read, 512);
    session.decide(Control::Refuse(7, RefusalReason::NoResources));
    assert!(session.takes_octets());
}

#[test]
fn an_urgent_bundle_begins_next_and_answers_find_their_bundles() {
    let mut session = open();
    session.take(Lane::Ordinary, Outgoing::Begin { transfer: 10, length: 2 });
    assert!(!session.takes_outgoing(Lane::Express), "one bundle after another");
    session.take(Lane::Ordinary, Outgoing::Octets(octets(2)));
    session.take(Lane::Express, Outgoing::Begin { transfer: 11, length: 1 });
    session.take(Lane::Express, Outgoing::Octets(octets(1)));
    let urgent = Message::Bundle { number: 1, length: 1, is_urgent: true };
    assert_eq!(said(&session)[2], urgent);
    hear(&mut session, &[Message::Left(1), Message::Taken(0), Message::Taken(0)]).unwrap();
    assert_eq!(events(&mut session), [Event::Left(11), Event::Sent(10)]);
    assert!(session.poll_fault().unwrap().contains("does not await an answer"));
}

#[test]
fn what_is_refused_early_is_abandoned_and_what_is_too_large_never_begins() {
    let mut session = open();
    session.take(Lane::Ordinary, Outgoing::Begin { transfer: 0, length: 900 });
    session.take(Lane::Ordinary, Outgoing::Octets(octets(10)));
    hear(&mut session, &[Message::Refused(0, RefusalReason::Completed)]).unwrap();
    session.take(Lane::Ordinary, Outgoing::Octets(octets(890)));
    session.take(Lane::Ordinary, Outgoing::Begin { transfer: 1, length: 1_001 });
    session.take(Lane::Ordinary, Outgoing::Octets(octets(1_001)));
    let refused = |transfer, reason| Event::Refused { transfer, reason };
    let expected = [refused(0, RefusalReason::Completed), refused(1, RefusalReason::NotAcceptable)];
    assert_eq!(events(&mut session), expected);
    assert_eq!(said(&session).len(), 3, "the bundle, its beginning, and that it is abandoned");
    assert!(session.is_between());
}
