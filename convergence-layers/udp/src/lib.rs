//! The UDP convergence layer, version 2 (draft-ietf-dtn-udpcl-04): bundles in datagrams.

#![forbid(unsafe_code)]

pub mod decoding;
mod head;
pub mod message;
pub mod packet;
pub mod reassembly;
pub mod spans;

pub use packet::Packet;
pub use reassembly::{Bounds, Reassembly, Taken};

/// The port that is registered for UDPCL (§6.2), as for TCPCL.
pub const PORT: u16 = 4556;
