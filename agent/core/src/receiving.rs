//! Reception of a bundle (RFC 9171 §5.6): the questions at the door, then one transaction that makes it ours.

use bundle_format::{BundleId, CheckedBundle, Head};

use crate::admission::{self, Vouched};
use crate::agent::Agent;
use crate::config::{Config, Stance};
use crate::evicting::Newcomer;
use crate::input::{ContactId, TransferId};
use crate::message::ContactMessage;
use crate::output::{Notice, Output};
use crate::refusal::Refusal;
use crate::reporting::Assertion;
use crate::request::CustodyTransfer;
use crate::store::{
    NewRecord, Number, PayloadPlace, Retention, Standing as SourceStanding, StoreError, WriteTxn,
};
use crate::time::Now;

/// A bundle as it came, with what is known of its way here.
pub(crate) struct Arrival<'b> {
    pub(crate) bundle: &'b CheckedBundle,
    pub(crate) payload: PayloadPlace,
    /// The contact that brought it.
    pub(crate) contact: Option<ContactId>,
    /// A node that has it, because it came from there.
    pub(crate) holder: Option<bundle_format::Eid>,
    /// How long it is known to have lain on a drive, in milliseconds.
    pub(crate) dormant_ms: u64,
    /// What it came by, for people, if not by a contact; empty where nobody said.
    pub(crate) way: &'b str,
    pub(crate) origin: Origin,
}

/// Where a bundle comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From another node, a drive or a file.
    Elsewhere,
    /// Made here for an application.
    Ordered(CustodyTransfer),
    /// Made here, about bundles; lost where there is no room for it.
    Report,
    /// Made here, about custody: it keeps a promise, whatever the quota.
    Signal,
    /// Made here of fragments that were taken in, and went for it: whatever the quota is by now.
    Reassembled,
}

impl Origin {
    fn is_beyond_quotas(self) -> bool {
        matches!(self, Self::Signal | Self::Reassembled)
    }
}

impl Agent {
    pub(crate) fn bundle_received(
        &mut self,
        now: Now,
        (contact, transfer): (ContactId, TransferId),
        bundle: &CheckedBundle,
        payload: PayloadPlace,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if bundle.head().primary().destination == self.contact_endpoint {
            self.abandon(payload, store)?;
            self.message_received(now, contact, bundle, store)?;
            self.emit(Output::Accept { contact, transfer });
            return Ok(());
        }
        let holder = self.contacts.get(&contact).and_then(|contact| contact.authenticated().cloned());
        let arrival = Arrival {
            bundle,
            payload,
            contact: Some(contact),
            holder,
            dormant_ms: 0,
            way: "",
            origin: Origin::Elsewhere,
        };
        match self.receive(now, &arrival, store)? {
            Ok(_) => {
                if let Some(contact) = self.contacts.get_mut(&contact) {
                    contact.giving.goes_on(now.node);
                }
                self.emit(Output::Accept { contact, transfer });
            }
            Err(refusal) => self.emit(Output::Refuse { contact, transfer, refusal }),
        }
        Ok(())
    }

    /// Acts upon what a neighbor says. A message that cannot be read is no reason to end the contact, nor is one that the
    /// neighbor passes on as a bundle like others, because it does not know what it is.
    fn message_received(
        &mut self,
        now: Now,
        contact: ContactId,
        bundle: &CheckedBundle,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if was_forwarded(bundle.head()) {
            return Ok(());
        }
        let payload = bundle.payload().map(|octets| ContactMessage::decode(octets));
        match payload {
            Some(Ok(ContactMessage::Hello(hello))) => {
                self.hello_received(now, contact, (bundle, hello), store)
            }
            Some(Ok(ContactMessage::ListRequest { after, most })) => {
                self.list_requested(now, contact, (after, most), store)
            }
            Some(Ok(ContactMessage::List(list))) => {
                self.list_received(contact, list);
                Ok(())
            }
            Some(Ok(ContactMessage::Offer(items))) => self.offer_received(now, contact, &items, store),
            Some(Ok(ContactMessage::Summary(summary))) => {
                self.summary_received(now, contact, &summary, store)
            }
            Some(Ok(message @ (ContactMessage::Cells(_) | ContactMessage::More(_)))) => {
                self.exchange_goes_on(now, contact, &message, store)
            }
            Some(Ok(ContactMessage::Want(want))) => self.want_received(contact, &want, store),
            Some(Ok(ContactMessage::Resume(resume))) => self.resume_received(now, contact, resume, store),
            Some(Ok(ContactMessage::Part(part))) => self.part_received(now, contact, &part, store),
            Some(Ok(ContactMessage::CustodyQuery(query))) => self.custody_queried(now, contact, query, store),
            Some(Ok(ContactMessage::CustodyRefusals(refusals))) => {
                self.custody_refused(contact, &refusals, store)
            }
            Some(Ok(ContactMessage::Vicinity(vicinity))) => {
                self.vicinity_received(now, contact, vicinity);
                Ok(())
            }
            Some(Ok(ContactMessage::Gone(gone))) => self.gone_received(now, contact, &gone, store.view()),
            Some(Err(_)) | None => Ok(()),
        }
    }

    /// Takes a bundle in, or says why not. What was staged for a refused bundle is given up.
    pub(crate) fn receive(
        &mut self,
        now: Now,
        arrival: &Arrival<'_>,
        store: &mut WriteTxn<'_>,
    ) -> Result<Result<(BundleId, Number), Refusal>, StoreError> {
        let answer = match self.question(now, arrival, store)? {
            Ok(vouched) => self.already_delivered(arrival, store.view())?.map_or(Ok(vouched), Err),
            refused => refused,
        };
        let answer = match answer {
            Ok(vouched)
                if !arrival.origin.is_beyond_quotas()
                    && !self.config.is_word_to_us(arrival.bundle.head()) =>
            {
                let (head, octets) = (arrival.bundle.head(), arrival.bundle.octets());
                let newcomer = Newcomer::of_head(head, octets, vouched.standing(), &self.config.profile);
                self.make_room(&newcomer, store)?.map_or(Ok(vouched), Err)
            }
            other => other,
        };
        match answer {
            Ok(vouched) => {
                let number = self.keep(now, arrival, vouched, store)?;
                Ok(Ok((arrival.bundle.id(), number)))
            }
            Err(refusal) => {
                self.asked_for.remove(&arrival.bundle.id());
                self.abandon(arrival.payload, store)?;
                self.turn_away(now, arrival, &refusal, store)?;
                Ok(Err(refusal))
            }
        }
    }

    /// Every question that a bundle must answer; the state may have changed since they were asked of its head.
    pub(crate) fn question(
        &self,
        now: Now,
        arrival: &Arrival<'_>,
        store: &WriteTxn<'_>,
    ) -> Result<Result<Vouched, Refusal>, StoreError> {
        let view = store.view();
        match view.find(&arrival.bundle.id())? {
            Some(crate::store::Presence::Held(_)) => return Ok(Err(Refusal::Duplicate)),
            Some(crate::store::Presence::Gone) => return Ok(Err(Refusal::Gone)),
            None => {}
        }
        let head = arrival.bundle.head();
        if head.primary().destination == self.contact_endpoint {
            return Ok(Err(Refusal::ForContactsOnly));
        }
        if let Some(refusal) = admission::consider(&self.config, view, now, head)?
            && !(arrival.origin.is_beyond_quotas() && matches!(refusal, Refusal::Quota { .. }))
            && (refusal != Refusal::Duplicate || arrival.bundle.signer().is_none())
        {
            return Ok(Err(refusal));
        }
        if admission::deadline(&self.config, now, head, arrival.dormant_ms).is_none() {
            return Ok(Err(Refusal::Expired));
        }
        let reception = head.reception(&self.config.processed_blocks());
        if let Some(block_type) = reception.delete_for {
            return Ok(Err(Refusal::Unprocessable { block_type }));
        }
        if let Some(refusal) = self.without_place(arrival, store)? {
            return Ok(Err(refusal));
        }
        let vouched = admission::vouch(&self.config, view, arrival.bundle)?;
        if matches!(vouched, Ok(Vouched::By(_))) {
            if admission::is_over(&self.config, now, head, arrival.dormant_ms) {
                return Ok(Err(Refusal::Expired));
            }
            let refusal = admission::over_stranger_quota(&self.config, view, arrival.bundle)?;
            if let Some(refusal) = refusal.filter(|_| !arrival.origin.is_beyond_quotas()) {
                return Ok(Err(refusal));
            }
            if !self.outdoes_all(arrival.bundle, store)? {
                return Ok(Err(Refusal::Duplicate));
            }
        }
        if vouched.is_ok()
            && let Some(refusal) = self.superseded(arrival, view)?
        {
            return Ok(Err(refusal));
        }
        Ok(vouched)
    }

    /// Whether a bundle that nobody vouches for says more than those of its identity that are here: it is signed, and they are
    /// not, as a copy is that was damaged on its way. What applications have, or may have soon, is left to them.
    fn outdoes_all(&self, bundle: &CheckedBundle, store: &WriteTxn<'_>) -> Result<bool, StoreError> {
        let view = store.view();
        for (number, _) in view.find_identity(&bundle.head().identity())? {
            let Some(stored) = view.facts(number)? else { continue };
            let is_outdone = bundle.signer().is_some() && stored.signer.is_none();
            if !is_outdone || self.is_local(&stored.destination) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there is no room for a bundle, or its payload is not here after all. Reports and reassembled bundles come
    /// this way without anybody having asked before.
    fn without_place(
        &self,
        arrival: &Arrival<'_>,
        store: &WriteTxn<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let bundle = arrival.bundle;
        let octets = match arrival.payload {
            PayloadPlace::Inline => bundle.octets(),
            PayloadPlace::Staged(number) => {
                let is_there = store.view().is_staged(number, bundle.head().payload_octets())?;
                if !is_there || self.shelf.is_out_of_hand(number) {
                    return Ok(Some(Refusal::PayloadLost));
                }
                bundle.octets().saturating_sub(bundle.head().payload_octets())
            }
        };
        Ok((!store.has_room_for(octets)).then_some(Refusal::StoreFull))
    }

    /// Writes a bundle and all that follows from it, in this transaction.
    fn keep(
        &mut self,
        now: Now,
        arrival: &Arrival<'_>,
        vouched: Vouched,
        store: &mut WriteTxn<'_>,
    ) -> Result<Number, StoreError> {
        self.resolve_identity(arrival, store)?;
        let record_place = self.make_way_for_record(arrival, store)?;
        let bundle = arrival.bundle;
        // §5.6 step 4: blocks that we cannot process and that ask for it are left behind.
        let reception = bundle.head().reception(&self.config.processed_blocks());
        let custody = self.custody_at_door(arrival, vouched, store.view())?;
        let head = self.head_at_door(bundle.head().without_blocks(&reception.drop), &custody);
        let record = NewRecord {
            bundle,
            head: &head,
            received: now,
            age_at_reception_ms: admission::age_on_arrival_ms(now, bundle.head(), arrival.dormant_ms),
            deadline: admission::deadline(&self.config, now, bundle.head(), arrival.dormant_ms)
                .unwrap_or(now.node),
            priority: bundle
                .head()
                .metadata(&self.config.profile)
                .map(|metadata| metadata.priority)
                .unwrap_or_default(),
            standing: vouched.standing(),
            retention: self.retention_at_door(bundle),
            record: record_place,
        };
        let number = store.insert(&record, arrival.payload)?;
        self.listed(now, number, arrival, store)?;
        self.asked_for.remove(&bundle.id());
        self.no_longer_lacking(&bundle.id());
        self.partial_superseded(bundle.head(), arrival.payload, store)?;
        self.settle_custody(now, number, &custody, store)?;
        if let Some(holder) = &arrival.holder {
            store.mark_held(holder, number)?;
        }
        self.tell(Notice::Stored { id: bundle.id(), number });
        self.report(now, bundle.head(), Assertion::Received, store)?;
        if vouched != Vouched::By(Stance::Carry) {
            self.deliver(now, number, bundle, store)?;
        }
        self.offer_everywhere(now, (number, arrival.contact), store)?;
        Ok(number)
    }

    /// What is for this node alone stays until an application has it, be it that it may not be delivered yet: nobody else has use for it, and
    /// its sender is told "delivered" of what its destination had and has no more.
    fn retention_at_door(&self, bundle: &CheckedBundle) -> Retention {
        let destination = bundle.head().primary().destination.node_id();
        if destination.is_some_and(|node| self.is_self(&node)) {
            Retention::DELIVERY_PENDING
        } else {
            Retention::default()
        }
    }

    /// Two bundles of one identity: one that is vouched for replaces one that is not; two that are mean that the
    /// source's key is in use twice, which its owner must hear of.
    fn resolve_identity(
        &mut self,
        arrival: &Arrival<'_>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let head = arrival.bundle.head();
        for (number, _) in store.view().find_identity(&head.identity())? {
            let Some(stored) = store.view().facts(number)? else { continue };
            if stored.standing == SourceStanding::Unvouched {
                self.discard(number, store)?;
            } else {
                self.tell(Notice::Equivocation { source: head.primary().source.clone() });
            }
        }
        Ok(())
    }

    fn turn_away(
        &mut self,
        now: Now,
        arrival: &Arrival<'_>,
        refusal: &Refusal,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if *refusal == Refusal::Duplicate {
            self.custody_of_duplicate(now, arrival, store)?;
            if let (Some(holder), Some(crate::store::Presence::Held(number))) =
                (&arrival.holder, store.view().find(&arrival.bundle.id())?)
                && !store.view().holds(holder, number)?
            {
                store.mark_held(holder, number)?;
            }
        } else if matches!(refusal, Refusal::Superseded | Refusal::Delivered) {
            self.remember_unwanted(now, arrival, store)?;
        } else if *refusal != Refusal::Gone {
            let source = arrival.bundle.head().primary().source.clone();
            self.tell(Notice::BundleRefused { source, refusal: refusal.clone() });
        }
        Ok(())
    }

    /// Gives up what was staged for a bundle that is not to be.
    pub(crate) fn abandon(
        &mut self,
        payload: PayloadPlace,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let PayloadPlace::Staged(number) = payload else { return Ok(()) };
        if !self.partial_given_up(number, store)? {
            return Ok(());
        }
        store.abandon_staging(number)?;
        self.discard_soon();
        Ok(())
    }
}

/// Whether a node passed a contact message on that was not for it alone: nobody who knows what it is does.
fn was_forwarded(head: &Head) -> bool {
    head.previous_node().is_some() || head.hop_count().is_some_and(|hops| hops.count > 0)
}

impl Config {
    /// Extension blocks that this node processes (RFC 9171 §4.4); security blocks are kept for whoever understands them.
    fn processed_blocks(&self) -> [u64; 6] {
        [6, 7, 10, 11, 12, self.profile.custody_block_type]
    }
}
