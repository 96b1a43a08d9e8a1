//! What a node decides: the bundle protocol agent without I/O, and the store that it is lent.

pub mod store;
pub mod time;
