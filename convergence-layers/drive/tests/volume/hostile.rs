//! Drives made by an enemy, or used by other people for other things: nothing outside is read or written, nothing of
//! theirs is touched, nothing waits, and the volume still works.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use drive_volume::{Access, Entry, Reason, Volume, VolumeError};
use rustix::fs::{CWD, Mode};

use crate::drive::{append, check, compact, init, names, open, options, pack, whole};

fn fifo(path: &Path) {
    rustix::fs::mkfifoat(CWD, path, Mode::from_raw_mode(0o666)).unwrap();
}

#[test]
fn links_pipes_and_folders_in_place_of_files_are_named_and_never_followed() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec()]);
    let outside = root.path().join("outside.pms");
    fs::copy(volume.path().join("00000001.pms"), &outside).unwrap();
    symlink("/etc/passwd", volume.path().join("00000002.pms")).unwrap();
    symlink("../outside.pms", volume.path().join("00000003.pms")).unwrap();
    fifo(&volume.path().join("00000004.pms"));
    fs::create_dir(volume.path().join("00000005.pms")).unwrap();
    symlink(&outside, volume.path().join("00000006.tmp")).unwrap();
    fifo(&volume.path().join("00000007.tmp"));
    symlink("/etc/passwd", volume.path().join("invent.tmp")).unwrap();
    fifo(&volume.path().join("abcdefgh.001"));
    drop(volume);

    let volume = open(root.path());
    assert_eq!(whole(&volume), [1]);
    let checked = check(&volume);
    assert_eq!(checked.damages.len(), 5);
    assert!(checked.damages.iter().all(|damage| damage.reason == Reason::NotAFile), "{:?}", checked.damages);
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 2, b"two");
    writer.finish().unwrap();
    assert_eq!(whole(&volume), [1, 2]);
    let error = volume.write_inventory(&[1; 16], None, b"mine").unwrap_err();
    assert!(matches!(error, VolumeError::Obstructed { .. }), "{error}");
    assert!(outside.exists() && fs::read_link(volume.path().join("invent.tmp")).is_ok());
}

#[test]
fn a_linked_volume_file_or_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let (folder, elsewhere) = (volume.path().to_owned(), root.path().join("elsewhere"));
    drop(volume);
    fs::rename(folder.join("volume.pmv"), root.path().join("real.pmv")).unwrap();
    symlink("../real.pmv", folder.join("volume.pmv")).unwrap();
    assert!(matches!(Volume::open(root.path(), Access::ReadOnly), Err(VolumeError::Obstructed { .. })));
    fs::remove_file(folder.join("volume.pmv")).unwrap();
    fifo(&folder.join("volume.pmv"));
    assert!(matches!(Volume::open(root.path(), Access::ReadWrite), Err(VolumeError::Obstructed { .. })));
    fs::rename(&folder, &elsewhere).unwrap();
    symlink("elsewhere", &folder).unwrap();
    assert!(matches!(Volume::open(root.path(), Access::ReadOnly), Err(VolumeError::Obstructed { .. })));
}

#[test]
fn other_peoples_files_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let theirs = [
        "packmule/._00000001.pms",
        "packmule/holidays.tmp",
        "packmule/holidays.007",
        "packmule/notes.txt",
        "packmule/FILE0000.CHK",
        "packmule/00000001.pms.bak",
        "._packmule",
        "System Volume Information/x",
        ".Trashes/x",
        "README.TXT",
        "packmule/photos/00000001.pms",
    ];
    for name in theirs {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    drop(volume);
    let volume = open(root.path());
    pack(&volume, &[b"one".to_vec(), b"two".to_vec()]);
    volume.write_inventory(&[1; 16], None, b"mine").unwrap();
    volume.write_inventory(&[1; 16], None, b"mine").unwrap();
    compact(&volume, |record| record.id[0] == 1);
    assert_eq!(whole(&volume), [1]);
    assert!(check(&volume).is_whole());
    for name in theirs {
        assert_eq!(fs::read_to_string(root.path().join(name)).unwrap(), name);
    }
}

#[test]
fn ten_thousand_files_do_not_hide_the_volume() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec()]);
    for number in 0..10_000 {
        fs::write(volume.path().join(format!("junk{number:04}.dat")), "").unwrap();
    }
    for number in 100..1100 {
        fs::write(volume.path().join(format!("{number:08x}.pms")), "junk").unwrap();
    }
    drop(volume);
    let volume = open(root.path());
    assert_eq!(whole(&volume), [1]);
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 2, b"two");
    writer.finish().unwrap();
    assert_eq!(whole(&volume), [1, 2]);
    assert_eq!(names(&volume).len(), 11_004);
}

#[test]
fn names_in_capitals_are_read_and_two_spellings_are_two_files() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec()]);
    pack(&volume, &[b"one".to_vec(), b"two".to_vec()]);
    fs::rename(volume.path().join("00000002.pms"), volume.path().join("00000001.PMS")).unwrap();
    fs::rename(volume.path().join("volume.pmv"), volume.path().join("volume.pmv.away")).unwrap();
    fs::write(volume.path().join("VOLUME.TMP"), "").unwrap();
    drop(volume);
    let volume = open(root.path());
    assert_eq!(whole(&volume), [1, 2, 1], "capitals sort first");
    assert!(!volume.path().join("VOLUME.TMP").exists());
}

#[test]
fn a_file_of_a_terabyte_of_nothing_costs_what_the_largest_segment_costs() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec()]);
    let sparse = fs::OpenOptions::new().append(true).open(volume.path().join("00000001.pms")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let mut entries = volume.records().unwrap();
    let too_large =
        |entry: &Entry| matches!(entry, Entry::Damage(damage) if damage.reason == Reason::TooLarge);
    assert!(entries.any(|entry| too_large(&entry)));
    assert!(entries.any(|entry| matches!(entry, Entry::Record(record) if record.id == [1; 16])));
}
