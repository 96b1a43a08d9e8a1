//! The table of what comes of loss and of short contacts: small worlds, always the same, one for each line.
//!
//! `--table` prints it; `tests/table.rs` compares it with `tests/table.txt`, so that no change of the agent makes delivery worse, later or
//! dearer without being seen. All is computed in whole numbers: the table is the same on every machine.

use std::fmt::Write as _;

use crate::Failure;
use crate::dice::Dice;
use crate::faults::Faults;
use crate::plan::{HOUR, Link, MINUTE, Meeting, Millis};
use crate::planned::{Audience, Carriers, Load, Measured, measure};
use crate::scenario::Scenario;
use crate::trace::Show;

/// Parts of a hundred of the time in which a link of the ring is there.
const DUTIES: [u64; 3] = [60, 20, 5];
/// Parcels of a hundred that are lost.
const LOSSES: [u32; 4] = [0, 5, 20, 40];
/// Nodes in a ring, each with a link to the next.
const NODES: usize = 8;
/// A link is there once in this time.
const PERIOD: Millis = 20 * MINUTE;
/// How long the world goes on; bundles are sent in the first half.
const END: Millis = 4 * HOUR;
/// Bundles are of use for so long: over short contacts with loss not all arrive.
const LIFETIME: Millis = HOUR;
/// A slow radio.
const LINK: Link = Link { octets_per_s: 4_000, latency_ms: 200 };
/// What is sent: each bundle to all nodes, and everybody carries everything.
const LOAD: Load = Load { bundles: 40, octets: 4_000, to: Audience::Everybody, carriers: Carriers::All };

/// The whole table, as text.
pub fn table() -> Result<String, Failure> {
    let mut text = "duty % | loss % | delivered % | median s | 95 % within s | transfers per delivery | messages | kB on links\n"
        .to_owned();
    for duty in DUTIES {
        for loss in LOSSES {
            let measured = measure(&world(duty, loss), Show::Nothing, &mut |_, _| {})?;
            line(&mut text, (duty, loss), &measured);
        }
    }
    Ok(text)
}

fn world(duty: u64, loss: u32) -> Scenario {
    let plan = ring(&mut Dice::new(duty), duty);
    let mut scenario = Scenario::planned(7, NODES, plan, LOAD);
    scenario.faults = Faults { loss: loss * 100, ..Faults::NONE };
    for order in &mut scenario.orders {
        order.lifetime_ms = LIFETIME;
    }
    scenario
}

/// Each link comes and goes at times of its own.
fn ring(dice: &mut Dice, duty: u64) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    for a in 0..NODES {
        let stay = PERIOD * duty / 100;
        let mut opens = dice.below(PERIOD);
        while opens + stay < END {
            let (b, closes, link) = ((a + 1) % NODES, opens + stay, Some(LINK));
            meetings.push(Meeting { a, b, opens, closes, link });
            opens += PERIOD;
        }
    }
    meetings.sort_by_key(|meeting| (meeting.opens, meeting.a));
    meetings
}

fn line(text: &mut String, (duty, loss): (u64, u32), measured: &Measured) {
    let counts = measured.outcome.counts;
    let pairs = LOAD.bundles * (NODES - 1);
    let tenths = |part: u64, whole: u64| {
        let tenths = (part * 10 + whole / 2) / whole.max(1);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    let delivered = measured.delivered as u64;
    writeln!(
        text,
        "{duty:>6} | {loss:>6} | {:>11} | {:>8} | {:>13} | {:>22} | {:>8} | {:>11}",
        tenths(delivered * 100, pairs as u64),
        tenths(measured.median_ms, 1_000),
        tenths(measured.late_ms, 1_000),
        tenths(counts.bundles, delivered),
        counts.messages,
        (counts.bundle_octets + counts.message_octets) / 1_000,
    )
    .expect("writing to a string cannot fail");
}
