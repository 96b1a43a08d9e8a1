//! The primary block (RFC 9171 §4.3.1): who, whom, when, for how long. It never changes on the way.
//!
//! Departures from the RFC: a primary block without CRC is taken even where no integrity block targets it, and a bundle
//! without creation time even where it has no age block. RFC 9173's own examples are such bundles.

use crate::cbor::{Cursor, Writer};
use crate::crc::{self, CrcType};
use crate::eid::Eid;
use crate::flags::BundleFlags;
use crate::limits::PRIMARY_OCTETS_MAX;
use crate::malformed::{Fault, Malformed};
use crate::time::CreationTimestamp;

const VERSION: u64 = 7;

/// The fields of a primary block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryBlock {
    /// What holds for the bundle as a whole.
    pub flags: BundleFlags,
    /// The CRC that the block carries.
    pub crc: CrcType,
    /// Whom the bundle is for.
    pub destination: Eid,
    /// The node that sent it, as one of its endpoints; null for an anonymous bundle.
    pub source: Eid,
    /// Who receives status reports; null for nobody.
    pub report_to: Eid,
    /// When it was created and its number among those of its source.
    pub creation: CreationTimestamp,
    /// How long after its creation it is of use, in milliseconds. May be larger than any sum of times can bear.
    pub lifetime_ms: u64,
    /// Which part of an application data unit this is, if not the whole.
    pub fragment: Option<Fragment>,
}

/// Where a fragment's payload belongs (§4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fragment {
    /// Where the payload begins in the application data unit, in octets.
    pub offset: u64,
    /// The length of the whole application data unit, in octets.
    pub total: u64,
}

/// What identifies a bundle (§4.2.7): equal for every copy, whatever blocks were added on the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The source node ID.
    pub source: Eid,
    /// The creation timestamp.
    pub creation: CreationTimestamp,
    /// Which fragment, if it is one.
    pub fragment: Option<FragmentExtent>,
}

/// The extent of a fragment, as it belongs to its identity and stands in status reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentExtent {
    /// Where the payload begins in the application data unit, in octets.
    pub offset: u64,
    /// The length of the payload, in octets.
    pub octets: u64,
}

impl PrimaryBlock {
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = cursor.position();
        let elements = cursor.array()?;
        let version_start = cursor.position();
        if cursor.uint()? != VERSION {
            return Err(cursor.fault(version_start, Fault::Version));
        }
        let flags = BundleFlags::from_bits(cursor.uint()?);
        let crc = CrcType::decode(cursor)?;
        let is_fragment = flags.contains(BundleFlags::IS_FRAGMENT);
        if elements != 8 + 2 * u64::from(is_fragment) + crc.elements() {
            return Err(cursor.fault(start, Fault::ElementCount("the primary block")));
        }
        let primary = Self {
            flags,
            crc,
            destination: Eid::decode(cursor)?,
            source: Eid::decode(cursor)?,
            report_to: Eid::decode(cursor)?,
            creation: CreationTimestamp::decode(cursor)?,
            lifetime_ms: cursor.uint()?,
            fragment: is_fragment
                .then(|| Ok(Fragment { offset: cursor.uint()?, total: cursor.uint()? }))
                .transpose()?,
        };
        crc::check(cursor, start, crc)?;
        if cursor.position() - start > PRIMARY_OCTETS_MAX {
            return Err(cursor.fault(start, Fault::HeadTooLarge));
        }
        primary.contradiction().map_or(Ok(primary), |what| Err(cursor.fault(start, Fault::Primary(what))))
    }

    /// Rules that bind several fields (§4.2.3, RFC 9758 §5.4).
    fn contradiction(&self) -> Option<&'static str> {
        let reports = self.flags.intersects(BundleFlags::REPORTS);
        if self.flags.contains(BundleFlags::ADMINISTRATIVE_RECORD) && reports {
            return Some("an administrative record asks for status reports");
        }
        if [&self.destination, &self.source, &self.report_to].into_iter().any(Eid::is_local_node) {
            return Some("an endpoint ID means \"this node\", which has no meaning on the way");
        }
        if !self.source.is_null() {
            // A group sends nothing (§4.2.5.2); of an unknown scheme it is not known.
            let is_group = matches!(self.source, Eid::Dtn(_)) && !self.source.is_singleton();
            return is_group.then_some("the source is a group, not a node");
        }
        if reports {
            return Some("an anonymous bundle asks for status reports");
        }
        if !self.flags.contains(BundleFlags::MUST_NOT_FRAGMENT) || self.fragment.is_some() {
            return Some("an anonymous bundle is or may become a fragment");
        }
        None
    }

    /// Whether blocks may ask for reports of their own (§4.2.4).
    pub(crate) fn forbids_block_reports(&self) -> bool {
        self.flags.contains(BundleFlags::ADMINISTRATIVE_RECORD) || self.source.is_null()
    }

    /// A fragment with this payload must lie inside its application data unit.
    pub(crate) fn holds_payload(&self, payload_octets: u64) -> bool {
        self.fragment.is_none_or(|fragment| {
            fragment.offset.checked_add(payload_octets).is_some_and(|end| end <= fragment.total)
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        let start = writer.len();
        writer.array(8 + 2 * u64::from(self.fragment.is_some()) + self.crc.elements());
        writer.uint(VERSION);
        writer.uint(self.flags.bits());
        writer.uint(self.crc.code());
        self.destination.encode(writer);
        self.source.encode(writer);
        self.report_to.encode(writer);
        self.creation.encode(writer);
        writer.uint(self.lifetime_ms);
        if let Some(fragment) = self.fragment {
            writer.uint(fragment.offset);
            writer.uint(fragment.total);
        }
        crc::close(writer, start, self.crc);
    }
}
