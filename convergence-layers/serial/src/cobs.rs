//! Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): any octets, written without the octet 0.
//!
//! `frame` closes what is written here with a zero. What is written is canonical: after a last group of 254 octets no
//! further code follows; what has one is read all the same.

/// Octets that one code can stand before.
const GROUP_MAX: usize = 254;

/// How many octets `octets` octets become at most; exactly so many where they are fewer than 255.
pub const fn encoded_max(octets: usize) -> usize {
    octets + if octets == 0 { 1 } else { octets.div_ceil(GROUP_MAX) }
}

/// Appends the encoding of `octets` to `out`.
pub fn encode(octets: &[u8], out: &mut Vec<u8>) {
    let mut pieces = octets.split(|octet| *octet == 0).peekable();
    while let Some(piece) = pieces.next() {
        let mut groups = piece.chunks(GROUP_MAX).peekable();
        let is_last = pieces.peek().is_none();
        // The group before a zero, or the only one of all, may be empty.
        let mut is_open = groups.peek().is_none();
        while let Some(group) = groups.next() {
            out.push(code(group.len()));
            out.extend_from_slice(group);
            is_open = group.len() == GROUP_MAX && groups.peek().is_none() && !is_last;
        }
        if is_open {
            out.push(code(0));
        }
    }
}

/// The code before a group: one more than its octets.
fn code(octets: usize) -> u8 {
    u8::try_from(octets + 1).unwrap_or(u8::MAX)
}

/// Appends to `out` what `encoded`, without its delimiter, stands for. Says whether it was an encoding at all.
pub fn decode(encoded: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = encoded;
    while let Some((code, after)) = rest.split_first() {
        let length = usize::from(*code).saturating_sub(1);
        let Some((group, after)) = after.split_at_checked(length) else { return false };
        if *code == 0 || group.contains(&0) {
            return false;
        }
        out.extend_from_slice(group);
        if length < GROUP_MAX && !after.is_empty() {
            out.push(0);
        }
        rest = after;
    }
    !encoded.is_empty()
}
