//! A drive pulled at any instant, shown by the states that it can be left in: only the copy under way is lost, and
//! the next dock cleans up.

use std::fs;
use std::path::Path;

use drive_volume::{Access, InitOptions, Volume, VolumeError};

use crate::drive::{NOW, append, bundle, check, ids, init, names, open, options, pack};

/// The drive as it is now, as another one: what a node sees that it is plugged into next.
fn pulled(volume: &Volume) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    copy(volume.path(), root.path());
    root
}

fn copy(folder: &Path, root: &Path) {
    fs::create_dir(root.join("packmule")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), root.join("packmule").join(entry.file_name())).unwrap();
    }
}

/// What must hold of any drive that was pulled after the bundles 1 and 2 were durable.
fn survives(root: &Path, case: &str) {
    let reader = Volume::open(root, Access::ReadOnly).unwrap();
    assert!(ids(&reader).starts_with(&[1, 2]), "{case}, before cleaning up");
    let volume = open(root);
    assert!(names(&volume).iter().all(|name| !name.contains("tmp")), "{case}: {:?}", names(&volume));
    assert!(check(&volume).is_whole(), "{case}");
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 9, b"the next dock");
    writer.finish().unwrap();
    let ids = ids(&volume);
    assert!(ids.starts_with(&[1, 2]) && ids.ends_with(&[9]), "{case}: {ids:?}");
}

#[test]
fn a_drive_pulled_while_a_segment_is_written_keeps_what_it_had() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec(), b"two".to_vec()]);
    let mut writer = volume.writer(options()).unwrap();
    survives(pulled(&volume).path(), "nothing appended");
    for id in 3..6 {
        append(&mut writer, id, &bundle(u64::from(id), 300));
        survives(pulled(&volume).path(), "a bundle appended");
    }
    let before = pulled(&volume);
    let under_way = fs::read(volume.path().join("00000002.tmp")).unwrap();
    writer.finish().unwrap();
    let finished = fs::read(volume.path().join("00000002.pms")).unwrap();
    // Before the rename, the temporary file may hold any part of the segment, in any state.
    for end in (0..=finished.len()).step_by(61) {
        let torn = pulled(&open_copy(before.path()));
        fs::write(torn.path().join("packmule/00000002.tmp"), &finished[..end]).unwrap();
        survives(torn.path(), &format!("{end} octets written"));
    }
    let zeros = pulled(&open_copy(before.path()));
    fs::write(zeros.path().join("packmule/00000002.tmp"), vec![0; under_way.len()]).unwrap();
    survives(zeros.path(), "length on the drive and octets not");
    survives(pulled(&volume).path(), "after the rename");
}

fn open_copy(root: &Path) -> Volume {
    Volume::open(root, Access::ReadOnly).unwrap()
}

#[test]
fn a_name_that_came_before_its_octets_loses_nothing_else() {
    // FAT and exFAT promise no order between a rename and what was written: a right name may hold wrong octets.
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    pack(&volume, &[b"one".to_vec(), b"two".to_vec()]);
    for octets in [vec![], vec![0; 100], vec![0; 100_000], bundle(1, 5000)] {
        let drive = pulled(&volume);
        fs::write(drive.path().join("packmule/00000002.pms"), octets).unwrap();
        let volume = open(drive.path());
        assert_eq!(crate::drive::whole(&volume), [1, 2]);
        assert!(check(&volume).damages.iter().all(|damage| &*damage.file == "00000002.pms"));
        let mut writer = volume.writer(options()).unwrap();
        append(&mut writer, 3, b"three");
        writer.finish().unwrap();
        assert_eq!(crate::drive::whole(&volume), [1, 2, 3]);
    }
}

#[test]
fn an_interrupted_init_can_be_done_again() {
    let folder_only = |root: &Path| fs::create_dir(root.join("packmule")).unwrap();
    let leftovers: [(&str, &[u8]); 4] =
        [("volume.tmp", b""), ("volume.tmp", b"PMVOLUME"), ("volume.pmv", b""), ("volume.pmv", &[0; 128])];
    for (name, octets) in leftovers {
        let root = tempfile::tempdir().unwrap();
        folder_only(root.path());
        fs::write(root.path().join("packmule").join(name), octets).unwrap();
        let error = Volume::open(root.path(), Access::ReadWrite).unwrap_err();
        assert!(matches!(error, VolumeError::NoVolume(_) | VolumeError::Damaged(_)), "{name}: {error}");
        let volume = init(root.path());
        assert_eq!(names(&volume), ["README.TXT", "volume.pmv"], "{name}");
    }
}

#[test]
fn a_lost_volume_file_is_restored_from_any_segment() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    let id = volume.id();
    pack(&volume, &[b"one".to_vec(), b"two".to_vec()]);
    drop(volume);
    let path = root.path().join("packmule/volume.pmv");
    let octets = fs::read(&path).unwrap();
    for damage in [None, Some(vec![]), Some(vec![0; 128]), Some(bundle(3, 128))] {
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(octets) => fs::write(&path, octets).unwrap(),
        }
        let reader = Volume::open(root.path(), Access::ReadOnly).unwrap();
        assert_eq!((reader.id(), reader.label(), ids(&reader)), (id, "RED", vec![1, 2]));
        assert_ne!(fs::read(&path).ok(), Some(octets.clone()), "a reader changes nothing");
        let again = Volume::init(root.path(), InitOptions { label: "BLUE".into(), created: None });
        assert!(matches!(again, Err(VolumeError::Exists { .. })));
        drop(open(root.path()));
        assert_eq!(fs::read(&path).unwrap(), octets);
    }
}

#[test]
fn an_inventory_is_never_lost_to_its_successor() {
    let root = tempfile::tempdir().unwrap();
    let volume = init(root.path());
    volume.write_inventory(&[1; 16], NOW, b"old").unwrap();
    let old = pulled(&volume);
    volume.write_inventory(&[1; 16], NOW, b"new").unwrap();
    let name = names(&volume).into_iter().find(|name| name.ends_with(".002")).unwrap();
    let new = fs::read(volume.path().join(&name)).unwrap();
    let held = |root: &Path| {
        let volume = open(root);
        let (found, _) = volume.inventories().unwrap();
        assert_eq!(found.len(), 1);
        volume.read_inventory(&found[0])
    };
    for end in 0..new.len() {
        let drive = pulled(&open_copy(old.path()));
        fs::write(drive.path().join("packmule/invent.tmp"), &new[..end]).unwrap();
        assert_eq!(held(drive.path()).unwrap(), b"old", "{end} octets written");
        assert!(!drive.path().join("packmule/invent.tmp").exists());
    }
    let both = pulled(&open_copy(old.path()));
    fs::write(both.path().join("packmule").join(&name), &new).unwrap();
    assert_eq!(held(both.path()).unwrap(), b"new", "the older one not yet removed");
}
