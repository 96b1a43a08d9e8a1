//! Drives that are full or can only be read. A real small file system is mounted where the test may do so.

use std::fs;
use std::path::Path;

use drive_volume::{Access, Appended, InitOptions, Reserve, Volume, VolumeError, WriterOptions};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::drive::{append, bundle, check, compact, ids, init, names, open, options};

/// A tmpfs of a given size, gone with the value; `None`, with a note, where mounting is not allowed.
struct SmallDrive(tempfile::TempDir);

impl SmallDrive {
    fn mount(size: &str) -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let data = std::ffi::CString::new(format!("size={size}")).unwrap();
        match mount("packmule-test", root.path(), "tmpfs", MountFlags::empty(), Some(data.as_c_str())) {
            Ok(()) => Some(Self(root)),
            Err(error) => {
                eprintln!("not tested: mounting a small file system is not allowed here ({error})");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDrive {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_drive_names_what_does_not_fit_and_keeps_what_does() {
    let Some(drive) = SmallDrive::mount("4m") else { return };
    let volume = init(drive.path());
    let reserve = Reserve { percent: 5, octets_min: 1 << 20 };
    let mut writer = volume.writer(WriterOptions { reserve, ..options() }).unwrap();
    let mut taken = Vec::new();
    for id in 1..20 {
        // Every fourth is small.
        let length = if id % 4 == 0 { 1000 } else { 1_200_000 };
        match writer.append([id; 16], length, &bundle(1, usize::try_from(length).unwrap())[..]).unwrap() {
            Appended::Taken { .. } => taken.push(id),
            Appended::NoRoom { id: named, length: size } => assert_eq!((named, size), ([id; 16], length)),
        }
    }
    assert_eq!(writer.finish().unwrap().records, taken.len() as u64);
    assert_eq!(taken, [1, 2, 4, 8, 12, 16]);
    assert_eq!(ids(&volume), taken);
    assert!(volume.room().unwrap().available >= 1 << 20, "the reserve is left free");
    assert_eq!(volume.file_system(), "tmpfs");
}

#[test]
fn a_drive_that_fills_up_under_the_writer_keeps_what_was_appended() {
    let Some(drive) = SmallDrive::mount("6m") else { return };
    let volume = init(drive.path());
    let mut writer = volume.writer(options()).unwrap();
    append(&mut writer, 1, &bundle(1, 1 << 20));
    // Somebody else takes the rest.
    let other = drive.path().join("film");
    let rest = usize::try_from(volume.room().unwrap().available).unwrap() - (100 << 10);
    fs::write(&other, vec![1; rest]).unwrap();
    for length in [1 << 20, 2 << 20] {
        let outcome =
            writer.append([2; 16], length, &bundle(2, usize::try_from(length).unwrap())[..]).unwrap();
        assert_eq!(outcome, Appended::NoRoom { id: [2; 16], length });
    }
    assert_eq!(writer.finish().unwrap().records, 1);
    assert_eq!(ids(&volume), [1]);
    assert!(check(&volume).is_whole());
    fs::remove_file(other).unwrap();
}

#[test]
fn an_inventory_that_does_not_fit_leaves_the_older_one() {
    let Some(drive) = SmallDrive::mount("1m") else { return };
    let volume = init(drive.path());
    volume.write_inventory(&[1; 16], None, b"old").unwrap();
    let error = volume.write_inventory(&[1; 16], None, &bundle(1, 2 << 20)).unwrap_err();
    assert!(matches!(&error, VolumeError::Full { file_system: "tmpfs", .. }), "{error}");
    let (found, _) = volume.inventories().unwrap();
    assert_eq!(volume.read_inventory(&found[0]).unwrap(), b"old");
    assert!(names(&volume).iter().all(|name| !name.contains("tmp")));
}

#[test]
fn a_full_volume_is_compacted_with_what_its_reserve_left() {
    let Some(drive) = SmallDrive::mount("4m") else { return };
    let volume = init(drive.path());
    let reserve = Reserve { percent: 0, octets_min: 1 << 20 };
    let mut last = 0;
    for id in 1..=40 {
        let mut writer = volume.writer(WriterOptions { reserve, ..options() }).unwrap();
        let small = writer.append([id; 16], 100_000, &bundle(1, 100_000)[..]).unwrap();
        if let Appended::Taken { .. } = small {
            writer.append([id + 100; 16], 100_000, &bundle(2, 100_000)[..]).unwrap();
            last = id;
        }
        writer.finish().unwrap();
    }
    assert!((10..40).contains(&last), "the drive is full: {last}");
    compact(&volume, |record| record.id[0] <= 100);
    let mut kept = ids(&volume);
    kept.sort_unstable();
    assert_eq!(kept, (1..=last).collect::<Vec<u8>>());
    assert!(check(&volume).is_whole());
    assert!(volume.room().unwrap().beyond(reserve) > 800_000);
}

#[test]
fn a_drive_that_can_only_be_read_is_read_and_named() {
    let Some(drive) = SmallDrive::mount("4m") else { return };
    let volume = init(drive.path());
    crate::drive::pack(&volume, &[b"one".to_vec()]);
    drop(volume);
    mount_remount(drive.path(), MountFlags::RDONLY, "").unwrap();
    assert_eq!(ids(&Volume::open(drive.path(), Access::ReadOnly).unwrap()), [1]);
    let error = Volume::open(drive.path(), Access::ReadWrite).unwrap_err();
    assert!(matches!(&error, VolumeError::ReadOnly { file_system: "tmpfs", .. }), "{error}");

    let Some(empty) = SmallDrive::mount("4m") else { return };
    mount_remount(empty.path(), MountFlags::RDONLY, "").unwrap();
    let error = Volume::init(empty.path(), InitOptions { label: "RED".into(), created: None }).unwrap_err();
    assert!(matches!(&error, VolumeError::ReadOnly { file_system: "tmpfs", .. }), "{error}");
}

#[test]
fn a_volume_keeps_its_names_and_octets_on_fat() {
    use std::process::Command;
    let run = |command: &mut Command| command.output().map(|output| output.status.success());
    let root = tempfile::tempdir().unwrap();
    let image = root.path().join("drive.img");
    fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
    if !matches!(run(Command::new("mkfs.vfat").args(["-F", "32"]).arg(&image)), Ok(true))
        || run(Command::new("mcopy").arg("-V")).is_err()
    {
        eprintln!("not tested: mkfs.vfat (dosfstools) and mcopy (mtools) are not installed");
        return;
    }
    let volume = init(root.path());
    crate::drive::pack(&volume, &[b"one".to_vec(), bundle(2, 100_000)]);
    volume.write_inventory(&[1; 16], None, b"what I hold").unwrap();
    let written = names(&volume);
    let back = root.path().join("back");
    fs::create_dir(&back).unwrap();
    let mcopy = |from: &Path, to: &Path| {
        assert!(run(Command::new("mcopy").arg("-sni").arg(&image).args([from, to])).unwrap());
    };
    mcopy(volume.path(), Path::new("::/"));
    mcopy(Path::new("::/packmule"), &back);
    let copy = open(&back);
    assert_eq!(names(&copy), written);
    for name in written {
        assert_eq!(fs::read(volume.path().join(&name)).unwrap(), fs::read(copy.path().join(&name)).unwrap());
    }
    assert!(check(&copy).is_whole());
}
