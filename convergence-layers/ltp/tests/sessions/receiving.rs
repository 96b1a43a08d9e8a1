//! Blocks of the neighbor: in which order they are handed up, and what is reported.

use std::time::Duration;

use bytes::Bytes;
use convergence_layer::RefusalReason;
use ltp::Event;
use ltp::segment::{Checkpoint, Content, Mark, Side};

use crate::side::{OneSide, Said, THEIRS, checkpoint};

fn octets(transfer: u64, octets: &'static [u8]) -> Event {
    Event::Octets { transfer, octets: Bytes::from_static(octets) }
}

/// Hears a block of eight octets.
fn hear_block(side: &mut OneSide) {
    side.hear_red(Mark::Red, 0, b"abcd");
    side.hear_red(Mark::BlockEnd(checkpoint(5)), 4, b"efgh");
}

#[test]
fn the_last_octet_is_not_claimed_before_the_block_is_accepted() {
    let mut side = OneSide::new();
    hear_block(&mut side);
    let first = side.answers();
    let (serial, scope, claims) = first[0].report();
    assert_eq!((first.len(), scope, claims), (1, (0, 7), vec![(0, 7)]));
    let received = [
        Event::Receiving { transfer: 0, length: Some(8) },
        octets(0, b"abcd"),
        octets(0, b"efgh"),
        Event::Received { transfer: 0 },
    ];
    assert_eq!(side.events(), received);
    side.hear(THEIRS, Content::ReportAck { report: serial });
    assert_eq!(side.answers(), [], "nothing more is said before the agent has decided");

    side.engine.accept(0);
    let claims = vec![(0, 8)];
    let complete = Said::Report { serial: serial + 1, checkpoint: 5, scope: (0, 8), claims };
    assert_eq!(side.answers(), std::slice::from_ref(&complete));
    side.wait_for_timeout();
    assert_eq!(side.answers(), [complete], "it is repeated until it is acknowledged");
    side.hear(THEIRS, Content::ReportAck { report: serial + 1 });
    assert_eq!(side.engine.poll_timeout(), None);
}

#[test]
fn where_only_the_last_octet_came_nothing_is_claimed() {
    let mut side = OneSide::new();
    side.hear_red(Mark::BlockEnd(checkpoint(5)), 7, b"h");
    assert_eq!(
        side.answers(),
        [],
        "whoever heard of all others, before we forgot them, would take it for arrival"
    );
    side.hear_red(Mark::Red, 0, b"abcd");
    side.hear_red(Mark::BlockEnd(checkpoint(5)), 7, b"h");
    let (_, scope, claims) = side.answers()[0].report();
    assert_eq!((scope, claims), ((0, 7), vec![(0, 4)]));
}

#[test]
fn the_end_of_a_block_is_asked_for_where_there_was_no_room_for_it() {
    let mut side = OneSide::with(|options| options.buffer_max = 8);
    side.hear_red(Mark::Red, 0, b"abcdefgh");
    side.hear_red(Mark::BlockEnd(checkpoint(5)), 8, b"ijkl");
    let (first, scope, claims) = side.answers()[0].report();
    assert_eq!((scope, claims), ((0, 12), vec![(0, 8)]));
    side.events();
    side.hear_red(Mark::BlockEnd(Checkpoint { serial: 6, report: first }), 8, b"ijkl");
    side.events();
    let (_, scope, claims) = side.answers().last().expect("it answers").report();
    assert_eq!((scope, claims), ((0, 11), vec![(0, 11)]), "now the last octet is kept back");
}

#[test]
fn what_is_missing_before_all_that_there_is_room_for_is_asked_for() {
    let mut side = OneSide::with(|options| (options.window, options.buffer_max) = (8, 4));
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 8, b"ijkl");
    assert_eq!(side.answers()[0].report().1, (0, 12));
    // "abcd" was lost on the way.
    side.hear_red(Mark::Checkpoint(checkpoint(6)), 4, b"efgh");
    let (_, scope, claims) = side.answers()[0].report();
    assert_eq!((scope, claims), ((0, 12), vec![(8, 4)]));
}

#[test]
fn claims_stay_as_far_behind_as_the_agent_is() {
    let mut side = OneSide::with(|options| (options.window, options.buffer_max) = (8, 16));
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 0, b"abcd");
    assert_eq!(side.answers()[0].report().1, (0, 4));
    assert_eq!(side.engine.poll_event(), Some(Event::Receiving { transfer: 0, length: None }));
    side.hear_red(Mark::Red, 4, b"efgh");
    side.hear_red(Mark::Checkpoint(checkpoint(6)), 8, b"ijkl");
    assert_eq!(side.answers()[0].report().1, (4, 8), "a neighbor with the same window has room for no more");
    side.hear_red(Mark::BlockEnd(checkpoint(7)), 12, b"mnop");
    assert_eq!(side.answers()[0].report().1, (0, 8), "its timer is answered");
    assert_eq!(side.engine.poll_event(), Some(octets(0, b"abcd")));
    assert_eq!(side.answers(), []);
    assert_eq!(side.engine.poll_event(), Some(octets(0, b"efgh")));
    let said = side.answers();
    assert_eq!((said.len(), said[0].report().1), (1, (0, 15)), "the rest follows");
}

#[test]
fn octets_are_handed_up_in_order_and_the_first_to_come_stay() {
    let mut side = OneSide::with(|options| options.buffer_max = 16);
    side.hear_red(Mark::Red, 4, b"efgh");
    side.hear_red(Mark::Red, 2, b"CDEF");
    assert_eq!(side.events(), [], "the beginning is missing");
    side.hear_red(Mark::Red, 0, b"abXY");
    let began = Event::Receiving { transfer: 0, length: None };
    assert_eq!(side.events(), [began, octets(0, b"ab"), octets(0, b"CD"), octets(0, b"efgh")]);
}

#[test]
fn a_repeated_checkpoint_is_answered_with_the_same_report() {
    let mut side = OneSide::new();
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 0, b"abcd");
    let first = side.answers();
    side.hear_red(Mark::Red, 8, b"ijkl");
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 0, b"abcd");
    assert_eq!(side.answers(), first);
    side.hear(THEIRS, Content::ReportAck { report: first[0].report().0 });
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 0, b"abcd");
    let (_, scope, claims) = side.answers()[0].report();
    assert_eq!((scope, claims), ((0, 4), vec![(0, 4)]), "it is answered even if the first answer arrived");
}

#[test]
fn a_primary_report_begins_where_the_one_before_ended_and_a_secondary_one_where_its_first_did() {
    let mut side = OneSide::new();
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 0, b"abcd");
    side.hear_red(Mark::Checkpoint(checkpoint(6)), 8, b"ijkl");
    let said = side.answers();
    let (serial, scope, claims) = said[1].report();
    assert_eq!((scope, claims), ((4, 12), vec![(4, 4)]));
    side.hear_red(Mark::Checkpoint(Checkpoint { serial: 7, report: serial }), 4, b"efgh");
    let secondary = side.answers();
    let (_, scope, claims) = secondary.last().expect("it answers").report();
    assert_eq!((scope, claims), ((4, 8), vec![(0, 4)]));
}

#[test]
fn a_checkpoint_that_was_overtaken_is_answered() {
    let mut side = OneSide::new();
    side.hear_red(Mark::Checkpoint(checkpoint(6)), 4, b"efgh");
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 0, b"abcd");
    let (_, scope, claims) = side.answers()[1].report();
    assert_eq!((scope, claims), ((0, 4), vec![(0, 4)]));
}

#[test]
fn a_report_that_does_not_fit_one_segment_comes_in_several() {
    let mut side = OneSide::new();
    for run in 0..100 {
        side.hear_red(Mark::Red, run * 300, b"abcd");
    }
    side.hear_red(Mark::Checkpoint(checkpoint(5)), 30_000, b"abcd");
    let said = side.answers();
    assert!(said.len() > 2, "{} segments", said.len());
    let mut end = 0;
    let mut runs = Vec::new();
    for part in &said {
        let (_, scope, claims) = part.report();
        assert_eq!(scope.0, end, "each begins where the one before ended");
        end = scope.1;
        runs.extend(claims.iter().map(|(offset, length)| (scope.0 + offset, *length)));
    }
    assert_eq!(end, 30_004);
    assert_eq!(runs, (0..=100).map(|run| (run * 300, 4)).collect::<Vec<_>>());
}

#[test]
fn a_late_segment_of_an_accepted_block_opens_nothing_and_is_told_so() {
    let mut side = OneSide::new();
    hear_block(&mut side);
    side.events();
    side.engine.accept(0);
    let complete = side.answers();
    let (serial, ..) = complete[0].report();
    side.hear(THEIRS, Content::ReportAck { report: serial });
    hear_block(&mut side);
    let again = side.answers();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].report().1, (0, 8));
    assert_eq!(side.events(), []);
    assert_eq!(side.engine.poll_timeout(), None);
}

#[test]
fn a_block_whose_report_is_never_acknowledged_stays_accepted() {
    let mut side = OneSide::with(|options| options.transmissions_max = 3);
    hear_block(&mut side);
    side.events();
    side.engine.accept(0);
    let mut said = Vec::new();
    while side.engine.has_segment() {
        said.extend(side.answers());
        side.wait_for_timeout();
    }
    assert!(said.iter().all(|said| matches!(said, Said::Report { .. })), "{said:?}");
    assert_eq!((said.len(), side.engine.poll_timeout()), (3, None));
}

#[test]
fn a_refused_block_is_cancelled_until_the_neighbor_has_heard_so() {
    let mut side = OneSide::new();
    hear_block(&mut side);
    side.events();
    side.answers();
    side.engine.refuse(0, RefusalReason::NoResources);
    let cancel = Said::Cancel(Side::Receiver, 4);
    assert_eq!(side.answers(), std::slice::from_ref(&cancel));
    side.wait_for_timeout();
    assert_eq!(side.answers(), std::slice::from_ref(&cancel));
    side.hear(THEIRS, Content::CancelAck { by: Side::Receiver });
    assert_eq!(side.engine.poll_timeout(), None);
    hear_block(&mut side);
    assert_eq!((side.answers(), side.events()), (vec![cancel], vec![]), "it stays refused");
}

#[test]
fn one_block_is_handed_up_at_a_time_and_whole_ones_first() {
    let mut side = OneSide::with(|options| options.buffer_max = 16);
    let other = ltp::segment::SessionId { number: 78, ..THEIRS };
    side.hear_red(Mark::Red, 0, b"abcd");
    let data =
        |mark, offset, octets| Content::Data(ltp::segment::Data { mark, client_service: 1, offset, octets });
    side.hear(other, data(Mark::BlockEnd(checkpoint(9)), 0, b"xy"));
    let whole = [
        Event::Receiving { transfer: 1, length: Some(2) },
        octets(1, b"xy"),
        Event::Received { transfer: 1 },
        Event::Receiving { transfer: 0, length: None },
        octets(0, b"abcd"),
    ];
    assert_eq!(side.events(), whole);
    let third = ltp::segment::SessionId { number: 79, ..THEIRS };
    side.hear(third, data(Mark::BlockEnd(checkpoint(9)), 0, b"uv"));
    assert_eq!(side.events(), [], "the first is not all there");
    side.hear_red(Mark::BlockEnd(checkpoint(9)), 4, b"e");
    assert_eq!(side.events().len(), 5);
}

#[test]
fn green_octets_follow_the_red_ones_when_all_are_there() {
    let mut side = OneSide::new();
    side.hear_red(Mark::GreenEnd, 6, b"gh");
    side.hear_red(Mark::RedEnd(checkpoint(5)), 0, b"abcd");
    let (_, scope, claims) = side.answers()[0].report();
    assert_eq!((scope, claims), ((0, 3), vec![(0, 3)]), "green octets are not reported");
    assert_eq!(side.events(), []);
    side.hear_red(Mark::Green, 4, b"ef");
    let events = side.events();
    assert_eq!(events.first(), Some(&Event::Receiving { transfer: 0, length: Some(8) }));
    assert_eq!(events.last(), Some(&Event::Received { transfer: 0 }));
    side.engine.accept(0);
    assert_eq!(side.answers()[0].report().1, (0, 4));
}

#[test]
fn a_green_block_is_accepted_without_a_report() {
    let mut side = OneSide::new();
    side.hear_red(Mark::Green, 0, b"abcd");
    side.hear_red(Mark::GreenEnd, 4, b"ef");
    assert_eq!(side.events().len(), 4);
    side.engine.accept(0);
    assert_eq!((side.answers(), side.engine.poll_timeout()), (vec![], None));
}

#[test]
fn a_block_that_stands_still_is_given_up() {
    let mut side = OneSide::with(|options| options.buffer_max = 16);
    side.hear_red(Mark::Red, 0, b"abcd");
    side.events();
    side.wait(Duration::from_secs(599));
    assert_eq!(side.answers(), []);
    side.wait(Duration::from_secs(1));
    assert_eq!(side.answers(), [Said::Cancel(Side::Receiver, 2)]);
    assert_eq!(side.events(), [Event::Broken { transfer: 0 }]);
}

#[test]
fn while_the_contact_is_down_no_timer_runs() {
    let mut side = OneSide::new();
    hear_block(&mut side);
    side.answers();
    let before = side.engine.poll_timeout().expect("the report is awaited");
    side.engine.suspend(side.now);
    assert_eq!(side.engine.poll_timeout(), None);
    side.wait(Duration::from_secs(3_600));
    let other = ltp::segment::SessionId { number: 78, ..THEIRS };
    side.hear(other, Content::Cancel { by: Side::Sender, reason: 0 });
    assert_eq!(side.answers(), [], "nothing is said");
    side.engine.resume(side.now);
    assert_eq!(side.engine.poll_timeout(), Some(before + Duration::from_secs(3_600)));
}
