//! An LTP engine that hears arbitrary segments from its neighbor (RFC 5326 §3 to §6).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::RefusalReason;
use ltp::decoding;
use ltp::segment::{Checkpoint, Claim, Content, Data, Mark, Report, Segment, SessionId, Side};
use ltp::{Engine, Event, Options};

use crate::{Dice, Octets};

const OURS: u64 = 10;
const THEIRS: u64 = 20;
const BUFFER_MAX: usize = 2_000;
const BUFFERS_MAX: usize = 5_000;
const WINDOW: usize = 1_000;
const SEGMENT_MAX: usize = 200;

/// Whatever a neighbor says, an engine keeps its memory bounds, hands up each block's octets in order and each block once, says only
/// segments that can be read and fit the link, and falls silent in the end. The first two octets are the seed of the dice that cut
/// the rest into datagrams and decide as the agent.
pub fn ltp(octets: &[u8]) {
    read(octets);
    let Some((seed, wire)) = octets.split_first_chunk() else { return };
    let mut run = Run::new(u64::from(u16::from_be_bytes(*seed)));
    let mut rest = wire;
    while !rest.is_empty() {
        let length = match decoding::segment(rest) {
            Ok((_, length)) => length,
            Err(_) => rest.len().min(1 + run.dice.below(100)),
        };
        let (datagram, after) = rest.split_at(length);
        rest = after;
        run.engine.handle_segments(run.now, datagram);
        run.listen();
        run.act();
    }
    run.end();
}

/// What can be read is written as what means the same.
fn read(octets: &[u8]) {
    let Ok((segment, length)) = decoding::segment(octets) else { return };
    assert!(length <= octets.len());
    let mut written = Vec::new();
    assert!(segment.encode(usize::MAX, &mut written));
    assert_eq!(decoding::segment(&written), Ok((segment, written.len())));
}

struct Run {
    engine: Engine,
    dice: Dice,
    now: Instant,
    /// Blocks that are handed up: octets so far, and whether they are all there.
    blocks: BTreeMap<u64, (usize, bool)>,
    sent: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let options = Options {
            segment_max: SEGMENT_MAX,
            sending_max: 4,
            receiving_max: 8,
            window: WINDOW,
            checkpoint_every: 300,
            buffer_max: BUFFER_MAX,
            buffers_max: BUFFERS_MAX,
            runs_max: 20,
            transmissions_max: 5,
            closed_max: 16,
            ..Options::new(OURS, THEIRS)
        };
        let engine = Engine::new(options, SEED).expect("these options are valid");
        Self { engine, dice: Dice::new(seed), now: Instant::now(), blocks: BTreeMap::new(), sent: 0 }
    }

    /// Takes the events, and checks their order.
    fn listen(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Receiving { transfer, .. } => {
                    let is_new = self.blocks.insert(transfer, (0, false)).is_none();
                    assert!(is_new, "a block begins once");
                }
                Event::Octets { transfer, octets } => {
                    let (length, is_whole) = self.blocks.get_mut(&transfer).expect("it began");
                    assert!(!*is_whole && !octets.is_empty(), "octets of a block that is all there");
                    *length += octets.len();
                }
                Event::Received { transfer } => {
                    let (_, is_whole) = self.blocks.get_mut(&transfer).expect("it began");
                    assert!(!*is_whole, "a block is received once");
                    *is_whole = true;
                }
                Event::Broken { transfer } => {
                    let (_, is_whole) = self.blocks.remove(&transfer).expect("it began");
                    assert!(!is_whole, "what is received does not break");
                }
                Event::Sent { transfer } | Event::Refused { transfer, .. } => {
                    assert!(transfer < self.sent, "a transfer that never was is settled");
                }
            }
        }
        let (held, buffered) = self.engine.memory();
        assert!(held <= WINDOW * 2, "{held} octets are held");
        assert!(buffered <= BUFFERS_MAX + 2 * BUFFER_MAX, "{buffered} octets wait");
    }

    /// The agent decides, sends, and lets time pass, as the dice have it.
    fn act(&mut self) {
        match self.dice.below(10) {
            0..=3 => self.transmit(),
            4 => self.decide(),
            5 if self.engine.takes_transfer() && self.engine.room() > 0 => {
                let length = 1 + self.dice.below(600);
                self.engine.send_begin(
                    self.sent,
                    u64::try_from(length).unwrap_or(1),
                    length.is_multiple_of(2),
                );
                self.engine.send_octets(self.sent, Bytes::from(vec![7; length]));
                self.sent += 1;
            }
            6 if self.sent > 0 => self.engine.send_abandon(self.sent - 1),
            7 => {
                let time = Duration::from_millis(u64::from(self.dice.octet()) * 20);
                self.pass_time(time);
            }
            8 => {
                self.engine.suspend(self.now);
                self.pass_time(Duration::from_secs(100));
                self.engine.resume(self.now);
            }
            _ => {}
        }
        self.listen();
    }

    fn decide(&mut self) {
        let undecided = self.blocks.keys().next().copied();
        let Some(transfer) = undecided else { return };
        let (_, is_whole) = self.blocks.get(&transfer).copied().unwrap_or_default();
        if is_whole && self.dice.below(3) > 0 {
            self.engine.accept(transfer);
        } else {
            self.engine.refuse(transfer, RefusalReason::NoResources);
        }
        self.blocks.remove(&transfer);
    }

    /// What it says can be read.
    fn transmit(&mut self) {
        let mut octets = Vec::new();
        while self.engine.poll_transmit(self.now, &mut octets) {
            assert!(octets.len() <= SEGMENT_MAX, "{} octets", octets.len());
            let (segment, length) = decoding::segment(&octets).expect("it says segments");
            assert_eq!(length, octets.len());
            assert!([OURS, THEIRS].contains(&segment.session.originator));
        }
        assert!(!self.engine.has_segment(), "a segment is promised and does not come");
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_timeout(self.now);
        self.listen();
    }

    /// The neighbor falls silent: all sessions end by their own timers.
    fn end(mut self) {
        for timeouts in 0.. {
            self.transmit();
            while !self.blocks.is_empty() {
                self.decide();
                self.listen();
            }
            self.transmit();
            let Some(due) = self.engine.poll_timeout() else { break };
            self.pass_time(due.saturating_duration_since(self.now));
            assert!(timeouts < 10_000, "the engine does not come to rest");
        }
        // What the agent has not handed down in full waits for it; here all is handed down.
        assert_eq!(self.engine.memory(), (0, 0), "memory is free again");
    }
}

/// The seed of all engines, so that mutations meet the numbers that the seeds of this target know.
const SEED: u64 = 1;

fn written(segments: &[(SessionId, Content<'_>)]) -> Octets {
    let mut octets = Vec::new();
    for (session, content) in segments {
        Segment { session: *session, content: content.clone() }.encode(usize::MAX, &mut octets);
    }
    octets
}

fn data(mark: Mark, offset: u64, octets: &[u8]) -> Content<'_> {
    Content::Data(Data { mark, client_service: 1, offset, octets })
}

/// Conversations of every kind, each with several seeds of the dice.
pub fn ltp_seeds() -> Vec<Octets> {
    let theirs = SessionId { originator: THEIRS, number: 5 };
    let other = SessionId { originator: THEIRS, number: 6 };
    let ours = first_session();
    let checkpoint = |serial| Checkpoint { serial, report: 0 };
    let report = |checkpoint| Report {
        serial: 9,
        checkpoint,
        upper: 100,
        lower: 0,
        claims: vec![Claim { offset: 0, length: 20 }, Claim { offset: 30, length: 70 }],
    };
    let block = [
        (theirs, data(Mark::Red, 0, b"the beginning ")),
        (other, data(Mark::Red, 5, b"another block")),
        (theirs, data(Mark::BlockEnd(checkpoint(3)), 18, b"and the end")),
        (theirs, data(Mark::Checkpoint(checkpoint(4)), 14, b"gap ")),
        (theirs, Content::ReportAck { report: 7 }),
        (other, Content::Cancel { by: Side::Sender, reason: 0 }),
        (theirs, Content::CancelAck { by: Side::Receiver }),
    ];
    let colours = [
        (theirs, data(Mark::GreenEnd, 8, b"green")),
        (theirs, data(Mark::Green, 4, b"leaf")),
        (theirs, data(Mark::RedEnd(checkpoint(3)), 0, b"rose")),
    ];
    let answers = [
        (ours, Content::Report(report(0))),
        (ours, Content::Report(report(1))),
        (ours, Content::Cancel { by: Side::Receiver, reason: 4 }),
        (ours, Content::CancelAck { by: Side::Sender }),
    ];
    let conversations = [written(&block), written(&colours), written(&answers)];
    let all = conversations.concat();
    let seeds = (0..6_u16).flat_map(|seed| {
        conversations.iter().chain([&all]).map(move |wire| [&seed.to_be_bytes(), wire.as_slice()].concat())
    });
    seeds.chain([all.clone()]).collect()
}

/// The session that every engine of this target begins first.
fn first_session() -> SessionId {
    let mut run = Run::new(0);
    run.engine.send_begin(0, 1, false);
    run.engine.send_octets(0, Bytes::from_static(&[7]));
    let mut octets = Vec::new();
    run.engine.poll_transmit(run.now, &mut octets);
    let (segment, _) = decoding::segment(&octets).expect("it says segments");
    segment.session
}
