//! Verification of a bundle's signature (`docs/signature-profile.md`), in a stream: the statement about the payload is
//! set up from the head, payload octets go in as they come, and the verdict falls at the end.
//!
//! Strict throughout: S below the group's order, R and the key canonical and not of small order, the key of prime order.
//! The library's streaming verifier checks S and compares R octet by octet; the rest is checked here.

use ed25519_dalek::{Signature, StreamVerifier, VerifyingKey};
use thiserror::Error;

use crate::block::PAYLOAD_NUMBER;
use crate::cose::{Statement, Unverifiable};
use crate::head::Head;
use crate::key::{KeyError, PublicKey};
use crate::profile::{Profile, SignatureProfile};
use crate::security::AbstractSecurityBlock;

/// What is known of a bundle's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// The source has not signed the payload.
    Unsigned,
    /// This key signed everything that the profile demands. Whose key it is, is another question.
    Valid(PublicKey),
    /// There is a signature that is wrong.
    Invalid(SignatureFault),
    /// There is a signature of another kind: another context, algorithm or scope, or a key that is not named.
    NotUnderstood,
}

/// Why a signature is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// It is not by the key that it names, or not over this bundle.
    #[error("the signature does not match the bundle")]
    Mismatch,
    /// Its octets are not a canonical signature of 64 octets.
    #[error("the signature is not canonical")]
    NotCanonical,
    /// The key is of small or mixed order.
    #[error("the signature's key is weak")]
    WeakKey,
    /// Payload and metadata are signed by different keys.
    #[error("payload and metadata are signed by different keys")]
    SeveralKeys,
    /// There is a metadata block that the source has not signed.
    #[error("the metadata are not signed")]
    MetadataNotCovered,
    /// The list of blocks that the signature covers is not valid.
    #[error("the signature covers blocks that are not there or may not be covered")]
    Scope,
    /// The security block's content is not what its context demands.
    #[error("the signature is not encoded as it has to be")]
    Encoding,
}

/// A verification under way.
pub(crate) enum SignatureCheck {
    Settled(SignatureVerdict),
    Streaming(Box<Streaming>),
}

/// A signature over the payload whose content is still to come, and those over metadata, which are here.
pub(crate) struct Streaming {
    key: PublicKey,
    payload: StreamVerifier,
    metadata: Vec<StreamVerifier>,
}

impl SignatureCheck {
    /// Sets up the check of everything that the profile demands to be signed.
    pub(crate) fn begin(head: &Head, profile: &Profile) -> Self {
        Self::begin_with_keys(head, profile, named_by_itself)
    }

    /// The same with another way to find the key that a key identifier names.
    fn begin_with_keys(
        head: &Head,
        profile: &Profile,
        keys: fn(&[u8]) -> Result<[u8; 32], Unverifiable>,
    ) -> Self {
        let SignatureProfile::V1 = profile.signature;
        let payload_block = head.integrity_blocks().iter().find(|said| said.targets(PAYLOAD_NUMBER));
        let Some(payload_block) = payload_block else {
            let hidden = head.has_encrypted_integrity_block();
            return Self::Settled(if hidden {
                SignatureVerdict::NotUnderstood
            } else {
                SignatureVerdict::Unsigned
            });
        };
        if !is_of_source(payload_block, head) {
            return Self::Settled(SignatureVerdict::Unsigned);
        }
        // The payload of a fragment is not what was signed.
        if head.primary().fragment.is_some() {
            return Self::Settled(SignatureVerdict::NotUnderstood);
        }
        match Streaming::begin(head, profile, keys) {
            Ok(streaming) => Self::Streaming(Box::new(streaming)),
            Err(Unverifiable::NotUnderstood) => Self::Settled(SignatureVerdict::NotUnderstood),
            Err(Unverifiable::Wrong(fault)) => Self::Settled(SignatureVerdict::Invalid(fault)),
        }
    }

    /// More octets of the payload.
    pub(crate) fn update(&mut self, octets: &[u8]) {
        if let Self::Streaming(streaming) = self {
            streaming.payload.update(octets);
        }
    }

    /// The verdict, after the whole payload.
    pub(crate) fn finish(self) -> SignatureVerdict {
        match self {
            Self::Settled(verdict) => verdict,
            Self::Streaming(streaming) => {
                let Streaming { key, payload, metadata } = *streaming;
                let mut all = std::iter::once(payload).chain(metadata);
                match all.try_for_each(StreamVerifier::finalize_and_verify) {
                    Ok(()) => SignatureVerdict::Valid(key),
                    Err(_) => SignatureVerdict::Invalid(SignatureFault::Mismatch),
                }
            }
        }
    }
}

impl Streaming {
    fn begin(
        head: &Head,
        profile: &Profile,
        keys: fn(&[u8]) -> Result<[u8; 32], Unverifiable>,
    ) -> Result<Self, Unverifiable> {
        let payload = statement_about(head, PAYLOAD_NUMBER, SignatureFault::Encoding)?;
        let named = key_of(&payload, keys)?;
        let (key, verifying) = profile.sound_keys.check(&named).map_err(|error| match error {
            KeyError::Weak => Unverifiable::Wrong(SignatureFault::WeakKey),
            _ => Unverifiable::NotUnderstood,
        })?;
        let mut metadata = Vec::new();
        for block in head.blocks().iter().filter(|block| block.block_type == profile.metadata_block_type) {
            if head.is_encrypted(block.number) {
                continue;
            }
            let statement = statement_about(head, block.number, SignatureFault::MetadataNotCovered)?;
            if key_of(&statement, keys)? != named {
                return Err(Unverifiable::Wrong(SignatureFault::SeveralKeys));
            }
            let mut verifier = strict_verifier(&verifying, &statement)?;
            verifier.update(head.data(block));
            metadata.push(verifier);
        }
        Ok(Self { key, payload: strict_verifier(&verifying, &payload)?, metadata })
    }
}

/// Whether the bundle's source node added a security block.
fn is_of_source(said: &AbstractSecurityBlock, head: &Head) -> bool {
    let source = &head.primary().source;
    let same_node = said.source.node_id().is_some() && said.source.node_id() == source.node_id();
    same_node || (said.source == *source && !source.is_null())
}

fn statement_about(head: &Head, number: u64, missing: SignatureFault) -> Result<Statement, Unverifiable> {
    let mut blocks = head.integrity_blocks().iter().filter(|said| is_of_source(said, head));
    let found = blocks.find_map(|said| {
        let operation = said.operations.iter().find(|operation| operation.target == number)?;
        Some((said, operation))
    });
    let (said, operation) = found.ok_or(Unverifiable::Wrong(missing))?;
    Statement::read(head, said, operation)
}

/// The profile's key identifiers are the keys themselves.
fn named_by_itself(kid: &[u8]) -> Result<[u8; 32], Unverifiable> {
    kid.try_into().map_err(|_| Unverifiable::NotUnderstood)
}

fn key_of(
    statement: &Statement,
    keys: fn(&[u8]) -> Result<[u8; 32], Unverifiable>,
) -> Result<[u8; 32], Unverifiable> {
    keys(statement.kid.as_deref().ok_or(Unverifiable::NotUnderstood)?)
}

/// A streaming verifier that takes exactly the signatures that `VerifyingKey::verify_strict` takes.
fn strict_verifier(key: &VerifyingKey, statement: &Statement) -> Result<StreamVerifier, Unverifiable> {
    let not_canonical = Unverifiable::Wrong(SignatureFault::NotCanonical);
    let octets: [u8; 64] = statement.signature.as_slice().try_into().map_err(|_| not_canonical)?;
    let mut verifier = strict(key, &octets).ok_or(not_canonical)?;
    verifier.update(&statement.signed_before_content);
    Ok(verifier)
}

fn strict(key: &VerifyingKey, signature: &[u8; 64]) -> Option<StreamVerifier> {
    let (r, _) = signature.split_first_chunk::<32>()?;
    // R is a point like a key is one.
    let r = VerifyingKey::from_bytes(r).ok()?;
    if r.is_weak() || key.is_weak() {
        return None;
    }
    // Fails if S is not below the group's order.
    key.verify_stream(&Signature::from_bytes(signature)).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::key::NodeKey;
    use crate::test_vectors;
    use crate::{Bundle, Limits};

    /// Encodings of points of small order, the canonical ones and those that a lax decoder takes too.
    const SMALL_ORDER: [&str; 14] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    /// The order of the group, little-endian.
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

    fn point(hex: &str) -> [u8; 32] {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    /// A sum of points, one of them of small order.
    fn shifted(octets: &[u8; 32], small: &str) -> Option<[u8; 32]> {
        let point_of = |octets: &[u8; 32]| Some(VerifyingKey::from_bytes(octets).ok()?.to_edwards());
        Some(VerifyingKey::from(point_of(octets)? + point_of(&point(small))?).to_bytes())
    }

    fn plus_order(scalar: [u8; 32]) -> [u8; 32] {
        let mut carry = 0_u16;
        let order = point(ORDER);
        std::array::from_fn(|index| {
            carry = (carry >> 8) + u16::from(scalar[index]) + u16::from(order[index]);
            carry.to_le_bytes()[0]
        })
    }

    /// One way to spoil a signature or its key.
    #[derive(Debug, Clone)]
    enum Spoiling {
        Nothing,
        KeyOfSmallOrder(usize),
        RofSmallOrder(usize),
        AllOfSmallOrder(usize, usize),
        KeyShifted(usize),
        RShifted(usize),
        LargeS,
        BitFlipped(usize),
        OtherMessage,
    }

    fn spoilings() -> impl Strategy<Value = Spoiling> {
        let any_point = 0..SMALL_ORDER.len();
        prop_oneof![
            Just(Spoiling::Nothing),
            any_point.clone().prop_map(Spoiling::KeyOfSmallOrder),
            any_point.clone().prop_map(Spoiling::RofSmallOrder),
            (any_point.clone(), any_point.clone()).prop_map(|(key, r)| Spoiling::AllOfSmallOrder(key, r)),
            any_point.clone().prop_map(Spoiling::KeyShifted),
            any_point.prop_map(Spoiling::RShifted),
            Just(Spoiling::LargeS),
            (0_usize..512).prop_map(Spoiling::BitFlipped),
            Just(Spoiling::OtherMessage),
        ]
    }

    impl Spoiling {
        fn spoil(&self, key: &mut [u8; 32], signature: &mut [u8; 64], message: &mut Vec<u8>) {
            let (r, s) = signature.split_first_chunk_mut::<32>().unwrap();
            match self {
                Self::Nothing => {}
                Self::KeyOfSmallOrder(index) => *key = point(SMALL_ORDER[*index]),
                Self::RofSmallOrder(index) => *r = point(SMALL_ORDER[*index]),
                Self::AllOfSmallOrder(of_key, of_r) => {
                    *key = point(SMALL_ORDER[*of_key]);
                    *r = point(SMALL_ORDER[*of_r]);
                    s.fill(0);
                }
                Self::KeyShifted(index) => *key = shifted(key, SMALL_ORDER[*index]).unwrap_or(*key),
                Self::RShifted(index) => *r = shifted(r, SMALL_ORDER[*index]).unwrap_or(*r),
                Self::LargeS => s.copy_from_slice(&plus_order((&*s).try_into().unwrap())),
                Self::BitFlipped(bit) => signature[bit / 8] ^= 1 << (bit % 8),
                Self::OtherMessage => message.push(0),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn streamed_whole_and_library_verdicts_agree(
            seed in any::<[u8; 32]>(),
            message in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
            spoiling in spoilings(),
        ) {
            let node_key = NodeKey::from_seed(seed);
            let (mut key, mut signature) = (*node_key.public().as_bytes(), node_key.sign(&message));
            let mut message = message;
            spoiling.spoil(&mut key, &mut signature, &mut message);
            let Ok(verifying) = VerifyingKey::from_bytes(&key) else { return Ok(()) };
            let library = verifying.verify_strict(&message, &Signature::from_bytes(&signature)).is_ok();
            let in_pieces = |pieces: &[&[u8]]| {
                let Some(mut verifier) = strict(&verifying, &signature) else { return false };
                for piece in pieces {
                    verifier.update(piece);
                }
                verifier.finalize_and_verify().is_ok()
            };
            let cut = cut.min(message.len());
            prop_assert_eq!(in_pieces(&[&message]), library);
            prop_assert_eq!(in_pieces(&[&message[..cut], &[], &message[cut..]]), library);
            // The key is judged before: what the library takes under an unsound key is not taken.
            let sound = PublicKey::checked(&key).is_ok();
            let intact = matches!(spoiling, Spoiling::Nothing) || (key == *node_key.public().as_bytes() && library);
            prop_assert_eq!(sound && library, intact, "{:?}", spoiling);
        }
    }

    #[test]
    fn keys_of_small_or_mixed_order_and_odd_encodings_are_not_keys() {
        for (index, small) in SMALL_ORDER.iter().enumerate() {
            let expected = if index < 8 { KeyError::Weak } else { KeyError::NotAPoint };
            assert_eq!(PublicKey::from_bytes(&point(small)), Err(expected), "{small}");
        }
        let honest = NodeKey::from_seed([3; 32]).public();
        for small in &SMALL_ORDER[1..8] {
            let mixed = shifted(honest.as_bytes(), small).unwrap();
            assert_eq!(PublicKey::from_bytes(&mixed), Err(KeyError::Weak), "{small}");
        }
    }

    fn key_of_rfc_8032(kid: &[u8]) -> Result<[u8; 32], Unverifiable> {
        match kid {
            b"rfc8032-test1" => Ok(point("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")),
            _ => Err(Unverifiable::NotUnderstood),
        }
    }

    #[test]
    fn bundles_signed_elsewhere_with_ed25519_verify_under_a_key_that_is_known() {
        let Some(vectors) = test_vectors::file("bpv7-made-by-collector.json") else { return };
        for name in ["bib-cose-sign1-ed25519-8", "bib-cose-sign1-ed25519-19"] {
            let mut vectors = vectors["vectors"].as_array().unwrap().iter();
            let vector = vectors.find(|vector| vector["name"] == name).unwrap();
            let octets = Bytes::from(test_vectors::octets(vector, "hex"));
            let bundle = Bundle::parse(octets, &Limits::default()).unwrap();
            let verdict = |payload: &[u8]| {
                let profile = Profile::default();
                let mut check = SignatureCheck::begin_with_keys(bundle.head(), &profile, key_of_rfc_8032);
                check.update(payload);
                check.finish()
            };
            let key = PublicKey::from_bytes(&key_of_rfc_8032(b"rfc8032-test1").unwrap()).unwrap();
            assert_eq!(verdict(bundle.payload()), SignatureVerdict::Valid(key), "{name}");
            assert_eq!(verdict(b"another"), SignatureVerdict::Invalid(SignatureFault::Mismatch), "{name}");
        }
    }
}
