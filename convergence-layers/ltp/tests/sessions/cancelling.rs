//! Sessions that one side gives up, and why.

use convergence_layer::RefusalReason;
use ltp::Event;
use ltp::reason::CancelReason;
use ltp::segment::{Content, Data, Mark, Side};

use crate::side::{OneSide, Said, THEIRS, checkpoint};

#[test]
fn a_block_that_the_neighbor_refuses_is_refused_with_what_the_reason_code_means() {
    let mut side = OneSide::new();
    side.send(0, 50);
    let session = side.says()[0].0;
    side.hear(session, Content::Cancel { by: Side::Receiver, reason: 4 });
    let refused = Event::Refused { transfer: 0, reason: RefusalReason::NoResources };
    assert_eq!(side.events(), [refused]);
    let acknowledged = [(session, Said::CancelAck(Side::Receiver))];
    assert_eq!(side.says(), acknowledged);
    side.hear(session, Content::Cancel { by: Side::Receiver, reason: 4 });
    assert_eq!((side.says(), side.events()), (acknowledged.to_vec(), vec![]));
}

#[test]
fn a_block_that_the_neighbor_gives_up_is_broken() {
    let mut side = OneSide::with(|options| options.buffer_max = 16);
    side.hear_red(Mark::Red, 0, b"abcd");
    side.events();
    side.hear(THEIRS, Content::Cancel { by: Side::Sender, reason: 0 });
    assert_eq!(side.answers(), [Said::CancelAck(Side::Sender)]);
    assert_eq!(side.events(), [Event::Broken { transfer: 0 }]);
    side.hear_red(Mark::BlockEnd(checkpoint(5)), 4, b"efgh");
    assert_eq!((side.answers(), side.events()), (vec![], vec![]), "what comes late opens nothing");
}

#[test]
fn data_for_another_client_service_are_told_that_it_is_unreachable() {
    let mut side = OneSide::new();
    let data = Data { mark: Mark::Red, client_service: 2, offset: 0, octets: b"abcd" };
    side.hear(THEIRS, Content::Data(data));
    assert_eq!(side.answers(), [Said::Cancel(Side::Receiver, 1)]);
    assert_eq!((side.events(), side.engine.poll_timeout()), (vec![], None), "nothing is kept of it");
}

#[test]
fn red_octets_after_green_ones_end_the_session() {
    let mut side = OneSide::new();
    side.hear_red(Mark::Green, 4, b"efgh");
    side.hear_red(Mark::Red, 8, b"ijkl");
    assert_eq!(side.answers(), [Said::Cancel(Side::Receiver, 3)]);
}

#[test]
fn a_block_above_the_limit_ends_the_session() {
    let mut side = OneSide::with(|options| options.block_max = 1_000);
    side.hear_red(Mark::Red, 998, b"abcd");
    assert_eq!(side.answers(), [Said::Cancel(Side::Receiver, 4)]);
    assert_eq!(side.events(), []);
}

#[test]
fn reason_codes_are_read_as_they_are_written() {
    for code in 0..=u8::MAX {
        assert_eq!(CancelReason::from_code(code).code(), code);
    }
    let kept = [
        RefusalReason::Unknown,
        RefusalReason::NoResources,
        RefusalReason::NotAcceptable,
        RefusalReason::Retransmit,
    ];
    for reason in kept {
        assert_eq!(RefusalReason::from(CancelReason::from(reason)), reason);
    }
}
