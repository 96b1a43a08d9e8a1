//! The names of a volume's files: lower-case and 8.3-safe, so that every FAT keeps them in one directory entry each.
//!
//! A name says what to try a file as, never what it holds. Names are read in either case, because some systems show
//! short names in capitals.

use crate::layout::NodeHash;

/// The folder at the drive's root that holds the volume.
pub(crate) const FOLDER: &str = "packmule";
pub(crate) const VOLUME: &str = "volume.pmv";
pub(crate) const VOLUME_TMP: &str = "volume.tmp";
/// In capitals, as people expect to find it. The one file that is for them.
pub(crate) const README: &str = "README.TXT";
pub(crate) const README_TMP: &str = "readme.tmp";
pub(crate) const INVENTORY_TMP: &str = "invent.tmp";

/// How many generations an inventory's extension tells apart; its header holds the whole number.
const GENERATIONS: u64 = 4096;

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment(u32),
    Inventory,
    /// What a writer left that was interrupted.
    Temporary,
}

/// What a file in the volume's folder is by its name; `None` for the volume file, the README, and whatever is not ours.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    let name = name.to_ascii_lowercase();
    if [VOLUME_TMP, README_TMP, INVENTORY_TMP].contains(&name.as_str()) {
        return Some(Kind::Temporary);
    }
    let (stem, extension) = name.split_once('.').filter(|(stem, _)| stem.len() == 8)?;
    match extension {
        "pms" => number(stem).map(Kind::Segment),
        "tmp" => number(stem).map(|_| Kind::Temporary),
        _ => {
            (is_inventory_stem(stem) && extension.len() == 3 && is_hex(extension)).then_some(Kind::Inventory)
        }
    }
}

pub(crate) fn segment(number: u32) -> String {
    format!("{number:08x}.pms")
}

pub(crate) fn segment_tmp(number: u32) -> String {
    format!("{number:08x}.tmp")
}

/// The name of a node's inventory: 40 bits of its hash, and the generation's last 12 bits.
pub(crate) fn inventory(node: &NodeHash, generation: u64) -> String {
    format!("{}.{:03x}", inventory_stem(node), generation % GENERATIONS)
}

/// What the names of all inventories of one node begin with.
pub(crate) fn inventory_stem(node: &NodeHash) -> String {
    let mut stem = data_encoding::BASE32_NOPAD.encode(node).to_ascii_lowercase();
    stem.truncate(8);
    stem
}

fn number(stem: &str) -> Option<u32> {
    if is_hex(stem) { u32::from_str_radix(stem, 16).ok() } else { None }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

fn is_inventory_stem(stem: &str) -> bool {
    stem.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'2'..=b'7'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_either_case() {
        assert_eq!(kind("0000001f.pms"), Some(Kind::Segment(31)));
        assert_eq!(kind("0000001F.PMS"), Some(Kind::Segment(31)));
        assert_eq!(kind("0000001f.tmp"), Some(Kind::Temporary));
        assert_eq!(kind("VOLUME.TMP"), Some(Kind::Temporary));
        assert_eq!(kind(&inventory(&[7; 16], 4097)), Some(Kind::Inventory));
    }

    #[test]
    fn what_is_not_ours_is_not_recognised() {
        for name in [
            "holidays.tmp",
            "notes.txt",
            "._00000001.pms",
            "00000001.pms.bak",
            "+0000001.pms",
            "0000000é.pms",
            "1.pms",
            "000000001.pms",
            "",
            ".",
            "00000001",
            "photos01.jpg",
            "README.TXT",
            "volume.pmv",
        ] {
            assert_eq!(kind(name), None, "{name}");
        }
    }

    #[test]
    fn written_names_are_8_3_safe() {
        for name in [
            segment(u32::MAX),
            segment_tmp(0),
            inventory(&[0xff; 16], u64::MAX),
            VOLUME.into(),
            README.into(),
        ] {
            let (stem, extension) = name.split_once('.').unwrap();
            assert!(stem.len() <= 8 && extension.len() == 3, "{name}");
        }
    }
}
