//! Two sides of an exchange without a link: what crosses, octet by octet.

use super::*;
use crate::sketch::CELLS_MAX;

/// Octets of the bundle around a contact message, about: primary block, hop count, the payload block's own.
const AROUND: usize = 110;

fn id(number: u64) -> BundleId {
    let hash = blake3::hash(&number.to_be_bytes());
    BundleId::from_bytes(*hash.as_bytes().first_chunk().unwrap())
}

fn set(numbers: impl Iterator<Item = u64>) -> Prefix {
    let mut prefix = Prefix::new(CELLS_MAX);
    numbers.for_each(|number| prefix.insert(&id(number)));
    prefix
}

/// Two sets of this size with so many differences, half on each side.
fn differing(size: u64, differences: u64, seed: u64) -> (Prefix, Prefix) {
    let first = seed << 32;
    let shared = set(first..first + size - differences / 2);
    let (mut a, mut b) = (shared.clone(), shared);
    for number in 0..differences / 2 {
        a.insert(&id(first + (1 << 30) + number));
        b.insert(&id(first + (1 << 31) + number));
    }
    (a, b)
}

/// What crossed, and what came of it.
#[derive(Debug, Default)]
struct Crossed {
    /// Octets of payload that the side that sends cells said, and the other.
    octets: [usize; 2],
    messages: usize,
    /// Times that cells were asked for.
    asked: usize,
    largest: usize,
    verdicts: [Option<Verdict>; 2],
}

impl Crossed {
    fn total(&self) -> usize {
        self.octets.iter().sum()
    }

    /// With the ids that are asked for after it, 8 octets each, in messages of so many octets.
    fn with_wants(&self, octets_max: usize) -> usize {
        let Some(Verdict::Decoded { theirs, .. }) = &self.verdicts[1] else { panic!("{:?}", self.verdicts) };
        let fitting = ((octets_max - 6) / 8).min(256);
        self.total() + 8 * theirs.len() + 6 * theirs.len().div_ceil(fitting)
    }
}

fn terms(sends_cells: bool, octets_max: usize) -> Terms {
    Terms { interest: [1; 8], sends_cells, octets_max }
}

/// Lets the two talk until both are silent; `lost` says which messages do not arrive.
fn exchange(
    ours: &Prefix,
    theirs: &Prefix,
    octets_max: usize,
    mut lost: impl FnMut(usize) -> bool,
) -> Crossed {
    let mut now = NodeTime::from_ms(1_000);
    let mut sides = [(true, ours), (false, theirs)]
        .map(|(sends, prefix)| Reconciliation::begin(terms(sends, octets_max), prefix.clone(), true, now));
    let mut crossed = Crossed::default();
    for _ in 0..100 {
        while let Some((from, message)) =
            (0..2).find_map(|side| sides[side].poll_message().map(|message| (side, message)))
        {
            let octets = message.encode();
            crossed.octets[from] += octets.len();
            crossed.largest = crossed.largest.max(octets.len());
            crossed.messages += 1;
            crossed.asked += usize::from(matches!(message, ContactMessage::More(_)));
            if lost(crossed.messages) {
                continue;
            }
            let to = 1 - from;
            let verdict = match ContactMessage::decode(&octets).unwrap() {
                ContactMessage::Summary(summary) => sides[to].summary_received(now, &summary),
                ContactMessage::Cells(cells) => sides[to].cells_received(now, &cells),
                ContactMessage::More(more) => {
                    sides[to].more_received(now, &more);
                    None
                }
                other => panic!("{other:?}"),
            };
            crossed.verdicts[to] = crossed.verdicts[to].take().or(verdict);
        }
        if crossed.verdicts[1].is_some() {
            return crossed;
        }
        now = now.after_ms(60_000);
        for (side, verdict) in sides.iter_mut().zip(&mut crossed.verdicts) {
            *verdict = verdict.take().or(side.timeout(now));
        }
    }
    panic!("they never come to rest");
}

#[test]
fn equal_sets_cost_a_summary_each_way() {
    for size in [1, 100, 100_000] {
        let (ours, theirs) = differing(size, 0, 1);
        let crossed = exchange(&ours, &theirs, 1 << 20, |_| false);
        assert_eq!(crossed.verdicts, [Some(Verdict::Equal), Some(Verdict::Equal)]);
        assert!(crossed.octets.iter().all(|octets| *octets <= 50), "{:?}", crossed.octets);
    }
}

#[test]
fn ten_differences_among_many_bundles_cost_less_than_1000_octets_and_one_exchange() {
    for (size, seeds) in [(100_000, 0..4), (1_000_000, 10..11)] {
        for seed in seeds {
            let (ours, theirs) = differing(size, 10, seed);
            let crossed = exchange(&ours, &theirs, 1 << 20, |_| false);
            let octets = crossed.with_wants(1 << 20);
            println!(
                "{size} bundles, seed {seed}: {octets} octets, on the link {}",
                octets + (crossed.messages + 1) * AROUND
            );
            assert!(octets <= 1_000, "{octets} octets");
            assert_eq!(crossed.asked, 0);
        }
    }
}

#[test]
fn a_thousand_differences_cost_less_than_40_000_octets_and_small_frames_little_more() {
    for seed in 0..3 {
        let (ours, theirs) = differing(100_000, 1_000, 100 + seed);
        let crossed = exchange(&ours, &theirs, 1 << 20, |_| false);
        let octets = crossed.with_wants(1 << 20);
        println!(
            "seed {seed}: {octets} octets, {} times asked, {} messages",
            crossed.asked, crossed.messages
        );
        assert!(octets <= 40_000, "{octets} octets");
        for frame in [255, 255 - AROUND] {
            let crossed = exchange(&ours, &theirs, frame, |_| false);
            let octets = crossed.with_wants(frame);
            println!("  in frames of {frame}: {octets} octets, {} messages", crossed.messages);
            assert!(crossed.largest <= frame);
            assert!(octets <= 52_000, "{octets} octets");
        }
    }
}

#[test]
fn every_message_fits_64_octets() {
    let (ours, theirs) = differing(2_000, 60, 7);
    let crossed = exchange(&ours, &theirs, 64, |_| false);
    assert!(crossed.largest <= 64);
    assert!(
        matches!(&crossed.verdicts[1], Some(Verdict::Decoded { ours, theirs }) if ours.len() == 30 && theirs.len() == 30)
    );
}

#[test]
fn lost_messages_cost_time_and_nothing_else() {
    let (ours, theirs) = differing(5_000, 40, 3);
    for lost_every in 2..8 {
        let crossed = exchange(&ours, &theirs, 255, |message| message % lost_every == 0);
        assert!(
            matches!(&crossed.verdicts[1], Some(Verdict::Decoded { ours, theirs }) if ours.len() == 20 && theirs.len() == 20)
                || crossed.verdicts[1] == Some(Verdict::UseLists),
            "{:?}",
            crossed.verdicts
        );
    }
    let silent = exchange(&ours, &theirs, 255, |_| true);
    assert_eq!(silent.verdicts[1], Some(Verdict::UseLists));
}

#[test]
fn a_side_with_next_to_nothing_needs_no_sketch_and_small_or_foreign_sets_need_lists() {
    let (some, none) = (set(0..100), set(0..0));
    let crossed = exchange(&some, &none, 1 << 20, |_| false);
    assert_eq!(crossed.verdicts, [Some(Verdict::TheyHaveLittle), Some(Verdict::WeHaveLittle)]);
    let crossed = exchange(&set(98..104), &some, 1 << 20, |_| false);
    assert_eq!(crossed.verdicts, [Some(Verdict::WeHaveLittle), Some(Verdict::TheyHaveLittle)]);
    let crossed = exchange(&set(98..105), &some, 1 << 20, |_| false);
    assert_ne!(crossed.verdicts[0], Some(Verdict::WeHaveLittle));
    let crossed = exchange(&set(0..5), &set(3..9), 1 << 20, |_| false);
    assert_eq!(crossed.verdicts, [Some(Verdict::UseLists), Some(Verdict::UseLists)]);
    let crossed = exchange(&set(0..1_000), &set(5_000..6_000), 1 << 20, |_| false);
    assert_eq!(crossed.verdicts[1], Some(Verdict::UseLists));
    assert!(crossed.total() < 1_000, "{} octets", crossed.total());
}

#[test]
fn a_liar_costs_no_more_than_its_own_octets() {
    let now = NodeTime::from_ms(1_000);
    let mut honest = Reconciliation::begin(terms(false, 1 << 20), set(0..100_000), true, now);
    let lie = Summary { interest: [1; 8], asks: false, cell: Cell { sum: 5, checksum: 9, count: 100_000 } };
    assert_eq!(honest.summary_received(now, &lie), None);
    let mut from = 1;
    let verdict = loop {
        let cells = vec![Cell { sum: 7, checksum: 7, count: 99 }; 500];
        let cells = Cells { size: 100_000, from, run: cells };
        if let Some(verdict) = honest.cells_received(now, &cells) {
            break verdict;
        }
        from += 500;
        assert!(from <= 2 * CELLS_MAX);
    };
    assert_eq!(verdict, Verdict::UseLists);

    // It asks for everything, over and over.
    let mut honest = Reconciliation::begin(terms(true, 1 << 20), set(0..10_000), true, now);
    honest.summary_received(now, &lie);
    let mut cells = 0;
    for _ in 0..20 {
        honest.more_received(now, &More { from: 1, most: usize::MAX });
        while let Some(message) = honest.poll_message() {
            if let ContactMessage::Cells(message) = message {
                cells += message.run.len();
            }
        }
    }
    assert!(cells <= SERVED_MAX + CELLS_MAX);
}
