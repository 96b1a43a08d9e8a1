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
        let (key, verifying) = PublicKey::checked(&named).map_err(|error| match error {
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
