//! The files of a drive's volume (`docs/volume.md`).

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use drive_volume::{Access, Appended, Entry, InitOptions, RecordInfo, Reserve, Volume, WriterOptions};
use tempfile::TempDir;

use crate::Octets;

/// Octets before a segment's first record.
const SEGMENT_HEAD: usize = 192;
/// No record is shorter: so many octets can at most hold one more.
const RECORD_OCTETS_MIN: usize = 64;

thread_local! {
    static DRIVE: Drive = Drive::new();
}

/// Octets as a segment, before the records of a segment, as an inventory and as the volume file: whatever they are, reading
/// the drive ends, what is read as a record is as long as it says, and the records that were there are found.
pub fn volume(octets: &[u8]) {
    DRIVE.with(|drive| drive.hold(octets));
}

/// A drive with one segment of two records.
struct Drive {
    root: TempDir,
    segment: Octets,
    volume_file: Octets,
}

impl Drive {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let label = "FUZZ".to_owned();
        let volume = Volume::init(root.path(), InitOptions { label, created: None }).expect("a new volume");
        let options =
            WriterOptions { node: [9; 16], now: None, reserve: Reserve { percent: 0, octets_min: 0 } };
        let mut writer = volume.writer(options).expect("a writable volume");
        for (id, octets) in planted() {
            let appended =
                writer.append(id, octets.len() as u64, octets.as_slice()).expect("a writable volume");
            assert!(matches!(appended, Appended::Taken { .. }), "{appended:?}");
        }
        writer.finish().expect("a writable volume");
        let read = |name: &str| fs::read(volume.path().join(name)).expect("a file of the volume");
        let (segment, volume_file) = (read("00000001.pms"), read("volume.pmv"));
        Self { root, segment, volume_file }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("packmule").join(name)
    }

    fn write(&self, name: &str, octets: &[u8]) {
        // A new file each time: ext4 writes to the disk what replaces the octets of an old one.
        let _ = fs::remove_file(self.path(name));
        fs::write(self.path(name), octets).expect("a writable folder");
    }

    fn hold(&self, octets: &[u8]) {
        let (head, records) = self.segment.split_at(SEGMENT_HEAD);
        self.write("volume.pmv", &self.volume_file);
        self.write("00000001.pms", &[head, octets, records].concat());
        self.write("00000002.pms", octets);
        self.write("aaaaaaaa.001", octets);
        let volume = open(self.root.path()).expect("the volume file is whole");
        let found = records_of(&volume, 2 * octets.len() + self.segment.len());
        for (id, octets) in planted() {
            let same = found
                .iter()
                .any(|record| record.id == id && read(&volume, record).is_ok_and(|is| is == octets));
            assert!(same, "record {id:02x?} is lost behind garbage");
        }
        let (inventories, _) = volume.inventories().expect("a readable folder");
        for inventory in inventories {
            if let Ok(body) = volume.read_inventory(&inventory) {
                assert_eq!(body.len() as u64, inventory.length);
            }
        }
        self.write("volume.pmv", octets);
        // It is refused, or read, or a segment says what it said.
        let _ = open(self.root.path());
    }
}

fn open(root: &Path) -> Option<Volume> {
    Volume::open(root, Access::ReadOnly).ok()
}

/// The records of a volume whose segments have so many octets.
fn records_of(volume: &Volume, octets: usize) -> Vec<RecordInfo> {
    let mut records = Vec::new();
    for entry in volume.records().expect("a readable folder") {
        match entry {
            Entry::Record(record) => {
                assert!(record.offset + record.stored <= octets as u64, "{record:?} of {octets} octets");
                if let Ok(bundle) = read(volume, &record) {
                    assert_eq!(bundle.len() as u64, record.original);
                }
                records.push(record);
            }
            Entry::Torn(record) => assert!(read(volume, &record).is_err(), "{record:?} is whole"),
            Entry::Damage(damage) => assert!(damage.octets.start <= damage.octets.end, "{damage:?}"),
        }
        assert!(records.len() <= octets / RECORD_OCTETS_MIN, "{} records in {octets} octets", records.len());
    }
    records
}

fn read(volume: &Volume, record: &RecordInfo) -> io::Result<Octets> {
    let mut octets = Vec::new();
    volume.read(record).map_err(io::Error::other)?.read_to_end(&mut octets)?;
    Ok(octets)
}

/// Ids and octets of what is on the drive: one that zstd makes smaller, and one that it does not.
fn planted() -> [([u8; 16], Octets); 2] {
    [([0xf1; 16], b"words ".repeat(40)), ([0xf2; 16], (0..=255).collect())]
}

/// A segment, an inventory and a volume file, as some drive has them.
pub fn volume_seeds() -> Vec<Octets> {
    let segment = include_bytes!("../seeds/segment.pms");
    let inventory = include_bytes!("../seeds/inventory");
    let volume_file = segment.iter().copied().take(128).collect();
    let records = segment.iter().copied().skip(SEGMENT_HEAD).collect();
    vec![segment.to_vec(), inventory.to_vec(), volume_file, records]
}
