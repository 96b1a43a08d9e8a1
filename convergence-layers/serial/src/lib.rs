//! Bundles over a serial line: any that carries 8 bits, from 300 baud to 4 Mbaud, over cables, USB adapters and transparent radio modems.
//!
//! `docs/serial.md` specifies what is on the line.

#![forbid(unsafe_code)]

pub mod cobs;
pub mod frame;
