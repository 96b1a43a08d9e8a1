//! Contacts between two nodes over a path that loses, delays and fills, in virtual time.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod opening;
mod rates;
mod reno;
mod transfers;
mod wire;
