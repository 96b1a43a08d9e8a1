//! What the agent wants done, done: decisions to contacts, answers to whoever asked, news to whoever listens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_core::input::Input;
use agent_core::output::Output;
use agent_core::refusal::{QuotaOf, Refusal};
use agent_core::request::{Answer, Request};
use agent_core::store::{Number, PayloadPlace, StoreError};
use convergence_layer::{CloseReason, Control, RefusalReason};

use super::inputs::{Askers, Inputs, Lost};
use crate::contacts::Contacts;
use crate::news::News;
use crate::proving::Prover;

/// Where outputs go.
#[derive(Debug, Clone)]
pub(crate) struct Outlets {
    pub(crate) inputs: Inputs,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) news: Arc<News>,
    pub(crate) rooms: Arc<LostRooms>,
    pub(crate) prover: Prover,
}

/// Stagings that ran out of room half-way: whoever fills one is to stop, and what refers to one is refused. Bounded by
/// the stagings under way.
#[derive(Debug, Default)]
pub(crate) struct LostRooms(Mutex<BTreeSet<Number>>);

impl LostRooms {
    /// Whether an input belongs to one of them.
    pub(super) fn is_lost(&self, input: &Input) -> bool {
        match input {
            Input::ChunkArrived { number, .. }
            | Input::BundleReceived { payload: PayloadPlace::Staged(number), .. }
            | Input::Requested {
                request:
                    Request::FinishTransmission { number, .. }
                    | Request::Import { payload: PayloadPlace::Staged(number), .. },
                ..
            } => self.contains(*number),
            _ => false,
        }
    }

    /// Whether this staging is one of them.
    pub(crate) fn contains(&self, number: Number) -> bool {
        self.lock().contains(&number)
    }

    /// Its filler has stopped. Whether it was one of them.
    pub(crate) fn forget(&self, number: Number) -> bool {
        self.lock().remove(&number)
    }

    /// Whether it was not lost before.
    fn lose(&self, number: Number) -> bool {
        self.lock().insert(number)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Number>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlets {
    pub(super) fn put(&self, output: Output) {
        match output {
            Output::Accept { contact, transfer } => self.contacts.control(contact, Control::Accept(transfer)),
            Output::Refuse { contact, transfer, refusal } => {
                self.contacts.control(contact, Control::Refuse(transfer, refusal_reason(&refusal)));
            }
            Output::Send { contact, transfer, parcel } => self.contacts.send(contact, transfer, parcel),
            Output::CloseContact { contact, reason } => {
                self.contacts.close(contact, CloseReason::ContactFailure, reason);
            }
            Output::StagingReady { ticket, number } => self.inputs.staged(ticket, Ok(number)),
            Output::Prove { number, head } => self.prover.prove(number, head),
            Output::Answer { id, answer } => self.inputs.answered(id, Ok(answer)),
            Output::Tell(notice) => {
                self.contacts.heard(&notice);
                self.news.tell(notice);
            }
        }
    }

    /// Refuses an input for want of room. What the agent has to do instead comes back.
    pub(super) fn turn_away(&self, input: Input) -> Option<Input> {
        match input {
            Input::BundleReceived { contact, transfer, payload, .. } => {
                self.contacts.control(contact, Control::Refuse(transfer, RefusalReason::NoResources));
                self.give_up(payload)
            }
            Input::StagingRequested { ticket } => {
                self.inputs.staged(ticket, Err(Lost::Full));
                None
            }
            Input::ChunkArrived { number, .. } => {
                self.rooms.lose(number).then_some(Input::StagingAbandoned { number })
            }
            Input::Requested { id, request } => {
                self.inputs.answered(id, Ok(Answer::Refused(Refusal::StoreFull)));
                match request {
                    Request::FinishTransmission { number, .. } => self.give_up(PayloadPlace::Staged(number)),
                    Request::Import { payload, .. } => self.give_up(payload),
                    _ => None,
                }
            }
            other => Some(other),
        }
    }

    /// What was staged goes, unless it went when its first chunk found no room.
    fn give_up(&self, payload: PayloadPlace) -> Option<Input> {
        match payload {
            PayloadPlace::Staged(number) => {
                let was_lost = self.rooms.forget(number);
                (!was_lost).then_some(Input::StagingAbandoned { number })
            }
            PayloadPlace::Inline => None,
        }
    }

    /// Whatever was under way is over.
    pub(super) fn store_failed(&self, error: &StoreError, askers: Askers) {
        let lost = if error.is_full() { Lost::Full } else { Lost::Store(error.to_string()) };
        self.inputs.lose(askers, &lost);
        self.contacts.close_all(CloseReason::ResourceExhaustion, "the store failed");
    }

    /// The writer has ended.
    pub(super) fn close(&self) {
        self.inputs.lose_all(&Lost::Stopped);
        self.contacts.close_all(CloseReason::Unknown, "the agent is stopping");
    }
}

/// What the neighbor is told of a refusal (RFC 9174 §5.2.4).
pub(crate) fn refusal_reason(refusal: &Refusal) -> RefusalReason {
    match refusal {
        // What was here and went is as good as here: the neighbor need not keep it for us.
        Refusal::Duplicate | Refusal::Gone | Refusal::Superseded | Refusal::Delivered => {
            RefusalReason::Completed
        }
        Refusal::StoreFull | Refusal::Quota { whose: QuotaOf::Node, .. } => RefusalReason::NoResources,
        // There is room for others: the neighbor need not pause.
        Refusal::Quota { .. } => RefusalReason::Unknown,
        Refusal::PayloadLost => RefusalReason::Retransmit,
        _ => RefusalReason::NotAcceptable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbor_pauses_only_where_nothing_comes_in() {
        let quota = |whose| refusal_reason(&Refusal::Quota { whose, quota_octets: 1 });
        assert_eq!(quota(QuotaOf::Node), RefusalReason::NoResources);
        assert_eq!(refusal_reason(&Refusal::StoreFull), RefusalReason::NoResources);
        for whose in [QuotaOf::Source, QuotaOf::Group, QuotaOf::Strangers] {
            assert_eq!(quota(whose), RefusalReason::Unknown);
        }
    }
}
