//! The store, through its public face.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that is wrong about its own data fails"
)]

mod damage;
mod dumping;
mod fullness;
mod model;
mod neighbors;
mod opening;
mod raw;
mod recipe;
mod set;
mod storing;
