//! CRCs of blocks (RFC 9171 §4.2.1, §4.2.2). Computed over the whole encoded block with the CRC's value set to zero; the
//! head of the byte string that holds it stays (erratum 8043).

use crc::{CRC_16_IBM_SDLC, Crc, Digest, Table};

use crate::cbor::{Cursor, Writer};
use crate::malformed::{Fault, Malformed};

/// The "standard X-25 CRC-16" under its name in the catalogue of CRCs.
static X25: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_SDLC);

/// The kind of CRC that a block carries (§4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrcType {
    /// No CRC.
    None,
    /// CRC-16/X.25.
    X25,
    /// CRC-32C (Castagnoli).
    Castagnoli,
}

impl CrcType {
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = cursor.position();
        match cursor.uint()? {
            0 => Ok(Self::None),
            1 => Ok(Self::X25),
            2 => Ok(Self::Castagnoli),
            _ => Err(cursor.fault(start, Fault::CrcType)),
        }
    }

    /// The number on the wire.
    pub fn code(self) -> u64 {
        match self {
            Self::None => 0,
            Self::X25 => 1,
            Self::Castagnoli => 2,
        }
    }

    /// One where a CRC makes its block's array longer, else zero.
    pub(crate) fn elements(self) -> u64 {
        u64::from(self != Self::None)
    }
}

/// A CRC under way.
#[derive(Clone)]
pub(crate) enum RunningCrc {
    None,
    X25(Digest<'static, u16, Table<16>>),
    Castagnoli(u32),
}

impl RunningCrc {
    pub(crate) fn new(kind: CrcType) -> Self {
        match kind {
            CrcType::None => Self::None,
            CrcType::X25 => Self::X25(X25.digest()),
            CrcType::Castagnoli => Self::Castagnoli(0),
        }
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        match self {
            Self::None => {}
            Self::X25(digest) => digest.update(octets),
            Self::Castagnoli(crc) => *crc = crc32c::crc32c_append(*crc, octets),
        }
    }

    /// The CRC field of the block whose other octets went in: empty, or a byte string.
    pub(crate) fn field(mut self) -> Vec<u8> {
        match self {
            Self::None => {}
            Self::X25(_) => self.update(&[0x42, 0, 0]),
            Self::Castagnoli(_) => self.update(&[0x44, 0, 0, 0, 0]),
        }
        let mut writer = Writer::new();
        match self {
            Self::None => {}
            Self::X25(digest) => writer.bytes(&digest.finalize().to_be_bytes()),
            Self::Castagnoli(crc) => writer.bytes(&crc.to_be_bytes()),
        }
        writer.finish()
    }
}

impl std::fmt::Debug for RunningCrc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "RunningCrc::None",
            Self::X25(_) => "RunningCrc::X25",
            Self::Castagnoli(_) => "RunningCrc::Castagnoli",
        })
    }
}

/// Reads and checks the CRC field of the block that began at `start`.
pub(crate) fn check(cursor: &mut Cursor<'_>, start: usize, kind: CrcType) -> Result<(), Malformed> {
    if kind == CrcType::None {
        return Ok(());
    }
    let mut crc = RunningCrc::new(kind);
    crc.update(cursor.since(start));
    let field_start = cursor.position();
    cursor.bytes()?;
    if cursor.since(field_start) == crc.field() { Ok(()) } else { Err(cursor.fault(field_start, Fault::Crc)) }
}

/// Ends the block that began at `start` with its CRC field.
pub(crate) fn close(writer: &mut Writer, start: usize, kind: CrcType) {
    let mut crc = RunningCrc::new(kind);
    crc.update(writer.since(start));
    let field = crc.field();
    writer.raw(&field);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_crcs_have_their_published_check_values() {
        assert_eq!(X25.checksum(b"123456789"), 0x906e);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }
}
