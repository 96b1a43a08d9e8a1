//! A neighbor that lies, and strangers.

use ltp::segment::{Content, Data, Mark, SessionId, Side};

use crate::side::{OURS, OneSide, Said, THEIRS, checkpoint, report};

#[test]
fn claims_of_what_was_never_sent_are_not_believed() {
    let mut side = OneSide::new();
    side.send(0, 200);
    let said = side.says();
    let (session, serial) = (said[0].0, said[1].1.data().0.expect("the end is a checkpoint").serial);
    // Beyond the end; to a checkpoint that never was.
    side.hear(session, report(50, serial, (0, 201), &[(0, 201)]));
    side.hear(session, report(51, serial + 1, (0, 200), &[(0, 200)]));
    side.hear(session, report(52, serial - 1, (0, 200), &[(0, 200)]));
    assert_eq!((side.says(), side.events()), (vec![], vec![]));
    assert_eq!(side.engine.counters().segments_discarded, 3);
    // Before all is sent, of what is not: a block of which the agent has handed down the half.
    side.engine.send_begin(1, 1_000, false);
    side.engine.send_octets(1, vec![1; 500].into());
    let session = side.says()[0].0;
    side.hear(session, report(50, 0, (0, 1_000), &[(0, 1_000)]));
    assert_eq!(side.events(), []);
}

#[test]
fn segments_of_strangers_and_in_the_wrong_direction_are_discarded() {
    let mut side = OneSide::new();
    let stranger = SessionId { originator: 30, number: 1 };
    let ours = SessionId { originator: OURS, number: 1 };
    let data = || Content::Data(Data { mark: Mark::Red, client_service: 1, offset: 0, octets: b"a" });
    let segments = [
        (stranger, data()),
        (ours, data()),
        (stranger, report(1, 1, (0, 1), &[(0, 1)])),
        (THEIRS, report(1, 1, (0, 1), &[(0, 1)])),
        (ours, Content::ReportAck { report: 1 }),
        (ours, Content::Cancel { by: Side::Sender, reason: 0 }),
        (THEIRS, Content::Cancel { by: Side::Receiver, reason: 0 }),
        (stranger, Content::CancelAck { by: Side::Sender }),
    ];
    let count = segments.len() as u64;
    for (session, content) in segments {
        side.hear(session, content);
    }
    assert_eq!((side.says(), side.events()), (vec![], vec![]));
    assert_eq!(side.engine.counters().segments_discarded, count);
}

#[test]
fn a_flood_of_sessions_is_bounded_and_those_that_began_go_on() {
    let mut side = OneSide::with(|options| options.receiving_max = 10);
    let data = |octets| Content::Data(Data { mark: Mark::Red, client_service: 1, offset: 0, octets });
    for number in 0..10_000 {
        side.hear(SessionId { number, ..THEIRS }, data(b"abcd"));
    }
    assert_eq!(side.engine.memory().1, 40);
    let end = Data { mark: Mark::BlockEnd(checkpoint(1)), client_service: 1, offset: 4, octets: b"e" };
    side.hear(SessionId { number: 3, ..THEIRS }, Content::Data(end));
    assert_eq!(side.events().len(), 4);
}

#[test]
fn octets_out_of_order_are_kept_up_to_a_bound_and_the_next_ones_in_order_always() {
    let mut side = OneSide::with(|options| options.buffer_max = 1_000);
    for offset in 1..100 {
        side.hear_red(Mark::Red, offset * 100, &[1; 100]);
    }
    assert_eq!(side.engine.memory().1, 1_000);
    side.hear_red(Mark::Red, 0, &[1; 100]);
    let octets = side.events().len();
    assert_eq!((octets, side.engine.memory().1), (12, 0));
}

#[test]
fn runs_of_one_octet_are_kept_up_to_a_bound() {
    let mut side = OneSide::with(|options| options.runs_max = 50);
    for offset in 1..1_000 {
        side.hear_red(Mark::Red, offset * 2, b"x");
    }
    assert_eq!(side.engine.memory().1, 50);
}

#[test]
fn a_second_end_of_the_block_changes_nothing() {
    let mut side = OneSide::new();
    side.hear_red(Mark::BlockEnd(checkpoint(5)), 4, b"efgh");
    side.hear_red(Mark::BlockEnd(checkpoint(6)), 0, b"abcd");
    side.hear_red(Mark::BlockEnd(checkpoint(7)), 8, b"ijkl");
    side.hear_red(Mark::Red, 7, b"hi");
    assert_eq!(side.engine.memory().1, 4);
    side.hear_red(Mark::Red, 0, b"abcd");
    assert_eq!(side.events().len(), 4, "eight octets, and no more");
}

#[test]
fn answers_that_nobody_takes_are_bounded() {
    let mut side = OneSide::new();
    for number in 0..100_000 {
        let content = Content::Cancel { by: Side::Sender, reason: 0 };
        side.hear(SessionId { number, ..THEIRS }, content);
    }
    let answers = side.says();
    assert!(answers.len() <= 1_024, "{} answers", answers.len());
    assert!(answers.iter().all(|(_, said)| *said == Said::CancelAck(Side::Sender)));
}
