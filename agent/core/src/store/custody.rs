//! Custody that must survive a crash: the numbers that this node gave to bundles as their custodian, and the answers that
//! it owes to other custodians.
//!
//! Numbers are given once for each bundle and each taker: a neighbor, a volume, or whoever nobody authenticated. Two rows
//! say the same, so that a number is found from the bundle and the bundle from the number; both go when custody ends. An
//! answer is written in the transaction that accepts a bundle, and goes in the one that stores the signal with it.
//! `docs/custody.md` has the procedures.

use bundle_format::Eid;

use crate::store::endpoints::name_key;
use crate::store::facts::{behind, number_at};
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, Retention, StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

/// Who is asked to take custody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taker(pub(crate) u32);

impl Taker {
    /// Whoever takes it: neighbors that nobody authenticated share their numbers.
    pub const ANYBODY: Self = Self(0);
}

/// A number that this node gave to a bundle as its custodian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issued {
    /// The sequence id: its upper half is the taker, its lower one random.
    pub sequence: u64,
    /// The number within the sequence.
    pub number: u64,
}

impl Issued {
    /// The sequence id for a taker.
    pub(crate) fn sequence_of(taker: Taker, random: u32) -> u64 {
        u64::from(taker.0) << 32 | u64::from(random)
    }

    fn key(self) -> [u8; 16] {
        let mut key = [0; 16];
        let (first, second) = key.split_at_mut(8);
        first.copy_from_slice(&self.sequence.to_be_bytes());
        second.copy_from_slice(&self.number.to_be_bytes());
        key
    }

    fn at(table: Table, key: &[u8]) -> Result<Self, StoreError> {
        let fields = key.split_first_chunk::<8>().zip(key.last_chunk::<8>());
        let ((sequence, _), number) = fields.ok_or_else(|| misshapen(table, key))?;
        Ok(Self { sequence: u64::from_be_bytes(*sequence), number: u64::from_be_bytes(*number) })
    }

    /// Whom it was given for.
    pub(crate) fn taker(self) -> Taker {
        Taker(u32::try_from(self.sequence >> 32).unwrap_or_default())
    }
}

/// What a custodian is told of one of its bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// It was taken over.
    Accepted,
    /// It was not.
    Refused,
}

/// An answer that a custodian is still to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Where it goes: the custodian's administrative endpoint.
    pub custodian: Eid,
    /// The number that the custodian gave, in its own sequence.
    pub issued: Issued,
    /// What it says.
    pub disposition: Disposition,
    /// When the bundle expires, and the answer is of no use any more.
    pub deadline: NodeTime,
}

impl Owed {
    fn key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        let (first, second) = key.split_at_mut(16);
        first.copy_from_slice(&name_key(&self.custodian.to_cbor()));
        second.copy_from_slice(&self.issued.key());
        key
    }

    fn encode(&self) -> Vec<u8> {
        let name = self.custodian.to_cbor();
        Writer::with_capacity(16 + name.len())
            .u8(u8::from(self.disposition == Disposition::Accepted))
            .u64(self.deadline.as_ms())
            .counted(&name)
            .done()
    }

    pub(crate) fn decode(key: &[u8], body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let disposition = match fields.u8()? {
            1 => Disposition::Accepted,
            0 => Disposition::Refused,
            _ => return None,
        };
        Some(Self {
            disposition,
            deadline: NodeTime::from_ms(fields.u64()?),
            custodian: Eid::from_cbor(fields.counted()?).ok()?,
            issued: Issued::at(Table::CustodyOwed, key.get(16..)?).ok()?,
        })
    }
}

fn taker_key(number: Number, taker: Taker) -> [u8; 12] {
    let mut key = [0; 12];
    let (first, second) = key.split_at_mut(8);
    first.copy_from_slice(&number.key());
    second.copy_from_slice(&taker.0.to_be_bytes());
    key
}

impl View<'_> {
    /// Whether this node is the custodian of a bundle that is here.
    pub fn is_custodian(&self, number: Number) -> Result<bool, StoreError> {
        Ok(self.facts(number)?.is_some_and(|facts| facts.retention.contains(Retention::CUSTODY)))
    }

    /// The number that a bundle has for a taker.
    pub fn issued(&self, number: Number, taker: Taker) -> Result<Option<Issued>, StoreError> {
        let key = taker_key(number, taker);
        let Some(body) = self.get(Table::CustodyIssued, &key)? else { return Ok(None) };
        Issued::at(Table::CustodyIssued, body).map(Some)
    }

    /// The number that a bundle in this node's custody has for an authenticated neighbor or a volume.
    pub fn handed_to(&self, number: Number, node: &Eid) -> Result<Option<Issued>, StoreError> {
        match self.taker(node)? {
            Some(taker) => self.issued(number, taker),
            None => Ok(None),
        }
    }

    /// Neighbors and volumes that were asked to take a bundle over and did not answer.
    pub fn asked_for_custody(&self, number: Number) -> Result<Vec<Eid>, StoreError> {
        let takers: Vec<Taker> = self.custody(number)?.into_iter().map(Issued::taker).collect();
        if takers.is_empty() {
            return Ok(Vec::new());
        }
        let neighbors = self.neighbors()?.into_iter();
        Ok(neighbors.filter(|known| takers.contains(&Taker(known.number))).map(|known| known.node).collect())
    }

    /// Every number that a bundle has: one for each taker that was asked.
    pub fn custody(&self, number: Number) -> Result<Vec<Issued>, StoreError> {
        let rows = self.rows(Table::CustodyIssued, &number.key())?;
        rows.map(|row| Issued::at(Table::CustodyIssued, row?.1)).collect()
    }

    /// The bundle to which this node gave a number.
    pub fn bundle_of(&self, issued: Issued) -> Result<Option<Number>, StoreError> {
        let body = self.get(Table::CustodyNumbers, &issued.key())?;
        body.map(|body| number_at(Table::CustodyNumbers, body)).transpose()
    }

    /// Numbers for a taker that nobody answered yet, those behind `after`, each with its bundle.
    pub fn unanswered(
        &self,
        taker: Taker,
        after: Option<Issued>,
        limit: usize,
    ) -> Result<Vec<(Issued, Number)>, StoreError> {
        let start = after.map(Issued::key);
        let start = behind(start.as_ref().map(<[u8; 16]>::as_slice));
        let rows = self.rows_from(Table::CustodyNumbers, &taker.0.to_be_bytes(), start)?;
        rows.take(limit)
            .map(|row| {
                let (key, body) = row?;
                Ok((Issued::at(Table::CustodyNumbers, key)?, number_at(Table::CustodyNumbers, body)?))
            })
            .collect()
    }

    /// Answers that are still to be given, together by custodian.
    pub fn owed(&self, limit: usize) -> Result<Vec<Owed>, StoreError> {
        let rows = self.rows(Table::CustodyOwed, b"")?;
        rows.take(limit)
            .map(|row| {
                let (key, body) = row?;
                Owed::decode(key, body).ok_or_else(|| misshapen(Table::CustodyOwed, key))
            })
            .collect()
    }

    /// The taker that stands for an authenticated neighbor or a volume; `None` if it was never met.
    pub fn taker(&self, node: &Eid) -> Result<Option<Taker>, StoreError> {
        Ok(self.neighbor(node)?.map(|record| Taker(record.number)))
    }

    /// Whether the rows of an issued number agree, and with the bundle that has it.
    pub(crate) fn is_issued_row_true(
        &self,
        table: Table,
        key: &[u8],
        body: &[u8],
    ) -> Result<bool, StoreError> {
        let (number, issued) = match table {
            Table::CustodyIssued => {
                let number = key.first_chunk().ok_or_else(|| misshapen(table, key))?;
                (Number::new(u64::from_be_bytes(*number)), Issued::at(table, body)?)
            }
            _ => (number_at(table, body)?, Issued::at(table, key)?),
        };
        Ok(self.is_custodian(number)?
            && self.issued(number, issued.taker())? == Some(issued)
            && self.bundle_of(issued)? == Some(number))
    }
}

impl WriteTxn<'_> {
    /// Takes custody of a bundle that is here, or ends it. Every number that it had is void after either: who takes custody
    /// promises it anew, and an answer to what was asked before must not end that promise.
    pub fn set_custody(&mut self, number: Number, is_custodian: Custodian) -> Result<(), StoreError> {
        let Some(facts) = self.view().facts(number)? else { return Ok(()) };
        let retention = match is_custodian {
            Custodian::Us => facts.retention.with(Retention::CUSTODY),
            Custodian::NotUs => facts.retention.without(Retention::CUSTODY),
        };
        self.forget_issued(number)?;
        if retention == facts.retention { Ok(()) } else { self.set_retention(number, retention) }
    }

    /// The taker that stands for an authenticated neighbor or a volume.
    pub fn number_taker(&mut self, node: &Eid) -> Result<Taker, StoreError> {
        self.number_neighbor(node).map(Taker)
    }

    /// Notes the number that a bundle has for a taker; whether it was free.
    pub fn issue(&mut self, number: Number, issued: Issued) -> Result<bool, StoreError> {
        if self.view().has(Table::CustodyNumbers, &issued.key())? {
            return Ok(false);
        }
        self.put(Table::CustodyNumbers, &issued.key(), &number.key())?;
        self.put(Table::CustodyIssued, &taker_key(number, issued.taker()), &issued.key())?;
        Ok(true)
    }

    /// Takes a number back: who was asked does not take the bundle over, and is asked no more.
    pub fn withdraw(&mut self, number: Number, issued: Issued) -> Result<(), StoreError> {
        self.delete(Table::CustodyNumbers, &issued.key())?;
        self.delete(Table::CustodyIssued, &taker_key(number, issued.taker())).map(drop)
    }

    /// Forgets every number of a bundle.
    pub(crate) fn forget_issued(&mut self, number: Number) -> Result<(), StoreError> {
        let rows = self.view().rows(Table::CustodyIssued, &number.key())?;
        let rows = rows
            .map(|row| row.map(|(key, body)| (key.to_vec(), body.to_vec())))
            .filter(|row| !matches!(row, Err(StoreError::Damaged { .. })))
            .collect::<Result<Vec<_>, _>>()?;
        for (key, body) in rows {
            self.delete(Table::CustodyNumbers, &body)?;
            self.delete(Table::CustodyIssued, &key)?;
        }
        Ok(())
    }

    /// Notes an answer. What was accepted stays so: a refusal does not take an acceptance back.
    pub fn owe(&mut self, owed: &Owed) -> Result<(), StoreError> {
        let key = owed.key();
        if owed.disposition == Disposition::Refused && self.view().has(Table::CustodyOwed, &key)? {
            return Ok(());
        }
        self.put(Table::CustodyOwed, &key, &owed.encode())
    }

    /// An answer was given, or is of no use any more.
    pub fn settle_owed(&mut self, owed: &Owed) -> Result<(), StoreError> {
        self.delete(Table::CustodyOwed, &owed.key()).map(drop)
    }
}

/// Who answers for a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Custodian {
    /// This node.
    Us,
    /// Somebody else, or nobody.
    NotUs,
}
