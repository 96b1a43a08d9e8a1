//! The index of what may go when room is needed, the least valuable first: bundles that nobody here answers for and that no
//! application waits for. Each stands in the order of all, and in that of every quota that it counts towards.
//!
//! The rows derive from a bundle's facts and from whether the bundle waits in a queue. Facts that are written already are changed by
//! [`WriteTxn::change_facts`] only, and whoever changes a queue calls [`WriteTxn::settle_evictability`].

use crate::store::bundles::endpoint_key;
use crate::store::facts::{BundleFacts, number_at, priority_code};
use crate::store::{Number, Retention, StoreError, Table, View, WriteTxn};

/// The place of a bundle in the order of eviction: the smallest goes first; of equals the one that came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worth(u8);

impl Worth {
    /// Everybody whom it is for has had it.
    const NEEDLESS: Self = Self(0);
    /// A message without a priority of its own.
    pub(crate) const NORMAL: Self = Self(2);
    /// What nodes say to each other: small, and others depend on it.
    pub(crate) const PROTOCOL: Self = Self(4);

    /// What a message is worth that was not delivered yet.
    pub fn of_message(priority: bundle_format::Priority) -> Self {
        Self(1 + priority_code(priority))
    }

    fn of(facts: &BundleFacts) -> Self {
        if facts.is_needless() {
            Self::NEEDLESS
        } else if facts.is_protocol() {
            Self::PROTOCOL
        } else {
            Self::of_message(facts.priority)
        }
    }

    /// Every worth up to this one in the order of eviction, where so much is said between nodes that it counts as normal messages: it goes
    /// behind those, and before what is urgent.
    pub(crate) fn and_below(self) -> impl Iterator<Item = Self> {
        let protocol = (Self::NORMAL..Self::PROTOCOL).contains(&self).then_some(Self::PROTOCOL);
        let below = (0..=self.0.min(Self::NORMAL.0)).map(Self);
        below.chain(protocol).chain((Self::NORMAL.0 + 1..=self.0).map(Self))
    }
}

/// Whose bundles are to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    /// Everybody's.
    All,
    /// Those that are counted for this endpoint: a source's node, or a group.
    CountedFor(u32),
}

impl Among {
    /// Whether a bundle is one of them.
    pub(crate) fn include(self, facts: &BundleFacts) -> bool {
        match self {
            Self::All => true,
            Self::CountedFor(endpoint) => facts.charged().any(|charged| charged == endpoint),
        }
    }

    fn table(self) -> Table {
        match self {
            Self::All => Table::Eviction,
            Self::CountedFor(_) => Table::Shares,
        }
    }

    fn prefix(self, worth: Worth) -> Vec<u8> {
        match self {
            Self::All => vec![worth.0],
            Self::CountedFor(endpoint) => [&endpoint.to_be_bytes()[..], &[worth.0]].concat(),
        }
    }
}

/// The rows that a bundle has where it may go.
pub(crate) fn rows(facts: &BundleFacts) -> impl Iterator<Item = (Table, Vec<u8>)> {
    let (worth, number) = (Worth::of(facts), facts.number.key());
    let all = std::iter::once(Among::All).chain(facts.charged().map(Among::CountedFor));
    all.map(move |among| (among.table(), [&among.prefix(worth)[..], &number].concat()))
}

impl<'t> View<'t> {
    /// The bundles of exactly this worth that may go, in the order in which they came.
    pub(crate) fn evictable(
        &self,
        among: Among,
        worth: Worth,
    ) -> Result<impl Iterator<Item = Result<Number, StoreError>> + use<'t>, StoreError> {
        let table = among.table();
        let rows = self.rows(table, &among.prefix(worth))?;
        Ok(rows.map(move |row| number_at(table, row?.0)))
    }

    /// Whether a bundle may go when room is needed.
    pub(crate) fn is_evictable(&self, facts: &BundleFacts) -> Result<bool, StoreError> {
        let waits = self.has(Table::Queue, &endpoint_key(facts.destination_number, facts.number))?;
        let is_kept = [Retention::CUSTODY, Retention::DELIVERY_PENDING];
        Ok(!waits && !is_kept.iter().any(|constraint| facts.retention.contains(*constraint)))
    }
}

impl WriteTxn<'_> {
    /// Changes what is known about a bundle that is here, and its place in the order with it.
    pub(crate) fn change_facts(
        &mut self,
        number: Number,
        change: impl FnOnce(&mut BundleFacts),
    ) -> Result<(), StoreError> {
        let Some(mut facts) = self.view().facts(number)? else { return Ok(()) };
        self.forget_evictability(&facts)?;
        change(&mut facts);
        self.put(Table::Facts, &number.key(), &facts.encode())?;
        self.write_evictability(&facts)
    }

    /// Brings the rows of a bundle up to date whose place in a queue has changed.
    pub(crate) fn settle_evictability(&mut self, number: Number) -> Result<(), StoreError> {
        let Some(facts) = self.view().facts(number)? else { return Ok(()) };
        self.forget_evictability(&facts)?;
        self.write_evictability(&facts)
    }

    /// Lists a bundle where it may go.
    pub(crate) fn write_evictability(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        if self.view().is_evictable(facts)? {
            for (table, key) in rows(facts) {
                self.put(table, &key, b"")?;
            }
        }
        Ok(())
    }

    /// A bundle goes for good: its rows with it.
    pub(crate) fn forget_evictability(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        for (table, key) in rows(facts) {
            self.delete(table, &key)?;
        }
        Ok(())
    }
}
