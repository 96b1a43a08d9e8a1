//! The framings of STCP and MTCP (`docs/stream-framings.md`).

use bytes::BytesMut;
use framed::framing::{Decoder, Found, Framing};

use crate::Octets;

/// The largest bundle that is taken here: seeds have some that are larger.
const OCTETS_MAX: u64 = 1_000;

/// What is found does not depend on how the octets come, and written again it is what was read.
pub fn framing(octets: &[u8]) {
    for framing in [Framing::Stcp, Framing::Mtcp] {
        let (at_once, _) = found(framing, octets, octets.len().max(1));
        let (one_by_one, _) = found(framing, octets, 1);
        let whole = bundles(&at_once);
        assert_eq!(whole, bundles(&one_by_one));
        let again: Octets = whole
            .iter()
            .flat_map(|bundle| [&framing.head(bundle.len() as u64)[..], bundle].concat())
            .collect();
        assert_eq!(bundles(&found(framing, &again, 7).0), whole);
    }
}

fn found(framing: Framing, octets: &[u8], piece: usize) -> (Vec<Found>, bool) {
    let (mut decoder, mut input, mut all) = (Decoder::new(framing, OCTETS_MAX), BytesMut::new(), Vec::new());
    for piece in octets.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(found)) => all.push(found),
                Ok(None) => break,
                Err(_) => return (all, false),
            }
        }
    }
    (all, true)
}

/// The complete ones.
fn bundles(all: &[Found]) -> Vec<Octets> {
    let (mut complete, mut current) = (Vec::new(), Octets::new());
    for found in all {
        match found {
            Found::Begin(length) => {
                assert!((1..=OCTETS_MAX).contains(length));
                current.clear();
            }
            Found::Octets(octets) => current.extend_from_slice(octets),
            Found::End => complete.push(std::mem::take(&mut current)),
            Found::Keepalive => {}
            Found::TooLarge(length) => assert!(*length > OCTETS_MAX),
        }
    }
    complete
}

/// Bundles, signs of life, and bundles that are too large, in both framings.
pub fn framing_seeds() -> Vec<Octets> {
    let seed = |framing: Framing| {
        [0_u16, 3, 23, 24, 0, 300, 1_001, 5]
            .iter()
            .flat_map(|length| {
                [&framing.head(u64::from(*length))[..], &vec![0x42; usize::from(*length)]].concat()
            })
            .collect()
    };
    vec![seed(Framing::Stcp), seed(Framing::Mtcp)]
}
