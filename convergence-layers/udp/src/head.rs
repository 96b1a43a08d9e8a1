//! Heads of CBOR items (RFC 8949 §3), in their shortest form.

/// Major type of integers from 0.
pub(crate) const UNSIGNED: u8 = 0;
/// Major type of integers below 0, of which the head has the number behind the sign less one.
pub(crate) const NEGATIVE: u8 = 1;
/// Major type of octets.
pub(crate) const OCTETS: u8 = 2;
/// Major type of text.
pub(crate) const TEXT: u8 = 3;
/// Major type of arrays.
pub(crate) const ARRAY: u8 = 4;
/// Major type of maps.
pub(crate) const MAP: u8 = 5;

/// Appends a head.
pub(crate) fn put(major: u8, argument: u64, out: &mut Vec<u8>) {
    let octets = argument.to_be_bytes();
    let (additional, from) = match argument {
        0..24 => {
            out.push(major << 5 | octets[7]);
            return;
        }
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    out.push(major << 5 | additional);
    out.extend_from_slice(octets.get(from..).unwrap_or_default());
}

/// Appends octets with their head.
pub(crate) fn put_octets(octets: &[u8], out: &mut Vec<u8>) {
    put(OCTETS, octets.len() as u64, out);
    out.extend_from_slice(octets);
}

/// Appends an integer of either sign.
pub(crate) fn put_integer(value: i16, out: &mut Vec<u8>) {
    match u64::try_from(value) {
        Ok(value) => put(UNSIGNED, value, out),
        Err(_) => put(NEGATIVE, u64::from(value.unsigned_abs()) - 1, out),
    }
}
