//! Endpoint IDs (RFC 9171 §4.2.5.1, RFC 9758): what they name, their text and their octets.
//!
//! Two IDs are equal if they name the same endpoint, however they were encoded (RFC 9758 §6.4); who needs the octets as
//! they came has the block that they came in. Of the `dtn` scheme only what its grammar allows is taken: `dtn://` with a
//! node name, a slash, and visible ASCII. Schemes other than `dtn` and `ipn` are not assigned today, but RFC 9171 lets
//! any be registered, so their IDs are carried unread: they are members of no node as far as this crate can tell.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use thiserror::Error;

use crate::cbor::{Cursor, Writer};
use crate::limits::EID_OCTETS_MAX;
use crate::malformed::{Fault, Malformed};

const DTN: u64 = 1;
const IPN: u64 = 2;
/// The node number that means "this node", whichever it is (RFC 9758 §3.4.2).
const LOCAL_NODE: u32 = u32::MAX;
/// Characters of the scheme-specific part of a `dtn` ID: what is left of [`EID_OCTETS_MAX`] after the framing.
const DTN_OCTETS_MAX: usize = EID_OCTETS_MAX - 6;

/// An endpoint ID. Ordered and compared by what it names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Eid {
    /// The endpoint without members: `dtn:none`, `ipn:0.0`.
    Null,
    /// An ID of the `dtn` scheme.
    Dtn(DtnEid),
    /// An ID of the `ipn` scheme other than the null endpoint. Made by [`Eid::ipn`].
    #[non_exhaustive]
    Ipn {
        /// Who allocated the node number; zero for the default allocator.
        allocator: u32,
        /// The node number.
        node: u32,
        /// The service number; zero for the administrative endpoint.
        service: u64,
    },
    /// An ID of a scheme that this crate does not know.
    Other(OtherEid),
}

/// An endpoint ID of the `dtn` scheme: a node name and a demux string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DtnEid {
    /// `//node/demux`
    text: Arc<str>,
    node_end: usize,
}

/// An endpoint ID of an unknown scheme, as its octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherEid {
    octets: Arc<[u8]>,
}

/// Why a text or its parts are not an endpoint ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EidError {
    /// Neither `dtn:` nor `ipn:`.
    #[error("an endpoint ID begins with dtn:// or ipn:")]
    Scheme,
    /// A `dtn` ID without `//`, a node name and the slash after it.
    #[error("an endpoint ID of the dtn scheme looks like dtn://node/ or dtn://node/service")]
    DtnShape,
    /// The node name is empty or has a character that RFC 3986 does not allow in a registered name.
    #[error("a node name is made of letters, digits and - . _ ~ ! $ & ' ( ) * + , ; = or %XX")]
    NodeName,
    /// The demux has a space, a control character or something beyond ASCII.
    #[error("the part after the node name may only have visible ASCII characters")]
    Demux,
    /// Longer than [`EID_OCTETS_MAX`] allows.
    #[error("an endpoint ID has at most 1,000 characters")]
    TooLong,
    /// An `ipn` ID that is not two or three numbers without leading zeros.
    #[error("an endpoint ID of the ipn scheme looks like ipn:node.service or ipn:allocator.node.service")]
    IpnShape,
    /// A number of an `ipn` ID is too large.
    #[error("a number of this ipn endpoint ID is too large")]
    IpnNumber,
    /// The null endpoint and endpoints of unknown schemes have no demux.
    #[error("this endpoint ID has no part that names a service")]
    NoDemux,
    /// Not the hexadecimal CBOR of an ID of an unknown scheme.
    #[error("cbor: is not followed by the octets of an endpoint ID in hexadecimal digits")]
    Octets,
}

impl EidError {
    /// What a peer's malformed ID is said to be.
    fn fault(self) -> Fault {
        Fault::Eid(match self {
            Self::NodeName => "the node name is empty or has a forbidden character",
            Self::Demux => "the demux has a forbidden character",
            Self::TooLong => "it is too long",
            _ => "it is not dtn://node/demux",
        })
    }
}

impl Eid {
    /// `dtn://node/demux`. An empty demux names the node's administrative endpoint, one that begins with `~` a group.
    pub fn dtn(node: &str, demux: &str) -> Result<Self, EidError> {
        if node.contains('/') {
            return Err(EidError::NodeName);
        }
        DtnEid::parse(&format!("//{node}/{demux}")).map(Self::Dtn)
    }

    /// `ipn:allocator.node.service`. With allocator and node zero it is the null endpoint, whatever the service
    /// (RFC 9758 §3.4.1).
    pub fn ipn(allocator: u32, node: u32, service: u64) -> Self {
        if allocator == 0 && node == 0 { Self::Null } else { Self::Ipn { allocator, node, service } }
    }

    /// Whether this is the endpoint without members.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Whether exactly one node is a member (RFC 9171 §4.2.5.1.1): every `ipn` ID, and `dtn` IDs whose demux does not
    /// begin with `~`. Of unknown schemes it is not known, so they are not.
    pub fn is_singleton(&self) -> bool {
        match self {
            Self::Dtn(dtn) => !dtn.demux().starts_with('~'),
            Self::Ipn { .. } => true,
            Self::Null | Self::Other(_) => false,
        }
    }

    /// Whether this is the ID of a node's administrative endpoint, and so the canonical name of that node.
    pub fn is_node_id(&self) -> bool {
        match self {
            Self::Dtn(dtn) => dtn.demux().is_empty(),
            Self::Ipn { service, .. } => *service == 0,
            Self::Null | Self::Other(_) => false,
        }
    }

    /// Whether this names a service of whatever node reads it (RFC 9758 §5.4), which no bundle on the wire may do.
    pub fn is_local_node(&self) -> bool {
        matches!(self, Self::Ipn { allocator: 0, node: LOCAL_NODE, .. })
    }

    /// The administrative endpoint of the node that is the only member of this endpoint; `None` for groups, for the
    /// null endpoint and for unknown schemes.
    pub fn node_id(&self) -> Option<Self> {
        match self {
            _ if !self.is_singleton() => None,
            Self::Dtn(dtn) if dtn.demux().is_empty() => Some(self.clone()),
            Self::Dtn(dtn) => {
                let text: Arc<str> = dtn.text.get(..=dtn.node_end)?.into();
                Some(Self::Dtn(DtnEid { text, node_end: dtn.node_end }))
            }
            Self::Ipn { allocator, node, .. } => Some(Self::ipn(*allocator, *node, 0)),
            Self::Null | Self::Other(_) => None,
        }
    }

    /// What tells the endpoints of one node apart: the demux of a `dtn` ID, the service number of an `ipn` ID in
    /// digits, else nothing.
    pub fn demux(&self) -> Cow<'_, str> {
        match self {
            Self::Dtn(dtn) => Cow::Borrowed(dtn.demux()),
            Self::Ipn { service, .. } => Cow::Owned(service.to_string()),
            Self::Null | Self::Other(_) => Cow::Borrowed(""),
        }
    }

    /// The same node with another demux; for `ipn` a service number, or nothing for the administrative endpoint.
    pub fn with_demux(&self, demux: &str) -> Result<Self, EidError> {
        match self {
            Self::Dtn(dtn) => Self::dtn(dtn.node(), demux),
            Self::Ipn { allocator, node, .. } => {
                let service = if demux.is_empty() { 0 } else { number(demux)? };
                Ok(Self::ipn(*allocator, *node, service))
            }
            Self::Null | Self::Other(_) => Err(EidError::NoDemux),
        }
    }

    /// The octets of this ID in a bundle; of the two forms of an `ipn` ID the one that RFC 9758 §6.1 recommends.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer);
        writer.finish()
    }

    /// Reads the octets of one ID and nothing else.
    pub fn from_cbor(octets: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(octets);
        let eid = Self::decode(&mut cursor)?;
        cursor.end()?;
        Ok(eid)
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        if let Self::Other(other) = self {
            return writer.raw(&other.octets);
        }
        writer.array(2);
        match self {
            Self::Dtn(dtn) => {
                writer.uint(DTN);
                writer.text(&dtn.text);
            }
            Self::Ipn { allocator, node, service } => {
                writer.uint(IPN);
                writer.array(if *allocator == 0 { 2 } else { 3 });
                if *allocator != 0 {
                    writer.uint(u64::from(*allocator));
                }
                writer.uint(u64::from(*node));
                writer.uint(*service);
            }
            Self::Null | Self::Other(_) => {
                writer.uint(DTN);
                writer.uint(0);
            }
        }
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = cursor.position();
        cursor.array_of(2, "an endpoint ID")?;
        match cursor.uint()? {
            0 => Err(cursor.fault(start, Fault::Eid("its scheme is reserved"))),
            DTN => decode_dtn(cursor),
            IPN => decode_ipn(cursor),
            _ => {
                cursor.skip()?;
                let octets = cursor.since(start);
                if octets.len() > EID_OCTETS_MAX {
                    return Err(cursor.fault(start, Fault::Eid("it is too long")));
                }
                Ok(Self::Other(OtherEid { octets: octets.into() }))
            }
        }
    }
}

fn decode_dtn(cursor: &mut Cursor<'_>) -> Result<Eid, Malformed> {
    let start = cursor.position();
    if cursor.is_at_int() {
        return match cursor.uint()? {
            0 => Ok(Eid::Null),
            _ => Err(cursor.fault(start, Fault::Eid("the only number in the dtn scheme is 0"))),
        };
    }
    DtnEid::parse(cursor.text()?).map(Eid::Dtn).map_err(|error| cursor.fault(start, error.fault()))
}

/// Both encodings of RFC 9758 §6.2.
fn decode_ipn(cursor: &mut Cursor<'_>) -> Result<Eid, Malformed> {
    let start = cursor.position();
    let narrow = |value: u64, cursor: &Cursor<'_>| {
        u32::try_from(value).map_err(|_| cursor.fault(start, Fault::Eid("an ipn number is too large")))
    };
    let (allocator, node) = match cursor.array()? {
        2 => {
            let qualified = cursor.uint()?;
            (narrow(qualified >> 32, cursor)?, narrow(qualified & u64::from(u32::MAX), cursor)?)
        }
        3 => {
            let (allocator, node) = (cursor.uint()?, cursor.uint()?);
            (narrow(allocator, cursor)?, narrow(node, cursor)?)
        }
        _ => return Err(cursor.fault(start, Fault::ElementCount("an ipn endpoint ID"))),
    };
    Ok(Eid::ipn(allocator, node, cursor.uint()?))
}

impl DtnEid {
    /// From `//node/demux`.
    fn parse(text: &str) -> Result<Self, EidError> {
        if text.len() > DTN_OCTETS_MAX {
            return Err(EidError::TooLong);
        }
        let (node, demux) =
            text.strip_prefix("//").and_then(|rest| rest.split_once('/')).ok_or(EidError::DtnShape)?;
        if !is_registered_name(node) {
            return Err(EidError::NodeName);
        }
        if !demux.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(EidError::Demux);
        }
        Ok(Self { text: text.into(), node_end: 2 + node.len() })
    }

    /// The node name.
    pub fn node(&self) -> &str {
        self.text.get(2..self.node_end).unwrap_or_default()
    }

    /// What follows the slash after the node name.
    pub fn demux(&self) -> &str {
        self.text.get(self.node_end + 1..).unwrap_or_default()
    }
}

impl OtherEid {
    /// The ID as it stands in the bundle: a CBOR array of scheme number and scheme-specific part.
    pub fn as_cbor(&self) -> &[u8] {
        &self.octets
    }
}

/// `reg-name` of RFC 3986 §3.2.2, but not empty.
fn is_registered_name(name: &str) -> bool {
    let mut octets = name.bytes();
    while let Some(octet) = octets.next() {
        let allowed = match octet {
            b'%' => {
                let mut is_digit = || octets.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                is_digit() && is_digit()
            }
            _ => octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&octet),
        };
        if !allowed {
            return false;
        }
    }
    !name.is_empty()
}

/// A number without leading zeros (RFC 9758 §4.1).
fn number<N: FromStr>(digits: &str) -> Result<N, EidError> {
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit()) && !digits.is_empty();
    if !plain || (digits.starts_with('0') && digits != "0") {
        return Err(EidError::IpnShape);
    }
    digits.parse().map_err(|_| EidError::IpnNumber)
}

impl FromStr for Eid {
    type Err = EidError;

    fn from_str(text: &str) -> Result<Self, EidError> {
        if text == "dtn:none" {
            return Ok(Self::Null);
        }
        if let Some(rest) = text.strip_prefix("dtn:") {
            return DtnEid::parse(rest).map(Self::Dtn);
        }
        if let Some(rest) = text.strip_prefix("ipn:") {
            return ipn_from_text(rest);
        }
        let digits = text.strip_prefix("cbor:").ok_or(EidError::Scheme)?;
        let octets = HEXLOWER.decode(digits.as_bytes()).map_err(|_| EidError::Octets)?;
        Self::from_cbor(&octets).map_err(|_| EidError::Octets)
    }
}

fn ipn_from_text(text: &str) -> Result<Eid, EidError> {
    let parts: Vec<&str> = text.splitn(4, '.').collect();
    match *parts.as_slice() {
        ["!", service] => Ok(Eid::ipn(0, LOCAL_NODE, number(service)?)),
        [node, service] => Ok(Eid::ipn(0, number(node)?, number(service)?)),
        [allocator, node, service] => Ok(Eid::ipn(number(allocator)?, number(node)?, number(service)?)),
        _ => Err(EidError::IpnShape),
    }
}

impl fmt::Display for Eid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("dtn:none"),
            Self::Dtn(dtn) => write!(f, "dtn:{}", dtn.text),
            Self::Ipn { allocator: 0, node: LOCAL_NODE, service } => write!(f, "ipn:!.{service}"),
            Self::Ipn { allocator: 0, node, service } => write!(f, "ipn:{node}.{service}"),
            Self::Ipn { allocator, node, service } => write!(f, "ipn:{allocator}.{node}.{service}"),
            Self::Other(other) => write!(f, "cbor:{}", HEXLOWER.encode(&other.octets)),
        }
    }
}

impl fmt::Debug for Eid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for DtnEid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dtn:{}", self.text)
    }
}

impl fmt::Debug for OtherEid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cbor:{}", HEXLOWER.encode(&self.octets))
    }
}
