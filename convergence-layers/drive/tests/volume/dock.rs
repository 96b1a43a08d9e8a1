//! A volume through its public face: what was written is read, and a volume says what it cannot do.

use std::fs;
use std::io::Read;

use crate::drive::{NOW, append, bundle, check, contents, ids, init, options, pack, read_all};
use drive_volume::{
    Access, AppendError, Appended, InitOptions, Lock, Reserve, Volume, VolumeError, Written, limits,
};

#[test]
fn what_was_written_is_read_after_the_drive_was_pulled_and_plugged_in() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let (id, label) = (volume.id(), volume.label().to_owned());
    let bundles = [bundle(1, 1), bundle(2, 700), bundle(3, 100_000), vec![b'x'; 50_000]];
    pack(&volume, &bundles);
    drop(volume);

    let volume = Volume::open(root.path(), Access::ReadOnly).unwrap();
    assert_eq!((volume.id(), volume.label(), volume.created()), (id, label.as_str(), NOW));
    assert_eq!(contents(&volume), bundles);
    let records = read_all(&volume);
    assert!(records.iter().all(|record| record.written == NOW && record.writer == Some([9; 16])));
    assert!(records[3].stored < 1000, "what can be compressed is compressed");
    assert_eq!(records[2].stored, 100_000, "what cannot is not");
}

#[test]
fn bundles_larger_than_the_buffer_are_streamed_both_ways() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let random = bundle(1, limits::BUFFER_OCTETS + 12_345);
    let text = b"the same words over and over, ".repeat(100_000);
    let mut mixed = text.clone();
    mixed.extend_from_slice(&random);
    let bundles = [random, text, mixed];
    pack(&volume, &bundles);
    assert_eq!(contents(&volume), bundles);
    let records = read_all(&volume);
    assert_eq!(records[0].stored, records[0].original);
    assert!(records[1].stored < records[1].original / 100);
    assert!(check(&volume).is_whole());
}

#[test]
fn a_full_segment_is_finished_and_counted_before_the_next_begins() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let large = bundle(7, 30 << 20);
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 1, &large);
    append(&mut writer, 2, &large);
    assert_eq!(writer.durable(), Written::default());
    append(&mut writer, 3, &large);
    assert_eq!((writer.durable().records, writer.durable().segments), (2, 1));
    // Interrupted: the segment under way goes, what was named stays.
    drop(writer);
    assert_eq!(ids(&volume), [1, 2]);
    let names: Vec<_> =
        fs::read_dir(volume.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().contains("tmp")), "{names:?}");
}

#[test]
fn a_bundle_larger_than_a_segment_has_one_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let large = bundle(7, usize::try_from(limits::SEGMENT_OCTETS_MAX).unwrap() + 1);
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 1, b"before");
    append(&mut writer, 2, &large);
    append(&mut writer, 3, b"after");
    assert_eq!(writer.finish().unwrap().segments, 3);
    assert_eq!(contents(&volume), [b"before".to_vec(), large, b"after".to_vec()]);
}

#[test]
fn a_source_that_lies_or_fails_costs_only_its_own_bundle() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the store failed"))
        }
    }
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 1, b"first");
    let mega = vec![7; 3 << 20];
    for (length, octets) in [(10, &b"short"[..]), (3, b"long"), (4 << 20, &mega), (2 << 20, &mega)] {
        let error = writer.append([0; 16], length, octets).unwrap_err();
        assert!(matches!(error, AppendError::Declared { declared, .. } if declared == length), "{error}");
    }
    assert!(matches!(writer.append([0; 16], 5, Failing), Err(AppendError::Source(_))));
    let late = (&mega[..]).chain(Failing);
    assert!(matches!(writer.append([0; 16], 4 << 20, late), Err(AppendError::Source(_))));
    assert!(matches!(writer.append([0; 16], 0, &b""[..]), Err(AppendError::Length(0))));
    assert!(matches!(writer.append([0; 16], u64::MAX, &b""[..]), Err(AppendError::Length(u64::MAX))));
    append(&mut writer, 2, b"second");
    assert_eq!(writer.finish().unwrap().records, 2);
    assert_eq!(contents(&volume), [b"first".to_vec(), b"second".to_vec()]);
    assert!(check(&volume).is_whole());
}

#[test]
fn room_is_left_free_and_what_does_not_fit_is_named() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let reserve = Reserve { percent: 0, octets_min: volume.room().unwrap().total };
    let mut writer = volume.writer(drive_volume::WriterOptions { reserve, ..options() }).unwrap();
    let large = bundle(1, 2 << 20);
    let outcome = writer.append([1; 16], large.len() as u64, &large[..]).unwrap();
    assert_eq!(outcome, Appended::NoRoom { id: [1; 16], length: 2 << 20 });
    assert_eq!(writer.finish().unwrap(), Written::default());
    assert_eq!(ids(&volume), []);
}

#[test]
fn a_writer_with_nothing_to_write_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    assert_eq!(volume.writer(options()).unwrap().finish().unwrap(), Written::default());
    assert_eq!(fs::read_dir(volume.path()).unwrap().count(), 2);
}

#[test]
fn a_volume_is_not_made_twice() {
    let root = tempfile::tempdir().unwrap();
    drop(init(root.path()));
    let error = Volume::init(root.path(), InitOptions { label: "BLUE".into(), created: None }).unwrap_err();
    assert!(matches!(&error, VolumeError::Exists { label, .. } if label == "RED"), "{error}");
    assert_eq!(Volume::open(root.path(), Access::ReadOnly).unwrap().label(), "RED");
}

#[test]
fn labels_that_cannot_be_printed_or_kept_are_refused() {
    let root = tempfile::tempdir().unwrap();
    for label in ["", "a\nb", "\u{1b}[31mRED", &"é".repeat(33)] {
        let options = InitOptions { label: label.into(), created: None };
        assert!(matches!(Volume::init(root.path(), options), Err(VolumeError::Label(_))));
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    let label = "é".repeat(32);
    let volume = Volume::init(root.path(), InitOptions { label: label.clone(), created: None }).unwrap();
    assert_eq!((volume.label(), volume.created()), (label.as_str(), None));
}

#[test]
fn a_file_where_a_folder_should_be_is_named() {
    let root = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| Volume::open(path, Access::ReadOnly).unwrap_err();
    assert!(matches!(open(root.path()), VolumeError::NoVolume(_)));
    assert!(matches!(open(&root.path().join("missing")), VolumeError::NotAFolder(_)));
    fs::write(root.path().join("file"), "").unwrap();
    assert!(matches!(open(&root.path().join("file")), VolumeError::NotAFolder(_)));
    fs::write(root.path().join("packmule"), "mine").unwrap();
    assert!(matches!(open(root.path()), VolumeError::Obstructed { .. }));
    let init = Volume::init(root.path(), InitOptions { label: "RED".into(), created: None });
    assert!(matches!(init, Err(VolumeError::Obstructed { .. })));
    assert_eq!(fs::read(root.path().join("packmule")).unwrap(), b"mine");
}

#[test]
fn a_second_dock_at_the_same_time_is_refused_and_a_reader_is_not() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    assert_eq!(volume.lock(), Lock::Taken);
    assert!(matches!(Volume::open(root.path(), Access::ReadWrite), Err(VolumeError::InUse(_))));
    let reader = Volume::open(root.path(), Access::ReadOnly).unwrap();
    assert_eq!(reader.lock(), Lock::NotTaken);
    drop(volume);
    assert_eq!(Volume::open(root.path(), Access::ReadWrite).unwrap().lock(), Lock::Taken);
}

#[test]
fn what_was_opened_for_reading_is_not_written() {
    let root = tempfile::tempdir().unwrap();
    drop(init(root.path()));
    let volume = Volume::open(root.path(), Access::ReadOnly).unwrap();
    assert!(matches!(volume.writer(options()), Err(VolumeError::OpenedReadOnly(_))));
    assert!(matches!(volume.write_inventory(&[1; 16], None, b""), Err(VolumeError::OpenedReadOnly(_))));
}

#[test]
fn the_newest_inventory_of_each_node_stays() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    for (node, octets) in [(1, "one"), (2, "two"), (1, "one, later"), (1, "one, last")] {
        volume.write_inventory(&[node; 16], NOW, octets.as_bytes()).unwrap();
    }
    let (found, damages) = volume.inventories().unwrap();
    assert_eq!(damages, []);
    let read: Vec<_> = found
        .iter()
        .map(|info| {
            (info.node[0], info.generation, String::from_utf8(volume.read_inventory(info).unwrap()).unwrap())
        })
        .collect();
    assert_eq!(read, [(1, 3, "one, last".into()), (2, 1, "two".into())]);
    assert_eq!(fs::read_dir(volume.path()).unwrap().count(), 4);
    assert_eq!(check(&volume).inventories, 2);
}

#[test]
fn a_damaged_inventory_is_named_and_goes_with_the_next() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    volume.write_inventory(&[1; 16], NOW, b"what I hold").unwrap();
    let name = crate::drive::names(&volume).into_iter().find(|name| name.ends_with(".001")).unwrap();
    let path = volume.path().join(&name);
    let octets = fs::read(&path).unwrap();
    for at in 0..octets.len() {
        let mut damaged = octets.clone();
        damaged[at] ^= 0x40;
        fs::write(&path, &damaged).unwrap();
        // A file that does not even begin like an inventory is somebody else's.
        assert_eq!(check(&volume).is_whole(), at < 8, "octet {at}");
        fs::write(&path, &octets[..at]).unwrap();
        assert_eq!(check(&volume).is_whole(), at < 8, "cut at {at}");
    }
    volume.write_inventory(&[1; 16], NOW, b"what I hold now").unwrap();
    assert!(!path.exists() || volume.inventories().unwrap().0.len() == 1);
    assert!(check(&volume).is_whole());
}

#[test]
fn a_finder_is_told_what_this_is() {
    let root = tempfile::tempdir().unwrap();
    let volume =
        Volume::init(root.path(), InitOptions { label: "Clinic 3, Abéché".into(), created: None }).unwrap();
    let readme = fs::read_to_string(volume.path().join("README.TXT")).unwrap();
    assert!(readme.contains("Clinic 3, Abéché") && readme.contains("can read what is on it"));
    assert!(readme.split('\n').all(|line| line.is_empty() || line.ends_with('\r')));
    assert!(readme.lines().all(|line| line.chars().count() <= 100));
}
