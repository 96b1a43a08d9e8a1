//! Two engines over links that lose, double, hold up and corrupt segments, in virtual time.

#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "numbers of tests are small, and a test that goes wrong shall panic"
)]

mod any;
mod arriving;
mod bottleneck;
mod dice;
mod table;
mod world;
