//! Finding out what a neighbor lacks, and we do, from sketches (`docs/sync.md`, "Reconciliation"): an exchange on a contact.
//!
//! Begins when a neighbor is authenticated, when either side lost track of what it had to send, and whenever the neighbor
//! does. What only we have is queued; what only the neighbor has is asked for, some hundred at a time, and from one neighbor
//! at a time. Where sketches do not help, `listing` goes on.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::listing::Listing;
use crate::message::{ContactMessage, OFFERED_MAX, Summary, Want, short_id};
use crate::output::Standing;
use crate::reconciliation::{Reconciliation, Terms, Verdict};
use crate::scope::Scope;
use crate::sketch::{CELLS_MAX, Cell, Prefix};
use crate::store::{Number, Presence, StoreError, WriteTxn};
use crate::time::{NodeTime, Now};

/// Bundles looked at in one step: a few milliseconds of reads.
const GATHERED_PER_STEP: usize = 2048;
/// How soon a neighbor may make us begin again, after so many times on one contact.
const PAUSE_MS: u64 = 10_000;
const UNPAUSED_MAX: u32 = 4;
/// Bundles that one neighbor is asked for at a time.
const AWAITED_MAX: usize = 512;
/// How long one that was asked for may take before it is asked for again, here or elsewhere; doubled each time.
const AWAITED_MS: u64 = 60_000;
/// How often it is asked for.
const ASKED_MAX: u8 = 3;
/// When to look again for bundles that another neighbor was asked for.
const ELSEWHERE_MS: u64 = 5_000;
/// Octets of a Want besides its ids.
const WANT_AROUND: usize = 6;

/// Our part of what is compared, while it is put together.
#[derive(Debug)]
pub(crate) struct Gathering {
    after: Option<BundleId>,
    prefix: Prefix,
    scope: Scope,
    /// Bundles from this number on came since, and are offered as they come.
    until: Option<Number>,
}

/// What one neighbor has and we lack.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    /// Not asked for yet.
    ids: BTreeSet<BundleId>,
    /// Asked for.
    awaited: BTreeMap<BundleId, Awaited>,
    /// When to look again whether others were asked in vain.
    look_again: Option<NodeTime>,
}

#[derive(Debug, Clone, Copy)]
struct Awaited {
    again: NodeTime,
    asked: u8,
}

/// Where a contact is with its exchanges.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    /// The neighbor's summary came before we had ours.
    pub(crate) early: Option<Summary>,
    /// How many were begun.
    begun: u32,
    /// Before then none is begun because the neighbor wants it, if there were many.
    next: NodeTime,
    /// The neighbor answers nothing: it does not trust us, or knows no such messages.
    pub(crate) is_deaf: bool,
    /// The last one ended without our knowing whether it told the neighbor all.
    pub(crate) is_unsure: bool,
    /// Where it ends well, what the neighbor lacks of the bundles below this number is known, and queued.
    pub(crate) tells_up_to: Option<Number>,
    /// What was agreed upon during this contact.
    pub(crate) agreed: Option<Number>,
    /// An exchange was begun to find out what came of one of which only the neighbor knows.
    checked: bool,
    pub(crate) lacking: Lacking,
}

impl Agent {
    /// Begins an exchange: first our part of it is put together, in steps.
    pub(crate) fn begin_exchange(&mut self, now: Now, id: ContactId) {
        let Some(contact) = self.contacts.get(&id) else { return };
        let Some(scope) = self.scope_with(contact) else { return };
        let gathering = Gathering { after: None, prefix: Prefix::new(CELLS_MAX), scope, until: None };
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        contact.surroundings.exchange_begins();
        contact.exchanges.next = now.node.after_ms(PAUSE_MS);
        contact.exchanges.tells_up_to = None;
        contact.exchanges.begun = contact.exchanges.begun.saturating_add(1);
        contact.listing = Listing::Gathering(Box::new(gathering));
    }

    /// Goes on with the exchange of a contact: what is due, what is to be said, what is to be asked for.
    pub(crate) fn drive_exchange(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        self.gather(now, id, store)?;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if let Listing::Reconciling(exchange) = &mut contact.listing
            && let Some(verdict) = exchange.timeout(now.node)
        {
            self.conclude(now, id, verdict, store)?;
        }
        self.say_what_is_due(now, id, store)?;
        self.ask_for_lacking(now, id, store)
    }

    fn say_what_is_due(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        while let Some(contact) = self.contacts.get_mut(&id)
            && contact.may_say_more()
            && let Listing::Reconciling(exchange) = &mut contact.listing
            && let Some(message) = exchange.poll_message()
        {
            self.send_message(now, id, &message, store)?;
        }
        Ok(())
    }

    fn gather(&mut self, now: Now, id: ContactId, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        let mut is_done = false;
        contact.listing = match std::mem::replace(&mut contact.listing, Listing::Idle) {
            Listing::Gathering(mut gathering) => {
                is_done = self.gather_some(&mut contact, &mut gathering, store)?;
                Listing::Gathering(gathering)
            }
            other => other,
        };
        self.contacts.insert(id, contact);
        if is_done { self.open_exchange(now, id, store) } else { Ok(()) }
    }

    /// Puts some bundles into the sketch; what is not compared but wanted by the neighbor is queued. Whether all were.
    fn gather_some(
        &mut self,
        contact: &mut Contact,
        gathering: &mut Gathering,
        store: &mut WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        if gathering.until.is_none() {
            gathering.until = Some(Number::new(store.view().settings()?.next_number));
        }
        let ids = store.view().ids_from(gathering.after, GATHERED_PER_STEP)?;
        for (id, number) in &ids {
            let Some(facts) = store.view().facts(*number)? else { continue };
            if gathering.scope.contains(&facts.destination) {
                gathering.prefix.insert(id);
            } else if let Some(rank) = self.offerable(contact, *number, store.view())? {
                contact.enqueue(rank);
            }
            gathering.after = Some(*id);
        }
        let is_done = ids.len() < GATHERED_PER_STEP;
        self.unfinished |= !is_done;
        Ok(is_done)
    }

    fn open_exchange(&mut self, now: Now, id: ContactId, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(claim) = &contact.claim else { return Ok(()) };
        let Listing::Gathering(gathering) = std::mem::replace(&mut contact.listing, Listing::Idle) else {
            return Ok(());
        };
        let terms = Terms {
            interest: gathering.scope.hash(),
            sends_cells: self.config.node.to_cbor() < claim.node.to_cbor(),
            octets_max: contact.message_octets_max(),
        };
        let early = contact.exchanges.early.take();
        let asks = early.is_none_or(|early| early.interest == [0; 8]);
        contact.exchanges.tells_up_to = gathering.until;
        let exchange = Reconciliation::begin(terms, gathering.prefix, asks, now.node);
        contact.listing = Listing::Reconciling(Box::new(exchange));
        contact.exchanges.is_unsure = true;
        self.say_what_is_due(now, id, store)?;
        match early {
            Some(summary) => self.summary_received(now, id, &summary, store),
            None => Ok(()),
        }
    }

    /// What is compared with a neighbor.
    fn scope_with(&self, contact: &Contact) -> Option<Scope> {
        contact.authenticated()?;
        let claim = contact.claim.as_ref()?;
        let ours = self.introduction([0; 16], None);
        let theirs = crate::scope::Side {
            wants_all: claim.hello.wants_all,
            groups: &claim.hello.groups,
            node: &claim.node,
            also: &claim.hello.also,
        };
        let ours = crate::scope::Side {
            wants_all: ours.wants_all,
            groups: &ours.groups,
            node: &self.config.node,
            also: &ours.also,
        };
        Some(Scope::of(ours, theirs))
    }

    /// A neighbor tells the size and the digest of its set. One that we do not trust is told so.
    pub(crate) fn summary_received(
        &mut self,
        now: Now,
        id: ContactId,
        summary: &Summary,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let is_unwelcome = summary.interest == [0; 8];
        match (contact.standing, &mut contact.listing) {
            (None, _) | (_, Listing::Gathering(_)) => contact.exchanges.early = Some(*summary),
            (Some(Standing::Foreign), _) if summary.asks => return self.turn_down(now, id, store),
            (Some(Standing::Foreign), _) => {}
            (_, Listing::Reconciling(exchange)) => {
                if let Some(verdict) = exchange.summary_received(now.node, summary) {
                    return self.conclude(now, id, verdict, store);
                }
            }
            (_, Listing::Asking { .. }) if is_unwelcome => {
                return self.conclude(now, id, Verdict::Unwelcome, store);
            }
            (_, Listing::Idle) if summary.asks && contact.exchanges.may_begin(now.node) => {
                contact.exchanges.early = Some(*summary);
                self.begin_exchange(now, id);
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells a neighbor that is not trusted that it need not wait for answers.
    pub(crate) fn turn_down(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let nothing = Summary { interest: [0; 8], asks: false, cell: Cell::default() };
        self.send_message(now, id, &ContactMessage::Summary(nothing), store)
    }

    /// Cells, or a request for more, came.
    pub(crate) fn exchange_goes_on(
        &mut self,
        now: Now,
        id: ContactId,
        message: &ContactMessage,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Listing::Reconciling(exchange) = &mut contact.listing else { return Ok(()) };
        let verdict = match message {
            ContactMessage::Cells(cells) => exchange.cells_received(now.node, cells),
            ContactMessage::More(more) => {
                exchange.more_received(now.node, more);
                None
            }
            _ => None,
        };
        verdict.map_or(Ok(()), |verdict| self.conclude(now, id, verdict, store))
    }

    /// Does what follows from an exchange.
    fn conclude(
        &mut self,
        now: Now,
        id: ContactId,
        verdict: Verdict,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        // The neighbor may wait for what we have not said yet.
        self.say_what_is_due(now, id, store)?;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        contact.exchanges.is_unsure = verdict == Verdict::Served;
        if verdict == Verdict::Served {
            contact.exchanges.tells_up_to = None;
        }
        let is_to_check = verdict == Verdict::Served && !contact.exchanges.checked;
        contact.exchanges.checked |= is_to_check;
        contact.exchanges.is_deaf = verdict == Verdict::Unwelcome;
        contact.listing = match verdict {
            Verdict::Equal | Verdict::WeAreEmpty | Verdict::Served | Verdict::Decoded { .. } => Listing::Idle,
            Verdict::TheyAreEmpty | Verdict::Unwelcome => Listing::scan(),
            Verdict::UseLists => Listing::due(now.node),
        };
        if let Verdict::Decoded { ours, theirs } = verdict {
            self.queue_difference(id, &ours, theirs, store)?;
        }
        if is_to_check {
            self.begin_exchange(now, id);
            self.unfinished = true;
        }
        Ok(())
    }

    fn queue_difference(
        &mut self,
        id: ContactId,
        ours: &[BundleId],
        theirs: Vec<BundleId>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        for ours in ours {
            if let Some(Presence::Held(number)) = store.view().find(ours)?
                && let Some(rank) = self.offerable(&contact, number, store.view())?
            {
                contact.enqueue(rank);
            }
        }
        // A new exchange knows better what is lacking than the last one.
        contact.exchanges.lacking.ids.clear();
        for theirs in theirs {
            if store.view().find(&theirs)?.is_none() {
                contact.exchanges.lacking.ids.insert(theirs);
            }
        }
        self.contacts.insert(id, contact);
        Ok(())
    }

    /// Asks a neighbor for bundles that it has, as many as may be awaited at a time.
    fn ask_for_lacking(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        let is_asked_elsewhere = |id: &BundleId| {
            self.contacts.values().any(|other| other.exchanges.lacking.is_expected(id, now.node))
        };
        let fitting = contact.message_octets_max().saturating_sub(WANT_AROUND) / size_of::<[u8; 8]>();
        let mut wants = Vec::new();
        while contact.messages_in_flight() + wants.len() < crate::contact::MESSAGES_MAX {
            let most = fitting.clamp(1, OFFERED_MAX);
            let ids = contact.exchanges.lacking.take_due(now.node, most, is_asked_elsewhere);
            if ids.is_empty() {
                break;
            }
            wants.push(Want { ids: ids.iter().map(short_id).collect() });
        }
        self.contacts.insert(id, contact);
        for want in wants {
            self.send_message(now, id, &ContactMessage::Want(want), store)?;
        }
        Ok(())
    }

    /// A bundle is here: nobody need be asked for it.
    pub(crate) fn no_longer_lacking(&mut self, id: &BundleId) {
        for contact in self.contacts.values_mut() {
            contact.exchanges.lacking.ids.remove(id);
            contact.exchanges.lacking.awaited.remove(id);
        }
    }

    /// Bundles that the neighbor learned of from an exchange are queued for it.
    pub(crate) fn wanted_unoffered(
        &mut self,
        id: ContactId,
        short: [u8; 8],
        store: &WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        if contact.authenticated().is_some() {
            let beginning = (u128::from(u64::from_be_bytes(short)) << 64).to_be_bytes();
            for found in store.view().find_prefix(&beginning, 64, 2)? {
                if let Some(Presence::Held(number)) = store.view().find(&found)?
                    && let Some(rank) = self.offerable(&contact, number, store.view())?
                {
                    contact.enqueue(rank);
                }
            }
        }
        self.contacts.insert(id, contact);
        Ok(())
    }
}

impl Contact {
    /// The neighbor compares by lists, from the beginning: it knows of no exchange that went well, so we do it too.
    pub(crate) fn neighbor_uses_lists(&mut self, now: NodeTime) {
        let is_open = matches!(self.listing, Listing::Reconciling(_) | Listing::Gathering(_));
        if is_open || (matches!(self.listing, Listing::Idle) && self.exchanges.is_unsure) {
            self.exchanges.is_unsure = false;
            self.listing = Listing::due(now);
        }
    }
}

impl Exchanges {
    /// None yet, but the neighbor's summary is here.
    pub(crate) fn after(early: Summary) -> Self {
        Self { early: Some(early), ..Self::default() }
    }

    fn may_begin(&self, now: NodeTime) -> bool {
        self.begun <= UNPAUSED_MAX || self.next <= now
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<NodeTime> {
        self.lacking.deadline()
    }
}

impl Lacking {
    fn is_expected(&self, id: &BundleId, now: NodeTime) -> bool {
        self.awaited.get(id).is_some_and(|awaited| awaited.asked == 1 && awaited.again > now)
    }

    fn deadline(&self) -> Option<NodeTime> {
        self.awaited.values().map(|awaited| awaited.again).chain(self.look_again).min()
    }

    /// Ids that are to be asked for now, in one message.
    fn take_due(
        &mut self,
        now: NodeTime,
        most: usize,
        is_asked_elsewhere: impl Fn(&BundleId) -> bool,
    ) -> Vec<BundleId> {
        self.awaited.retain(|_, awaited| awaited.again > now || awaited.asked < ASKED_MAX);
        let overdue = self.awaited.iter().filter(|(_, awaited)| awaited.again <= now);
        let mut ids: Vec<BundleId> = overdue.map(|(id, _)| *id).take(most).collect();
        let is_time = self.look_again.is_none_or(|at| at <= now);
        if is_time {
            self.look_again = None;
        }
        if is_time && self.awaited.len() <= AWAITED_MAX / 2 {
            let free = self.ids.iter().filter(|id| !is_asked_elsewhere(id));
            ids.extend(free.take(most.saturating_sub(ids.len())));
            self.look_again = (ids.is_empty() && !self.ids.is_empty()).then(|| now.after_ms(ELSEWHERE_MS));
        }
        for id in &ids {
            self.ids.remove(id);
            let awaited = self.awaited.entry(*id).or_insert(Awaited { again: now, asked: 0 });
            awaited.again = now.after_ms(AWAITED_MS << awaited.asked);
            awaited.asked += 1;
        }
        ids
    }
}
