//! Letting go of custody: by a signal of a node that may answer for others, for numbers that this node gave.

use bundle_format::{BundleSequence, CheckedBundle, Counter, CustodySignal, Eid};

use crate::agent::Agent;
use crate::output::{NotTaken, Notice};
use crate::store::{Custodian, Issued, StoreError, Taker, WriteTxn};
use crate::time::Now;

impl Agent {
    /// A custody signal arrived for this node. It counts if the key that is trusted for its source signed it and policy
    /// lets that node take custody; what it says of numbers that nobody waits for is ignored and counted.
    pub(crate) fn custody_signal_received(
        &mut self,
        now: Now,
        bundle: &CheckedBundle,
        signal: &CustodySignal,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let by = bundle.head().primary().source.clone();
        let mut heard = Heard::default();
        if self.may_answer(bundle, &by, store)? {
            for issued in self.numbers(&signal.accepted, &mut heard) {
                self.accepted(now, issued, &mut heard, store)?;
            }
            for issued in self.numbers(&signal.refused, &mut heard) {
                self.refused(&by, issued, &mut heard, store)?;
            }
        } else {
            let runs = signal.accepted.iter().chain(&signal.refused).flat_map(|sequence| &sequence.runs);
            heard.ignored = runs.map(|run| run.count).sum();
        }
        let Heard { accepted, refused, ignored } = heard;
        self.tell(Notice::CustodySignal { by, accepted, refused, ignored });
        Ok(())
    }

    fn may_answer(&self, bundle: &CheckedBundle, by: &Eid, store: &WriteTxn<'_>) -> Result<bool, StoreError> {
        let (Some(node), Some(signer)) = (by.node_id(), bundle.signer()) else { return Ok(false) };
        let is_trusted = self.config.trusted_key(store.view(), &node)? == Some(signer);
        Ok(is_trusted && !self.is_self(&node) && self.transfers_with(&node))
    }

    /// The numbers of sequences that can be ours.
    fn numbers(&self, sequences: &[BundleSequence], heard: &mut Heard) -> Vec<Issued> {
        let mut numbers = Vec::new();
        for sequence in sequences {
            let source = sequence.block_source.as_ref();
            let is_ours =
                source.is_none_or(|source| source.node_id().is_some_and(|node| self.is_self(&node)));
            match sequence.counter {
                Counter::Id(id) if is_ours => numbers.extend(
                    sequence
                        .runs
                        .iter()
                        .flat_map(|run| run.numbers().map(move |number| Issued { sequence: id, number })),
                ),
                _ => heard.ignored += sequence.runs.iter().map(|run| run.count).sum::<u64>(),
            }
        }
        numbers
    }

    fn accepted(
        &mut self,
        now: Now,
        issued: Issued,
        heard: &mut Heard,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        match store.view().bundle_of(issued)? {
            Some(number) => {
                heard.accepted += 1;
                let takers: Vec<Taker> =
                    store.view().custody(number)?.into_iter().map(Issued::taker).collect();
                store.set_custody(number, Custodian::NotUs)?;
                self.progress(now, &takers);
            }
            None => heard.ignored += 1,
        }
        Ok(())
    }

    fn refused(
        &mut self,
        by: &Eid,
        issued: Issued,
        heard: &mut Heard,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        match store.view().bundle_of(issued)? {
            Some(number) => {
                heard.refused += 1;
                store.withdraw(number, issued)?;
                self.tell_not_taken(number, (by, NotTaken::CustodyRefused), store)?;
            }
            None => heard.ignored += 1,
        }
        Ok(())
    }

    /// Who answers gets its time again.
    fn progress(&mut self, now: Now, takers: &[Taker]) {
        for contact in self.contacts.values_mut() {
            if contact.custody.taker().is_some_and(|taker| takers.contains(&taker)) {
                contact.custody.progress(now.node, self.dice.roll());
            }
        }
    }
}

/// What came of a signal.
#[derive(Debug, Default)]
struct Heard {
    accepted: u64,
    refused: u64,
    ignored: u64,
}
