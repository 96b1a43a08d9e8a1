//! What one `COSE_Sign1` message in an integrity block states, and the octets that were signed for it
//! (draft-ietf-dtn-bpsec-cose-17 §2, RFC 9052 §4.2 and §4.4).
//!
//! Signer and verifier share this code: the signer fills a block with empty signatures, reads the statements that it
//! makes, and signs those.

use std::collections::BTreeSet;

use crate::block::{BlockHead, PAYLOAD_NUMBER};
use crate::cbor::{Cursor, Writer};
use crate::head::Head;
use crate::malformed::Malformed;
use crate::security::{AbstractSecurityBlock, SecurityOperation};
use crate::signature::SignatureFault;

/// The security context of the draft (RFC 9172 §11.3).
pub(crate) const CONTEXT: u64 = 3;
/// The result that is a `COSE_Sign1` message.
pub(crate) const SIGN1: u64 = 18;
/// Headers that count for every result and are covered by each signature.
pub(crate) const ADDITIONAL_PROTECTED: u64 = 3;
const ADDITIONAL_UNPROTECTED: u64 = 4;
/// Which blocks a signature covers beside its target.
pub(crate) const AAD_SCOPE: u64 = 5;

/// Header labels (RFC 9052 §3.1).
pub(crate) const ALG: u64 = 1;
const CRIT: u64 = 2;
const CONTENT_TYPE: u64 = 3;
pub(crate) const KID: u64 = 4;
/// `EdDSA` (RFC 9053 §2.2), and `Ed25519` under its fully specified number (RFC 9864).
pub(crate) const ED25519: [i128; 2] = [-8, -19];

const TARGET_BLOCK: i128 = -1;
const SECURITY_BLOCK: i128 = -2;
const METADATA: u64 = 0x01;
const DATA: u64 = 0x02;
/// `{0: 1, -1: 1, -2: 1}`: the primary block, the target's metadata and the security block's own (§2.2.2).
pub(crate) const DEFAULT_SCOPE: [u8; 7] = [0xa3, 0x00, 0x01, 0x20, 0x01, 0x21, 0x01];

/// What a signature says about one block.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The key identifier, if there is one.
    pub(crate) kid: Option<Vec<u8>>,
    /// The octets that were signed, up to the content of the target, which follows and ends them.
    pub(crate) signed_before_content: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// Why a result states nothing that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unverifiable {
    /// Another context, message, algorithm or header; perhaps right.
    NotUnderstood,
    /// Wrong, whatever the key.
    Wrong(SignatureFault),
}

/// Inside a result or parameter, octets that are not what the draft says are a wrong signature, not a wrong bundle:
/// only who understands the context can know.
impl From<Malformed> for Unverifiable {
    fn from(_: Malformed) -> Self {
        Self::Wrong(SignatureFault::Encoding)
    }
}

/// The parameters of one security block in this context.
struct Parameters<'d> {
    /// The CBOR of the byte string and its content.
    additional_protected: (&'d [u8], &'d [u8]),
    additional_unprotected: &'d [u8],
    scope: &'d [u8],
}

impl Statement {
    /// Reads the statement about one target of an integrity block.
    pub(crate) fn read(
        head: &Head,
        said: &AbstractSecurityBlock,
        operation: &SecurityOperation,
    ) -> Result<Self, Unverifiable> {
        let data = head.block(said.block_number).map(|block| head.data(block)).unwrap_or_default();
        let octets = |range: &std::ops::Range<usize>| data.get(range.clone()).unwrap_or_default();
        if said.context != CONTEXT {
            return Err(Unverifiable::NotUnderstood);
        }
        let [(identifier, value)] = operation.results.as_slice() else {
            return Err(Unverifiable::Wrong(SignatureFault::Encoding));
        };
        if *identifier != SIGN1 {
            return Err(Unverifiable::NotUnderstood);
        }
        let pairs: Vec<_> =
            said.parameters.iter().map(|(identifier, range)| (*identifier, octets(range))).collect();
        let parameters = Parameters::read(&pairs)?;
        let (protected, headers, signature) = read_message(whole_byte_string(octets(value))?, &parameters)?;
        let aad = Aad { head, said, target: operation.target, source: octets(&said.source_octets) };
        let external = aad.encode(&parameters)?;
        let mut signed = Writer::new();
        signed.array(4);
        signed.text("Signature1");
        signed.bytes(protected);
        signed.bytes(&external);
        signed.bytes_head(content_octets(head, operation.target));
        Ok(Self {
            kid: headers.kid.map(<[u8]>::to_vec),
            signed_before_content: signed.finish(),
            signature: signature.to_vec(),
        })
    }
}

/// The length of what is signed of a block: all of the primary block, the data of others.
fn content_octets(head: &Head, target: u64) -> u64 {
    match target {
        0 => head.primary_octets().len() as u64,
        PAYLOAD_NUMBER => head.payload_octets(),
        number => head.block(number).map_or(0, |block| head.data(block).len() as u64),
    }
}

impl<'d> Parameters<'d> {
    fn read(pairs: &[(u64, &'d [u8])]) -> Result<Self, Unverifiable> {
        let mut parameters =
            Self { additional_protected: (&[0x40], &[]), additional_unprotected: &[], scope: &DEFAULT_SCOPE };
        let mut seen = BTreeSet::new();
        for (identifier, value) in pairs {
            if !seen.insert(*identifier) {
                return Err(Unverifiable::Wrong(SignatureFault::Encoding));
            }
            match *identifier {
                ADDITIONAL_PROTECTED => parameters.additional_protected = (value, whole_byte_string(value)?),
                ADDITIONAL_UNPROTECTED => parameters.additional_unprotected = whole_byte_string(value)?,
                AAD_SCOPE => parameters.scope = value,
                _ => return Err(Unverifiable::NotUnderstood),
            }
        }
        Ok(parameters)
    }
}

fn whole_byte_string(octets: &[u8]) -> Result<&[u8], Malformed> {
    let mut cursor = Cursor::new(octets);
    let content = cursor.bytes()?;
    cursor.end()?;
    Ok(content)
}

/// The headers that matter here.
#[derive(Default)]
struct Headers<'d> {
    /// The algorithm in the protected header; `None` also if it is named by a text.
    algorithm: Option<i128>,
    kid: Option<&'d [u8]>,
    /// Labels as they are encoded.
    labels: BTreeSet<&'d [u8]>,
}

impl<'d> Headers<'d> {
    /// Reads one more map of headers. A label stands only once in all that are read into one value (RFC 9052 §3).
    fn read(&mut self, cursor: &mut Cursor<'d>, protected: bool) -> Result<(), Unverifiable> {
        for _ in 0..cursor.map()? {
            let start = cursor.position();
            let label = if cursor.is_at_int() {
                u64::try_from(cursor.int()?).ok()
            } else {
                cursor.text().map(|_| None)?
            };
            if !self.labels.insert(cursor.since(start)) {
                return Err(Unverifiable::Wrong(SignatureFault::Encoding));
            }
            match label {
                Some(ALG) if protected && cursor.is_at_int() => self.algorithm = Some(cursor.int()?),
                Some(CRIT) => read_critical(cursor, protected)?,
                Some(KID) => self.kid = Some(cursor.bytes()?),
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(())
    }

    /// Reads a map that stands in a byte string, which is empty for an empty map.
    fn read_wrapped(&mut self, octets: &'d [u8], protected: bool) -> Result<(), Unverifiable> {
        if octets.is_empty() {
            return Ok(());
        }
        let mut cursor = Cursor::new(octets);
        self.read(&mut cursor, protected)?;
        Ok(cursor.end()?)
    }
}

/// `crit` lists headers that must be understood (RFC 9052 §3.1), and must itself be protected.
fn read_critical(cursor: &mut Cursor<'_>, protected: bool) -> Result<(), Unverifiable> {
    let labels = cursor.array()?;
    if !protected || labels == 0 {
        return Err(Unverifiable::Wrong(SignatureFault::Encoding));
    }
    for _ in 0..labels {
        let understood =
            cursor.is_at_int() && [ALG, CRIT, CONTENT_TYPE, KID].map(i128::from).contains(&cursor.int()?);
        if !understood {
            return Err(Unverifiable::NotUnderstood);
        }
    }
    Ok(())
}

/// Reads a `COSE_Sign1` message with a detached payload: its protected header as signed, all headers, the signature.
fn read_message<'d>(
    octets: &'d [u8],
    parameters: &Parameters<'d>,
) -> Result<(&'d [u8], Headers<'d>, &'d [u8]), Unverifiable> {
    let mut cursor = Cursor::new(octets);
    cursor.array_of(4, "a COSE_Sign1 message")?;
    let protected = cursor.bytes()?;
    let mut headers = Headers::default();
    headers.read_wrapped(protected, true)?;
    headers.read(&mut cursor, false)?;
    cursor.null()?;
    let signature = cursor.bytes()?;
    cursor.end()?;
    // Headers of the message take precedence over additional ones (draft §2.2.1).
    let mut additional = Headers::default();
    additional.read_wrapped(parameters.additional_protected.1, false)?;
    additional.read_wrapped(parameters.additional_unprotected, false)?;
    headers.kid = headers.kid.or(additional.kid);
    match headers.algorithm {
        Some(algorithm) if ED25519.contains(&algorithm) => Ok((protected, headers, signature)),
        _ => Err(Unverifiable::NotUnderstood),
    }
}

/// The external additional authenticated data of one operation (draft §2.5.1).
struct Aad<'h> {
    head: &'h Head,
    said: &'h AbstractSecurityBlock,
    target: u64,
    /// The security source as it is encoded. Parsing has made sure that this is the deterministic encoding.
    source: &'h [u8],
}

impl Aad<'_> {
    fn encode(&self, parameters: &Parameters<'_>) -> Result<Vec<u8>, Unverifiable> {
        let mut writer = Writer::new();
        writer.raw(self.source);
        writer.raw(parameters.scope);
        let mut cursor = Cursor::new(parameters.scope);
        let (mut covers_primary, mut covers_target) = (false, false);
        let mut last = None;
        for _ in 0..cursor.map()? {
            let key = cursor.int()?;
            let flags = cursor.uint()?;
            // Deterministic order: numbers of blocks ascending, then special keys descending.
            let rank = (key < 0, key.unsigned_abs());
            if last.is_some_and(|last| last >= rank) || flags & (METADATA | DATA) == 0 {
                return Err(Unverifiable::Wrong(SignatureFault::Scope));
            }
            last = Some(rank);
            covers_primary |= key == 0;
            covers_target |= self.number(key)? == self.target && flags & METADATA != 0;
            self.encode_block(key, flags, &mut writer)?;
        }
        cursor.end()?;
        writer.raw(parameters.additional_protected.0);
        // What does not bind the target to this bundle and to its place in it proves too little (profile, section 3).
        if covers_primary && (covers_target || self.target == 0) {
            Ok(writer.finish())
        } else {
            Err(Unverifiable::NotUnderstood)
        }
    }

    /// The block number that a key of the scope means.
    fn number(&self, key: i128) -> Result<u64, Unverifiable> {
        match key {
            TARGET_BLOCK => Ok(self.target),
            SECURITY_BLOCK => Ok(self.said.block_number),
            number => u64::try_from(number).map_err(|_| Unverifiable::Wrong(SignatureFault::Scope)),
        }
    }

    fn encode_block(&self, key: i128, flags: u64, writer: &mut Writer) -> Result<(), Unverifiable> {
        let number = self.number(key)?;
        let wants_data = flags & DATA != 0;
        let may_not_have_data = number == self.target || number == self.said.block_number || number == 0;
        if wants_data && may_not_have_data {
            return Err(Unverifiable::Wrong(SignatureFault::Scope));
        }
        if number == 0 {
            writer.raw(self.head.primary_octets());
            return Ok(());
        }
        if number == PAYLOAD_NUMBER {
            // Its data would have to be hashed before they arrive.
            if wants_data {
                return Err(Unverifiable::NotUnderstood);
            }
            BlockHead::of_payload(self.head.payload_block()).encode_metadata(writer);
            return Ok(());
        }
        let block = self.head.block(number).ok_or(Unverifiable::Wrong(SignatureFault::Scope))?;
        if flags & METADATA != 0 {
            BlockHead::of(block).encode_metadata(writer);
        }
        if wants_data {
            writer.bytes(self.head.data(block));
        }
        Ok(())
    }
}
