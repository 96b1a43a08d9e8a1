//! Hello: who is at this end of a contact (`docs/contact.md`). The one contact message that is signed.

use bundle_format::Eid;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::{Encoded, Unintelligible, VERSION};

/// A Hello names at most this many groups; a node with more asks for everything.
pub(crate) const GROUPS_MAX: u64 = 1024;
/// A Hello names at most this many further node IDs.
const ALSO_MAX: u64 = 8;

/// Who is there. The bundle that carries it is signed: its source is the node, its signer the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Fresh for each contact.
    pub(crate) nonce: [u8; 16],
    /// The nonce of the Hello that this one answers: proof that the signer is there now.
    pub(crate) answer: Option<[u8; 16]>,
    /// The sender's store epoch: a new one means that what it was known to have may be gone.
    pub(crate) epoch: u64,
    /// Whether it wants everything.
    pub(crate) wants_all: bool,
    /// The groups that it wants, where it does not want everything.
    pub(crate) groups: Vec<Eid>,
    /// Other node IDs of the sender.
    pub(crate) also: Vec<Eid>,
}

impl Hello {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(8)?.u64(VERSION)?.u8(0)?.bytes(&self.nonce)?;
        encoder.bytes(self.answer.as_ref().map_or(&[][..], |nonce| nonce))?.u64(self.epoch)?;
        encoder.u8(u8::from(self.wants_all))?;
        encode_eids(encoder, &self.groups)?;
        encode_eids(encoder, &self.also)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        Ok(Self {
            nonce: decoder.bytes()?.try_into().map_err(|_| Unintelligible)?,
            answer: match decoder.bytes()? {
                [] => None,
                nonce => Some(nonce.try_into().map_err(|_| Unintelligible)?),
            },
            epoch: decoder.u64()?,
            wants_all: decoder.u64()? == 1,
            groups: decode_eids(decoder, GROUPS_MAX)?,
            also: decode_eids(decoder, ALSO_MAX)?,
        })
    }
}

fn encode_eids<'e>(encoder: &'e mut Encoder<Vec<u8>>, eids: &[Eid]) -> Encoded<'e> {
    encoder.array(eids.len() as u64)?;
    for eid in eids {
        encoder.bytes(&eid.to_cbor())?;
    }
    Ok(encoder)
}

fn decode_eids(decoder: &mut Decoder<'_>, most: u64) -> Result<Vec<Eid>, Unintelligible> {
    let count = decoder.array()?.ok_or(Unintelligible)?;
    if count > most {
        return Err(Unintelligible);
    }
    let mut eids = Vec::new();
    for _ in 0..count {
        if decoder.datatype()? != Type::Bytes {
            return Err(Unintelligible);
        }
        eids.push(Eid::from_cbor(decoder.bytes()?).map_err(|_| Unintelligible)?);
    }
    Ok(eids)
}
