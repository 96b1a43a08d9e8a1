//! What a checker found wrong.

use std::fmt;

use thiserror::Error;

use crate::plan::{Millis, NodeIndex};

/// A rule that the agent must keep, whatever happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Nobody's wish to send is turned down without a reason.
    OrdersAreTaken,
    /// What was acknowledged, to a user or to a neighbor, is in the store until it expires or is delivered.
    PromisesAreKept,
    /// Somebody answers for every bundle that was taken from a user, until it has arrived or is over.
    CustodyIsKept,
    /// No registration gets a bundle twice.
    DeliveredOnce,
    /// What is delivered was sent, to this endpoint, by that source, with these octets.
    DeliveredAsSent,
    /// Nothing is kept longer than its lifetime, or given up before it ends.
    ExpiresOnTime,
    /// No bundle is stored or delivered whose source policy refuses.
    PolicyHolds,
    /// Nobody is sent what it neither asked for nor is to have.
    OnlyWhatIsWanted,
    /// The next timeout covers the earliest deadline in the store.
    TimeoutCoversDeadlines,
    /// No more is under way to a neighbor than the window allows.
    WindowHolds,
    /// Every index of the store follows from its records.
    StoreIsConsistent,
    /// The store and the agent go on working.
    AgentGoesOn,
    /// Once nothing goes wrong any more, everything arrives wherever it is wanted.
    EverythingArrives,
    /// Once everything has arrived, nobody talks without need.
    AgentsGoQuiet,
}

/// A broken rule: where, when and how.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// When, in virtual time.
    pub at: Millis,
    /// Where.
    pub node: NodeIndex,
    /// What happened.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.at / 1000, self.at % 1000);
        write!(
            formatter,
            "{:?} broken at node {} after {seconds}.{millis:03} s: {}",
            self.rule, self.node, self.detail
        )
    }
}
