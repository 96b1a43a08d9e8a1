//! The checkers that look into a node's store: after every step, and more thoroughly after every start and at the end.

use agent_core::store::{BundleFacts, Number, Presence, StoreError, StoredBundle, View};
use bundle_format::BundleId;
use bytes::{Bytes, BytesMut};

use crate::agenda::Event;
use crate::applications::Waiting;
use crate::plan::{MINUTE, Millis, NodeIndex, SECOND};
use crate::scenario::{Kind, Recipient, Setting};
use crate::settlement;
use crate::violation::{Rule, Violation};
use crate::world::World;

/// How often the checkers look into every store.
const LOOK_EVERY: Millis = 10 * MINUTE;
/// In larger worlds they look less often, so that the work does not grow with the square of the world.
const ROOMFUL: usize = 32;
/// Promises of a node that are looked at after every step; where there are more, only every so many steps.
const PROMISES_EVERY_STEP: usize = 256;
/// Steps between two looks at many promises.
const STEPS_BETWEEN_LOOKS: u64 = 64;
/// What is over may stay for so long.
const PATIENCE: Millis = SECOND;

impl World {
    /// Now and then, and whether or not a node does anything: nothing may lie in its store that is over.
    pub(crate) fn checkers_look(&mut self) -> Result<(), Violation> {
        let rarely = self.inhabitants.len().div_ceil(ROOMFUL) as u64;
        self.agenda.add(self.now + rarely * LOOK_EVERY, Event::CheckersLook);
        self.our_nodes().into_iter().try_for_each(|node| self.inspect_bundles(node))?;
        self.inspect_custody()
    }

    /// After every step: promises, deadlines, and the timeout that covers them.
    pub(crate) fn inspect_step(&mut self, node: NodeIndex) -> Result<(), Violation> {
        let (next_expiry, now) = (self.look(node, |view| view.next_expiry())?.flatten(), self.now);
        let Some(ours) = self.ours(node) else { return Ok(()) };
        let due = next_expiry.map(|time| ours.clock.in_world(time));
        let timeout = ours.timeout();
        if let Some(due) = due
            && timeout.is_none_or(|timeout| timeout > due.max(now))
        {
            let detail = format!("a bundle expires at {due}, and the agent wants to be woken at {timeout:?}");
            return Err(self.violation(Rule::TimeoutCoversDeadlines, node, detail));
        }
        if let Some(due) = due
            && due <= now
            && timeout.is_none_or(|timeout| timeout > now)
        {
            return Err(self.violation(
                Rule::ExpiresOnTime,
                node,
                "a bundle was over in this step and stayed",
            ));
        }
        let steps = self.running(node).map_or(0, |running| running.steps);
        if self.ledger.promises(node).len() > PROMISES_EVERY_STEP
            && !steps.is_multiple_of(STEPS_BETWEEN_LOOKS)
        {
            return Ok(());
        }
        self.inspect_promises(node)
    }

    /// After every start and at the end: every record.
    pub(crate) fn inspect_all(&mut self, node: NodeIndex) -> Result<(), Violation> {
        let findings = self.look(node, |view| view.check(&mut |_| {}))?.unwrap_or_default();
        if let Some(finding) = findings.first() {
            return Err(self.violation(Rule::StoreIsConsistent, node, finding.to_string()));
        }
        self.inspect_bundles(node)?;
        self.inspect_promises(node)
    }

    fn inspect_bundles(&mut self, node: NodeIndex) -> Result<(), Violation> {
        let stored = self.look(node, |view| view.facts_from(None, usize::MAX))?.unwrap_or_default();
        stored.iter().try_for_each(|stored| self.inspect_bundle(node, stored))
    }

    fn inspect_bundle(&mut self, node: NodeIndex, stored: &BundleFacts) -> Result<(), Violation> {
        let Some(ours) = self.ours(node) else { return Ok(()) };
        let deadline = ours.clock.in_world(stored.deadline);
        if deadline + PATIENCE < self.now && self.was_awake(node) {
            let detail = format!("{} expired at {deadline} and is still here", stored.id);
            return Err(self.violation(Rule::ExpiresOnTime, node, detail));
        }
        let Some(order) = self.ledger.order_of(&stored.source) else { return Ok(()) };
        let (ends, forgiven) = (self.must_be_kept_until(node, order), self.forgiven_ms(node, Some(order)));
        let latest = self.ledger.may_be_kept_until(order).saturating_add(forgiven);
        if deadline < ends || deadline > latest {
            let detail = format!(
                "order {order} ends at {ends}, or at {latest} for who knows no better; here at {deadline}"
            );
            return Err(self.violation(Rule::ExpiresOnTime, node, detail));
        }
        let from = self.ledger.order(order).from;
        if !self.may_store(node, from) {
            let detail = format!("order {order} of node {from} is stored, though its source is refused here");
            return Err(self.violation(Rule::PolicyHolds, node, detail));
        }
        Ok(())
    }

    /// Whether a node had power long enough to notice what is over.
    fn was_awake(&mut self, node: NodeIndex) -> bool {
        let now = self.now;
        self.ours(node).is_some_and(|ours| ours.running.is_some() && ours.up_since + PATIENCE < now)
    }

    fn inspect_promises(&mut self, node: NodeIndex) -> Result<(), Violation> {
        self.ledger.forget_promises_before(node, self.now);
        let promises: Vec<BundleId> = self.ledger.promises(node).keys().copied().collect();
        // Where room is short a bundle may go that nobody here answers for; what is in custody another rule is about.
        let may_evict = !self.has_ample_room(node);
        let missing = self.look(node, |view| {
            let mut missing = Vec::new();
            for id in promises {
                match view.find(&id)? {
                    Some(Presence::Held(_)) => {}
                    Some(Presence::Gone) if may_evict => {}
                    _ => missing.push(id),
                }
            }
            Ok(missing)
        })?;
        for id in missing.unwrap_or_default() {
            let promise = self.ledger.promises(node).get(&id).copied();
            let served = promise.and_then(|promise| promise.order).is_some_and(|order| self.is_served(order));
            if !served {
                let order = promise.and_then(|promise| promise.order);
                let detail = format!("{id} (order {order:?}) was promised and is not in the store");
                return Err(self.violation(Rule::PromisesAreKept, node, detail));
            }
        }
        Ok(())
    }

    /// A bundle for one node may go, here and everywhere, once the application there said that it has it.
    fn is_served(&self, order: usize) -> bool {
        match self.ledger.order(order).to {
            Recipient::Node(to) => self.ledger.was_taken(to, order),
            Recipient::Group(_) => false,
        }
    }

    /// When a stored bundle's lifetime ends, by the node's own reckoning.
    pub(crate) fn stored_deadline(&mut self, node: NodeIndex, id: &BundleId) -> Result<Millis, Violation> {
        let deadline = self.look(node, |view| match view.find(id)? {
            Some(Presence::Held(number)) => Ok(view.bundle(number)?.map(|stored| stored.deadline)),
            _ => Ok(None),
        })?;
        let Some(ours) = self.ours(node) else { return Ok(0) };
        Ok(deadline.flatten().map_or(0, |deadline| ours.clock.in_world(deadline)))
    }

    /// What waits for the applications of a node.
    pub(crate) fn waiting_at(&mut self, node: NodeIndex) -> Result<Vec<Waiting>, Violation> {
        let groups = (0..crate::scenario::GROUPS).map(settlement::group);
        let endpoints: Vec<_> = groups.chain([settlement::inbox(node)]).collect();
        let waiting = self.look(node, |view| {
            let mut waiting = Vec::new();
            for endpoint in &endpoints {
                let mut last = None;
                while let Some(number) = view.queued(endpoint, last)? {
                    last = Some(number);
                    let Some(stored) = view.bundle(number)? else { continue };
                    waiting.push(Waiting {
                        endpoint: endpoint.clone(),
                        number,
                        id: stored.id,
                        source: stored.source.clone(),
                        destination: stored.destination.clone(),
                        signer: stored.signer,
                        payload: payload_of(view, &stored)?,
                    });
                }
            }
            Ok(waiting)
        })?;
        Ok(waiting.unwrap_or_default())
    }

    /// The payload of a stored bundle; `None` where it is gone.
    pub(crate) fn stored_payload(
        &mut self,
        node: NodeIndex,
        number: Number,
    ) -> Result<Option<Bytes>, Violation> {
        let payload = self.look(node, |view| match view.bundle(number)? {
            Some(stored) => payload_of(view, &stored).map(Some),
            None => Ok(None),
        })?;
        Ok(payload.flatten())
    }

    /// Reads a node's store; `None` where the node is without power.
    pub(crate) fn look<T>(
        &mut self,
        node: NodeIndex,
        read: impl FnOnce(View<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Violation> {
        let Some(running) = self.running(node) else { return Ok(None) };
        let looked = running.store.read().and_then(|txn| read(txn.view()));
        looked
            .map(Some)
            .map_err(|error| self.violation(Rule::AgentGoesOn, node, format!("a read failed: {error}")))
    }

    /// Whether a node may have been told to trust another's key.
    fn may_trust(&self, node: NodeIndex, other: NodeIndex) -> bool {
        node == other
            || self.scenario.knows_from_the_start(node, other)
            || self.was_tried(node, Setting::Trust(other))
    }

    /// Whether policy lets a node store what another sends.
    pub(crate) fn may_store(&self, node: NodeIndex, source: NodeIndex) -> bool {
        self.may_trust(node, source) || self.stance(node, source) >= agent_core::config::Stance::Carry
    }

    /// Whether policy lets a node deliver what another sends.
    pub(crate) fn may_deliver(&self, node: NodeIndex, source: NodeIndex) -> bool {
        self.may_trust(node, source) || self.stance(node, source) >= agent_core::config::Stance::Deliver
    }

    fn stance(&self, node: NodeIndex, source: NodeIndex) -> agent_core::config::Stance {
        let role = self.scenario.role(node);
        if self.scenario.kind(source) == Kind::Foreign { role.unsigned } else { role.strangers }
    }

    /// Whether a node may be a member of a group.
    pub(crate) fn is_member(&self, node: NodeIndex, group: usize) -> bool {
        self.scenario.role(node).groups.contains(&group) || self.was_tried(node, Setting::Subscribe(group))
    }
}

/// The payload of a stored bundle.
pub(crate) fn payload_of(view: View<'_>, stored: &StoredBundle) -> Result<Bytes, StoreError> {
    if let Some(inline) = &stored.inline_payload {
        return Ok(inline.clone());
    }
    let mut payload = BytesMut::new();
    for index in 0.. {
        match view.payload_chunk(stored.number, index)? {
            Some(chunk) => payload.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(payload.freeze())
}
