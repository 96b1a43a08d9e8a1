//! Bundle status reports (RFC 9171 §6.1.1).

use crate::cbor::{Cursor, Writer};
use crate::eid::Eid;
use crate::head::Head;
use crate::malformed::{Fault, Malformed};
use crate::primary::{FragmentExtent, Identity};
use crate::reason::ReasonCode;
use crate::time::{CreationTimestamp, DtnTime};

/// What a node says happened to a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// The node received the bundle.
    pub received: Option<Asserted>,
    /// The node forwarded it.
    pub forwarded: Option<Asserted>,
    /// The node delivered it.
    pub delivered: Option<Asserted>,
    /// The node deleted it.
    pub deleted: Option<Asserted>,
    /// Why.
    pub reason: ReasonCode,
    /// The source of the bundle that this is about.
    pub source: Eid,
    /// Its creation timestamp.
    pub creation: CreationTimestamp,
    /// Which fragment, if it was one.
    pub fragment: Option<FragmentExtent>,
}

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asserted {
    /// When, where the report says so.
    pub at: Option<DtnTime>,
}

impl StatusReport {
    /// The bundle was received.
    pub fn received(head: &Head, at: Option<DtnTime>) -> Self {
        Self { received: Some(Asserted { at }), ..Self::about(head) }
    }

    /// The bundle was forwarded.
    pub fn forwarded(head: &Head, at: Option<DtnTime>) -> Self {
        Self { forwarded: Some(Asserted { at }), ..Self::about(head) }
    }

    /// The bundle was delivered.
    pub fn delivered(head: &Head, at: Option<DtnTime>) -> Self {
        Self { delivered: Some(Asserted { at }), ..Self::about(head) }
    }

    /// The bundle was deleted.
    pub fn deleted(head: &Head, at: Option<DtnTime>, reason: ReasonCode) -> Self {
        Self { deleted: Some(Asserted { at }), reason, ..Self::about(head) }
    }

    /// What the bundle was that this is about.
    pub fn identity(&self) -> Identity {
        Identity { source: self.source.clone(), creation: self.creation, fragment: self.fragment }
    }

    fn about(head: &Head) -> Self {
        let Identity { source, creation, fragment } = head.identity();
        let reason = ReasonCode::NoAdditionalInformation;
        Self {
            received: None,
            forwarded: None,
            delivered: None,
            deleted: None,
            reason,
            source,
            creation,
            fragment,
        }
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.array(if self.fragment.is_some() { 6 } else { 4 });
        writer.array(4);
        for assertion in [self.received, self.forwarded, self.delivered, self.deleted] {
            let at = assertion.and_then(|asserted| asserted.at);
            writer.array(1 + u64::from(at.is_some()));
            writer.boolean(assertion.is_some());
            if let Some(at) = at {
                writer.uint(at.0);
            }
        }
        writer.uint(self.reason.code());
        self.source.encode(writer);
        self.creation.encode(writer);
        if let Some(fragment) = self.fragment {
            writer.uint(fragment.offset);
            writer.uint(fragment.octets);
        }
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = cursor.position();
        let elements = cursor.array()?;
        if elements != 4 && elements != 6 {
            return Err(cursor.fault(start, Fault::ElementCount("a status report")));
        }
        let statuses_start = cursor.position();
        let statuses = cursor.array()?;
        if statuses < 4 {
            return Err(cursor.fault(statuses_start, Fault::ElementCount("a bundle's status information")));
        }
        let mut next = || decode_assertion(cursor);
        let (received, forwarded, delivered, deleted) = (next()?, next()?, next()?, next()?);
        // There may be more (§6.1.1), but none has been defined.
        for _ in 4..statuses {
            cursor.skip()?;
        }
        let reason = ReasonCode::from_code(cursor.uint()?);
        let source = Eid::decode(cursor)?;
        let creation = CreationTimestamp::decode(cursor)?;
        let fragment = (elements == 6)
            .then(|| Ok(FragmentExtent { offset: cursor.uint()?, octets: cursor.uint()? }))
            .transpose()?;
        Ok(Self { received, forwarded, delivered, deleted, reason, source, creation, fragment })
    }
}

fn decode_assertion(cursor: &mut Cursor<'_>) -> Result<Option<Asserted>, Malformed> {
    let start = cursor.position();
    let elements = cursor.array()?;
    let asserted = cursor.boolean()?;
    match (elements, asserted) {
        (1, _) => Ok(asserted.then_some(Asserted { at: None })),
        (2, true) => Ok(Some(Asserted { at: Some(DtnTime(cursor.uint()?)) })),
        _ => Err(cursor.fault(start, Fault::ElementCount("a bundle status item"))),
    }
}
