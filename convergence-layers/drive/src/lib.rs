//! The drive volume: bundles in files that are never changed once named.
