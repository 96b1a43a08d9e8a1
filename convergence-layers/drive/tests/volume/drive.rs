//! What the tests of a volume share: a drive in a temporary folder, and bundles to put on it.

use std::fs;
use std::io::Read;
use std::path::Path;

use drive_volume::{
    Access, Appended, CompactOptions, Compacted, Entry, InitOptions, RecordInfo, Reserve, Volume, Writer,
    WriterOptions,
};

/// A time on the drive.
pub(crate) const NOW: Option<u64> = Some(820_454_400_000);

pub(crate) fn init(root: &Path) -> Volume {
    Volume::init(root, InitOptions { label: "RED".into(), created: NOW }).unwrap()
}

pub(crate) fn options() -> WriterOptions {
    WriterOptions { node: [9; 16], now: NOW, reserve: Reserve { percent: 0, octets_min: 0 } }
}

/// Octets that zstd cannot shrink, always the same ones for a seed.
pub(crate) fn bundle(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
    }
    octets.truncate(length);
    octets
}

pub(crate) fn append(writer: &mut Writer<'_>, id: u8, octets: &[u8]) {
    let outcome = writer.append([id; 16], octets.len() as u64, octets).unwrap();
    assert!(matches!(outcome, Appended::Taken { .. }), "{outcome:?}");
}

/// Writes bundles with the ids 1, 2, 3...
pub(crate) fn pack(volume: &Volume, bundles: &[Vec<u8>]) {
    let mut writer = volume.writer(options()).unwrap();
    for (id, octets) in (1..).zip(bundles) {
        append(&mut writer, id, octets);
    }
    assert_eq!(writer.finish().unwrap().records, bundles.len() as u64);
}

/// All records of a volume without damage.
pub(crate) fn read_all(volume: &Volume) -> Vec<RecordInfo> {
    let entries = volume.records().unwrap().map(|entry| match entry {
        Entry::Record(record) => record,
        Entry::Torn(record) => panic!("{record:?}"),
        Entry::Damage(damage) => panic!("{damage}"),
    });
    entries.collect()
}

pub(crate) fn read(volume: &Volume, record: &RecordInfo) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    volume.read(record).map_err(std::io::Error::other)?.read_to_end(&mut octets)?;
    Ok(octets)
}

pub(crate) fn contents(volume: &Volume) -> Vec<Vec<u8>> {
    read_all(volume).iter().map(|record| read(volume, record).unwrap()).collect()
}

/// The first octet of each id.
pub(crate) fn ids(volume: &Volume) -> Vec<u8> {
    read_all(volume).iter().map(|record| record.id[0]).collect()
}

/// The ids of the records that are whole, whatever else is on the drive.
pub(crate) fn whole(volume: &Volume) -> Vec<u8> {
    let records = volume.records().unwrap().filter_map(|entry| match entry {
        Entry::Record(record) => Some(record),
        Entry::Torn(_) | Entry::Damage(_) => None,
    });
    records.filter(|record| read(volume, record).is_ok()).map(|record| record.id[0]).collect()
}

pub(crate) fn names(volume: &Volume) -> Vec<String> {
    let entries = fs::read_dir(volume.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn open(root: &Path) -> Volume {
    Volume::open(root, Access::ReadWrite).unwrap()
}

/// What a check of the whole volume finds.
pub(crate) fn check(volume: &Volume) -> drive_volume::Checked {
    volume.check(&mut |_| {}).unwrap()
}

/// Compacts a volume as the node 5.
pub(crate) fn compact(volume: &Volume, mut wanted: impl FnMut(&RecordInfo) -> bool) -> Compacted {
    let options = CompactOptions { node: [5; 16], now: None };
    volume.compact(options, &mut wanted, &mut |_| {}).unwrap()
}
