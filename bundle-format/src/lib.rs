//! What a bundle is: BPv7 (RFC 9171), its signature profile and its identity. Octets in, values out.
