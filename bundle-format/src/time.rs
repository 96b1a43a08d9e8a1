//! DTN time and creation timestamps (RFC 9171 §4.2.6, §4.2.7).

use crate::cbor::{Cursor, Writer};
use crate::malformed::Malformed;

/// Milliseconds since 2000-01-01 00:00:00 UTC, leap seconds not counted. Zero: unknown (§4.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DtnTime(pub u64);

/// When a bundle was created and its number among those of its source: together with the source the identity of a
/// transmission (§4.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CreationTimestamp {
    /// The creation time; zero where the source had no clock.
    pub time: DtnTime,
    /// The sequence number.
    pub sequence: u64,
}

impl CreationTimestamp {
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        cursor.array_of(2, "a creation timestamp")?;
        Ok(Self { time: DtnTime(cursor.uint()?), sequence: cursor.uint()? })
    }

    pub(crate) fn encode(self, writer: &mut Writer) {
        writer.array(2);
        writer.uint(self.time.0);
        writer.uint(self.sequence);
    }
}
