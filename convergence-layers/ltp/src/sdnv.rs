//! Self-delimiting numeric values (RFC 6256): seven bits an octet, the most significant first, the last octet without
//! its high bit. Numbers here are of 64 bits: ten octets at most, leading zeros (§4) included.

use crate::decoding::Malformed;

/// The most octets that one number takes.
pub const OCTETS_MAX: usize = 10;

/// How many octets the number takes.
pub fn len(value: u64) -> usize {
    let bits = 64 - value.leading_zeros();
    usize::try_from(bits.div_ceil(7).max(1)).unwrap_or(OCTETS_MAX)
}

/// Appends the number, in as few octets as it takes.
pub fn encode(value: u64, out: &mut Vec<u8>) {
    for place in (0..len(value)).rev() {
        let [.., group] = ((value >> (7 * place)) & 0x7f).to_be_bytes();
        out.push(if place == 0 { group } else { group | 0x80 });
    }
}

/// Reads a number from the beginning of `input`, which then begins after it.
pub fn decode(input: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for (octet, end) in input.iter().zip(1..=OCTETS_MAX) {
        if value >> 57 != 0 {
            return Err(Malformed::NumberTooLarge);
        }
        value = (value << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            *input = input.get(end..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(if input.len() < OCTETS_MAX { Malformed::CutOff } else { Malformed::NumberTooLarge })
}
