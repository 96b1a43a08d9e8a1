//! Proving that the store is whole: reads every record, and derives every index again.

use std::collections::BTreeMap;

use crate::store::examination::sound;
use crate::store::facts::number_at;
use crate::store::finding::{FINDINGS_MAX, Fault, Finding};
use crate::store::{Standing, StoreError, Table, Usage, View, settings};

/// How far a long operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The table that is being read.
    pub table: Table,
    /// Rows of all tables that were read.
    pub rows: u64,
    /// Rows that there are, roughly.
    pub of: u64,
}

/// Rows between two calls of a progress callback.
const PROGRESS_ROWS: u64 = 1024;

/// What the facts add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) total: Usage,
    pub(crate) unvouched: Usage,
    pub(crate) by_endpoint: BTreeMap<u32, Usage>,
}

impl View<'_> {
    /// Everything that is wrong with the store, at most [`FINDINGS_MAX`] things of it. An empty list means that every record is as it was
    /// written, every bundle is complete, and every index says what the facts say.
    pub fn check(&self, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Finding>, StoreError> {
        let mut check =
            Check { view: *self, findings: Vec::new(), rows: 0, of: self.rows_in_all()?, progress };
        for table in Table::ALL {
            check.walk(table)?;
            if check.is_enough() {
                return Ok(check.findings);
            }
        }
        check.compare_totals()?;
        Ok(check.findings)
    }

    fn rows_in_all(&self) -> Result<u64, StoreError> {
        let mut rows = 0_u64;
        for table in Table::ALL {
            // Tables of the shared database give the same count; the last of them stands for all.
            if !table.is_shared() || table == Table::Settings {
                rows = rows.saturating_add(self.len(table)?);
            }
        }
        Ok(rows)
    }

    /// Adds up what the facts say. Facts that are damaged count for nothing.
    pub(crate) fn totals(&self) -> Result<Totals, StoreError> {
        let mut totals = Totals::default();
        for row in self.rows(Table::Facts, b"")? {
            let facts = match row.and_then(|(key, _)| self.facts(number_at(Table::Facts, key)?)) {
                Ok(Some(facts)) => facts,
                Ok(None) | Err(StoreError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            totals.total = totals.total.with(&facts);
            if facts.standing == Standing::Unvouched {
                totals.unvouched = totals.unvouched.with(&facts);
            }
            for endpoint in facts.charged() {
                let usage = totals.by_endpoint.entry(endpoint).or_default();
                *usage = usage.with(&facts);
            }
        }
        Ok(totals)
    }
}

struct Check<'c, 't> {
    view: View<'t>,
    findings: Vec<Finding>,
    rows: u64,
    of: u64,
    progress: &'c mut dyn FnMut(Progress),
}

impl Check<'_, '_> {
    fn is_enough(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX
    }

    fn walk(&mut self, table: Table) -> Result<(), StoreError> {
        for row in self.view.rows(table, b"")? {
            self.advance(table);
            match row.and_then(|(key, body)| self.examine(table, key, body)) {
                Ok(()) => {}
                Err(StoreError::Damaged { table, key, number }) => {
                    self.findings.push(Finding { table, key, number, fault: Fault::Damaged });
                }
                Err(error) => return Err(error),
            }
            if self.is_enough() {
                self.findings.truncate(FINDINGS_MAX);
                break;
            }
        }
        Ok(())
    }

    fn examine(&mut self, table: Table, key: &[u8], body: &[u8]) -> Result<(), StoreError> {
        if table == Table::Facts {
            self.findings.extend(self.view.examine_bundle(number_at(table, key)?)?);
        } else if let Some(fault) = self.view.examine_row(table, key, body)? {
            self.findings.push(Finding { table, key: key.to_vec(), number: None, fault });
        }
        Ok(())
    }

    fn advance(&mut self, table: Table) {
        self.rows += 1;
        if self.rows.is_multiple_of(PROGRESS_ROWS) || self.rows == self.of {
            (self.progress)(Progress { table, rows: self.rows, of: self.of });
        }
    }

    fn compare_totals(&mut self) -> Result<(), StoreError> {
        let totals = self.view.totals()?;
        let mut wrong = |table: Table, key: &[u8], fault| {
            self.findings.push(Finding { table, key: key.to_vec(), number: None, fault });
        };
        // Settings that are damaged were found by the walk.
        let said = sound(self.view.settings())?.map(|settings| (settings.total, settings.unvouched));
        if said.is_some_and(|said| said != (totals.total, totals.unvouched)) {
            wrong(Table::Settings, settings::KEY, Fault::Wrong);
        }
        if !self.view.are_cells_true()? {
            wrong(Table::SetCells, b"", Fault::Wrong);
        }
        for (node, usage) in &totals.by_endpoint {
            let key = node.to_be_bytes();
            match self.view.usage_of_number(*node) {
                Ok(found) if found == *usage => {}
                Ok(_) => wrong(Table::Usage, &key, Fault::Wrong),
                // The walk has found it.
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for row in self.view.rows(Table::Usage, b"")?.filter_map(Result::ok) {
            let node = row.0.try_into().map(u32::from_be_bytes);
            if !node.is_ok_and(|node| totals.by_endpoint.contains_key(&node)) {
                wrong(Table::Usage, row.0, Fault::Orphan);
            }
        }
        Ok(())
    }
}
