//! The receiving side of a contact: transfers become bundles, bundles become inputs, in the order in which they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_core::input::{ContactId, Input, SendOutcome, TransferId, Way};
use agent_core::refusal::Refusal;
use agent_core::store::PayloadPlace;
use convergence_layer::{Control, Event, Link, RefusalReason};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::driver::{Lost, refusal_reason};
use crate::intake::{Intake, NotTaken, Staged, Taken};
use crate::node::Node;
use crate::staging::budget;
use crate::verification::Verdict;

/// Bundles of one contact that are being checked at a time: twice what a neighbor of ours sends at once.
const CHECKING_MAX: usize = 512;

/// Takes what happens on a link until it is closed; why it was.
pub(super) async fn receive_all(node: &Arc<Node>, contact: ContactId, link: &mut Link, url: &str) -> String {
    let (to_settle, settling) = mpsc::channel(CHECKING_MAX);
    let (control, url, told_malformed) = (link.control.clone(), url.to_owned(), Arc::default());
    let desk = Desk { node: Arc::clone(node), contact, control, url, told_malformed };
    let settler = tokio::spawn(settle_all(desk.clone(), settling));
    let mut receiving = Receiving { desk, budget: budget(), to_settle, current: None };
    let reason = loop {
        match link.events.recv().await {
            Some(Event::Closed { reason }) => break reason,
            Some(event) => {
                if let Err(lost) = receiving.event(event).await {
                    break lost.to_string();
                }
            }
            None => break "the link ended without a word".to_owned(),
        }
    };
    // What is here whole is taken in, although nobody will hear of it: it need not be sent again.
    drop(receiving);
    if let Err(error) = settler.await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
    reason
}

/// What both tasks of the receiving side need.
#[derive(Debug, Clone)]
struct Desk {
    node: Arc<Node>,
    contact: ContactId,
    control: UnboundedSender<Control>,
    url: String,
    /// Whether somebody was told already that what comes here is malformed.
    told_malformed: Arc<AtomicBool>,
}

impl Desk {
    fn refuse(&self, transfer: TransferId, reason: RefusalReason) {
        // A link that is gone needs no decision.
        let _ = self.control.send(Control::Refuse(transfer, reason));
    }

    fn refuse_for(&self, transfer: TransferId, refusal: &Refusal) {
        self.refuse(transfer, refusal_reason(refusal));
    }

    /// A transfer does not come in. The contact goes on, unless the node itself cannot.
    fn turn_away(&self, transfer: TransferId, fault: NotTaken) -> Result<(), Lost> {
        match fault {
            NotTaken::Malformed(fault) => {
                if self.told_malformed.swap(true, Ordering::Relaxed) {
                    self.node.news.malformed_again();
                } else {
                    self.node.news.malformed(&self.url, &fault.to_string());
                }
                self.refuse(transfer, RefusalReason::NotAcceptable);
            }
            NotTaken::Refused(refusal) => {
                self.node.news.count(&refusal);
                self.refuse_for(transfer, &refusal);
            }
            NotTaken::Lost(Lost::Full) => self.refuse(transfer, RefusalReason::NoResources),
            NotTaken::Lost(lost) => return Err(lost),
        }
        Ok(())
    }
}

/// A bundle that is here, and may still be being checked.
enum Settling {
    Checking(TransferId, oneshot::Receiver<Verdict>, Option<OwnedSemaphorePermit>),
    Hashing(TransferId, Box<Staged>),
}

struct Receiving {
    desk: Desk,
    budget: Arc<Semaphore>,
    to_settle: mpsc::Sender<Settling>,
    /// The transfer under way; without an intake where it was refused already.
    current: Option<(TransferId, Option<Intake>)>,
}

impl Receiving {
    async fn event(&mut self, event: Event) -> Result<(), Lost> {
        match event {
            Event::Opened { .. } | Event::Closed { .. } => Ok(()),
            Event::Receiving { transfer, length } => {
                self.begin(transfer, length);
                Ok(())
            }
            Event::Octets(octets) => {
                let Some((transfer, Some(intake))) = &mut self.current else { return Ok(()) };
                let (transfer, outcome) = (*transfer, intake.push(octets).await);
                match outcome {
                    Ok(()) => Ok(()),
                    Err(fault) => {
                        self.current = Some((transfer, None));
                        self.desk.turn_away(transfer, fault)
                    }
                }
            }
            Event::Received => self.received().await,
            Event::Broken => {
                self.current = None;
                Ok(())
            }
            Event::Sent(transfer) => self.settled(transfer, SendOutcome::Sent).await,
            Event::Left(transfer) => self.settled(transfer, SendOutcome::Left).await,
            Event::Refused { transfer, reason } => self.settled(transfer, outcome(reason)).await,
        }
    }

    fn begin(&mut self, transfer: TransferId, length: Option<u64>) {
        let most = self.desk.node.config.limits.bundle_octets_max;
        let intake = match length {
            Some(octets) if octets > most => {
                self.desk.refuse_for(transfer, &Refusal::TooLarge { octets, most });
                None
            }
            _ => Some(Intake::new(&self.desk.node, &self.budget, Way::Contact(self.desk.contact))),
        };
        self.current = Some((transfer, intake));
    }

    async fn received(&mut self) -> Result<(), Lost> {
        let Some((transfer, Some(intake))) = self.current.take() else { return Ok(()) };
        let settling = match intake.finish().await {
            Ok(Taken::Whole(bundle, held)) => {
                Settling::Checking(transfer, self.desk.node.verification.check(bundle), held)
            }
            Ok(Taken::Staged(staged)) => Settling::Hashing(transfer, staged),
            Err(fault) => return self.desk.turn_away(transfer, fault),
        };
        self.to_settle.send(settling).await.map_err(|_| Lost::Stopped)
    }

    async fn settled(&self, transfer: TransferId, outcome: SendOutcome) -> Result<(), Lost> {
        self.desk.node.inputs.post(Input::SendSettled { contact: self.desk.contact, transfer, outcome }).await
    }
}

/// Awaits the checks in order, and hands to the writer what comes of them.
async fn settle_all(desk: Desk, mut settling: mpsc::Receiver<Settling>) {
    while let Some(next) = settling.recv().await {
        let (transfer, bundle, payload, held) = match next {
            Settling::Hashing(transfer, staged) => match staged.settled().await {
                Ok((bundle, number)) => (transfer, bundle, PayloadPlace::Staged(number), None),
                Err(fault) => match desk.turn_away(transfer, fault) {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            },
            Settling::Checking(transfer, verdict, held) => match verdict.await {
                Ok(Ok(Ok(bundle))) => (transfer, bundle, PayloadPlace::Inline, held),
                Ok(Ok(Err(refusal))) => {
                    desk.node.news.count(&refusal);
                    desk.refuse_for(transfer, &refusal);
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "the store cannot be read");
                    desk.refuse(transfer, RefusalReason::Retransmit);
                    continue;
                }
                Err(_) => return,
            },
        };
        let input = Input::BundleReceived { contact: desk.contact, transfer, bundle, payload };
        if desk.node.inputs.post_holding(input, held).await.is_err() {
            return;
        }
    }
}

/// What a neighbor's refusal means for the bundle (RFC 9174 §5.2.4).
fn outcome(reason: RefusalReason) -> SendOutcome {
    match reason {
        RefusalReason::Completed => SendOutcome::AlreadyThere,
        RefusalReason::NoResources => SendOutcome::NoRoom,
        // Without a reason to hope for another answer, what ranks behind it must not wait for one; the next contact asks again.
        RefusalReason::NotAcceptable | RefusalReason::ExtensionFailure | RefusalReason::Unknown => {
            SendOutcome::NotAcceptable
        }
        RefusalReason::Retransmit | RefusalReason::SessionTerminating => SendOutcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_time_may_mend_is_tried_again_in_the_same_contact() {
        for reason in [RefusalReason::Unknown, RefusalReason::NotAcceptable, RefusalReason::ExtensionFailure]
        {
            assert_eq!(outcome(reason), SendOutcome::NotAcceptable, "{reason:?}");
        }
        for reason in [RefusalReason::Retransmit, RefusalReason::SessionTerminating] {
            assert_eq!(outcome(reason), SendOutcome::Failed, "{reason:?}");
        }
    }
}
