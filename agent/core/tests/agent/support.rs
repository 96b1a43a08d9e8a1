//! Agents with real stores.

mod pair;

pub(crate) use pair::{Pair, Side};

use std::sync::Arc;

use agent_core::Agent;
use agent_core::config::{CardSettings, Carry, Config, Stance};
use agent_core::input::{ContactId, Input};
use agent_core::output::{Output, Parcel, ParcelPayload};
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Conflict, CustodyTransfer, Order, Report, Request};
use agent_core::routing::Policies;
use agent_core::store::{CHUNK_OCTETS, Durability, Number, PayloadPlace, Store, StoreOptions};
use agent_core::time::{NodeTime, Now};
use bundle_format::{
    AdministrativeRecord, Bundle, BundleFlags, BundleId, CheckedBundle, CreationTimestamp, DtnTime, Eid,
    Limits, Metadata, NewBundle, NodeKey, Profile, RecordTag,
};
use bytes::{Bytes, BytesMut};

pub(crate) const CONTACT: ContactId = 7;
const DAY_MS: u64 = 86_400_000;

/// A node without a driver: each input is a transaction of its own.
pub(crate) struct Node {
    pub(crate) agent: Agent,
    pub(crate) store: Store,
    pub(crate) now: Now,
    _folder: tempfile::TempDir,
}

pub(crate) fn eid(text: &str) -> Eid {
    text.parse().unwrap()
}

/// The key of the node with this name; the same in every test.
pub(crate) fn key(name: &str) -> NodeKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    NodeKey::from_seed(seed)
}

pub(crate) fn config(name: &str) -> Config {
    Config {
        node: eid(&format!("dtn://{name}/")),
        ipn: None,
        key: key(name),
        profile: Profile::default(),
        limits: Limits::default(),
        carry: Carry::All,
        strangers: Stance::Refuse,
        unsigned: Stance::Refuse,
        quota_octets: 1 << 30,
        stranger_quota_octets: 1 << 20,
        source_quota_octets: 1 << 40,
        group_quota_octets: 1 << 40,
        lifetime_ms_max: 365 * DAY_MS,
        hop_limit: 64,
        foreign: Vec::new(),
        policies: Policies::default(),
        custodians: None,
        cards: CardSettings { first_ms: u64::MAX, ..CardSettings::default() },
        trust: Vec::new(),
    }
}

pub(crate) fn order(destination: &str) -> Order {
    Order {
        destination: eid(destination),
        source_demux: String::new(),
        lifetime_ms: 30 * DAY_MS,
        metadata: Metadata::default(),
        report: Report::Nothing,
        custody: CustodyTransfer::Wanted,
    }
}

pub(crate) fn import_request(bundle: CheckedBundle) -> Request {
    Request::Import {
        bundle: Box::new(bundle),
        payload: PayloadPlace::Inline,
        from: None,
        dormant_ms: 0,
        way: String::new(),
    }
}

/// The first edition of a record that a node of that name might publish.
pub(crate) fn record_of(author: &str, name: &str, group: Eid, payload: Bytes) -> CheckedBundle {
    let record = Some(RecordTag { name: name.to_owned(), revision: 1 });
    let bundle = NewBundle {
        destination: group,
        source: eid(&format!("dtn://{author}/")),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence: 77 },
        lifetime_ms: DAY_MS,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(30),
        metadata: Some(Metadata { record, ..Metadata::default() }),
    };
    bundle.sign(&Profile::default(), &key(author), payload).unwrap()
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(config(name))
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::within(config, None)
    }

    /// A node whose store cannot grow beyond this.
    pub(crate) fn within(config: Config, map_octets: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { durability: Durability::Unsynced, map_octets };
        let store = Store::open(folder.path(), &options).unwrap();
        let now = Now { node: NodeTime::from_ms(1_000), utc: Some(DtnTime(800_000_000_000)) };
        let agent = Agent::open(Arc::new(config), [9; 32], now, store.read().unwrap().view()).unwrap();
        Self { agent, store, now, _folder: folder }
    }

    /// A node that trusts these others.
    pub(crate) fn trusting(name: &str, others: &[&str]) -> Self {
        let mut node = Self::new(name);
        for other in others {
            node.trust(other);
        }
        node
    }

    pub(crate) fn trust(&mut self, other: &str) {
        let request = Request::TrustAdd {
            node: eid(&format!("dtn://{other}/")),
            key: key(other).public(),
            conflict: Conflict::Refuse,
        };
        assert_eq!(self.ask(request), Answer::Done { changed: true });
    }

    /// Power is lost and comes back: what was in memory is gone.
    pub(crate) fn restart(&mut self, seed: [u8; 32]) {
        let config = Arc::clone(self.agent.config());
        self.agent = Agent::open(config, seed, self.now, self.store.read().unwrap().view()).unwrap();
    }

    /// Loses the answers that custodians are still to get.
    pub(crate) fn forget_owed(&mut self) {
        let mut txn = self.store.write().unwrap();
        for owed in txn.view().owed(100_000).unwrap() {
            txn.settle_owed(&owed).unwrap();
        }
        txn.commit().unwrap();
    }

    /// Opens a contact with a trusted neighbor, which answers our Hello; what came of that.
    pub(crate) fn open(&mut self, contact: ContactId, name: &str) -> Vec<Output> {
        let opened = Input::ContactOpened {
            contact,
            link: "test".into(),
            declared: None,
            transfer_mru: u64::MAX,
            octets_per_second: None,
        };
        let hello = match self.step(opened).first() {
            Some(Output::Send { parcel, .. }) => self.octets_of(parcel),
            other => panic!("{other:?}"),
        };
        let mut other = Self::trusting(name, &[]);
        other.hello();
        let hello = Bundle::parse(hello, &Limits::default()).unwrap().check(&Profile::default());
        let answer = Input::BundleReceived {
            contact: CONTACT,
            transfer: 0,
            bundle: Box::new(hello),
            payload: PayloadPlace::Inline,
        };
        let outputs = other.step(answer);
        let Some(answer) = outputs.iter().find_map(|output| match output {
            Output::Send { parcel, .. } => Some(other.octets_of(parcel)),
            _ => None,
        }) else {
            panic!("{outputs:?}")
        };
        let bundle = Bundle::parse(answer, &Limits::default()).unwrap().check(&Profile::default());
        self.step(Input::BundleReceived {
            contact,
            transfer: 0,
            bundle: Box::new(bundle),
            payload: PayloadPlace::Inline,
        })
    }

    pub(crate) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut txn = self.store.write().unwrap();
        self.agent.handle(self.now, input, &mut txn).unwrap();
        txn.commit().unwrap();
        std::iter::from_fn(|| self.agent.poll_output()).collect()
    }

    /// An answer, with what else came of the request thrown away.
    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        self.ask_and_hear(request).0
    }

    pub(crate) fn ask_and_hear(&mut self, request: Request) -> (Answer, Vec<Output>) {
        let mut outputs = self.step(Input::Requested { id: 1, request });
        let at =
            outputs.iter().position(|output| matches!(output, Output::Answer { .. })).expect("an answer");
        let Output::Answer { answer, .. } = outputs.remove(at) else { unreachable!() };
        (answer, outputs)
    }

    pub(crate) fn transmit(&mut self, order: Order, payload: &[u8]) -> BundleId {
        match self.ask(Request::Transmit { order, payload: Bytes::copy_from_slice(payload) }) {
            Answer::Transmitted { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// A bundle comes out of nowhere; what the door said.
    pub(crate) fn import(&mut self, bundle: CheckedBundle) -> Result<BundleId, Refusal> {
        match self.ask(import_request(bundle)) {
            Answer::Imported { id } => Ok(id),
            Answer::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn has(&self, id: &BundleId) -> bool {
        matches!(
            self.store.read().unwrap().view().find(id).unwrap(),
            Some(agent_core::store::Presence::Held(_))
        )
    }

    pub(crate) fn bundles(&self) -> u64 {
        self.store.read().unwrap().view().usage().unwrap().bundles
    }

    pub(crate) fn queued(&self, endpoint: &str) -> Option<Number> {
        self.store.read().unwrap().view().queued(&eid(endpoint), None).unwrap()
    }

    pub(crate) fn payload(&self, number: Number) -> Bytes {
        let txn = self.store.read().unwrap();
        let stored = txn.view().bundle(number).unwrap().expect("it is here");
        if let Some(inline) = &stored.inline_payload {
            return inline.clone();
        }
        let mut payload = BytesMut::new();
        for index in 0..u32::try_from(stored.payload_octets.div_ceil(CHUNK_OCTETS as u64)).unwrap() {
            payload.extend_from_slice(&txn.view().payload_chunk(number, index).unwrap().expect("a chunk"));
        }
        payload.freeze()
    }

    /// A stored bundle as it was taken in.
    pub(crate) fn whole(&self, number: Number) -> CheckedBundle {
        let txn = self.store.read().unwrap();
        let stored = txn.view().bundle(number).unwrap().expect("it is here");
        let octets = Bytes::from([&stored.head[..], &self.payload(number), &stored.tail].concat());
        Bundle::parse(octets, &Limits::default()).unwrap().check(&Profile::default())
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) -> Vec<Output> {
        self.now.node = self.now.node.after_ms(ms);
        self.now.utc = self.now.utc.map(|utc| DtnTime(utc.0 + ms));
        self.step(Input::TimeoutReached)
    }

    /// The octets of what this node says first on a new contact.
    pub(crate) fn hello(&mut self) -> Bytes {
        let opened = Input::ContactOpened {
            contact: CONTACT,
            link: "test".into(),
            declared: None,
            transfer_mru: u64::MAX,
            octets_per_second: None,
        };
        match self.step(opened).first() {
            Some(Output::Send { parcel, .. }) => self.octets_of(parcel),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn octets_of(&self, parcel: &Parcel) -> Bytes {
        let payload = match &parcel.payload {
            ParcelPayload::Inline(octets) => octets.clone(),
            ParcelPayload::Stored { number, .. } => self.payload(*number),
        };
        [&parcel.head[..], &payload, &parcel.tail].concat().into()
    }
}

/// The kind of a contact message.
pub(crate) fn message_kind(bundle: &CheckedBundle) -> Option<u8> {
    let is_message = bundle.head().primary().destination == agent_core::contact_endpoint();
    is_message.then(|| bundle.payload().and_then(|payload| payload.get(2)).copied()).flatten()
}

/// Whether a bundle is a custody signal.
pub(crate) fn is_custody_signal(bundle: &CheckedBundle) -> bool {
    let payload = bundle.payload().filter(|_| bundle.head().is_administrative_record());
    payload
        .and_then(|payload| AdministrativeRecord::decode(payload).ok())
        .is_some_and(|record| record.custody_signal(&Profile::default()).is_some())
}
