//! Names in a folder: of inboxes, of bundles, and of what is to be left alone.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What inboxes begin with.
const INBOX: &str = "to-";
/// What our bundles end with.
const BUNDLE: &str = ".bundle";
/// What files begin with while we write them: what Syncthing takes for its own temporary files, and leaves alone.
pub(crate) const ASIDE: &str = ".syncthing.packmule-";
/// Where files go that cannot be taken, within an inbox.
pub(crate) const REFUSED: &str = "refused";
/// What unfinished files of programs that copy end with, besides those that are hidden.
const UNFINISHED: [&[u8]; 4] = [b".tmp", b".part", b".partial", b".filepart"];

/// The inbox of a node: `to-hub` for `dtn://hub/`, `to-ipn-42.0` for `ipn:42.0`.
pub(crate) fn inbox_of(node_id: &str) -> String {
    let name = node_id.strip_prefix("dtn://").map(|name| name.strip_suffix('/').unwrap_or(name));
    let name = name.map_or_else(|| node_id.replacen(':', "-", 1), str::to_owned);
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // Names that a file cannot have, or that two nodes could have, are told apart by a hash.
    if name.chars().all(usable) && name.len() <= 100 {
        return format!("{INBOX}{name}");
    }
    format!("{INBOX}{}", hash(node_id.as_bytes()))
}

/// The name of a node whose inbox this is.
pub(crate) fn owner(inbox: &str) -> Option<&str> {
    inbox.strip_prefix(INBOX).filter(|name| !name.is_empty())
}

/// The inbox of a node that the owner of this one calls so.
pub(crate) fn inbox_named(name: &str) -> String {
    format!("{INBOX}{name}")
}

/// The node ID of whose inbox this is: a guess, as good as what a neighbor declares.
pub(crate) fn node_id_of(name: &str) -> String {
    match name.strip_prefix("ipn-") {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => format!("ipn:{number}"),
        _ => format!("dtn://{name}/"),
    }
}

/// The file of a bundle, by what never changes of it.
pub(crate) fn file_name(primary_block: &[u8]) -> String {
    format!("{}{BUNDLE}", hash(primary_block))
}

/// Whether a file is there whole once it has its name.
pub(crate) fn is_of_bundle(name: &OsStr) -> bool {
    name.as_bytes().ends_with(BUNDLE.as_bytes())
}

/// Whether a file is somebody's who has not finished it, or is not for us.
pub(crate) fn is_left_alone(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b".") || name.starts_with(b"~") || UNFINISHED.iter().any(|end| name.ends_with(end))
}

/// Makes a folder where there is none.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => check_folder(path),
    }
}

/// A folder is one, and no link to another: whoever shares it could lead us anywhere.
pub(crate) fn check_folder(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

fn hash(octets: &[u8]) -> String {
    let hash = blake3::hash(octets);
    let short = hash.as_bytes().first_chunk::<16>().map_or(&[][..], |short| short);
    data_encoding::BASE32_NOPAD.encode(short).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_an_inbox_that_tells_its_name() {
        for (node_id, inbox) in
            [("dtn://hub/", "to-hub"), ("ipn:42.0", "to-ipn-42.0"), ("dtn://a.b-c_9/", "to-a.b-c_9")]
        {
            assert_eq!(inbox_of(node_id), inbox);
            assert_eq!(node_id_of(owner(inbox).unwrap()), node_id);
        }
        let strange = inbox_of("dtn://a/b/");
        assert!(strange.len() == 29 && !strange.contains('/'), "{strange}");
    }

    #[test]
    fn what_others_have_not_finished_is_left_alone() {
        for name in [
            ".syncthing.a.bundle.tmp",
            "~syncthing~a.tmp",
            ".a.bundle.Xy12",
            "a.1234.partial",
            ".stfolder",
            "x.part",
        ] {
            assert!(is_left_alone(OsStr::new(name)), "{name}");
        }
        for name in ["a.bundle", "adu-7", "a.sync-conflict-20261121-1.bundle"] {
            assert!(!is_left_alone(OsStr::new(name)), "{name}");
        }
    }
}
