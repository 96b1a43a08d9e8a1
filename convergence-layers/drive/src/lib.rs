//! The drive volume: bundles in files that are never changed once named (`docs/volume.md`).
//!
//! A volume is a folder on a drive that somebody carries. It holds *records* (one bundle each, with the bundle's id)
//! in *segments*, and the *inventories* of the nodes where it docked. This crate knows files and records: what is in a
//! bundle, who may say what, and what is wanted is for the agent, which the binary's `drive` verbs bring together
//! with it. Everything is synchronous.
//!
//! A dock, as its caller writes it: [`Volume::open`]; [`Volume::records`] lists the ids; [`Volume::read`] gives each
//! bundle that the node lacks; a [`Writer`] takes each that the volume lacks, and [`Writer::finish`] makes them
//! durable; [`Volume::write_inventory`] says what the node holds now. Until `finish` returns, or [`Writer::durable`] counts a
//! bundle, nobody may say that it was written.
//!
//! The invariant: a file under its final name is never written again, only removed. So a drive may be pulled at
//! any instant, and nothing but the copy under way is lost. Reading trusts nothing: a drive may be damaged or
//! made by an enemy, and every record that is whole is found all the same ([`Entry`], [`Damage`]).

mod check;
mod compact;
mod error;
mod folder;
mod inventory;
mod layout;
pub mod limits;
mod names;
mod record;
mod room;
mod scan;
mod segment;
mod stream;
mod volume;
mod walk;
mod writer;

pub use check::Checked;
pub use compact::{CompactOptions, Compacted};
pub use error::{AppendError, Damage, Reason, VolumeError};
pub use inventory::InventoryInfo;
pub use layout::{FORMAT_VERSION, NodeHash, RecordId};
pub use record::{RecordInfo, RecordReader};
pub use room::{Reserve, Room};
pub use scan::Entry;
pub use volume::{Access, InitOptions, Lock, Volume};
pub use walk::Records;
pub use writer::{Appended, Writer, WriterOptions, Written};
