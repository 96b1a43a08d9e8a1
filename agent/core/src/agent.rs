//! The agent itself: its state, its four methods, and where each input goes.
//!
//! The contract of [`Agent`]: one `handle` per input, inside a write transaction that the caller commits; outputs are
//! taken only after that commit. Each procedure has a file of its own, named for what it does: `receiving`,
//! `dispatching`, `sending`, `listing`, `hello`, `expiring`, `reporting`, `transmitting`, `reassembling`,
//! `answering`, `partials`, `resuming`, `pouring`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bundle_format::{BundleId, CreationTimestamp, Eid};

use crate::announcing::AskedFor;
use crate::config::Config;
use crate::contact::{Capacity, Contact};
use crate::custody::Custody;
use crate::dice::Dice;
use crate::input::{ContactId, Input};
use crate::message::contact_endpoint;
use crate::output::{Notice, Output};
use crate::partials::{Broken, Shelf};
use crate::reporting::ReportBudget;
use crate::set::ReconciledSet;
use crate::sketch::Prefix;
use crate::store::{Number, PayloadPlace, StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// The bundle protocol agent of one node (RFC 9171 §3.1). Reads no clock, opens no socket, spawns nothing.
///
/// Holds soft state only: whatever must survive a crash is in the store that is lent to each step.
#[derive(Debug)]
pub struct Agent {
    pub(crate) config: Arc<Config>,
    pub(crate) dice: Dice,
    pub(crate) contacts: BTreeMap<ContactId, Contact>,
    /// Groups that this node is a member of; the store has them too.
    pub(crate) subscriptions: BTreeSet<Eid>,
    pub(crate) contact_endpoint: Eid,
    pub(crate) epoch: u64,
    pub(crate) publishing: crate::publishing::Publishing,
    pub(crate) purging: crate::purging::Purging,
    pub(crate) reports: ReportBudget,
    pub(crate) echoes: ReportBudget,
    pub(crate) custody: Custody,
    /// The ids that are compared with neighbors.
    pub(crate) set: ReconciledSet,
    /// Ids that neighbors have among theirs, without the bundles.
    pub(crate) gone: crate::gone::Remembered,
    /// Stagings whose bundle is being made here, with the order that each will fulfil.
    pub(crate) orders: BTreeMap<Number, crate::transmitting::OpenOrder>,
    /// Beginnings of large bundles.
    pub(crate) shelf: Shelf,
    /// Large bundles that neighbors were asked for.
    pub(crate) asked_for: BTreeMap<BundleId, AskedFor>,
    outputs: VecDeque<Output>,
    /// When the next bundle expires.
    pub(crate) next_expiry: Option<NodeTime>,
    /// When ids of what is long gone are forgotten next.
    pub(crate) next_purge: NodeTime,
    /// When more pieces of payloads that nobody needs are deleted; `None` while there are none.
    pub(crate) next_discard: Option<NodeTime>,
    /// Work that was cut into steps waits to go on.
    pub(crate) unfinished: bool,
    pub(crate) now: NodeTime,
}

impl Agent {
    /// Rebuilds soft state from the store; scans nothing. `seed` is the only source of randomness.
    pub fn open(config: Arc<Config>, seed: [u8; 32], now: Now, store: View<'_>) -> Result<Self, StoreError> {
        let mut dice = Dice::new(seed);
        let publishing = crate::publishing::Publishing::open(&config, now.node, store)?;
        let mut agent = Self {
            config,
            custody: Custody::open(&mut dice, now.node, store)?,
            dice,
            contacts: BTreeMap::new(),
            subscriptions: store.subscriptions()?.into_iter().collect(),
            contact_endpoint: contact_endpoint(),
            epoch: store.settings()?.epoch,
            publishing,
            purging: crate::purging::Purging::default(),
            reports: ReportBudget::new(now.node),
            echoes: ReportBudget::new(now.node),
            orders: BTreeMap::new(),
            set: ReconciledSet::open(store)?,
            gone: crate::gone::Remembered::default(),
            shelf: Shelf::open(store)?,
            asked_for: BTreeMap::new(),
            outputs: VecDeque::new(),
            next_expiry: store.next_expiry()?,
            next_purge: now.node,
            next_discard: Some(now.node),
            unfinished: false,
            now: now.node,
        };
        agent.resume_purges(store)?;
        Ok(agent)
    }

    /// Takes one step. `Err` means that the store failed: drop this value, and the transaction, and open it again.
    pub fn handle(&mut self, now: Now, input: Input, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        self.now = now.node;
        match input {
            Input::ContactOpened { contact, link, declared, transfer_mru, octets_per_second } => {
                let new = Contact::new(link, declared, Capacity { transfer_mru, octets_per_second });
                self.contact_opened(now, contact, new, store)?;
            }
            Input::ContactClosed { contact } => {
                self.contacts.remove(&contact);
                self.asked_in_vain(now, (contact, None), store)?;
                self.partials_lost_contact(now, contact, store)?;
            }
            Input::BundleReceived { contact, transfer, bundle, payload } => {
                self.bundle_received(now, (contact, transfer), &bundle, payload, store)?;
            }
            Input::StagingRequested { ticket } => {
                let number = store.begin_staging()?;
                self.emit(Output::StagingReady { ticket, number });
            }
            Input::ChunkArrived { number, .. } if self.shelf.is_out_of_hand(number) => {}
            Input::ChunkArrived { number, index, octets } => store.put_chunk(number, index, &octets)?,
            Input::TransferStaged { way, number, head } => {
                self.transfer_staged(now, (way, head), number, store)?;
            }
            Input::TransferBroken { way, head, staging, octets } => {
                self.transfer_broken(now, Broken { way, head, staging, octets }, store)?;
            }
            Input::PartialProved { number, bundle } => {
                self.partial_proved(now, number, bundle.as_deref(), store)?;
            }
            Input::StagingAbandoned { number } => {
                self.orders.remove(&number);
                self.abandon(PayloadPlace::Staged(number), store)?;
            }
            Input::SendSettled { contact, transfer, outcome } => {
                self.send_settled(now, (contact, transfer), outcome, store)?;
            }
            Input::RecordDamaged { number } => self.quarantine(number, store)?,
            Input::Requested { id, request } => {
                let answer = self.answer(now, request, store)?;
                self.emit(Output::Answer { id, answer });
            }
            Input::AddressesChanged { addresses } => self.addresses_changed(addresses, store)?,
            Input::TimeoutReached => {}
        }
        self.unfinished = false;
        self.expire(now, store)?;
        self.drive_partials(now, store)?;
        self.signal_custodians(now, store)?;
        self.publish_due(now, store)?;
        self.purge(store)?;
        self.keep_set(store)?;
        self.drive_contacts(now, store)?;
        self.unfinished |= self.purging.has_work();
        self.keep_set(store)
    }

    /// What to do next. Call until `None`, and only after the transaction has been committed.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle` with `Input::TimeoutReached`; early or repeated calls are harmless.
    pub fn poll_timeout(&self) -> Option<NodeTime> {
        if self.unfinished {
            return Some(self.now);
        }
        let contacts = self.contacts.values().filter_map(Contact::deadline);
        let partials = self.next_partial_due();
        let others = [self.next_expiry, self.next_discard, self.custody.due, partials].into_iter().flatten();
        contacts.chain(others).chain([self.next_purge, self.publishing.deadline()]).min()
    }

    /// The first cells of the set that is reconciled with neighbors, once it has been counted.
    pub fn prefix(&self) -> Option<&Prefix> {
        self.set.whole()
    }

    /// What the node is configured to do.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Pieces of a payload may be left that nobody needs.
    pub(crate) fn discard_soon(&mut self) {
        self.next_discard.get_or_insert(self.now);
    }

    pub(crate) fn tell(&mut self, notice: Notice) {
        self.emit(Output::Tell(notice));
    }

    /// Whether an endpoint is registered here: own singletons without asking, groups by subscription.
    pub(crate) fn is_local(&self, endpoint: &Eid) -> bool {
        match endpoint.node_id() {
            Some(node) => self.is_self(&node),
            None => self.subscriptions.contains(endpoint),
        }
    }

    /// Whether a node ID is one of this node's.
    pub(crate) fn is_self(&self, node: &Eid) -> bool {
        self.config.is_self(node)
    }

    /// A creation timestamp that this node never used: incarnation and counter make the sequence number, so that it
    /// stays unique without a clock and over restored backups (RFC 9171 §4.2.7).
    pub(crate) fn take_timestamp(
        now: Now,
        store: &mut WriteTxn<'_>,
    ) -> Result<CreationTimestamp, StoreError> {
        let (incarnation, counter) = store.take_sequence()?;
        let sequence = (u64::from(incarnation) << 32) | u64::from(counter);
        Ok(CreationTimestamp { time: now.utc.unwrap_or_default(), sequence })
    }

    fn quarantine(&mut self, number: Number, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        if let Ok(Some(facts)) = store.view().facts(number) {
            self.note_went(&facts, store)?;
        }
        store.quarantine(number)?;
        // Neighbors that know that the bundle was here are to offer it again.
        self.epoch = store.raise_epoch();
        self.discard_soon();
        for contact in self.contacts.values_mut() {
            contact.forget(number);
        }
        self.tell(Notice::Quarantined { number });
        Ok(())
    }
}
