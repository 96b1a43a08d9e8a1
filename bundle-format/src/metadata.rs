//! The metadata block: what a file was called, what it contains, how urgent it is, and which record the bundle is an
//! edition of (`docs/records.md`). Its data are a CBOR map from numbers: 0 file name, 1 media type, 2 priority, 3 record
//! name, 4 revision, each left out where there is nothing to say. Unknown keys are passed over.

use thiserror::Error;

use crate::cbor::{Cursor, Writer};
use crate::limits::{FILE_NAME_OCTETS_MAX, MEDIA_TYPE_OCTETS_MAX, RECORD_NAME_OCTETS_MAX, REVISION_MAX};
use crate::malformed::{Fault, Malformed};

const FILE_NAME: i128 = 0;
const MEDIA_TYPE: i128 = 1;
const PRIORITY: i128 = 2;
const RECORD_NAME: i128 = 3;
const REVISION: i128 = 4;

/// How urgent a bundle is. Greater is sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// When nothing else waits.
    Bulk,
    /// In its turn.
    #[default]
    Normal,
    /// Before everything else.
    Urgent,
}

/// What a bundle's source says about its payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Metadata {
    /// The name of the file, without folders. When read from a bundle it is safe to join to a folder.
    pub file_name: Option<String>,
    /// The media type (RFC 6838), as the source says.
    pub media_type: Option<String>,
    /// How urgent the bundle is.
    pub priority: Priority,
    /// Which record the bundle is an edition of, if it is one.
    pub record: Option<RecordTag>,
}

/// What makes a bundle to a group an edition of a record: of all with the same author, group and name, the one with the
/// largest revision replaces the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordTag {
    /// The record's name: one of its author's in that group.
    pub name: String,
    /// Which edition: 1 for the first, at most [`REVISION_MAX`].
    pub revision: u64,
}

/// Why metadata cannot be put into a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The file name is empty, `.`, `..`, too long, or has a separator of folders or a control character.
    #[error("the file name is not a plain name of at most 255 octets")]
    FileName,
    /// The media type is empty, too long, or has characters other than visible ASCII.
    #[error("the media type is not like text/plain")]
    MediaType,
    /// The record's name is empty, too long, or has a control character; or the revision is 0 or beyond what an author can
    /// reach by counting.
    #[error("a record's name is a text of 1 to 255 octets, and its revision at least 1 and below 2^53")]
    Record,
}

impl Metadata {
    /// The data of the metadata block.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, MetadataError> {
        self.check()?;
        let has_priority = self.priority != Priority::Normal;
        let has_record = self.record.is_some();
        let pairs =
            [self.file_name.is_some(), self.media_type.is_some(), has_priority, has_record, has_record];
        let mut writer = Writer::new();
        writer.map(pairs.into_iter().map(u64::from).sum());
        if let Some(file_name) = &self.file_name {
            writer.uint(0);
            writer.text(file_name);
        }
        if let Some(media_type) = &self.media_type {
            writer.uint(1);
            writer.text(media_type);
        }
        if has_priority {
            writer.uint(2);
            writer.uint(if self.priority == Priority::Bulk { 0 } else { 2 });
        }
        if let Some(record) = &self.record {
            writer.uint(3);
            writer.text(&record.name);
            writer.uint(4);
            writer.uint(record.revision);
        }
        Ok(writer.finish())
    }

    pub(crate) fn decode(data: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(data);
        let mut metadata = Self::default();
        let (mut name, mut revision, mut last) = (None, None, None);
        for _ in 0..cursor.map()? {
            let start = cursor.position();
            let key = cursor.int()?;
            // Deterministic order puts negative keys after the others; nobody has defined one.
            if key < 0 || last.is_some_and(|last| last >= key) {
                return Err(cursor.fault(start, Fault::KeyOrder));
            }
            last = Some(key);
            match key {
                FILE_NAME => metadata.file_name = Some(cursor.text()?.to_owned()),
                MEDIA_TYPE => metadata.media_type = Some(cursor.text()?.to_owned()),
                PRIORITY => metadata.priority = decode_priority(&mut cursor)?,
                RECORD_NAME => name = Some(cursor.text()?.to_owned()),
                REVISION => revision = Some(cursor.uint()?),
                _ => {
                    cursor.skip()?;
                }
            }
        }
        cursor.end()?;
        metadata.record = match (name, revision) {
            (Some(name), Some(revision)) => Some(RecordTag { name, revision }),
            (None, None) => None,
            _ => return Err(cursor.fault(0, Fault::Content("a record has both a name and a revision"))),
        };
        let sound = metadata.check();
        sound.map_err(|_| {
            cursor.fault(0, Fault::Content("the metadata have a bad name, media type or revision"))
        })?;
        Ok(metadata)
    }

    fn check(&self) -> Result<(), MetadataError> {
        if self.file_name.as_deref().is_some_and(|name| !is_plain_name(name)) {
            return Err(MetadataError::FileName);
        }
        if self.media_type.as_deref().is_some_and(|media_type| !is_media_type(media_type)) {
            return Err(MetadataError::MediaType);
        }
        if self.record.as_ref().is_some_and(|record| !record.is_sound()) {
            return Err(MetadataError::Record);
        }
        Ok(())
    }
}

impl RecordTag {
    fn is_sound(&self) -> bool {
        let has_length = (1..=RECORD_NAME_OCTETS_MAX).contains(&self.name.len());
        has_length && !self.name.chars().any(char::is_control) && (1..=REVISION_MAX).contains(&self.revision)
    }
}

fn decode_priority(cursor: &mut Cursor<'_>) -> Result<Priority, Malformed> {
    Ok(match cursor.uint()? {
        0 => Priority::Bulk,
        1 => Priority::Normal,
        // A priority that is defined later is at least not a lower one.
        _ => Priority::Urgent,
    })
}

fn is_plain_name(name: &str) -> bool {
    let is_special = matches!(name, "" | "." | "..");
    let has_special = name.chars().any(|character| character.is_control() || matches!(character, '/' | '\\'));
    !is_special && !has_special && name.len() <= FILE_NAME_OCTETS_MAX
}

fn is_media_type(text: &str) -> bool {
    let visible = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ');
    visible && text.len() <= MEDIA_TYPE_OCTETS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_come_back_as_they_went() {
        let all = Metadata {
            file_name: Some("Bericht März.pdf".to_owned()),
            media_type: Some("application/pdf".to_owned()),
            priority: Priority::Urgent,
            record: Some(RecordTag { name: "Wasserstände".to_owned(), revision: REVISION_MAX }),
        };
        let bulk = Metadata { priority: Priority::Bulk, ..Metadata::default() };
        for metadata in [all, bulk, Metadata::default()] {
            assert_eq!(Metadata::decode(&metadata.encode().unwrap()), Ok(metadata));
        }
        assert!(Priority::Bulk < Priority::Normal && Priority::Normal < Priority::Urgent);
    }

    #[test]
    fn a_file_name_that_leads_elsewhere_is_refused_in_both_directions() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", &"x".repeat(256)] {
            let metadata = Metadata { file_name: Some(name.to_owned()), ..Metadata::default() };
            assert_eq!(metadata.encode(), Err(MetadataError::FileName), "{name:?}");
            let mut writer = Writer::new();
            writer.map(1);
            writer.uint(0);
            writer.text(name);
            assert!(Metadata::decode(&writer.finish()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn unknown_keys_are_passed_over_and_disordered_ones_are_not() {
        assert_eq!(Metadata::decode(b"\xa2\x02\x00\x18\x63\x82\x01\x02").unwrap().priority, Priority::Bulk);
        assert!(Metadata::decode(b"\xa2\x02\x00\x00\x61a").is_err());
        assert!(Metadata::decode(b"\xa2\x02\x00\x02\x00").is_err());
        assert!(Metadata::decode(b"\xa1\x02\x00\x00").is_err());
    }

    #[test]
    fn the_metadata_of_a_record_are_these_octets() {
        let record = Some(RecordTag { name: "card".to_owned(), revision: 7 });
        let metadata = Metadata { record, ..Metadata::default() };
        assert_eq!(metadata.encode().unwrap(), b"\xa2\x03\x64card\x04\x07");
        assert_eq!(Metadata::decode(b"\xa2\x03\x64card\x04\x07"), Ok(metadata));
    }

    #[test]
    fn a_record_without_name_or_revision_or_beyond_its_bounds_is_refused_in_both_directions() {
        let long = "x".repeat(256);
        for (name, revision) in
            [("", 1), (&*long, 1), ("a\nb", 1), ("card", 0), ("card", REVISION_MAX + 1), ("card", u64::MAX)]
        {
            let record = Some(RecordTag { name: name.to_owned(), revision });
            let metadata = Metadata { record, ..Metadata::default() };
            assert_eq!(metadata.encode(), Err(MetadataError::Record), "{name:?} {revision}");
            let mut writer = Writer::new();
            writer.map(2);
            writer.uint(3);
            writer.text(name);
            writer.uint(4);
            writer.uint(revision);
            assert!(Metadata::decode(&writer.finish()).is_err(), "{name:?} {revision}");
        }
        assert!(Metadata::decode(b"\xa1\x03\x64card").is_err());
        assert!(Metadata::decode(b"\xa1\x04\x07").is_err());
    }
}
