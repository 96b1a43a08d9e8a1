//! Signing a new bundle (`docs/signature-profile.md`). The payload is read twice from its start, because Ed25519 hashes
//! what it signs twice; it never has to be in memory.

use std::cell::RefCell;

use bytes::Bytes;
use ed25519_dalek::{Digest, Sha512, SignatureError};

use crate::block::PAYLOAD_NUMBER;
use crate::cbor::{BREAK, Writer};
use crate::checked::CheckedBundle;
use crate::cose::{AAD_SCOPE, ADDITIONAL_PROTECTED, ALG, CONTEXT, DEFAULT_SCOPE, KID, SIGN1, Statement};
use crate::crc::CrcType;
use crate::flags::BundleFlags;
use crate::head::Head;
use crate::key::NodeKey;
use crate::new_bundle::{BuildError, Draft, METADATA_NUMBER, NewBundle, StreamError};
use crate::profile::{Profile, SignatureProfile};
use crate::security::NewSecurityBlock;
use crate::signature::SignatureVerdict;

const NO_SIGNATURE: [u8; 64] = [0; 64];
/// `EdDSA` (RFC 9053 §2.2).
const EDDSA: i64 = -8;

impl NewBundle {
    /// Makes the bundle signed by its source, with "must not be fragmented" set: nobody on the way could verify a
    /// fragment.
    pub fn sign(self, profile: &Profile, key: &NodeKey, payload: Bytes) -> Result<CheckedBundle, BuildError> {
        let length = payload.len() as u64;
        let read = |sink: &mut dyn FnMut(&[u8])| {
            sink(&payload);
            Ok::<(), std::convert::Infallible>(())
        };
        match self.sign_streamed(profile, key, length, read) {
            Ok(bundle) => Ok(bundle.with_payload(payload)),
            Err(StreamError::Build(error)) => Err(error),
            Err(StreamError::Read(never)) => match never {},
            Err(StreamError::Length { .. } | StreamError::Changed) => {
                unreachable!("these octets are in memory")
            }
        }
    }

    /// The same with a payload of `payload_octets` octets that is not in memory. `read` passes all of it, from its
    /// start, to what it is given; it is called twice, and must give the same both times.
    pub fn sign_streamed<E>(
        mut self,
        profile: &Profile,
        key: &NodeKey,
        payload_octets: u64,
        read: impl FnMut(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<CheckedBundle, StreamError<E>> {
        let SignatureProfile::V1 = profile.signature;
        if self.source.is_null() {
            return Err(BuildError::Anonymous.into());
        }
        self.flags |= BundleFlags::MUST_NOT_FRAGMENT;
        let draft = Draft::new(self, profile, payload_octets, CrcType::None)?;
        // The same head with empty signatures says what has to be signed.
        let targets = targets(&draft);
        let empty: Vec<_> = targets.iter().map(|target| (*target, NO_SIGNATURE)).collect();
        let blank = draft.head(Some(&security_block(&draft, key, &empty)))?;
        let mut reading = Reading::new(read, payload_octets);
        let mut signatures = Vec::new();
        for target in targets {
            let before = statement(&blank, target).signed_before_content;
            let signature = match blank.block(target) {
                Some(block) => key.sign(&[&before[..], blank.data(block)].concat()),
                None => reading.sign(key, &before)?,
            };
            signatures.push((target, signature));
        }
        let head = draft.head(Some(&security_block(&draft, key, &signatures)))?;
        let verdict = SignatureVerdict::Valid(key.public());
        Ok(CheckedBundle::new(head, Bytes::from_static(&[BREAK]), None, (reading.hash, verdict)))
    }
}

/// The blocks that the profile wants signed.
fn targets(draft: &Draft) -> Vec<u64> {
    let metadata = draft.metadata.is_some().then_some(METADATA_NUMBER);
    std::iter::once(PAYLOAD_NUMBER).chain(metadata).collect()
}

fn statement(head: &Head, target: u64) -> Statement {
    let said = head.integrity_blocks().first().expect("the head was made with an integrity block");
    let mut operations = said.operations.iter();
    let operation =
        operations.find(|operation| operation.target == target).expect("all targets have an operation");
    Statement::read(head, said, operation).expect("a block of ours makes statements that we understand")
}

/// The data of the integrity block with one signature for each target.
fn security_block(draft: &Draft, key: &NodeKey, signatures: &[(u64, [u8; 64])]) -> Vec<u8> {
    let parameters = [(ADDITIONAL_PROTECTED, key_identifier(key)), (AAD_SCOPE, scope(draft))];
    let results: Vec<_> =
        signatures.iter().map(|(target, signature)| (*target, SIGN1, message(signature))).collect();
    let block = NewSecurityBlock {
        context: CONTEXT,
        source: &draft.primary.source,
        parameters: &parameters,
        operations: &results,
    };
    block.encode()
}

/// What each signature covers beside its target: the draft's default, and that there is a metadata block, which could
/// otherwise be taken away together with its signature.
fn scope(draft: &Draft) -> Vec<u8> {
    if draft.metadata.is_none() {
        return DEFAULT_SCOPE.to_vec();
    }
    let mut scope = Writer::new();
    scope.map(4);
    for key in [0, METADATA_NUMBER.cast_signed(), -1, -2] {
        scope.int(key);
        scope.uint(1);
    }
    scope.finish()
}

/// The header that names the key for all signatures of the block, as the parameter that holds it.
fn key_identifier(key: &NodeKey) -> Vec<u8> {
    let mut headers = Writer::new();
    headers.map(1);
    headers.uint(KID);
    headers.bytes(key.public().as_bytes());
    let mut parameter = Writer::new();
    parameter.bytes(&headers.finish());
    parameter.finish()
}

/// A `COSE_Sign1` message with a detached payload, in the byte string of a result.
fn message(signature: &[u8; 64]) -> Vec<u8> {
    let mut protected = Writer::new();
    protected.map(1);
    protected.uint(ALG);
    protected.int(EDDSA);
    let mut message = Writer::new();
    message.array(4);
    message.bytes(&protected.finish());
    message.map(0);
    message.null();
    message.bytes(signature);
    let mut result = Writer::new();
    result.bytes(&message.finish());
    result.finish()
}

/// A payload that is read twice, and must be the same both times.
struct Reading<R> {
    read: R,
    octets: u64,
    hash: [u8; 32],
}

impl<R> Reading<R> {
    fn new(read: R, octets: u64) -> Self {
        Self { read, octets, hash: [0; 32] }
    }

    /// Signs `before` and the payload after it, and leaves the payload's hash behind.
    fn sign<E>(&mut self, key: &NodeKey, before: &[u8]) -> Result<[u8; 64], StreamError<E>>
    where
        R: FnMut(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    {
        let octets = self.octets;
        let read = RefCell::new(&mut self.read);
        let passes = RefCell::new(Vec::new());
        let failure = RefCell::new(None);
        let signed = key.sign_streamed(|hash| {
            hash.update(before);
            let passed = pass(&mut **read.borrow_mut(), hash, octets);
            let passed = passed.map_err(|error| failure.replace(Some(error)));
            passes.borrow_mut().push(passed.map_err(|_| SignatureError::new())?);
            Ok(())
        });
        if let Some(error) = failure.into_inner() {
            return Err(error);
        }
        let passes: Vec<[u8; 32]> = passes.into_inner();
        self.hash = *passes.first().expect("the payload was read");
        if passes.iter().any(|hash| *hash != self.hash) {
            return Err(StreamError::Changed);
        }
        Ok(signed.expect("signing fails only when reading does"))
    }
}

/// Reads the payload once, into a hash to be signed, and returns its own hash.
fn pass<E>(
    read: &mut impl FnMut(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    signed: &mut Sha512,
    expected: u64,
) -> Result<[u8; 32], StreamError<E>> {
    let mut hash = blake3::Hasher::new();
    let mut found = 0_u64;
    read(&mut |octets| {
        found = found.saturating_add(octets.len() as u64);
        hash.update(octets);
        signed.update(octets);
    })
    .map_err(StreamError::Read)?;
    if found == expected {
        Ok(*hash.finalize().as_bytes())
    } else {
        Err(StreamError::Length { expected, found })
    }
}
