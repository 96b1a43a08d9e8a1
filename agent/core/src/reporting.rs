//! Bundle status reports (RFC 9171 §6.1.1): made when a bundle asks for them, within a budget, never about reports.

use bundle_format::{AdministrativeRecord, BundleFlags, Eid, Head, ReasonCode, StatusReport};
use bytes::Bytes;

use crate::agent::Agent;
use crate::receiving::Origin;
use crate::store::{Number, PayloadPlace, StoreError, WriteTxn};
use crate::time::{NodeTime, Now};

/// Reports that may be made at once after a quiet time.
const BURST: u64 = 64;
/// Beyond the burst, one report in this many milliseconds: a flood of bundles that ask must not become a flood of ours.
const INTERVAL_MS: u64 = 1_000;

/// All that nodes can be asked to report of a bundle (RFC 9171 §4.2.3).
pub(crate) const ALL_REPORTS: BundleFlags =
    BundleFlags::from_bits(BundleFlags::REPORTS.bits() | BundleFlags::REPORT_STATUS_TIME.bits());

/// What a report says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assertion {
    Received,
    Forwarded,
    Delivered,
    Deleted(ReasonCode),
}

impl Assertion {
    fn flag(self) -> BundleFlags {
        match self {
            Self::Received => BundleFlags::REPORT_RECEPTION,
            Self::Forwarded => BundleFlags::REPORT_FORWARDING,
            Self::Delivered => BundleFlags::REPORT_DELIVERY,
            Self::Deleted(_) => BundleFlags::REPORT_DELETION,
        }
    }
}

/// How many reports, or echoes, may still be made.
#[derive(Debug)]
pub(crate) struct ReportBudget {
    left: u64,
    since: NodeTime,
}

impl ReportBudget {
    pub(crate) fn new(now: NodeTime) -> Self {
        Self { left: BURST, since: now }
    }

    pub(crate) fn take(&mut self, now: NodeTime) -> bool {
        let earned = now.since_ms(self.since) / INTERVAL_MS;
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since = self.since.after_ms(earned.saturating_mul(INTERVAL_MS));
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

impl Agent {
    /// Reports what happened to a bundle, where it asked for that (§4.2.3) and there is somebody to tell.
    pub(crate) fn report(
        &mut self,
        now: Now,
        head: &Head,
        assertion: Assertion,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let primary = head.primary();
        let wanted = primary.flags.contains(assertion.flag())
            && !head.is_administrative_record()
            && !primary.report_to.is_null();
        if !wanted || !self.reports.take(now.node) {
            return Ok(());
        }
        let stamp = primary.flags.contains(BundleFlags::REPORT_STATUS_TIME).then_some(now.utc).flatten();
        let report = match assertion {
            Assertion::Received => StatusReport::received(head, stamp),
            Assertion::Forwarded => StatusReport::forwarded(head, stamp),
            Assertion::Delivered => StatusReport::delivered(head, stamp),
            Assertion::Deleted(reason) => StatusReport::deleted(head, stamp, reason),
        };
        let payload = Bytes::from(AdministrativeRecord::StatusReport(report).encode());
        self.send_report(now, primary.report_to.clone(), primary.lifetime_ms, payload, store)
    }

    /// The same about a stored bundle.
    pub(crate) fn report_stored(
        &mut self,
        now: Now,
        number: Number,
        assertion: Assertion,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(stored) = store.view().bundle(number)? else { return Ok(()) };
        match Head::parse(stored.head) {
            Ok(head) => self.report(now, &head, assertion, store),
            Err(_) => Ok(()),
        }
    }

    fn send_report(
        &mut self,
        now: Now,
        to: Eid,
        lifetime_ms: u64,
        payload: Bytes,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let mut draft = self.draft(to, lifetime_ms.max(1), Self::take_timestamp(now, store)?);
        draft.flags |= BundleFlags::ADMINISTRATIVE_RECORD;
        let bundle = draft
            .sign(&self.config.profile, &self.config.key, payload)
            .expect("a report of bounded size in a bundle of our own making");
        // A report that does not fit into the quota is lost: nobody was promised one.
        let _refused = self.originate(now, &bundle, (PayloadPlace::Inline, Origin::Report), store)?;
        Ok(())
    }
}
