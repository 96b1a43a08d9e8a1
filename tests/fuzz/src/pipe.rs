//! Messages of programs that are links (`docs/pipe.md`).

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, RefusalReason};
use pipe::message::Message;
use pipe::session::{Local, Session};

use crate::Octets;

/// The largest bundle that is taken here: seeds have some that are larger.
const OCTETS_MAX: u64 = 1_000;

/// What is read can be written and read again, and what comes of it does not depend on how the octets come.
pub fn pipe(octets: &[u8]) {
    let mut input = BytesMut::from(octets);
    while let Ok(Some(message)) = Message::decode(&mut input) {
        let mut written = BytesMut::new();
        message.encode(&mut written);
        assert_eq!(Message::decode(&mut written), Ok(Some(message)));
    }
    assert_eq!(heard(octets, octets.len().max(1)), heard(octets, 1));
}

/// The bundles that came whole, and how many octets were said; decides about each as it comes.
fn heard(octets: &[u8], piece: usize) -> (Vec<Octets>, usize) {
    let local = Local { node_id: "dtn://fuzz/".to_owned(), transfer_mru: OCTETS_MAX };
    let (mut session, mut input) = (Session::new(&local), BytesMut::new());
    let (mut whole, mut current) = (Vec::new(), (0, Octets::new()));
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            let (held, ended) = (input.len(), session.receive(&mut input).is_err());
            while let Some(event) = session.poll_event() {
                match event {
                    Event::Receiving { transfer, length } => {
                        assert!(length.is_some_and(|length| (1..=OCTETS_MAX).contains(&length)));
                        current = (transfer, Octets::new());
                    }
                    Event::Octets(octets) => current.1.extend_from_slice(&octets),
                    Event::Received => {
                        whole.push(std::mem::take(&mut current.1));
                        session.decide(Control::Accept(current.0));
                    }
                    Event::Sent(_) | Event::Left(_) => panic!("nothing was sent"),
                    _ => {}
                }
            }
            if ended {
                return (whole, session.output().len());
            }
            if input.len() == held {
                break;
            }
        }
    }
    (whole, session.output().len())
}

/// A contact with bundles of many sizes, answers to nothing, and a type that nobody knows.
pub fn pipe_seeds() -> Vec<Octets> {
    let mut out = BytesMut::new();
    Message::Hello { bundle_max: 9, octets_per_second: 3, node_id: "ipn:7.0".to_owned() }.encode(&mut out);
    for (number, length) in [1_u16, 300, 1_001, 0, 5].into_iter().enumerate() {
        let (number, octets) = (number as u64, vec![0x42; length.into()]);
        Message::Bundle { number, length: length.into(), is_urgent: number == 1 }.encode(&mut out);
        if length > 0 {
            Message::Octets(Bytes::from(octets)).encode(&mut out);
        }
    }
    for message in [
        Message::Taken(0),
        Message::Left(1),
        Message::Refused(2, RefusalReason::NoResources),
        Message::Bundle { number: 9, length: 9, is_urgent: false },
        Message::Abandon,
    ] {
        message.encode(&mut out);
    }
    out.extend_from_slice(&[0, 0, 0, 2, 99, 0]);
    vec![out.to_vec()]
}
