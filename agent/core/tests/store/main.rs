//! The store, through its public face.

mod neighbors;
mod recipe;
mod storing;
