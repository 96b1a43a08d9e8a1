//! A full volume makes room, and loses nothing that is wanted.

use std::fs;

use drive_volume::{CompactOptions, Compacted};

use crate::drive::{
    NOW, append, bundle, check, compact, ids, init, names, open, options, pack, read_all, whole,
};

#[test]
fn survivors_of_several_segments_are_kept_in_one() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let bundles: Vec<_> = (1..=4).map(|seed| bundle(seed, 500)).collect();
    for _ in 0..3 {
        pack(&volume, &bundles);
    }
    let done = compact(&volume, |record| record.id[0] % 2 == 0);
    assert_eq!((done.segments, done.kept, done.dropped, done.freed), (3, 6, 6, 6 * 564));
    assert_eq!(names(&volume), ["00000004.pms", "README.TXT", "volume.pmv"]);
    assert_eq!(ids(&volume), [2, 4, 2, 4, 2, 4]);
    assert!(check(&volume).is_whole());
    let records = read_all(&volume);
    assert!(records.iter().all(|record| record.written == NOW), "the time on the drive goes on counting");
    assert!(records.iter().all(|record| record.writer == Some([5; 16])));
}

#[test]
fn segments_with_nothing_unwanted_or_little_of_it_stay() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &(1..=10).map(|seed| bundle(seed, 500)).collect::<Vec<_>>());
    assert_eq!(compact(&volume, |_| true), Compacted::default());
    assert_eq!(compact(&volume, |record| record.id[0] > 1), Compacted::default());
    assert_eq!(ids(&volume), (1..=10).collect::<Vec<u8>>());
}

#[test]
fn a_segment_that_is_renewed_loses_what_is_damaged_in_it_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &(1..=3).map(|seed| bundle(seed, 500)).collect::<Vec<_>>());
    let path = volume.path().join("00000001.pms");
    let mut octets = fs::read(&path).unwrap();
    let second = usize::try_from(read_all(&volume)[1].offset).unwrap();
    octets[second + 64 + 250] ^= 1;
    fs::write(&path, octets).unwrap();
    assert_eq!((ids(&volume), whole(&volume)), (vec![1, 2, 3], vec![1, 3]));

    let options = CompactOptions { node: [5; 16], now: None };
    let done = volume.renew(["00000001.pms"], options, &mut |_| {}).unwrap();
    assert_eq!((done.segments, done.kept, done.damages.len(), done.skipped), (1, 2, 1, 0));
    assert_eq!(ids(&volume), [1, 3]);
    assert!(check(&volume).is_whole());
}

#[test]
fn a_segment_with_nothing_wanted_goes_without_a_successor() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(compact(&volume, |_| false).segments, 1);
    assert_eq!(names(&volume), ["README.TXT", "volume.pmv"]);
}

#[test]
fn damaged_records_are_named_and_never_copied() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &(1..=4).map(|seed| bundle(seed, 500)).collect::<Vec<_>>());
    let path = volume.path().join("00000001.pms");
    let mut octets = fs::read(&path).unwrap();
    octets[192 + 564 + 100] ^= 1;
    fs::write(&path, octets).unwrap();
    let done = compact(&volume, |record| record.id[0] != 4);
    assert_eq!((done.kept, done.dropped), (2, 1));
    assert_eq!(done.damages.iter().map(|damage| damage.id).collect::<Vec<_>>(), [Some([2; 16])]);
    assert_eq!(ids(&volume), [1, 3]);
    assert!(check(&volume).is_whole());
}

#[test]
fn what_a_newer_release_wrote_is_never_removed() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec()]);
    let path = volume.path().join("00000001.pms");
    let mut octets = fs::read(&path).unwrap();
    octets[9] = 2;
    let crc = crc32fast::hash(&octets[..124]);
    octets[124..128].copy_from_slice(&crc.to_be_bytes());
    fs::write(&path, octets).unwrap();
    assert_eq!(compact(&volume, |_| false), Compacted::default());
    assert!(path.exists());
}

#[test]
fn a_compaction_cut_off_at_any_step_keeps_every_survivor() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &(1..=4).map(|seed| bundle(seed, 500)).collect::<Vec<_>>());
    let old = fs::read(volume.path().join("00000001.pms")).unwrap();
    compact(&volume, |record| record.id[0] > 2);
    let new = fs::read(volume.path().join("00000002.pms")).unwrap();
    drop(volume);
    let folder = root.path().join("packmule");
    // Copied in part, before the rename.
    fs::remove_file(folder.join("00000002.pms")).unwrap();
    fs::write(folder.join("00000001.pms"), &old).unwrap();
    fs::write(folder.join("00000002.tmp"), &new[..new.len() / 2]).unwrap();
    assert_eq!(whole(&open(root.path())), [1, 2, 3, 4]);
    // Renamed, and the old one not yet removed.
    fs::write(folder.join("00000002.pms"), &new).unwrap();
    let volume = open(root.path());
    assert_eq!(whole(&volume), [1, 2, 3, 4, 3, 4]);
    // The next one finishes, whatever the first one left.
    compact(&volume, |record| record.id[0] > 2);
    assert!(whole(&volume).iter().all(|id| [3, 4].contains(id)));
}

#[test]
fn numbers_go_on_after_the_largest_and_then_fill_the_gaps() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    fs::write(volume.path().join("fffffffe.pms"), "").unwrap();
    for id in 1..4 {
        let mut writer = volume.writer(options()).unwrap();
        append(&mut writer, id, b"a bundle");
        writer.finish().unwrap();
    }
    assert_eq!(names(&volume)[..2], ["00000001.pms", "00000002.pms"]);
    assert_eq!(whole(&volume), [2, 3, 1]);
}
