//! The index of what may go when room is needed, the least valuable first: bundles that nobody here answers for and that no
//! application waits for.
//!
//! A row derives from a bundle's facts and from whether the bundle waits in a queue; every procedure that changes one of them
//! calls [`WriteTxn::settle_evictability`].

use crate::store::bundles::endpoint_key;
use crate::store::facts::{BundleFacts, number_at, priority_code};
use crate::store::{Number, Retention, StoreError, Table, View, WriteTxn};

/// The place of a bundle in the order of eviction: the smallest goes first; of equals the one that came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worth(u8);

impl Worth {
    /// Its destination has had it.
    const DELIVERED: Self = Self(0);
    /// What nodes say to each other: small, and others depend on it.
    pub(crate) const PROTOCOL: Self = Self(4);

    /// What a message is worth that was not delivered yet.
    pub fn of_message(priority: bundle_format::Priority) -> Self {
        Self(1 + priority_code(priority))
    }

    fn of(facts: &BundleFacts) -> Self {
        if facts.delivered {
            Self::DELIVERED
        } else if facts.is_administrative || facts.record.is_some() {
            Self::PROTOCOL
        } else {
            Self::of_message(facts.priority)
        }
    }
}

fn key(worth: Worth, number: Number) -> [u8; 9] {
    let mut key = [worth.0; 9];
    if let Some(rest) = key.last_chunk_mut::<8>() {
        *rest = number.key();
    }
    key
}

/// The key of the row that a bundle has where it may go.
pub(crate) fn row(facts: &BundleFacts) -> [u8; 9] {
    key(Worth::of(facts), facts.number)
}

impl View<'_> {
    /// Whether some bundle is worth no more than this, and may go.
    pub fn has_less_valuable(&self, at_most: Worth) -> Result<bool, StoreError> {
        let Some(first) = self.rows(Table::Eviction, b"")?.next() else { return Ok(false) };
        Ok(first?.0.first().is_some_and(|worth| *worth <= at_most.0))
    }

    /// The bundles that are to go so that so many octets are free, each worth no more than this and none that `stays`; `None` where
    /// even `most` of them would not be enough.
    pub fn least_valuable(
        &self,
        (at_most, stays): (Worth, impl Fn(&BundleFacts) -> bool),
        octets: u64,
        most: usize,
    ) -> Result<Option<Vec<Number>>, StoreError> {
        let (mut victims, mut left) = (Vec::new(), octets);
        for row in self.rows(Table::Eviction, b"")?.take(most) {
            let (key, _) = row?;
            if key.first().is_none_or(|worth| *worth > at_most.0) {
                break;
            }
            let number = number_at(Table::Eviction, key)?;
            let Some(facts) = self.facts(number)?.filter(|facts| !stays(facts)) else { continue };
            victims.push(number);
            left = left.saturating_sub(facts.octets());
            if left == 0 {
                return Ok(Some(victims));
            }
        }
        Ok(None)
    }

    /// Whether a bundle may go when room is needed.
    pub(crate) fn is_evictable(&self, facts: &BundleFacts) -> Result<bool, StoreError> {
        let waits = self.has(Table::Queue, &endpoint_key(facts.destination_number, facts.number))?;
        Ok(!waits && !facts.retention.contains(Retention::CUSTODY))
    }
}

impl WriteTxn<'_> {
    /// Brings the row of a bundle up to date, whose facts or whose place in a queue have changed.
    pub(crate) fn settle_evictability(&mut self, number: Number) -> Result<(), StoreError> {
        let Some(facts) = self.view().facts(number)? else { return Ok(()) };
        let wanted = row(&facts);
        let delivered = key(Worth::DELIVERED, number);
        let undelivered = row(&BundleFacts { delivered: false, ..facts.clone() });
        let is_evictable = self.view().is_evictable(&facts)?;
        for other in [delivered, undelivered] {
            let keep = is_evictable && other == wanted;
            match (keep, self.view().has(Table::Eviction, &other)?) {
                (true, false) => self.put(Table::Eviction, &other, b"")?,
                (false, true) => drop(self.delete(Table::Eviction, &other)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// A bundle goes for good: its row with it.
    pub(crate) fn forget_evictability(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        self.delete(Table::Eviction, &row(facts)).map(drop)
    }
}
