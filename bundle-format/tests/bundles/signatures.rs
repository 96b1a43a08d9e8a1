//! What makes a signature valid, invalid, not understood or absent.

use bundle_format::{
    Bundle, CheckedBundle, Limits, NewBundle, NodeKey, Profile, SignatureFault, SignatureVerdict,
};
use bytes::Bytes;

use crate::raw::{A, B, Primary, Raw, head, string};
use crate::{check, draft, key, signed};

fn verdict(octets: impl Into<Bytes>) -> SignatureVerdict {
    *check(octets).unwrap().signature()
}

const PAYLOAD: &[u8] = b"payload";

/// How a block is signed by hand, to deviate from what this crate writes.
#[derive(Clone)]
struct ByHand {
    seed: [u8; 32],
    source: &'static [u8],
    context: u8,
    scope: &'static [u8],
    /// The scope in the block, if it is another than the one that was signed.
    claimed_scope: Option<&'static [u8]>,
    protected: &'static [u8],
    unprotected: Vec<u8>,
    /// Additional protected headers; the parameter is left out where there are none.
    additional: Vec<u8>,
    result: u8,
}

const SCOPE: &[u8] = b"\xa3\x00\x01\x20\x01\x21\x01";
const EDDSA: &[u8] = b"\xa1\x01\x27";

impl Default for ByHand {
    fn default() -> Self {
        let key = NodeKey::from_seed([9; 32]).public();
        Self {
            seed: [9; 32],
            source: A,
            context: 3,
            scope: SCOPE,
            claimed_scope: None,
            protected: EDDSA,
            unprotected: vec![0xa0],
            additional: kid(key.as_bytes()),
            result: 18,
        }
    }
}

/// A map of headers that names a key.
fn kid(octets: &[u8]) -> Vec<u8> {
    [&[0xa1, 0x04][..], &string(octets)].concat()
}

impl ByHand {
    /// Block 2, an integrity block over the payload, and a metadata block 3 that is covered or not.
    fn bundle(&self) -> Bytes {
        self.raw().end(PAYLOAD)
    }

    fn raw(&self) -> Raw {
        let start = Primary::default().bundle();
        let primary = start.0[1..].to_vec();
        let mut aad = [self.source, self.scope].concat();
        let mut scope = self.scope;
        // The scopes of these tests list 0, then -1, then -2, all with their metadata.
        for (key, part) in
            [(0x00, primary), (0x20, b"\x01\x01\x00".to_vec()), (0x21, b"\x0b\x02\x00".to_vec())]
        {
            if scope.contains(&key) && scope.len() > 1 {
                aad.extend(part);
            }
            scope = self.scope;
        }
        aad.extend(string(&self.additional));
        let signed =
            [&b"\x84\x6aSignature1"[..], &string(self.protected), &string(&aad), &string(PAYLOAD)].concat();
        let signature = NodeKey::from_seed(self.seed).sign(&signed);
        start.block(11, 2, &self.said(&signature))
    }

    fn said(&self, signature: &[u8]) -> Vec<u8> {
        let message =
            [&[0x84][..], &string(self.protected), &self.unprotected, &[0xf6], &string(signature)].concat();
        let scope = [&b"\x82\x05"[..], self.claimed_scope.unwrap_or(self.scope)].concat();
        let additional = [&b"\x82\x03"[..], &string(&self.additional)].concat();
        let parameters = if self.additional.is_empty() {
            [&[0x81][..], &scope].concat()
        } else {
            [&[0x82][..], &additional, &scope].concat()
        };
        let start = [&b"\x81\x01"[..], &[self.context, 0x01], self.source, &parameters].concat();
        [&start[..], b"\x81\x81\x82", &head(0, u64::from(self.result)), &string(&message)].concat()
    }
}

fn valid() -> SignatureVerdict {
    SignatureVerdict::Valid(NodeKey::from_seed([9; 32]).public())
}

#[test]
fn signatures_of_other_implementations_are_valid_in_all_their_forms() {
    let key = NodeKey::from_seed([9; 32]).public();
    let own = ByHand { additional: Vec::new(), unprotected: kid(key.as_bytes()), ..ByHand::default() };
    let protected: &'static [u8] =
        Box::leak([&b"\xa2\x01\x27\x04"[..], &string(key.as_bytes())].concat().into());
    let forms = [
        ByHand::default(),
        own.clone(),
        ByHand { protected: b"\xa1\x01\x32", ..ByHand::default() },
        ByHand { scope: b"\xa2\x00\x01\x20\x01", ..ByHand::default() },
        ByHand { unprotected: kid(key.as_bytes()), ..ByHand::default() },
        ByHand { protected, additional: Vec::new(), ..ByHand::default() },
        ByHand { protected: b"\xa2\x01\x27\x02\x82\x01\x04", ..ByHand::default() },
        // Another label of headers, which need not be understood.
        ByHand { unprotected: b"\xa1\x18\x64\x00".to_vec(), ..ByHand::default() },
        // The same node under another of its endpoints.
        ByHand { source: b"\x82\x01\x65//a/x", ..ByHand::default() },
    ];
    for (index, form) in forms.iter().enumerate() {
        assert_eq!(verdict(form.bundle()), valid(), "{index}");
    }
}

#[test]
fn signatures_of_another_kind_are_not_understood() {
    let crit: &[u8] = b"\xa3\x01\x27\x02\x81\x19\x03\x84\x19\x03\x84\x00";
    let kinds = [
        ByHand { context: 1, ..ByHand::default() },
        ByHand { result: 17, ..ByHand::default() },
        ByHand { protected: b"\xa1\x01\x38\x32", ..ByHand::default() },
        ByHand { protected: b"\xa1\x01\x65EdDSA", ..ByHand::default() },
        ByHand { protected: b"", unprotected: EDDSA.to_vec(), ..ByHand::default() },
        ByHand { protected: crit, ..ByHand::default() },
        ByHand { additional: Vec::new(), ..ByHand::default() },
        ByHand { additional: kid(b"rfc8032-test1"), ..ByHand::default() },
        // A scope that ties the payload to no bundle, or to no place in it.
        ByHand { scope: b"\xa1\x20\x01", ..ByHand::default() },
        ByHand { scope: b"\xa1\x00\x01", ..ByHand::default() },
        ByHand { scope: b"\xa0", ..ByHand::default() },
    ];
    for (index, kind) in kinds.iter().enumerate() {
        assert_eq!(verdict(kind.bundle()), SignatureVerdict::NotUnderstood, "{index}");
    }
}

#[test]
fn wrong_signatures_are_invalid_and_say_why() {
    let other = NodeKey::from_seed([8; 32]).public();
    let small_order: [u8; 32] = std::array::from_fn(|index| u8::from(index == 0));
    let twice: &[u8] = b"\xa2\x01\x27\x01\x27";
    let cases = [
        (ByHand { seed: [8; 32], ..ByHand::default() }, SignatureFault::Mismatch),
        (ByHand { additional: kid(other.as_bytes()), ..ByHand::default() }, SignatureFault::Mismatch),
        (ByHand { additional: kid(&small_order), ..ByHand::default() }, SignatureFault::WeakKey),
        (
            ByHand { claimed_scope: Some(b"\xa2\x00\x01\x20\x01"), ..ByHand::default() },
            SignatureFault::Mismatch,
        ),
        (ByHand { scope: b"\xa3\x00\x01\x20\x01\x20\x01", ..ByHand::default() }, SignatureFault::Scope),
        (ByHand { scope: b"\xa3\x20\x01\x00\x01\x21\x01", ..ByHand::default() }, SignatureFault::Scope),
        (ByHand { scope: b"\xa3\x00\x01\x20\x01\x22\x01", ..ByHand::default() }, SignatureFault::Scope),
        (ByHand { scope: b"\xa3\x00\x01\x09\x01\x20\x01", ..ByHand::default() }, SignatureFault::Scope),
        (ByHand { scope: b"\xa2\x00\x01\x20\x03", ..ByHand::default() }, SignatureFault::Scope),
        (ByHand { scope: b"\xa2\x00\x00\x20\x01", ..ByHand::default() }, SignatureFault::Scope),
        (ByHand { scope: b"\x80", ..ByHand::default() }, SignatureFault::Encoding),
        (ByHand { protected: twice, ..ByHand::default() }, SignatureFault::Encoding),
        (ByHand { unprotected: EDDSA.to_vec(), ..ByHand::default() }, SignatureFault::Encoding),
        (ByHand { unprotected: b"\xa1\x02\x81\x01".to_vec(), ..ByHand::default() }, SignatureFault::Encoding),
    ];
    for (index, (case, fault)) in cases.iter().enumerate() {
        assert_eq!(verdict(case.bundle()), SignatureVerdict::Invalid(*fault), "{index}");
    }
}

#[test]
fn a_signature_by_anybody_but_the_source_counts_for_nothing() {
    assert_eq!(verdict(ByHand { source: B, ..ByHand::default() }.bundle()), SignatureVerdict::Unsigned);
}

#[test]
fn signatures_of_the_wrong_length_are_not_canonical() {
    for length in [0, 63, 65] {
        let bundle = Primary::default().bundle().block(11, 2, &ByHand::default().said(&vec![0; length]));
        let expected = SignatureVerdict::Invalid(SignatureFault::NotCanonical);
        assert_eq!(verdict(bundle.end(PAYLOAD)), expected, "{length}");
    }
}

#[test]
fn metadata_that_are_added_to_a_signed_bundle_make_it_invalid() {
    let added = ByHand::default().raw().block(193, 3, b"\xa1\x02\x02").end(PAYLOAD);
    assert_eq!(verdict(added.clone()), SignatureVerdict::Invalid(SignatureFault::MetadataNotCovered));
    // To who keeps metadata elsewhere, the block means nothing.
    let elsewhere = Profile { metadata_block_type: 210, ..Profile::default() };
    let bundle = Bundle::parse(added, &Limits::default()).unwrap();
    assert_eq!(bundle.check(&elsewhere).signature(), &valid());
}

#[test]
fn signed_metadata_cannot_be_taken_away() {
    let bundle = signed(b"hello");
    let head = bundle.head().without_blocks(&[3]);
    assert_eq!(head.metadata(&Profile::default()), None);
    let stripped = [head.bytes(), &b"hello"[..], bundle.tail()].concat();
    assert_eq!(verdict(stripped), SignatureVerdict::Invalid(SignatureFault::Scope));
}

#[test]
fn every_octet_counts() {
    let bundle = signed(b"hello");
    let octets = bundle.encode().unwrap();
    // The reserved bits of the security context flags, which RFC 9172 §3.6 wants ignored, follow targets and context.
    let flags = octets.windows(5).position(|window| window == b"\x82\x01\x03\x03\x01").unwrap() + 4;
    for at in 0..octets.len() {
        for bit in 0..8 {
            let mut changed = octets.to_vec();
            changed[at] ^= 1 << bit;
            let taken = check(changed).is_ok_and(|read| read.signer().is_some());
            let is_reserved = at == flags && (1..5).contains(&bit);
            assert_eq!(taken, is_reserved, "bit {bit} of octet {at}");
        }
    }
}

#[test]
fn signed_parts_of_two_bundles_cannot_be_combined() {
    let (first, second) = (signed(b"hello"), signed(b"world"));
    let mixed = |head: &CheckedBundle, payload: &CheckedBundle| {
        verdict([head.head().bytes(), &payload.payload().unwrap()[..], head.tail()].concat())
    };
    assert_eq!(mixed(&first, &first), SignatureVerdict::Valid(key().public()));
    assert_eq!(mixed(&first, &second), SignatureVerdict::Invalid(SignatureFault::Mismatch));
}

#[test]
fn payload_and_metadata_must_be_signed_by_one_key() {
    let other = NodeKey::from_seed([8; 32]);
    let octets = signed(b"hello").encode().unwrap();
    // The header that names a key for all signatures gives way to one in a message: here, in that over the metadata.
    let message = |headers: &[u8]| [&b"\x84\x43\xa1\x01\x27"[..], headers, b"\xf6\x58\x40"].concat();
    let plain = message(b"\xa0");
    let named = message(&kid(other.public().as_bytes()));
    let at = octets.windows(plain.len()).rposition(|window| window == plain).unwrap();
    let mut octets = octets.to_vec();
    octets.splice(at..at + plain.len(), named.iter().copied());
    // Both lengths around the message grow with it.
    let grown = u8::try_from(named.len() - plain.len()).unwrap();
    octets[at - 1] += grown;
    let block = octets.windows(5).position(|window| window == b"\x0b\x02\x00\x00\x58").unwrap();
    let length = u16::from(octets[block + 5]) + u16::from(grown);
    octets.splice(block + 4..block + 6, [&[0x59][..], &length.to_be_bytes()].concat());
    assert_eq!(verdict(octets), SignatureVerdict::Invalid(SignatureFault::SeveralKeys));
}

#[test]
fn a_signed_bundle_that_somebody_fragmented_is_valid_again_as_a_whole() {
    let new = NewBundle { metadata: None, age_ms: None, hop_limit: None, ..draft() };
    let payload = b"an application data unit that was signed before it was cut";
    let bundle = new.sign(&Profile::default(), &key(), Bytes::from_static(payload)).unwrap();
    let fragments = [cut(&bundle, 0, 20), cut(&bundle, 20, payload.len() - 20)];
    for fragment in &fragments {
        let fragment = fragment.clone().check(&Profile::default());
        assert_eq!(fragment.signature(), &SignatureVerdict::NotUnderstood);
    }
    let heads: Vec<_> = fragments.iter().map(|fragment| fragment.head().clone()).collect();
    let plan = bundle_format::Reassembly::plan(&heads).unwrap();
    assert_eq!(plan.whole(&Profile::default(), Bytes::from_static(payload)), bundle);
}

/// A fragment as a foreign node would make it: the primary block with two more fields, all blocks, part of the payload.
fn cut(bundle: &CheckedBundle, offset: usize, length: usize) -> Bundle {
    let (head, payload) = (bundle.head(), bundle.payload().unwrap());
    let mut primary = head.primary_octets().to_vec();
    primary.truncate(primary.len() - 5);
    primary[0] = 0x8b;
    primary[2] |= 0x01;
    primary.extend([crate::raw::head(0, offset as u64), crate::raw::head(0, payload.len() as u64)].concat());
    primary.extend([0x44, 0, 0, 0, 0]);
    let crc = crc32c::crc32c(&primary).to_be_bytes();
    let end = primary.len();
    primary[end - 4..].copy_from_slice(&crc);
    let mut raw = Raw([&[0x9f], &primary[..]].concat());
    for block in head.blocks() {
        raw = raw.block(block.block_type, block.number, head.data(block));
    }
    Bundle::parse(raw.end(&payload[offset..offset + length]), &Limits::default()).unwrap()
}
