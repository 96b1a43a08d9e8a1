//! What time it is for this node: a scale of its own that never runs backwards, and the wall clock where it is trusted.
//!
//! The driver asks before every step (RFC 9171 §4.2.7, §4.4.2). The node's own scale counts
//! milliseconds of `CLOCK_BOOTTIME`, which runs on through suspension; over a restart it goes on where the last record
//! left it, plus what is known of the pause. A wall clock that jumps therefore makes nothing expire.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use agent_core::time::{NodeTime, Now};
use bundle_format::DtnTime;
use rustix::time::ClockId;

/// Seconds from the Unix epoch to the DTN epoch, 2000-01-01 (RFC 9171 §4.2.6).
const DTN_EPOCH_UNIX_S: u64 = 946_684_800;
/// How long the kernel's word about the clock is believed before it is asked again.
const TRUST_CHECKED_EVERY_MS: u64 = 10_000;
/// systemd-timesyncd makes this file once it has set the clock.
const TIMESYNC_MARK: &str = "/run/systemd/timesync/synchronized";

/// What the operator says about the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStance {
    /// Trusted while the kernel says that somebody keeps it synchronised.
    Auto,
    /// Trusted always.
    Trusted,
    /// Never trusted: bundles are created with time 0 and expire by their age.
    Untrusted,
}

/// One look at the machine's clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `CLOCK_BOOTTIME`, in milliseconds.
    pub(crate) boottime_ms: u64,
    /// Which boot that counts from; `None` where the machine does not tell.
    pub(crate) boot: Option<String>,
    /// The wall clock, where it is trusted.
    pub(crate) utc: Option<DtnTime>,
}

/// What is written down so that the node's scale goes on after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClockRecord {
    /// The node's time when it was written.
    pub(crate) node: NodeTime,
    /// What the clocks said then.
    pub(crate) reading: Reading,
}

impl ClockRecord {
    /// The node's time at a later reading. The same boot gives the pause exactly; trusted wall clocks at both ends
    /// give it as well as they can; else the pause counts as nothing.
    pub(crate) fn resumed(&self, reading: &Reading) -> NodeTime {
        let pause_ms = match (&self.reading, reading) {
            (Reading { boot: Some(then), .. }, Reading { boot: Some(now), .. }) if then == now => {
                reading.boottime_ms.saturating_sub(self.reading.boottime_ms)
            }
            (Reading { utc: Some(then), .. }, Reading { utc: Some(now), .. }) => now.0.saturating_sub(then.0),
            _ => 0,
        };
        self.node.after_ms(pause_ms)
    }

    /// One line of text: node time, boot time, boot, wall clock.
    pub(crate) fn to_line(&self) -> String {
        let boot = self.reading.boot.as_deref().unwrap_or("-");
        let utc = self.reading.utc.map_or_else(|| "-".to_owned(), |utc| utc.0.to_string());
        format!("{} {} {boot} {utc}\n", self.node.as_ms(), self.reading.boottime_ms)
    }

    /// Reads [`Self::to_line`] back; `None` if it is anything else.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let node = NodeTime::from_ms(words.next()?.parse().ok()?);
        let boottime_ms = words.next()?.parse().ok()?;
        let boot = words.next().filter(|word| *word != "-").map(ToOwned::to_owned);
        let utc = words.next().and_then(|word| word.parse().ok()).map(DtnTime);
        Some(Self { node, reading: Reading { boottime_ms, boot, utc } })
    }
}

/// The clocks of this machine as one node reads them. Any thread may ask.
#[derive(Debug)]
pub(crate) struct Clock {
    stance: ClockStance,
    boot: Option<String>,
    base: NodeTime,
    opened_ms: u64,
    /// Boot time of the last question to the kernel, shifted left by one; the lowest bit is its answer.
    checked: AtomicU64,
}

impl Clock {
    /// Goes on from what was written down last, and not before `least`, which a commit is known to have reached.
    pub(crate) fn resume(stance: ClockStance, record: Option<&ClockRecord>, least: NodeTime) -> Self {
        let boot = boot_id();
        let opened_ms = boottime_ms();
        let mut clock = Self { stance, boot, base: least, opened_ms, checked: AtomicU64::new(u64::MAX) };
        if let Some(record) = record {
            clock.base = record.resumed(&clock.reading()).max(least);
        }
        clock
    }

    /// The time of a step.
    pub(crate) fn now(&self) -> Now {
        let boottime = boottime_ms();
        Now { node: self.node_at(boottime), utc: self.utc_at(boottime) }
    }

    /// Whether the wall clock is trusted now.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusts_at(boottime_ms())
    }

    /// What to write down now.
    pub(crate) fn record(&self) -> ClockRecord {
        let reading = self.reading();
        ClockRecord { node: self.node_at(reading.boottime_ms), reading }
    }

    fn reading(&self) -> Reading {
        let boottime_ms = boottime_ms();
        Reading { boottime_ms, boot: self.boot.clone(), utc: self.utc_at(boottime_ms) }
    }

    fn node_at(&self, boottime_ms: u64) -> NodeTime {
        self.base.after_ms(boottime_ms.saturating_sub(self.opened_ms))
    }

    fn utc_at(&self, boottime_ms: u64) -> Option<DtnTime> {
        self.trusts_at(boottime_ms).then(wall_clock).flatten()
    }

    fn trusts_at(&self, boottime_ms: u64) -> bool {
        match self.stance {
            ClockStance::Trusted => true,
            ClockStance::Untrusted => false,
            ClockStance::Auto => {
                let checked = self.checked.load(Ordering::Relaxed);
                if checked != u64::MAX && boottime_ms.saturating_sub(checked >> 1) < TRUST_CHECKED_EVERY_MS {
                    return checked & 1 == 1;
                }
                let trusted = kernel_says_synchronised() || Path::new(TIMESYNC_MARK).exists();
                self.checked.store(boottime_ms << 1 | u64::from(trusted), Ordering::Relaxed);
                trusted
            }
        }
    }
}

/// The wall clock now, trusted or not, in DTN time; `None` before the year 2000.
pub(crate) fn wall_clock() -> Option<DtnTime> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let unix_ms = u64::try_from(unix.as_millis()).ok()?;
    unix_ms.checked_sub(DTN_EPOCH_UNIX_S * 1000).filter(|ms| *ms > 0).map(DtnTime)
}

fn boottime_ms() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (id.len() == 36 && id.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b'-'))
        .then(|| id.to_owned())
}

#[expect(unsafe_code, reason = "adjtimex has no safe wrapper in the crates that we use")]
fn kernel_says_synchronised() -> bool {
    // SAFETY: `timex` is plain data for which all zeroes are a valid value; with `modes` zero the kernel changes
    // nothing and only writes into the structure, which outlives the call.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(boottime_ms: u64, boot: Option<&str>, utc: Option<u64>) -> Reading {
        Reading { boottime_ms, boot: boot.map(ToOwned::to_owned), utc: utc.map(DtnTime) }
    }

    fn record(reading: Reading) -> ClockRecord {
        ClockRecord { node: NodeTime::from_ms(1_000), reading }
    }

    #[test]
    fn within_one_boot_the_pause_is_what_boottime_says() {
        let before = record(reading(50_000, Some("a"), Some(9)));
        assert_eq!(before.resumed(&reading(57_000, Some("a"), None)), NodeTime::from_ms(8_000));
    }

    #[test]
    fn over_a_reboot_the_pause_is_what_two_trusted_clocks_say() {
        let before = record(reading(50_000, Some("a"), Some(700_000)));
        assert_eq!(before.resumed(&reading(3_000, Some("b"), Some(760_000))), NodeTime::from_ms(61_000));
    }

    #[test]
    fn a_clock_that_was_or_is_not_trusted_adds_nothing() {
        let trusted_before = record(reading(50_000, Some("a"), Some(700_000)));
        assert_eq!(trusted_before.resumed(&reading(3_000, Some("b"), None)), NodeTime::from_ms(1_000));
        let untrusted_before = record(reading(50_000, None, None));
        assert_eq!(untrusted_before.resumed(&reading(53_000, None, Some(5))), NodeTime::from_ms(1_000));
    }

    #[test]
    fn a_wall_clock_that_went_back_does_not_turn_the_scale_back() {
        let before = record(reading(50_000, Some("a"), Some(700_000)));
        assert_eq!(before.resumed(&reading(3_000, Some("b"), Some(1))), NodeTime::from_ms(1_000));
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        for reading in [reading(5, Some("3b1c"), Some(9)), reading(0, None, None)] {
            let record = record(reading);
            assert_eq!(ClockRecord::from_line(&record.to_line()), Some(record));
        }
        for line in ["", "x", "1", "1 -2"] {
            assert_eq!(ClockRecord::from_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_restarted_clock_goes_on_from_its_record() {
        let first = Clock::resume(ClockStance::Untrusted, None, NodeTime::default());
        let record = ClockRecord { node: NodeTime::from_ms(123_456_789), reading: first.record().reading };
        let second = Clock::resume(ClockStance::Untrusted, Some(&record), NodeTime::from_ms(7));
        assert!(second.now().node >= NodeTime::from_ms(123_456_789));
        assert_eq!(second.now().utc, None);
    }

    #[test]
    fn the_scale_does_not_fall_behind_what_was_committed() {
        let first = Clock::resume(ClockStance::Untrusted, None, NodeTime::default());
        let clock =
            Clock::resume(ClockStance::Untrusted, Some(&first.record()), NodeTime::from_ms(u64::MAX / 2));
        assert!(clock.now().node >= NodeTime::from_ms(u64::MAX / 2));
    }

    #[test]
    fn a_trusted_clock_tells_the_time_since_2000() {
        let clock = Clock::resume(ClockStance::Trusted, None, NodeTime::default());
        let years = clock.now().utc.expect("a trusted clock tells the time").0 / (365 * 86_400_000);
        assert!((24..200).contains(&years), "{years} years since 2000");
    }
}
