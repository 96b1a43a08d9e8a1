//! The head of a bundle on a drive, without reading the whole of it.

use std::io::Read;

use bundle_format::{BundleReader, Head, Limits, Profile};
use bytes::Bytes;
use drive_volume::{RecordInfo, Volume};

/// Octets read at once in search of a head's end.
const PIECE_OCTETS: usize = 4096;

/// The head of the bundle in a record; nothing where it is none or cannot be read.
pub(crate) fn head(volume: &Volume, record: &RecordInfo) -> Option<Head> {
    let mut octets = volume.read(record).ok()?;
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let mut piece = [0; PIECE_OCTETS];
    // Ends at the latest when the head is larger than any may be.
    while reader.head().is_none() {
        let read = octets.read(&mut piece).ok().filter(|read| *read > 0)?;
        reader.push(Bytes::copy_from_slice(piece.get(..read)?)).ok()?;
    }
    reader.head().cloned()
}
