//! Administrative records (RFC 9171 §6.1): what nodes tell each other about bundles.

use crate::cbor::{Cursor, Writer};
use crate::malformed::Malformed;
use crate::status_report::StatusReport;

/// The record type of status reports.
const STATUS_REPORT: u64 = 1;

/// The payload of a bundle that is flagged as an administrative record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdministrativeRecord {
    /// Type 1.
    StatusReport(StatusReport),
    /// A record of another type, perhaps of one that nodes agree upon, as on that of
    /// [`CustodySignal`](crate::CustodySignal)s; ignored by who does not know it (RFC 9713 §2).
    Unknown {
        /// The record type code.
        code: u64,
        /// The content, one CBOR item.
        content: Vec<u8>,
    },
}

impl AdministrativeRecord {
    /// The payload that carries this record.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(2);
        match self {
            Self::StatusReport(report) => {
                writer.uint(STATUS_REPORT);
                report.encode(&mut writer);
            }
            Self::Unknown { code, content } => {
                writer.uint(*code);
                writer.raw(content);
            }
        }
        writer.finish()
    }

    /// Reads a payload. Records of unknown types are kept as they are, up to 64 KiB.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        cursor.array_of(2, "an administrative record")?;
        let record = match cursor.uint()? {
            STATUS_REPORT => Self::StatusReport(StatusReport::decode(&mut cursor)?),
            code => Self::Unknown { code, content: cursor.skip()?.to_vec() },
        };
        cursor.end()?;
        Ok(record)
    }
}
