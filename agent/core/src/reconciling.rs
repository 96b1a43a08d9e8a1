//! Finding out what a neighbor lacks, and we do, from sketches (`docs/sync.md`, "Reconciliation"): an exchange on a contact.
//!
//! Begins when a neighbor is authenticated, when either side lost track of what it had to send, and whenever the neighbor
//! does. What only we have is queued; what only the neighbor has is asked for, some hundred at a time, and from one neighbor
//! at a time. Where sketches do not help, `listing` goes on.

use std::collections::BTreeSet;

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::backlog::Backlog;
use crate::contact::{Claim, Contact};
use crate::giving::Telling;
use crate::input::ContactId;
use crate::lacking::Lacking;
use crate::listing::Listing;
use crate::message::{ContactMessage, Summary, short_id};
use crate::output::Standing;
use crate::reconciliation::{Reconciliation, Terms, Verdict};
use crate::scope::{Scope, Side};
use crate::set::CellsOf;
use crate::sketch::{CELLS_MAX, Cell, Prefix};
use crate::store::{Number, Presence, StoreError, WriteTxn};
use crate::time::{NodeTime, Now};

/// How soon a neighbor may make us begin again, after so many times on one contact.
const PAUSE_MS: u64 = 10_000;
const UNPAUSED_MAX: u32 = 4;
/// How long the neighbor's summary is awaited where ours depends on what it says before that.
const SUMMARY_PATIENCE_MS: u64 = 1_000;
/// Ids that a neighbor is told about after one exchange; more differences than cells cannot be found.
const GONE_MAX: usize = CELLS_MAX;

/// Where a contact is with its exchanges.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    /// The neighbor's summary came before we had ours.
    pub(crate) early: Option<Summary>,
    /// How many were begun.
    begun: u32,
    /// Before then none is begun because the neighbor wants it, if there were many.
    next: NodeTime,
    /// From then on our summary waits for nothing.
    late: NodeTime,
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
    /// What was compared last.
    pub(crate) interest: Option<[u8; 8]>,
    /// Ids in our set that the neighbor is to be told not to expect from us.
    pub(crate) gone: BTreeSet<BundleId>,
}

impl Agent {
    /// What only a neighbor wants is no matter for exchanges: it is gone through once.
    pub(crate) fn begin_unshared(&mut self, id: ContactId) {
        let Some(contact) = self.contacts.get(&id) else { return };
        let Some(claim) = &contact.claim else { return };
        let unshared = self.scope_with(claim).unshared(side_of(claim));
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.backlog = Backlog::of(unshared);
        }
    }

    /// Begins an exchange, as soon as our part of it is known.
    pub(crate) fn begin_exchange(&mut self, now: Now, id: ContactId) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        if contact.authenticated().is_none() {
            return;
        }
        contact.surroundings.exchange_begins();
        contact.exchanges.next = now.node.after_ms(PAUSE_MS);
        contact.exchanges.late = now.node.after_ms(SUMMARY_PATIENCE_MS);
        contact.exchanges.tells_up_to = None;
        contact.exchanges.begun = contact.exchanges.begun.saturating_add(1);
        contact.listing = Listing::Counting;
    }

    /// Goes on with the exchange of a contact: what is due, what is to be said, what is to be asked for.
    pub(crate) fn drive_exchange(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        self.open_exchange(now, id, store)?;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if let Listing::Reconciling(exchange) = &mut contact.listing
            && let Some(verdict) = exchange.timeout(now.node)
        {
            self.conclude(now, id, verdict, store)?;
        }
        self.say_what_is_due(now, id, store)?;
        self.say_gone(now, id, store)?;
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

    fn open_exchange(&mut self, now: Now, id: ContactId, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get(&id) else { return Ok(()) };
        let (Listing::Counting, Some(claim)) = (&contact.listing, &contact.claim) else { return Ok(()) };
        let scope = self.scope_with(claim);
        let terms = Terms {
            interest: scope.hash(),
            sends_cells: self.config.node.to_cbor() < claim.node.to_cbor(),
            octets_max: contact.message_octets_max(),
        };
        let telling = self.telling(now.node, contact);
        if telling == Telling::Later {
            return Ok(());
        }
        let cells = match self.set.cells_of(&scope.compared(), store.view())? {
            CellsOf::Known(_) if telling == Telling::Nothing => Some(Prefix::new(CELLS_MAX)),
            CellsOf::Known(mut cells) => {
                let whose = (&claim.node, terms.interest);
                self.gone.count_in(whose, &mut cells, (now.node, store.view()))?;
                Some(cells)
            }
            CellsOf::Counting => {
                self.unfinished = true;
                return Ok(());
            }
            CellsOf::TooMany => None,
        };
        let next = store.view().settings()?.next_number;
        let [jitter, ..] = self.dice.roll();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let early = contact.exchanges.early.take();
        contact.exchanges.tells_up_to = Some(Number::new(next)).filter(|_| telling == Telling::AsItIs);
        if telling == Telling::Nothing {
            contact.surroundings.hold_back(now.node, jitter);
        }
        contact.exchanges.interest = Some(terms.interest);
        contact.exchanges.is_unsure = true;
        let Some(cells) = cells else {
            contact.listing = Listing::due(now.node);
            return Ok(());
        };
        let asks = early.is_none_or(|early| early.interest == [0; 8]);
        let exchange = Reconciliation::begin(terms, cells, asks, now.node);
        contact.listing = Listing::Reconciling(Box::new(exchange));
        self.say_what_is_due(now, id, store)?;
        match early {
            Some(summary) => self.summary_received(now, id, &summary, store),
            None => Ok(()),
        }
    }

    /// What is compared with a neighbor.
    fn scope_with(&self, claim: &Claim) -> Scope {
        let ours = self.introduction([0; 16], None);
        let ours = Side {
            wants_all: ours.wants_all,
            groups: &ours.groups,
            node: &self.config.node,
            also: &ours.also,
        };
        Scope::of(ours, side_of(claim))
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
            (None, _) | (_, Listing::Counting) => contact.exchanges.early = Some(*summary),
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
        if verdict == Verdict::WeHaveLittle && contact.exchanges.tells_up_to.is_some() {
            contact.giving.begins(now.node);
            contact.backlog = Backlog::everything();
        }
        contact.listing = match verdict {
            Verdict::UseLists => Listing::due(now.node),
            _ => Listing::Idle,
        };
        let is_everything_lacking = match verdict {
            Verdict::TheyHaveLittle => !self.is_given_by_others(now, id),
            Verdict::Unwelcome => true,
            _ => false,
        };
        if is_everything_lacking && let Some(contact) = self.contacts.get_mut(&id) {
            contact.backlog = Backlog::everything();
        }
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
            match store.view().find(ours)? {
                Some(Presence::Held(number)) => {
                    if let Some(rank) = self.offerable(&contact, number, store.view())? {
                        contact.queue(rank);
                    }
                }
                Some(Presence::Gone) => contact.exchanges.is_gone(*ours),
                None => self.no_longer_gone(&contact, short_id(ours)),
            }
        }
        let mut lacking = BTreeSet::new();
        for theirs in theirs {
            if store.view().find(&theirs)?.is_none() {
                lacking.insert(theirs);
            }
        }
        contact.exchanges.lacking.replace(lacking);
        self.contacts.insert(id, contact);
        Ok(())
    }
}

impl Contact {
    /// The neighbor compares by lists, from the beginning: it knows of no exchange that went well, so we do it too.
    pub(crate) fn neighbor_uses_lists(&mut self, now: NodeTime) {
        let is_open = matches!(self.listing, Listing::Reconciling(_) | Listing::Counting);
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

    /// The neighbor expects a bundle that is in our set, but not here any more.
    pub(crate) fn is_gone(&mut self, id: BundleId) {
        if self.gone.len() < GONE_MAX {
            self.gone.insert(id);
        }
    }

    /// Whether the neighbor's summary is here, or not to be waited for.
    pub(crate) fn is_heard_or_late(&self, now: NodeTime) -> bool {
        self.early.is_some() || self.late <= now
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<NodeTime> {
        self.lacking.deadline()
    }

    /// When an exchange is to be opened that may have to wait.
    pub(crate) fn opening(&self) -> NodeTime {
        self.late
    }
}

/// What a neighbor said in its Hello.
fn side_of(claim: &Claim) -> Side<'_> {
    Side {
        wants_all: claim.hello.wants_all,
        groups: &claim.hello.groups,
        node: &claim.node,
        also: &claim.hello.also,
    }
}
