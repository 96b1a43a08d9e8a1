//! What a serial line brings (`docs/serial.md`): frames among anything.

use serial::beacon::Beacon;
use serial::cobs;
use serial::frame::{self, Decoder, PAYLOAD_MAX};

use crate::Octets;

/// The same frames are found in whatever pieces the octets come; each is written again as a frame, a beacon in one is written again
/// and means the same, and what can be decoded has an
/// encoding that stands for the same.
pub fn serial(octets: &[u8]) {
    let whole = payloads(octets, octets.len().max(1));
    assert_eq!(whole, payloads(octets, 7));
    for payload in &whole {
        assert!((1..=PAYLOAD_MAX).contains(&payload.len()));
        assert_eq!(payloads(&framed(payload), 3), std::slice::from_ref(payload));
        if let Some(beacon) = Beacon::decode(payload) {
            let mut again = Vec::new();
            beacon.encode(&mut again);
            let again = payloads(&again, 5);
            assert_eq!(again.first().and_then(|payload| Beacon::decode(payload)), Some(beacon));
        }
    }
    let (mut plain, mut written, mut again) = (Vec::new(), Vec::new(), Vec::new());
    if cobs::decode(octets, &mut plain) {
        cobs::encode(&plain, &mut written);
        assert!(cobs::decode(&written, &mut again) && again == plain);
        assert!(written.len() <= octets.len(), "{octets:02x?} became {written:02x?}");
    }
}

fn payloads(octets: &[u8], piece: usize) -> Vec<Octets> {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    for mut piece in octets.chunks(piece) {
        while let Some(payload) = decoder.next_payload(&mut piece) {
            found.push(payload.to_vec());
        }
    }
    assert_eq!(usize::try_from(decoder.counters().good).ok(), Some(found.len()));
    found
}

fn framed(payload: &[u8]) -> Octets {
    let mut out = Vec::new();
    frame::encode(payload, &mut out);
    out
}

/// Frames of several lengths, one after another and among the text of a terminal.
pub fn serial_seeds() -> Vec<Octets> {
    let long: Octets = (0..=255).cycle().take(600).collect();
    let several: Octets = [&b"\x9f\x01"[..], b"\0\0\0", &long].iter().flat_map(|one| framed(one)).collect();
    let prompt = [b"\r\nhub login: ", &[0][..], &framed(b"\x01one"), b"Password: "].concat();
    let head = b"\xb1\x80\x80\xe0\xb9\x80\x80\x80\x81\x80\x94\x80\x80\xa0\x80\x81\x8adtn://bob/\x80\xf1";
    vec![framed(b"\x03123456789"), framed(&long), several, prompt, framed(head)]
}
