//! Damaged segments: what is touched is lost and named, everything else is found.

use std::fs;
use std::io::Read;

use drive_volume::{Entry, Reason, RecordInfo, Volume};
use proptest::prelude::*;

use crate::drive::{bundle, check, init, open, pack, read, read_all, whole};

/// A segment of a few records on a drive of its own, with where each record begins and ends.
struct Sample {
    root: tempfile::TempDir,
    octets: Vec<u8>,
    records: Vec<std::ops::Range<usize>>,
}

impl Sample {
    fn of(bundles: &[Vec<u8>]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let volume = init(root.path());
        pack(&volume, bundles);
        let records = read_all(&volume)
            .iter()
            .map(|record| {
                let start = usize::try_from(record.offset).unwrap();
                start..start + 64 + usize::try_from(record.stored).unwrap()
            })
            .collect();
        let octets = fs::read(volume.path().join("00000001.pms")).unwrap();
        Self { root, octets, records }
    }

    /// The ids of the records that are found whole in a changed segment.
    fn survivors(&self, octets: &[u8]) -> Vec<u8> {
        let volume = self.with(octets);
        whole(&volume)
    }

    fn with(&self, octets: &[u8]) -> Volume {
        fs::write(self.root.path().join("packmule/00000001.pms"), octets).unwrap();
        open(self.root.path())
    }
}

fn few() -> Vec<Vec<u8>> {
    vec![bundle(1, 40), b"words ".repeat(20), bundle(3, 1), bundle(4, 90)]
}

#[test]
fn any_damaged_octet_costs_exactly_the_record_that_it_is_in() {
    let sample = Sample::of(&few());
    for at in 0..sample.octets.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut octets = sample.octets.clone();
            octets[at] ^= flip;
            let expected: Vec<u8> = (1..)
                .zip(&sample.records)
                .filter(|(_, range)| !range.contains(&at))
                .map(|(id, _)| id)
                .collect();
            assert_eq!(sample.survivors(&octets), expected, "octet {at} turned by {flip:#x}");
            let checked = check(&open(sample.root.path()));
            assert!(!checked.is_whole(), "octet {at}");
            assert_eq!(checked.records, expected.len() as u64);
            assert!(
                checked.damages.iter().any(|damage| damage.octets.contains(&(at as u64))),
                "octet {at} is named: {:?}",
                checked.damages
            );
        }
    }
}

#[test]
fn a_copy_cut_anywhere_gives_every_record_before_the_cut() {
    let sample = Sample::of(&few());
    for end in 0..sample.octets.len() {
        let expected: Vec<u8> =
            (1..).zip(&sample.records).filter(|(_, range)| range.end <= end).map(|(id, _)| id).collect();
        assert_eq!(sample.survivors(&sample.octets[..end]), expected, "cut at {end}");
        let checked = check(&open(sample.root.path()));
        assert!(checked.damages.iter().any(|damage| damage.reason == Reason::NoEnd), "cut at {end}");
    }
}

#[test]
fn octets_lost_in_the_middle_cost_only_the_records_that_they_were_in() {
    let sample = Sample::of(&few());
    for start in (0..sample.octets.len()).step_by(7) {
        for length in [1, 30, 64, 150] {
            let lost = start..(start + length).min(sample.octets.len());
            let mut octets = sample.octets.clone();
            octets.drain(lost.clone());
            let expected: Vec<u8> = (1..)
                .zip(&sample.records)
                .filter(|(_, range)| range.end <= lost.start || lost.end <= range.start)
                .map(|(id, _)| id)
                .collect();
            assert_eq!(sample.survivors(&octets), expected, "lost {lost:?}");
            assert!(!check(&open(sample.root.path())).is_whole(), "lost {lost:?}");
        }
    }
}

#[test]
fn octets_put_in_cost_only_the_record_that_they_are_in() {
    let sample = Sample::of(&few());
    for at in (0..=sample.octets.len()).step_by(3) {
        let mut octets = sample.octets.clone();
        octets.splice(at..at, bundle(9, 100));
        let expected: Vec<u8> = (1..)
            .zip(&sample.records)
            .filter(|(_, range)| at <= range.start || range.end <= at)
            .map(|(id, _)| id)
            .collect();
        assert_eq!(sample.survivors(&octets), expected, "put in at {at}");
        assert!(!check(&open(sample.root.path())).is_whole(), "put in at {at}");
    }
}

#[test]
fn of_a_record_that_the_end_of_its_file_tears_the_beginning_is_read() {
    let text = b"words that come again ".repeat(200_000);
    for large in [bundle(2, 3 << 20), text] {
        let sample = Sample::of(&[b"before".to_vec(), large.clone()]);
        let record = sample.records[1].clone();
        let volume = sample.with(&sample.octets[..record.start + record.len() / 2]);
        let torn: Vec<RecordInfo> = volume
            .records()
            .unwrap()
            .filter_map(|entry| if let Entry::Torn(record) = entry { Some(record) } else { None })
            .collect();
        assert_eq!((torn.len(), torn[0].id), (1, [2; 16]));
        let (mut reader, mut beginning) = (volume.read(&torn[0]).unwrap(), Vec::new());
        let error = reader.read_to_end(&mut beginning).unwrap_err();
        assert!(drive_volume::Damage::of(&error).unwrap().reason.leaves_a_beginning(), "{error}");
        assert!(beginning.len() > large.len() / 4, "{} octets", beginning.len());
        assert_eq!(beginning, large[..beginning.len()]);
        assert_eq!(whole(&volume), [1]);
    }
}

#[test]
fn one_record_of_a_segment_is_torn_at_most() {
    let sample = Sample::of(&few());
    let mut octets = sample.octets.clone();
    for record in &sample.records {
        let at = record.start;
        octets[at + 40..at + 48].copy_from_slice(&(1_u64 << 20).to_be_bytes());
        redeclare(&mut octets, at, 1 << 20);
    }
    let volume = sample.with(&octets);
    let torn = volume.records().unwrap().filter(|entry| matches!(entry, Entry::Torn(_)));
    assert_eq!(torn.count(), 1);
}

#[test]
fn a_bundle_that_is_an_image_of_a_volume_never_gives_records_of_its_own() {
    let inner = Sample::of(&few());
    let sample = Sample::of(&[b"first".to_vec(), bundle(2, 3), inner.octets.clone(), b"last".to_vec()]);
    // The record that holds the image loses its header, so that its body is searched.
    let mut octets = sample.octets.clone();
    octets[sample.records[2].start + 20] ^= 1;
    assert_eq!(sample.survivors(&octets), [1, 2, 4]);
    // The same where the image begins right after damage that reaches the segment's own header of the record before.
    octets[sample.records[1].start] ^= 1;
    assert_eq!(sample.survivors(&octets), [1, 4]);
}

#[test]
fn a_bomb_is_an_error_that_names_the_record() {
    // Compressed honestly, then declared with one octet less, one more, and far less.
    let sample = Sample::of(&[vec![0; 1 << 20], b"after".to_vec()]);
    for original in [(1 << 20) - 1, (1 << 20) + 1, 1, 1 << 30] {
        let mut octets = sample.octets.clone();
        redeclare(&mut octets, sample.records[0].start, original);
        let volume = sample.with(&octets);
        let record = &read_all(&volume)[0];
        let error = read(&volume, record).unwrap_err();
        let damage = drive_volume::Damage::of(&error).unwrap();
        assert_eq!((damage.id, &damage.reason), (Some([1; 16]), &Reason::Decompression));
        assert_eq!(whole(&volume), [2]);
    }
}

/// Gives a record another declared length, with a right CRC-32.
fn redeclare(octets: &mut [u8], at: usize, original: u64) {
    octets[at + 48..at + 56].copy_from_slice(&original.to_be_bytes());
    let crc = crc32fast::hash(&octets[at..at + 60]);
    octets[at + 60..at + 64].copy_from_slice(&crc.to_be_bytes());
}

#[test]
fn a_frame_that_wants_a_large_window_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &b"words ".repeat(1_000_000)).unwrap();
    let body = encoder.finish().unwrap();
    let sample = Sample::of(&[b"words ".repeat(2_000), b"after".to_vec()]);
    let range = sample.records[0].clone();
    let mut octets = sample.octets.clone();
    octets[range.start + 40..range.start + 48].copy_from_slice(&(body.len() as u64).to_be_bytes());
    octets[range.start + 56..range.start + 60].copy_from_slice(&crc32fast::hash(&body).to_be_bytes());
    redeclare(&mut octets, range.start, 6_000_000);
    octets.splice(range.start + 64..range.end, body);
    let volume = sample.with(&octets);
    assert_eq!(whole(&volume), [2]);
    assert!(check(&volume).damages.iter().any(|d| d.reason == Reason::Decompression));
}

#[test]
fn a_reader_gives_the_last_octets_of_a_damaged_record_to_nobody() {
    let bundles = [bundle(1, 200_000), b"words ".repeat(50_000)];
    let sample = Sample::of(&bundles);
    for (range, bundle) in sample.records.iter().zip(&bundles) {
        let mut octets = sample.octets.clone();
        octets[range.start + 80] ^= 4;
        let volume = sample.with(&octets);
        for record in read_all(&volume) {
            let mut given = Vec::new();
            let result = std::io::Read::read_to_end(&mut volume.read(&record).unwrap(), &mut given);
            let damaged = record.offset == range.start as u64;
            assert_eq!(result.is_err(), damaged);
            assert!(!damaged || given.len() < bundle.len());
        }
    }
}

#[test]
fn hostile_headers_cost_no_more_than_the_file_is_long() {
    // Thousands of headers, each of which claims the rest of the file, and nothing that follows where it says.
    let sample = Sample::of(&[b"x".to_vec()]);
    let mut octets = sample.octets[..192].to_vec();
    let header = &sample.octets[192..256];
    let count = 20_000u64;
    for index in 0..count {
        let mut fake = header.to_vec();
        let stored = ((count - index) * 64).saturating_sub(97).max(1);
        fake[40..48].copy_from_slice(&stored.to_be_bytes());
        redeclare(&mut fake, 0, stored);
        octets.extend(fake);
    }
    let volume = sample.with(&octets);
    let entries: Vec<_> = volume.records().unwrap().collect();
    assert!(entries.iter().all(|entry| matches!(entry, Entry::Damage(_))));
    assert!(entries.iter().any(|entry| matches!(entry, Entry::Damage(d) if d.reason == Reason::Budget)));
}

#[test]
fn a_segment_of_a_newer_release_is_named_and_left_alone() {
    let sample = Sample::of(&few());
    let mut octets = sample.octets.clone();
    octets[9] = 2;
    let crc = crc32fast::hash(&octets[..124]);
    octets[124..128].copy_from_slice(&crc.to_be_bytes());
    let volume = sample.with(&octets);
    let entries: Vec<_> = volume.records().unwrap().collect();
    assert!(matches!(&entries[..], [Entry::Damage(damage)] if damage.reason == Reason::Newer(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_that_were_written_are_read_back(
        bundles in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 1..20)
    ) {
        let root = tempfile::tempdir().unwrap();
        let volume = init(root.path());
        pack(&volume, &bundles);
        prop_assert_eq!(crate::drive::contents(&volume), bundles);
        prop_assert!(check(&volume).is_whole());
    }

    #[test]
    fn any_octets_as_a_segment_are_read_without_a_panic(
        octets in prop::collection::vec(any::<u8>(), 0..5000),
        keep_head in any::<bool>(),
        magics in prop::collection::vec(0..5000usize, 0..10),
    ) {
        let sample = Sample::of(&few());
        let mut octets = octets;
        for at in magics {
            if let Some(room) = octets.get_mut(at..at + 4) {
                room.copy_from_slice(b"\x9dPMR");
            }
        }
        if keep_head {
            octets.splice(..0, sample.octets[..192].to_vec());
        }
        let volume = sample.with(&octets);
        prop_assert!(!check(&volume).is_whole());
    }

    #[test]
    fn any_mixture_of_a_segments_pieces_gives_only_records_that_were_written(
        pieces in prop::collection::vec((0..700usize, 0..300usize), 0..12)
    ) {
        let sample = Sample::of(&few());
        let octets: Vec<u8> = pieces
            .iter()
            .flat_map(|&(start, length)| {
                let start = start.min(sample.octets.len());
                sample.octets[start..(start + length).min(sample.octets.len())].to_vec()
            })
            .collect();
        let volume = sample.with(&octets);
        let bundles = few();
        for entry in volume.records().unwrap() {
            if let Entry::Record(record) = entry
                && let Ok(octets) = read(&volume, &record)
            {
                prop_assert_eq!(&octets, &bundles[usize::from(record.id[0]) - 1]);
            }
        }
    }
}
