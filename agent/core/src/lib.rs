//! What a node decides: the bundle protocol agent without I/O, and the store that it is lent.
//!
//! [`Agent`] is told what happened ([`input::Input`]) inside a transaction of the [`store`], and says what is to be done
//! ([`output::Output`]) once that transaction is durable. The driver of `agent-node` runs it on a machine, the simulator
//! runs thousands of them in one.

pub mod admission;
mod agent;
mod announcing;
mod answering;
mod backlog;
pub mod cards;
pub mod config;
mod contact;
mod custody;
pub mod deliveries;
mod dice;
mod dispatching;
#[cfg(test)]
mod documents;
pub mod echo;
pub mod everybody;
mod evicting;
mod expiring;
mod forgetting;
mod giving;
mod gone;
mod hello;
mod holding;
pub mod input;
mod kept;
pub mod knowledge;
mod lacking;
mod listing;
mod message;
pub mod output;
pub mod owing;
mod partials;
mod pouring;
mod publishing;
mod purging;
mod reassembling;
mod receiving;
mod reconciliation;
mod reconciling;
pub mod refusal;
mod reporting;
pub mod request;
mod resuming;
pub mod routing;
pub mod runs;
mod scope;
mod sending;
pub mod set;
pub mod sketch;
pub mod store;
mod superseding;
pub mod time;
mod transmitting;
mod vicinity;

pub use agent::Agent;
pub use message::{contact_endpoint, contact_message_again};
pub use partials::{KEPT_OCTETS_MIN, LARGE_OCTETS};
