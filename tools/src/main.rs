//! The packmule command.

fn main() {}
