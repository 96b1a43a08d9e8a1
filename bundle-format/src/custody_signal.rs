//! Compressed Custody Signals (CCSDS 734.6-O-1 §4.2): one administrative record that tells a custodian which of its
//! bundles were taken over, and which not.
//!
//! What is written is strict: arrays of sequences, a bare map, dispositions 1 and -1. What is read may be older: a tagged
//! map, a single sequence in place of an array of them, other dispositions.

use std::collections::BTreeSet;

use crate::administrative::AdministrativeRecord;
use crate::cbor::{Cursor, Writer};
use crate::malformed::Malformed;
use crate::profile::Profile;
use crate::sequences::{Budget, BundleSequence, Counter};

const ACCEPTED: i64 = 1;
const REFUSED: i64 = -1;

/// What became of bundles that a custodian sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustodySignal {
    /// Somebody else answers for these now.
    pub accepted: Vec<BundleSequence>,
    /// These remain with their custodian.
    pub refused: Vec<BundleSequence>,
}

impl CustodySignal {
    /// A signal about numbers of counters of the custodian that it is sent to.
    pub fn about<'n>(
        accepted: impl IntoIterator<Item = (&'n u64, &'n BTreeSet<u64>)>,
        refused: impl IntoIterator<Item = (&'n u64, &'n BTreeSet<u64>)>,
    ) -> Self {
        let sequence = |(id, numbers): (&u64, &BTreeSet<u64>)| BundleSequence::of(Counter::Id(*id), numbers);
        Self {
            accepted: accepted.into_iter().map(sequence).collect(),
            refused: refused.into_iter().map(sequence).collect(),
        }
    }

    /// The record that carries the signal. Sequences must not be empty.
    pub fn record(&self, profile: &Profile) -> AdministrativeRecord {
        let dispositions = [(ACCEPTED, &self.accepted), (REFUSED, &self.refused)];
        let said = dispositions.into_iter().filter(|(_, sequences)| !sequences.is_empty());
        let mut writer = Writer::new();
        writer.map(said.clone().count() as u64);
        for (disposition, sequences) in said {
            writer.int(disposition);
            writer.array(sequences.len() as u64);
            for sequence in sequences {
                sequence.encode(&mut writer);
            }
        }
        AdministrativeRecord::Unknown { code: profile.custody_record_type, content: writer.finish() }
    }

    /// Reads the content of a record.
    fn decode(content: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(content);
        cursor.pass_tag()?;
        let mut signal = Self::default();
        let mut budget = Budget::default();
        for _ in 0..cursor.map()? {
            let disposition = cursor.int()?;
            let mut sequences = BundleSequence::decode_collection(&mut cursor, &mut budget)?;
            // Custody is accepted by one word only; every negative disposition leaves it where it was.
            if disposition == i128::from(ACCEPTED) {
                signal.accepted.append(&mut sequences);
            } else if disposition < 0 {
                signal.refused.append(&mut sequences);
            }
        }
        cursor.end()?;
        Ok(signal)
    }
}

impl AdministrativeRecord {
    /// The custody signal that this record is; `None` for a record of another type.
    pub fn custody_signal(&self, profile: &Profile) -> Option<Result<CustodySignal, Malformed>> {
        match self {
            Self::Unknown { code, content } if *code == profile.custody_record_type => {
                Some(CustodySignal::decode(content))
            }
            _ => None,
        }
    }
}
