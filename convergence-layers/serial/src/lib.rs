//! Bundles over a serial line: any that carries 8 bits, from 300 baud to 4 Mbaud, over cables, USB adapters and transparent radio modems.
//!
//! [`connect`] waits at a device until a node at the other end is heard. `docs/serial.md` specifies what is on the line.

#![forbid(unsafe_code)]

pub mod beacon;
mod carrying;
pub mod cobs;
mod connection;
mod device;
pub mod frame;
pub mod line;
pub mod pacing;
mod presence;
pub mod settings;

pub use connection::{Unreachable, connect};
pub use line::Local;
pub use settings::{Settings, SettingsError};
