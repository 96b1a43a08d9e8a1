//! The echo service (draft-taylor-dtn-echo-service): every node sends back what comes to its echo endpoint, so that
//! others can measure how far away it is.
//!
//! `dispatching.rs` asks here before it queues a bundle for an application. An answer is made in the transaction that
//! takes the request in, at most one for each, and within a budget: whoever forges sources must not be able to make a
//! flood of it (§4.1). The request is gone then; its id stays, so that it is not answered twice.

use bundle_format::{CheckedBundle, Eid};

use crate::agent::Agent;
use crate::receiving::Origin;
use crate::reporting::ALL_REPORTS;
use crate::store::{PayloadPlace, StoreError, WriteTxn};
use crate::time::Now;

/// The service number for echo (§5.1).
const SERVICE: &str = "128";
/// The same for `dtn` endpoints, for which the draft registers none: the word that other nodes use.
const DEMUX: &str = "echo";
/// The echo endpoint of a node; `None` where its scheme has none.
pub fn endpoint_of(node: &Eid) -> Option<Eid> {
    let demux = if matches!(node, Eid::Ipn { .. }) { SERVICE } else { DEMUX };
    node.with_demux(demux).ok()
}

/// Whether an endpoint is one at which its node echoes.
pub(crate) fn is_echo_endpoint(endpoint: &Eid) -> bool {
    endpoint.node_id().and_then(|node| endpoint_of(&node)).as_ref() == Some(endpoint)
}

impl Agent {
    /// Sends the payload of a bundle back to its source, unless that is nobody (§3.2.1).
    pub(crate) fn echo(
        &mut self,
        now: Now,
        request: &CheckedBundle,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let primary = request.head().primary();
        let payload = request.payload().filter(|_| !request.head().is_administrative_record());
        let Some(payload) = payload.filter(|_| !primary.source.is_null()) else { return Ok(()) };
        // Two of them would answer each other for ever (§3.2.1: an echo service originates nothing else).
        if is_echo_endpoint(&primary.source) || !self.echoes.take(now.node) {
            return Ok(());
        }
        let creation = Self::take_timestamp(now, store)?;
        let mut draft = self.draft(primary.source.clone(), primary.lifetime_ms.max(1), creation);
        draft.source = primary.destination.clone();
        // §3.2.3: an observer can then follow both ways.
        draft.flags |= primary.flags.without(primary.flags.without(ALL_REPORTS));
        draft.report_to = primary.report_to.clone();
        let signed = draft.sign(&self.config.profile, &self.config.key, payload.clone());
        let Ok(response) = signed else { return Ok(()) };
        // One that does not fit into the quota is lost, as on any way.
        let _refused = self.originate(now, &response, (PayloadPlace::Inline, Origin::Report), store)?;
        Ok(())
    }
}
