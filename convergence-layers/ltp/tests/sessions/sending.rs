//! Blocks that we send: segments, checkpoints, and what reports make of them.

use std::time::Duration;

use bytes::Bytes;
use convergence_layer::RefusalReason;
use ltp::Event;
use ltp::segment::{Content, Mark, SessionId, Side};

use crate::side::{OneSide, Said, report};

/// The session of what was said, and what that was.
fn one_session(said: Vec<(SessionId, Said)>) -> (SessionId, Vec<Said>) {
    let session = said[0].0;
    assert!(said.iter().all(|(other, _)| *other == session));
    (session, said.into_iter().map(|(_, said)| said).collect())
}

/// Sends a block of 400 octets and says its session and its segments: four, of 114 octets at most.
fn send_400(side: &mut OneSide) -> (SessionId, Vec<Said>, u64) {
    side.send(0, 400);
    let (session, said) = one_session(side.says());
    let last = said.last().expect("it says something").data().0.expect("the last is a checkpoint");
    (session, said, last.serial)
}

#[test]
fn a_block_is_cut_into_full_segments_and_its_end_is_a_checkpoint() {
    let mut side = OneSide::new();
    let (_, said, _) = send_400(&mut side);
    let mut end = 0;
    for (number, segment) in said.iter().enumerate() {
        let (checkpoint, offset, length) = segment.data();
        assert_eq!(offset, end);
        assert_eq!(checkpoint.is_some(), number + 1 == said.len());
        end += length;
    }
    assert_eq!((end, said.len()), (400, 4));
    assert!(matches!(said[3], Said::Data { mark: Mark::BlockEnd(checkpoint), .. } if checkpoint.report == 0));
}

#[test]
fn what_a_report_misses_is_sent_again_and_ends_with_a_checkpoint_about_that_report() {
    let mut side = OneSide::new();
    let (session, _, serial) = send_400(&mut side);
    side.hear(session, report(50, serial, (0, 400), &[(0, 50), (60, 240), (310, 90)]));
    let (_, said) = one_session(side.says());
    assert_eq!(said[0], Said::ReportAck(50));
    assert_eq!(said[1].data(), (None, 50, 10));
    let (checkpoint, offset, length) = said[2].data();
    let checkpoint = checkpoint.expect("the last is a checkpoint");
    assert_eq!((checkpoint.serial, checkpoint.report, offset, length), (serial + 1, 50, 300, 10));
    assert_eq!(said.len(), 3);
    side.hear(session, report(50, serial, (0, 400), &[(0, 50), (60, 240), (310, 90)]));
    assert_eq!(side.says(), [(session, Said::ReportAck(50))], "a report counts once");
    side.hear(session, report(51, serial + 1, (0, 400), &[(0, 400)]));
    assert_eq!(side.events(), [Event::Sent { transfer: 0 }]);
    side.says();
    side.hear(session, report(52, serial + 1, (0, 400), &[(0, 400)]));
    assert_eq!(side.says(), [(session, Said::ReportAck(52))], "of sessions that are over, too");
    assert_eq!(side.engine.poll_timeout(), None);
}

#[test]
fn what_was_sent_again_after_the_checkpoint_is_not_sent_again_for_it() {
    let mut side = OneSide::new();
    let (session, _, serial) = send_400(&mut side);
    // A report in two segments, of which the second has all claims of the first missing.
    side.hear(session, report(50, serial, (0, 300), &[(0, 100)]));
    side.says();
    side.hear(session, report(51, serial, (0, 400), &[(0, 100), (300, 100)]));
    assert_eq!(side.says(), [(session, Said::ReportAck(51))]);
}

#[test]
fn a_checkpoint_is_repeated_ever_more_slowly_and_then_the_session_cancelled() {
    let mut side = OneSide::with(|options| options.transmissions_max = 4);
    let (session, said, _) = send_400(&mut side);
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(side.wait_for_timeout().as_secs());
        assert_eq!(side.says(), [(session, said[3].clone())]);
    }
    waits.push(side.wait_for_timeout().as_secs());
    assert_eq!(waits, [3, 6, 12, 24]);
    assert_eq!(side.says(), [(session, Said::Cancel(Side::Sender, 2))]);
    let refused = Event::Refused { transfer: 0, reason: RefusalReason::Retransmit };
    assert_eq!(side.events(), [refused]);
    assert_eq!(side.engine.memory(), (0, 0));
}

#[test]
fn the_wait_follows_the_round_trip() {
    let mut side = OneSide::new();
    let (session, _, serial) = send_400(&mut side);
    side.wait(Duration::from_millis(500));
    side.hear(session, report(50, serial, (0, 400), &[(0, 400)]));
    assert_eq!(side.engine.round_trip(), Some(Duration::from_millis(500)));
    side.says();
    side.send(1, 100);
    side.says();
    assert_eq!(side.wait_for_timeout(), Duration::from_millis(1_500));
}

#[test]
fn a_neighbor_that_claimed_all_but_the_last_octet_is_asked_about_it() {
    let mut side = OneSide::new();
    let (session, _, serial) = send_400(&mut side);
    side.hear(session, report(50, serial, (0, 399), &[(0, 399)]));
    assert_eq!(side.says(), [(session, Said::ReportAck(50))], "nothing is sent in vain");
    assert_eq!(side.wait_for_timeout(), Duration::from_secs(15));
    let (_, said) = one_session(side.says());
    let (checkpoint, offset, length) = said[0].data();
    assert_eq!((checkpoint.map(|c| (c.serial, c.report)), offset, length), (Some((serial + 1, 0)), 399, 1));
    side.hear(session, report(51, serial, (0, 400), &[(0, 400)]));
    assert_eq!(side.events(), [Event::Sent { transfer: 0 }]);
}

#[test]
fn urgent_blocks_overtake_others_between_two_segments() {
    let mut side = OneSide::new();
    side.send(0, 400);
    let mut octets = Vec::new();
    assert!(side.engine.poll_transmit(side.now, &mut octets));
    side.engine.send_begin(1, 50, true);
    side.engine.send_octets(1, Bytes::from_static(&[1; 50]));
    let said = side.says();
    assert_eq!(said[0].1.data().2, 50, "{said:?}");
    assert_eq!(said.len(), 4);
}

#[test]
fn no_more_is_taken_than_the_window_and_claims_make_room() {
    let mut side = OneSide::with(|options| options.window = 300);
    side.engine.send_begin(0, 1_000, false);
    side.engine.send_octets(0, vec![1; 300].into());
    assert_eq!(side.engine.room(), 0);
    let (session, said) = one_session(side.says());
    let (checkpoint, offset, length) = said.last().expect("it says something").data();
    let serial = checkpoint.expect("a full window asks for a report").serial;
    assert_eq!(offset + length, 300);
    side.hear(session, report(50, serial, (0, 300), &[(0, 300)]));
    assert_eq!(side.engine.room(), 300);
}

#[test]
fn a_block_that_is_abandoned_is_cancelled_if_it_has_begun() {
    let mut side = OneSide::new();
    let (session, ..) = send_400(&mut side);
    side.send(1, 100);
    side.engine.send_abandon(0);
    side.engine.send_abandon(1);
    assert_eq!(side.says(), [(session, Said::Cancel(Side::Sender, 0))]);
    side.hear(session, Content::CancelAck { by: Side::Sender });
    assert_eq!((side.events(), side.engine.poll_timeout()), (vec![], None));
    assert_eq!(side.engine.memory(), (0, 0));
}

#[test]
fn session_numbers_are_never_used_again() {
    let mut side = OneSide::new();
    let mut last = 0;
    for transfer in 0..100 {
        side.send(transfer, 50);
        let (session, said) = one_session(side.says());
        assert!(session.number > last);
        last = session.number;
        let serial = said[0].data().0.expect("it is a checkpoint").serial;
        side.hear(session, report(9, serial, (0, 50), &[(0, 50)]));
        side.says();
    }
    assert_eq!(side.events().len(), 100);
}
