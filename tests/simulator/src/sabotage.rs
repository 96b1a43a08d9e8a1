//! Mistakes that a node could be built with. Each is planted in a world of its own, to show that a checker sees it: a
//! checker that never fails proves nothing.

use agent_core::store::{Custodian, StoreError, Tombstone, WriteTxn};

/// A planted mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// None: the node as it is.
    Nothing,
    /// The driver sees to outputs before the transaction is committed.
    OutputsBeforeCommit,
    /// The store loses a bundle now and then, and says nothing.
    StoreForgets,
    /// The driver never wakes the agent when its timeout has come.
    NobodyWakes,
    /// The store hands out other octets than it was given.
    OctetsChange,
    /// A bundle that the application has consumed appears in its queue again.
    ConsumedComesBack,
    /// A node forgets that it answers for a bundle.
    CustodyIsForgotten,
    /// The driver does not notice that its store is an old one.
    BackupIsNotNoticed,
    /// The driver acknowledges what it turned away because the disk is full.
    FullDiskIsDenied,
    /// Nodes read no list of bundles that a neighbor sends, nor any bundle: they acknowledge what they throw away.
    ArrivalsAreThrownAway,
}

impl Sabotage {
    /// Does to a store what a mistake in it would do.
    pub(crate) fn tamper(self, txn: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let bundles = txn.view().facts_from(None, usize::MAX)?;
        match self {
            Self::StoreForgets => {
                if let Some(facts) = bundles.first() {
                    txn.remove(facts.number, Tombstone::None)?;
                }
                Ok(())
            }
            Self::ConsumedComesBack => {
                for facts in bundles {
                    if txn.view().is_subscribed(&facts.destination)? {
                        txn.enqueue(&facts.destination, facts.number)?;
                    }
                }
                Ok(())
            }
            Self::CustodyIsForgotten => {
                bundles.iter().try_for_each(|facts| txn.set_custody(facts.number, Custodian::NotUs))
            }
            _ => Ok(()),
        }
    }
}
