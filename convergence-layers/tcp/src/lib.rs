//! The TCP convergence layer, version 4 (RFC 9174).
