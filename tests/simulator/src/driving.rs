//! What the driver of a node does: wakes the agent, feeds it, and sees to its outputs once they are on disk.

use agent_core::input::{ContactId, Input, SendOutcome, TransferId};
use agent_core::output::{Notice, Output};
use agent_core::refusal::{QuotaOf, Refusal};
use agent_core::request::{Answer, RequestId};

use crate::agenda::Event;
use crate::faults::Faults;
use crate::ledger::{OrderNumber, Promise, Taking};
use crate::node::{Asked, Fate, Received, Stepped};
use crate::plan::{Millis, NodeIndex, SECOND};
use crate::sabotage::Sabotage;
use crate::violation::{Rule, Violation};
use crate::world::{Progress, World};

/// How soon a driver sees to what is there where nothing goes wrong.
pub(crate) const PROMPT_MS: Millis = 1;
/// How long it may take elsewhere.
const LATE_MS: Millis = 10;

/// Steps that an agent may ask for in a row, a millisecond apart, without anything happening: it is stuck.
const IDLE_STEPS_MAX: u32 = 1_000;

impl World {
    /// How soon the driver of a node sees to something new. In worlds that measure it is always prompt, so that what is measured is
    /// the agent's doing.
    pub(crate) fn reaction(&mut self) -> Millis {
        if self.scenario.faults == Faults::NONE { PROMPT_MS } else { self.dice.between(PROMPT_MS, LATE_MS) }
    }

    /// Puts an input into a node's inbox; the step that takes it comes a little later, and takes others along.
    pub(crate) fn give(&mut self, node: NodeIndex, input: Input) {
        let at = self.now + self.reaction();
        if let Some(running) = self.running(node) {
            running.put(input);
            self.wake(node, at);
        }
    }

    /// Makes sure that a node takes a step at a time, or earlier.
    pub(crate) fn wake(&mut self, node: NodeIndex, at: Millis) {
        let Some(ours) = self.ours(node) else { return };
        let life = ours.life;
        let Some(running) = ours.running.as_mut() else { return };
        if running.step_at.is_none_or(|due| at < due) {
            running.step_at = Some(at);
            self.agenda.add(at, Event::StepDue { node, life });
        }
    }

    pub(crate) fn node_starts(&mut self, node: NodeIndex) -> Result<(), Violation> {
        let (seed, at) = (self.dice.seed(), self.now);
        let Some(ours) = self.ours(node).filter(|ours| ours.running.is_none()) else { return Ok(()) };
        let started = ours.start(at, seed);
        let life = ours.life;
        match started {
            Ok(unnoticed) => self.ledger.unnoticed_ms += unnoticed,
            Err(error) => {
                return Err(self.violation(Rule::AgentGoesOn, node, format!("it does not start: {error}")));
            }
        }
        self.note(format_args!("{node} starts, life {life}"));
        self.inspect_all(node)?;
        self.agenda.add(self.now + SECOND, Event::ApplicationsLook { node, life });
        for chore in self.open_chores(node) {
            self.agenda.add(self.now + SECOND, Event::ChoreDue { chore });
        }
        self.wake_for_timeout(node);
        Ok(())
    }

    pub(crate) fn step_due(&mut self, node: NodeIndex, life: u32) -> Result<(), Violation> {
        let (at, sabotage) = (self.now, self.sabotage);
        let Some(ours) = self.ours(node) else { return Ok(()) };
        if ours.life != life || ours.running.as_ref().is_none_or(|running| running.step_at != Some(at)) {
            return Ok(());
        }
        let fate = self.fate();
        let ours = self.ours(node).expect("it was there a moment ago");
        let stepped = ours.step(at, fate, sabotage);
        self.counts.steps += 1;
        match stepped {
            Err(error) => Err(self.violation(Rule::AgentGoesOn, node, format!("a step failed: {error}"))),
            Ok(Stepped::Died(outputs)) => {
                self.note(format_args!("{node} loses power: {fate:?}"));
                self.counts.crashes += 1;
                self.see_to(node, outputs)?;
                self.power_lost(node);
                Ok(())
            }
            Ok(Stepped::Outputs(outputs)) => {
                self.note(format_args!("{node} steps, {} outputs", outputs.len()));
                self.see_to(node, outputs)?;
                self.inspect_step(node)?;
                self.wake_again(node)
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let faults = self.faults;
        if self.dice.happens(faults.crash_before_commit) {
            Fate::DiesBeforeCommit
        } else if self.dice.happens(faults.crash_after_commit) {
            Fate::DiesAfterCommit
        } else {
            Fate::Survives
        }
    }

    pub(crate) fn power_lost(&mut self, node: NodeIndex) {
        let at = self.now;
        if let Some(ours) = self.ours(node) {
            ours.stop(at);
        }
        for contact in self.contacts.of_node(node) {
            self.cut(contact);
            self.contacts.remove(contact);
        }
        let back = self.now + self.dice.between(SECOND, 20 * 60 * SECOND);
        self.agenda.add(back, Event::NodeStarts { node });
    }

    fn wake_again(&mut self, node: NodeIndex) -> Result<(), Violation> {
        let Some(running) = self.running(node) else { return Ok(()) };
        if running.idle_steps > IDLE_STEPS_MAX {
            return Err(self.violation(
                Rule::AgentsGoQuiet,
                node,
                "it asks to be woken again and again, for nothing",
            ));
        }
        if running.has_inputs() {
            self.wake(node, self.now + 1);
        }
        self.wake_for_timeout(node);
        Ok(())
    }

    fn wake_for_timeout(&mut self, node: NodeIndex) {
        let timeout = self.ours(node).and_then(|ours| ours.timeout());
        if let Some(due) = timeout
            && self.sabotage != Sabotage::NobodyWakes
        {
            self.wake(node, due.max(self.now + 1));
        }
    }

    fn see_to(&mut self, node: NodeIndex, outputs: Vec<Output>) -> Result<(), Violation> {
        outputs.into_iter().try_for_each(|output| self.see_to_one(node, output))
    }

    fn see_to_one(&mut self, node: NodeIndex, output: Output) -> Result<(), Violation> {
        match output {
            Output::Accept { contact, transfer } => return self.accepted(node, contact, transfer),
            Output::Refuse { contact, transfer, refusal } => {
                return self.refused(node, (contact, transfer), &refusal);
            }
            Output::Send { contact, transfer, parcel } => {
                return self.parcel_handed_over(contact, transfer, parcel);
            }
            Output::CloseContact { contact, reason } => {
                self.note(format_args!("{node} closes {contact}: {reason}"));
                self.cut(contact);
            }
            Output::StagingReady { ticket, number } => self.staging_ready(node, ticket, number),
            Output::Prove { number, head } => return self.partial_to_prove(node, number, &head),
            Output::Answer { id, answer } => return self.answered(node, id, answer),
            Output::Tell(notice) => return self.told(node, &notice),
        }
        Ok(())
    }

    fn accepted(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
        transfer: TransferId,
    ) -> Result<(), Violation> {
        let received = self.received(node, contact, transfer);
        let is_bundle = received.is_some_and(|received| !received.passing);
        if let Some(Received { order: Some(order), genuine: true, .. }) = received {
            self.ledger.arrived(node, order, self.now);
        }
        self.counts.accepted += 1;
        self.counts.taken_in += u64::from(is_bundle && self.has_ample_room(node));
        self.promise(node, contact, transfer)?;
        self.answer(contact, transfer, SendOutcome::Sent);
        Ok(())
    }

    pub(crate) fn refused(
        &mut self,
        node: NodeIndex,
        (contact, transfer): (ContactId, TransferId),
        refusal: &Refusal,
    ) -> Result<(), Violation> {
        self.note(format_args!("{node} refuses {contact}.{transfer}: {refusal}"));
        self.counts.without_room += u64::from(*refusal == Refusal::StoreFull);
        let outcome = outcome_of(refusal);
        if outcome == SendOutcome::AlreadyThere && self.talk_openly(node, contact) {
            self.counts.redundant += u64::from(self.had_told(node, contact, transfer)?);
        }
        if *refusal == Refusal::Duplicate {
            self.promise(node, contact, transfer)?;
        }
        self.answer(contact, transfer, outcome);
        Ok(())
    }

    /// Whether a node and its neighbor tell each other what they have.
    fn talk_openly(&self, node: NodeIndex, contact: ContactId) -> bool {
        self.contacts.side(contact).is_some_and(|side| {
            let neighbor = side.neighbor;
            let is_mutual = self.trusts(node, neighbor) && self.trusts(neighbor, node);
            is_mutual && self.has_ample_room(node) && self.has_ample_room(neighbor)
        })
    }

    /// Whether a node tells others of a bundle when it compares what it has with theirs. Of what has expired here and not
    /// there, by another clock, nobody tells.
    fn had_told(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
        transfer: TransferId,
    ) -> Result<bool, Violation> {
        let Some(Received { id, .. }) = self.received(node, contact, transfer) else { return Ok(true) };
        Ok(self.look(node, |view| view.is_in_set(&id))?.unwrap_or(true))
    }

    fn received(&mut self, node: NodeIndex, contact: ContactId, transfer: TransferId) -> Option<Received> {
        self.running(node).and_then(|running| running.received.get(&(contact, transfer)).copied())
    }

    /// An answer that says "I have it" leaves the node: from now on it must.
    fn promise(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
        transfer: TransferId,
    ) -> Result<(), Violation> {
        let received = self.received(node, contact, transfer);
        received.map_or(Ok(()), |received| self.promise_received(node, received))
    }

    /// The same, of whatever brought it.
    pub(crate) fn promise_received(&mut self, node: NodeIndex, received: Received) -> Result<(), Violation> {
        // A disturbed copy has an id of its own, and gives way to the genuine one.
        if let Received { id, order, genuine: true, passing: false } = received {
            let until = match order {
                Some(order) => self.must_be_kept_until(node, order),
                None => self.stored_deadline(node, &id)?.saturating_sub(self.forgiven_ms(node, None)),
            };
            self.ledger.promise(node, id, Promise { until, order });
        }
        Ok(())
    }

    fn told(&mut self, node: NodeIndex, notice: &Notice) -> Result<(), Violation> {
        match notice {
            Notice::Deliverable { .. } => {
                let life = self.ours(node).map_or(0, |ours| ours.life);
                let at = self.now + self.dice.between(1, 30 * SECOND);
                self.agenda.add(at, Event::ApplicationsLook { node, life });
            }
            Notice::NameTaken { contact } if self.is_impostor_at(*contact) => {}
            Notice::Equivocation { .. } | Notice::NameTaken { .. } | Notice::Quarantined { .. } => {
                let detail = format!("it claims what did not happen: {notice:?}");
                return Err(self.violation(Rule::PolicyHolds, node, detail));
            }
            Notice::BundleRefused { .. } | Notice::NeighborKnown { .. } => {
                self.note(format_args!("{node}: {notice:?}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// An order may be turned down where there is no room; nothing else is wrong with those that are placed here.
    fn refusal_is_fair(
        &self,
        node: NodeIndex,
        order: OrderNumber,
        refusal: &Refusal,
    ) -> Result<(), Violation> {
        match refusal {
            Refusal::Quota { .. } | Refusal::TooLarge { .. } if !self.has_ample_room(node) => Ok(()),
            Refusal::StoreFull if self.scenario.has_small_disk(node) => Ok(()),
            _ => {
                let detail = format!("order {order} is refused: {refusal}");
                Err(self.violation(Rule::OrdersAreTaken, node, detail))
            }
        }
    }

    fn answered(&mut self, node: NodeIndex, id: RequestId, answer: Answer) -> Result<(), Violation> {
        let Some(asked) = self.running(node).and_then(|running| running.requests.remove(&id)) else {
            return Ok(());
        };
        match (asked, answer) {
            (Asked::Transmit(order) | Asked::Finish(order), Answer::Transmitted { id, .. }) => {
                self.note(format_args!("{node} promises order {order} as {id}"));
                self.ledger.transmitted(order, id);
                let until = self.must_be_kept_until(node, order);
                self.ledger.promise(node, id, Promise { until, order: Some(order) });
            }
            (
                Asked::Transmit(order) | Asked::Begin(order) | Asked::Finish(order),
                Answer::Refused(refusal),
            ) => {
                self.ledger.refused(order);
                return self.refusal_is_fair(node, order, &refusal);
            }
            (Asked::Begin(order), Answer::Staging { number, creation, age_ms }) => {
                self.fill_staging(node, order, (number, creation, age_ms));
            }
            (Asked::Consume(delivery), Answer::Done { .. }) => self.ledger.take(node, delivery, Taking::Done),
            (Asked::Chore(chore), Answer::Done { .. }) => self.chore_came_to(chore, Progress::Done),
            (Asked::Drive { number, errand }, answer) => {
                return self.errand_done(node, (number, errand), answer);
            }
            // It expired between the look and the word.
            (Asked::Consume(_), Answer::NotFound) => {}
            (asked, answer) => {
                let detail = format!("asked {asked:?}, it answered {answer:?}");
                return Err(self.violation(Rule::AgentGoesOn, node, detail));
            }
        }
        Ok(())
    }
}

/// What the sender of a refused transfer is told.
fn outcome_of(refusal: &Refusal) -> SendOutcome {
    match refusal {
        Refusal::Duplicate | Refusal::Gone | Refusal::Superseded | Refusal::Delivered => {
            SendOutcome::AlreadyThere
        }
        Refusal::Quota { whose: QuotaOf::Node, .. } | Refusal::StoreFull => SendOutcome::NoRoom,
        _ => SendOutcome::NotAcceptable,
    }
}
