//! The one record of the store itself: its format, its epoch, the numbers that may never be given out twice, and totals.

use bundle_format::Eid;

use crate::store::record::{Reader, Writer};
use crate::store::set_log::CellsState;
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, Usage, View, WriteTxn};
use crate::time::NodeTime;

/// The format of the records and tables that this program reads and writes (`docs/store.md`).
pub const FORMAT_VERSION: u32 = 3;

pub(crate) const KEY: &[u8] = b"store";

/// What the store knows about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The format of the store; always [`FORMAT_VERSION`] in a store that could be opened.
    pub format_version: u32,
    /// Grows when the store may have lost something: a rollback, a restored backup, a loaded dump, a damaged bundle. Neighbors that see a
    /// new epoch forget what this node was known to have.
    pub epoch: u64,
    /// The upper half of sequence numbers of bundles made here; random, renewed with the epoch.
    pub incarnation: u32,
    /// The lower half of the next sequence number.
    pub counter: u32,
    /// The number of the next bundle or payload.
    pub next_number: u64,
    /// Where the node's own scale of time continues after a restart.
    pub node_time: NodeTime,
    /// The node whose store this is; `None` until somebody said so.
    pub node: Option<Eid>,
    pub(crate) next_endpoint: u32,
    pub(crate) total: Usage,
    pub(crate) unvouched: Usage,
    pub(crate) cells: CellsState,
}

impl Settings {
    pub(crate) fn of_a_new_store() -> Self {
        Self {
            format_version: FORMAT_VERSION,
            epoch: 1,
            incarnation: 0,
            counter: 0,
            next_number: 1,
            node_time: NodeTime::default(),
            node: None,
            next_endpoint: 1,
            total: Usage::default(),
            unvouched: Usage::default(),
            cells: CellsState::EMPTY,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let node = self.node.as_ref().map(Eid::to_cbor).unwrap_or_default();
        Writer::with_capacity(128 + node.len())
            .u32(self.format_version)
            .u64(self.epoch)
            .u32(self.incarnation)
            .u32(self.counter)
            .u64(self.next_number)
            .u64(self.node_time.as_ms())
            .u32(self.next_endpoint)
            .u64(self.total.bundles)
            .u64(self.total.octets)
            .u64(self.unvouched.bundles)
            .u64(self.unvouched.octets)
            .u8(u8::from(self.cells.is_known))
            .u64(self.cells.covered)
            .u64(self.cells.last)
            .u64(self.cells.changes)
            .counted(&node)
            .done()
    }

    /// The format version alone, which stands first in every format.
    pub(crate) fn version(body: &[u8]) -> Option<u32> {
        Reader::new(body).u32()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let settings = Self {
            format_version: fields.u32()?,
            epoch: fields.u64()?,
            incarnation: fields.u32()?,
            counter: fields.u32()?,
            next_number: fields.u64()?,
            node_time: NodeTime::from_ms(fields.u64()?),
            next_endpoint: fields.u32()?,
            total: Usage { bundles: fields.u64()?, octets: fields.u64()? },
            unvouched: Usage { bundles: fields.u64()?, octets: fields.u64()? },
            cells: CellsState {
                is_known: fields.u8()? != 0,
                covered: fields.u64()?,
                last: fields.u64()?,
                changes: fields.u64()?,
            },
            node: match fields.counted()? {
                [] => None,
                node => Some(Eid::from_cbor(node).ok()?),
            },
        };
        fields.end()?;
        Some(settings)
    }
}

impl View<'_> {
    /// What the store knows about itself.
    pub fn settings(&self) -> Result<Settings, StoreError> {
        if let Some(settings) = self.settings {
            return Ok(settings.clone());
        }
        let body = self.get(Table::Settings, KEY)?.ok_or_else(|| misshapen(Table::Settings, KEY))?;
        Settings::decode(body).ok_or_else(|| misshapen(Table::Settings, KEY))
    }
}

impl WriteTxn<'_> {
    /// Takes a sequence number: incarnation and counter. Each pair is given out once in the life of the store.
    pub fn take_sequence(&mut self) -> Result<(u32, u32), StoreError> {
        let settings = self.settings_mut();
        let taken = (settings.incarnation, settings.counter);
        let (next, is_used_up) = settings.counter.overflowing_add(1);
        settings.counter = next;
        if is_used_up {
            settings.incarnation = settings.incarnation.wrapping_add(1);
        }
        Ok(taken)
    }

    /// Begins a new epoch, larger than any that this store was ever seen to have.
    pub fn raise_epoch(&mut self) -> u64 {
        let witnessed = self.witnessed_epoch();
        let settings = self.settings_mut();
        settings.epoch = settings.epoch.max(witnessed).saturating_add(1);
        settings.epoch
    }

    /// Begins a new series of sequence numbers. `incarnation` is drawn at random by the caller: for a new store, and
    /// whenever the epoch is raised.
    pub fn new_incarnation(&mut self, incarnation: u32) {
        let settings = self.settings_mut();
        settings.incarnation = incarnation;
        settings.counter = 0;
    }

    /// Notes how far the node's own scale of time has come, so that it goes on there after a restart. It never goes back.
    pub fn set_node_time(&mut self, time: NodeTime) {
        if self.settings().node_time < time {
            self.settings_mut().node_time = time;
        }
    }

    /// Says whose store this is.
    pub fn set_node(&mut self, node: &Eid) {
        if self.settings().node.as_ref() != Some(node) {
            self.settings_mut().node = Some(node.clone());
        }
    }
}
