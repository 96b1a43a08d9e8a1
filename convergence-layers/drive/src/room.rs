//! How much room a drive has, how much of it is left free, and what its file system is called.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::StatVfs;

/// Room on the drive that a writer leaves free, for its owner's own files and so that a full volume can be compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Share of the file system in percent.
    pub percent: u8,
    /// At least so many octets.
    pub octets_min: u64,
}

impl Default for Reserve {
    /// 5 percent, and at least one segment: compaction needs room to rewrite one.
    fn default() -> Self {
        Self { percent: 5, octets_min: crate::limits::SEGMENT_OCTETS_MAX }
    }
}

/// The size of the drive's file system, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// All of it.
    pub total: u64,
    /// What can still be written.
    pub available: u64,
}

impl Room {
    pub(crate) fn of(stat: &StatVfs) -> Self {
        Self {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        }
    }

    /// What a writer may still use.
    pub fn beyond(&self, reserve: Reserve) -> u64 {
        let share = (self.total / 100).saturating_mul(u64::from(reserve.percent));
        self.available.saturating_sub(share.max(reserve.octets_min))
    }
}

/// The name of the file system at a path, for messages; "an unknown file system" where it has none.
pub(crate) fn file_system(path: &Path) -> &'static str {
    rustix::fs::statfs(path).map_or(UNKNOWN, |stat| name(u64::try_from(stat.f_type).unwrap_or(0)))
}

pub(crate) fn file_system_of(folder: impl AsFd) -> &'static str {
    rustix::fs::fstatfs(folder).map_or(UNKNOWN, |stat| name(u64::try_from(stat.f_type).unwrap_or(0)))
}

const UNKNOWN: &str = "an unknown file system";

/// Names for the magic numbers of statfs(2), where a drive may have them.
fn name(magic: u64) -> &'static str {
    match magic & 0xffff_ffff {
        0x4d44 => "FAT",
        0x2011_bab0 => "exFAT",
        0x7366_746e | 0x5346_544e => "NTFS",
        0x6573_5546 => "FUSE, such as NTFS or exFAT",
        0xef53 => "ext4",
        0x9123_683e => "btrfs",
        0x5846_5342 => "XFS",
        0xf2f5_2010 => "F2FS",
        0x0102_1994 => "tmpfs",
        0x9660 => "ISO 9660",
        0x1501_3346 => "UDF",
        0x482b => "HFS+",
        0x7371_7368 => "squashfs",
        0x6969 => "NFS",
        0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x794c_7630 => "overlay",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_reserve_counts_and_never_underflows() {
        let room = Room { total: 10_000, available: 1_000 };
        assert_eq!(room.beyond(Reserve { percent: 5, octets_min: 0 }), 500);
        assert_eq!(room.beyond(Reserve { percent: 5, octets_min: 600 }), 400);
        assert_eq!(room.beyond(Reserve::default()), 0);
        assert_eq!(Room { total: u64::MAX, available: 0 }.beyond(Reserve { percent: 255, octets_min: 0 }), 0);
    }
}
