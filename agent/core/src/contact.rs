//! What is remembered of one contact while it is open. All of it is soft: a lost contact costs time only.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{BundleId, Eid, PublicKey};

use crate::announcing::Waiting;
use crate::backlog::Backlog;
use crate::custody::Watch;
use crate::giving::Giving;
use crate::input::TransferId;
use crate::listing::Listing;
use crate::message::Hello;
use crate::output::{Lane, Standing};
use crate::pouring::Pour;
use crate::reconciling::Exchanges;
use crate::store::Number;
use crate::time::NodeTime;
use crate::vicinity::Surroundings;

/// Bundles that may be under way to one neighbor at a time.
pub(crate) const WINDOW_BUNDLES: usize = 256;
/// Octets that may be under way to one neighbor at a time; one bundle may always be. They wait in the store, not in
/// memory; several large bundles keep the link busy while the first awaits its answer.
pub(crate) const WINDOW_OCTETS: u64 = 64 << 20;
/// Where a link says how fast it is, no more is under way than it carries in this time: what is handed to it cannot be
/// overtaken any more, or only by the express lane.
const WINDOW_SECONDS: u64 = 60;
/// Octets that may be under way to one neighbor at a time on a slow link.
const WINDOW_OCTETS_MIN: u64 = 16 << 10;
/// Bundles that may be under way in the express lane beside a full window.
const EXPRESS_BUNDLES: usize = 8;
/// Bundles that may wait for one neighbor in memory; what is beyond stays in the store and is found again.
pub(crate) const PENDING_MAX: usize = 8192;
/// Contact messages that may be under way to one neighbor; a neighbor that asks faster is not answered.
pub(crate) const MESSAGES_MAX: usize = 8;
/// Octets that the bundle around a contact message takes, amply.
const FRAMING_OCTETS: u64 = 256;

/// The order in which bundles go to a neighbor: signals first, then by priority, then by age.
pub(crate) type Rank = (u8, Number);

/// Administrative records have the rank 0 and urgent bundles 1 ([`crate::store::BundleFacts::rank`]).
const EXPRESS_RANK_MAX: u8 = 1;

/// The lane of a bundle of this rank: administrative records and urgent bundles go past the others.
pub(crate) fn lane_of(rank: Rank) -> Lane {
    if rank.0 <= EXPRESS_RANK_MAX { Lane::Express } else { Lane::Ordinary }
}

/// One contact.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) link: String,
    pub(crate) declared: Option<Eid>,
    pub(crate) transfer_mru: u64,
    pub(crate) octets_per_second: Option<u64>,
    pub(crate) nonce: [u8; 16],
    /// What the neighbor says of itself, signed.
    pub(crate) claim: Option<Claim>,
    /// `None` until it is decided.
    pub(crate) standing: Option<Standing>,
    /// When silence means that the neighbor does not speak our Hello.
    pub(crate) hello_deadline: Option<NodeTime>,
    pub(crate) listing: Listing,
    /// What is found out by sketches.
    pub(crate) exchanges: Exchanges,
    pub(crate) surroundings: Surroundings,
    pub(crate) giving: Giving,
    /// What is to be looked at in the store when there is room in `pending`.
    pub(crate) backlog: Backlog,
    pub(crate) pending: BTreeSet<Rank>,
    /// What needs no further try during this contact: refused for good, too large for the link, or taken by a neighbor whose word does not
    /// count beyond it.
    pub(crate) settled: BTreeSet<Number>,
    /// The neighbor asked for a pause until then.
    pub(crate) paused_until: Option<NodeTime>,
    pub(crate) custody: Watch,
    in_flight: BTreeMap<TransferId, InFlight>,
    bundles_in_flight: BTreeSet<Number>,
    octets_in_flight: u64,
    express_in_flight: usize,
    /// Payloads of which the neighbor has the beginning, and gets the rest.
    pub(crate) pours: Vec<Pour>,
    /// Large bundles that it was offered, and has not answered for.
    pub(crate) offered: BTreeMap<Number, Waiting>,
    /// Large bundles that it asked for.
    pub(crate) asked: BTreeSet<Number>,
    parts_in_flight: usize,
    next_transfer: TransferId,
}

/// What a link can carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) transfer_mru: u64,
    pub(crate) octets_per_second: Option<u64>,
}

/// What a signed Hello said.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) node: Eid,
    pub(crate) key: PublicKey,
    /// It answered our nonce: its signer is at the other end now.
    pub(crate) fresh: bool,
    pub(crate) hello: Hello,
}

/// A transfer that awaits its answer.
#[derive(Debug)]
pub(crate) enum InFlight {
    Message,
    Bundle { rank: Rank, id: BundleId, octets: u64 },
    Part { number: Number },
}

impl Contact {
    pub(crate) fn new(link: String, declared: Option<Eid>, capacity: Capacity) -> Self {
        Self {
            link,
            declared,
            transfer_mru: capacity.transfer_mru,
            octets_per_second: capacity.octets_per_second,
            nonce: [0; 16],
            claim: None,
            standing: None,
            hello_deadline: None,
            listing: Listing::Idle,
            exchanges: Exchanges::default(),
            surroundings: Surroundings::default(),
            giving: Giving::default(),
            backlog: Backlog::default(),
            pending: BTreeSet::new(),
            settled: BTreeSet::new(),
            paused_until: None,
            custody: Watch::default(),
            in_flight: BTreeMap::new(),
            bundles_in_flight: BTreeSet::new(),
            octets_in_flight: 0,
            express_in_flight: 0,
            pours: Vec::new(),
            offered: BTreeMap::new(),
            asked: BTreeSet::new(),
            parts_in_flight: 0,
            next_transfer: 0,
        }
    }

    /// The node ID of the neighbor where it was authenticated: only then what it has counts beyond the contact.
    pub(crate) fn authenticated(&self) -> Option<&Eid> {
        match (self.standing, &self.claim) {
            (Some(Standing::Authenticated), Some(claim)) => Some(&claim.node),
            _ => None,
        }
    }

    /// Numbers a transfer and remembers it until it is answered.
    pub(crate) fn launch(&mut self, flight: InFlight) -> TransferId {
        let transfer = self.next_transfer;
        self.next_transfer += 1;
        if let InFlight::Bundle { rank, octets, .. } = &flight {
            self.bundles_in_flight.insert(rank.1);
            self.octets_in_flight += octets;
            self.express_in_flight += usize::from(lane_of(*rank) == Lane::Express);
        }
        self.parts_in_flight += usize::from(matches!(flight, InFlight::Part { .. }));
        self.in_flight.insert(transfer, flight);
        transfer
    }

    /// A transfer was answered.
    pub(crate) fn land(&mut self, transfer: TransferId) -> Option<InFlight> {
        let flight = self.in_flight.remove(&transfer)?;
        if let InFlight::Bundle { rank, octets, .. } = &flight {
            self.bundles_in_flight.remove(&rank.1);
            self.octets_in_flight -= octets;
            self.express_in_flight -= usize::from(lane_of(*rank) == Lane::Express);
        }
        self.parts_in_flight -= usize::from(matches!(flight, InFlight::Part { .. }));
        Some(flight)
    }

    /// Whether another bundle may be under way in that lane. One bundle always may, so a large one can fill the window
    /// of a slow link for long: a few go past it.
    pub(crate) fn has_window(&self, lane: Lane) -> bool {
        let most = match self.octets_per_second {
            Some(rate) => rate.saturating_mul(WINDOW_SECONDS).clamp(WINDOW_OCTETS_MIN, WINDOW_OCTETS),
            None => WINDOW_OCTETS,
        };
        let has_room = self.bundles_in_flight.len() < WINDOW_BUNDLES && self.octets_in_flight < most;
        has_room || lane == Lane::Express && self.express_in_flight < EXPRESS_BUNDLES
    }

    /// How long one message of so many octets takes on the link, in milliseconds: nothing to speak of where the layer
    /// does not say how fast it is.
    pub(crate) fn transit_ms(&self, octets: u64) -> u64 {
        self.octets_per_second.map_or(0, |rate| octets.saturating_mul(1000) / rate.max(1))
    }

    pub(crate) fn has_bundles_in_flight(&self) -> bool {
        !self.bundles_in_flight.is_empty()
    }

    pub(crate) fn messages_in_flight(&self) -> usize {
        self.in_flight.len() - self.bundles_in_flight.len() - self.parts_in_flight
    }

    pub(crate) fn parts_in_flight(&self) -> usize {
        self.parts_in_flight
    }

    pub(crate) fn is_in_flight(&self, number: Number) -> bool {
        self.bundles_in_flight.contains(&number) || self.pours.iter().any(|pour| pour.number == number)
    }

    /// Whether another bundle may wait in memory.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < PENDING_MAX
    }

    /// Puts a new bundle among those that wait, or notes that there was no room for it.
    pub(crate) fn enqueue(&mut self, rank: Rank) {
        if self.has_room() {
            self.queue(rank);
        } else {
            self.backlog.put_off(rank.1);
        }
    }

    /// Puts a bundle among those that wait. There are never more at a time than the caller has a bound for.
    pub(crate) fn queue(&mut self, rank: Rank) {
        self.pending.insert(rank);
    }

    /// A bundle is gone from the store. Where it still waits here, that is noticed when its turn comes.
    pub(crate) fn forget(&mut self, number: Number) {
        self.settled.remove(&number);
        self.offered.remove(&number);
        self.asked.remove(&number);
        self.pours.retain(|pour| pour.number != number);
    }

    /// What the neighbor is to us has changed: what was planned for it no longer counts.
    pub(crate) fn start_over(&mut self) {
        self.backlog = Backlog::default();
        self.pending.clear();
        self.offered.clear();
        self.asked.clear();
        self.pours.clear();
    }

    /// Octets that a contact message for this neighbor may have.
    pub(crate) fn message_octets_max(&self) -> usize {
        usize::try_from(self.transfer_mru.saturating_sub(FRAMING_OCTETS)).unwrap_or(usize::MAX)
    }

    /// Whether there is a place for another message under way.
    pub(crate) fn may_say_more(&self) -> bool {
        self.messages_in_flight() < MESSAGES_MAX
    }

    /// The next time that something is due on this contact.
    pub(crate) fn deadline(&self) -> Option<NodeTime> {
        let (listing, offers) = (self.listing.deadline(), self.next_offer());
        let lacking = self.exchanges.deadline().filter(|_| self.may_say_more());
        let surroundings = self.surroundings.deadline(self.may_say_more());
        let opening = matches!(self.listing, Listing::Counting).then(|| self.exchanges.opening());
        [
            self.hello_deadline,
            self.paused_until,
            listing,
            offers,
            self.custody.due,
            lacking,
            surroundings,
            opening,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
