//! Messages between the nodes of a contact (`docs/contact.md`, `docs/sync.md`, `docs/custody.md`).

use agent_core::contact_message_again;

use crate::Octets;

/// A message that is read is written again in no more octets than it came in, and then in the same ones for ever: it is as
/// large as what was read, and means the same.
pub fn contact(octets: &[u8]) {
    let Some(written) = contact_message_again(octets) else { return };
    assert!(written.len() <= octets.len(), "{octets:02x?} became {written:02x?}");
    assert_eq!(contact_message_again(&written).as_ref(), Some(&written), "from {octets:02x?}");
}

/// Messages as this version writes them, one of each kind at least.
const SEEDS: [&str; 17] = [
    "8801005001010101010101010101010101010101400700815182016e2f2f616c6c2f7e7570646174657381458202820500",
    "880100500101010101010101010101010101010150020202020202020202020202020202021bffffffffffffffff018080",
    "84010140191000",
    "840101500909090909090909090909090909090901",
    "850102500101010101010101010101010101010150030303030303030303030303030303035820020202020202020202\
     0202020202020203030303030303030303030303030303",
    "850102404040",
    "870103480404040404040404001a000101d0500000001000000000000000000000000046000000000002",
    "8501041a000186a001583100000010000000000000000000000000000000000002b30a00000010000000000000000000\
     00000000000000000280fa01",
    "84010518191903e8",
    "830106828350070707070707070707070707070707071a00011170500808080808080808080808080808080883500909\
     0909090909090909090909090909186440",
    "8301075007070707070707070808080808080808",
    "84010850070707070707070707070707070707071a00030d40",
    "8601095007070707070707070707070707070707011a0001117043010203",
    "84010a07880101020203030409",
    "84010c1bffffffffffffffff8301500404040404040404040404040404040401",
    "83010b5003030303030303030404040404040404",
    "83010d818250050505050505050505050505050505051a00011170",
];

/// One of each kind at least.
pub fn contact_seeds() -> Vec<Octets> {
    SEEDS.iter().map(|hex| octets_of(hex)).collect()
}

fn octets_of(hex: &str) -> Octets {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "{hex}");
    let octet = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(|pair| octet(pair).unwrap_or_else(|| panic!("{hex}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_a_message_and_every_kind_is_among_them() {
        let seeds = contact_seeds();
        for seed in &seeds {
            assert_eq!(contact_message_again(seed).as_ref(), Some(seed), "{seed:02x?}");
        }
        let is_there = |kind: u8| seeds.iter().any(|seed| seed.get(2) == Some(&kind));
        // Kinds are numbered without gaps: the first that is not there is the first that nothing knows.
        let kinds = (0..24).take_while(|kind| is_there(*kind)).count();
        assert_eq!(kinds, 14, "kind {kinds} has no seed");
    }
}
