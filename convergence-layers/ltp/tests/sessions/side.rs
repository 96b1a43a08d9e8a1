//! An engine, its clock, and what it is made to hear.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ltp::decoding;
use ltp::segment::{Checkpoint, Claim, Content, Data, Mark, Report, Segment, SessionId, Side};
use ltp::{Engine, Event, Options};

/// Ours.
pub(crate) const OURS: u64 = 10;
/// A session of the neighbor.
pub(crate) const THEIRS: SessionId = SessionId { originator: 20, number: 77 };

/// What a segment says, with its data as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Data { mark: Mark, offset: u64, length: u64 },
    Report { serial: u64, checkpoint: u64, scope: (u64, u64), claims: Vec<(u64, u64)> },
    ReportAck(u64),
    Cancel(Side, u8),
    CancelAck(Side),
}

/// An engine in a test.
pub(crate) struct OneSide {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
}

impl OneSide {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl Fn(&mut Options)) -> Self {
        let mut options = Options::new(OURS, THEIRS.originator);
        options.segment_max = 128;
        change(&mut options);
        Self { engine: Engine::new(options, 1).expect("valid options"), now: Instant::now() }
    }

    /// Hears one segment.
    pub(crate) fn hear(&mut self, session: SessionId, content: Content<'_>) {
        let mut octets = Vec::new();
        assert!(Segment { session, content }.encode(100_000, &mut octets));
        self.engine.handle_segments(self.now, &octets);
    }

    /// Hears red data of the neighbor.
    pub(crate) fn hear_red(&mut self, mark: Mark, offset: u64, octets: &[u8]) {
        self.hear(THEIRS, Content::Data(Data { mark, client_service: 1, offset, octets }));
    }

    /// All that it says now, with the sessions.
    pub(crate) fn says(&mut self) -> Vec<(SessionId, Said)> {
        let (mut said, mut octets) = (Vec::new(), Vec::new());
        while self.engine.poll_transmit(self.now, &mut octets) {
            assert!(octets.len() <= 128, "no segment is longer than the link takes");
            let (segment, length) = decoding::segment(&octets).expect("it says segments");
            assert_eq!(length, octets.len());
            said.push((segment.session, of(&segment.content)));
        }
        assert!(!self.engine.has_segment());
        said
    }

    /// The same in a session of the neighbor, when all is about that.
    pub(crate) fn answers(&mut self) -> Vec<Said> {
        let said = self.says();
        assert!(said.iter().all(|(session, _)| *session == THEIRS), "{said:?}");
        said.into_iter().map(|(_, said)| said).collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    /// Time passes, and what is due is handled.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_timeout(self.now);
    }

    /// Waits for what is due next, and says how long that was.
    pub(crate) fn wait_for_timeout(&mut self) -> Duration {
        let at = self.engine.poll_timeout().expect("something is awaited");
        let time = at.saturating_duration_since(self.now);
        self.wait(time);
        time
    }

    /// Sends a block of so many octets.
    pub(crate) fn send(&mut self, transfer: u64, length: usize) {
        self.engine.send_begin(transfer, length as u64, false);
        self.engine.send_octets(transfer, Bytes::from(vec![7; length]));
    }
}

fn of(content: &Content<'_>) -> Said {
    match content {
        Content::Data(data) => {
            Said::Data { mark: data.mark, offset: data.offset, length: data.octets.len() as u64 }
        }
        Content::Report(report) => Said::Report {
            serial: report.serial,
            checkpoint: report.checkpoint,
            scope: (report.lower, report.upper),
            claims: report.claims.iter().map(|claim| (claim.offset, claim.length)).collect(),
        },
        Content::ReportAck { report } => Said::ReportAck(*report),
        Content::Cancel { by, reason } => Said::Cancel(*by, *reason),
        Content::CancelAck { by } => Said::CancelAck(*by),
    }
}

/// A checkpoint that is not about a report.
pub(crate) fn checkpoint(serial: u64) -> Checkpoint {
    Checkpoint { serial, report: 0 }
}

/// A report with claims as offsets from its lower bound, and lengths.
pub(crate) fn report(
    serial: u64,
    checkpoint: u64,
    scope: (u64, u64),
    claims: &[(u64, u64)],
) -> Content<'static> {
    let claims = claims.iter().map(|(offset, length)| Claim { offset: *offset, length: *length }).collect();
    Content::Report(Report { serial, checkpoint, lower: scope.0, upper: scope.1, claims })
}

impl Said {
    /// Its serial number, its scope and its claims, of a report.
    pub(crate) fn report(&self) -> (u64, (u64, u64), Vec<(u64, u64)>) {
        let Self::Report { serial, scope, claims, .. } = self else { panic!("{self:?} is no report") };
        (*serial, *scope, claims.clone())
    }

    /// The checkpoint, the offset and the length, of a data segment.
    pub(crate) fn data(&self) -> (Option<Checkpoint>, u64, u64) {
        let Self::Data { mark, offset, length } = self else { panic!("{self:?} is no data segment") };
        (mark.checkpoint(), *offset, *length)
    }
}
