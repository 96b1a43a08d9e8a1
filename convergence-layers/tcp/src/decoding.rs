//! Reads contact headers and messages from the beginning of received octets (RFC 9174 §4.2, §4.5).
//!
//! Nothing is allocated, and nothing is waited for beyond [`EXTENSIONS_MAX`] and a node ID: whatever lengths a neighbor
//! declares, 100 KiB of buffered octets are enough to make progress.

use crate::message::{
    ContactHeader, KEEPALIVE, MAGIC, MSG_REJECT, Message, SESS_INIT, SESS_TERM, START, SegmentHead, SessInit,
    XFER_ACK, XFER_REFUSE, XFER_SEGMENT,
};

/// The longest list of extension items that is taken, in octets. RFC 9174 §4.8 and §5.2.5 ask for small ones, and the
/// only one that is defined takes 13.
pub const EXTENSIONS_MAX: usize = 16 * 1024;

/// Why no message could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The octets end within the message: read more.
    Incomplete,
    /// No octets that follow could make a message of these.
    Malformed(Malformed),
}

/// What is wrong with octets that cannot be read. The octets after them cannot be read either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The connection does not begin with `dtn!`.
    #[error("the neighbor does not speak TCPCL: its first octets are not \"dtn!\"")]
    Magic,
    /// RFC 9174 §5.1.2: a type of message that is unknown, and with it where the next one begins.
    #[error("the neighbor sent a message of unknown type {0:#04x}")]
    MessageType(u8),
    /// A list of extension items above [`EXTENSIONS_MAX`].
    #[error("the neighbor sent {length} octets of extension items in a message of type {header:#04x}")]
    ExtensionsTooLong {
        /// The type of the message.
        header: u8,
        /// Their declared length in octets.
        length: u32,
    },
    /// A node ID that is not UTF-8 text (RFC 9174 §4.6), or has control characters.
    #[error("the neighbor's node ID is not text")]
    NodeId,
}

/// Reads a contact header.
pub fn contact_header(input: &[u8]) -> Result<ContactHeader, Unread> {
    // §4.3: another protocol is found out by its first octet already.
    if input.iter().zip(&MAGIC).any(|(have, want)| have != want) {
        return Err(Unread::Malformed(Malformed::Magic));
    }
    let mut fields = Fields { rest: input };
    fields.take(MAGIC.len())?;
    Ok(ContactHeader { version: fields.u8()?, flags: fields.u8()? })
}

/// Reads one message and says how many octets it takes; those of a segment end before its data.
pub fn message(input: &[u8]) -> Result<(Message<'_>, usize), Unread> {
    let mut fields = Fields { rest: input };
    let message = match fields.u8()? {
        XFER_SEGMENT => Message::Segment(segment_head(&mut fields)?),
        XFER_ACK => Message::Ack { flags: fields.u8()?, transfer: fields.u64()?, length: fields.u64()? },
        XFER_REFUSE => Message::Refuse { reason: fields.u8()?, transfer: fields.u64()? },
        KEEPALIVE => Message::Keepalive,
        SESS_TERM => Message::Term { flags: fields.u8()?, reason: fields.u8()? },
        MSG_REJECT => Message::Reject { reason: fields.u8()?, header: fields.u8()? },
        SESS_INIT => Message::Init(init(&mut fields)?),
        other => return Err(Unread::Malformed(Malformed::MessageType(other))),
    };
    Ok((message, input.len() - fields.rest.len()))
}

fn segment_head<'a>(fields: &mut Fields<'a>) -> Result<SegmentHead<'a>, Unread> {
    let flags = fields.u8()?;
    let transfer = fields.u64()?;
    let extensions = if flags & START == 0 { &[] } else { fields.extensions(XFER_SEGMENT)? };
    Ok(SegmentHead { flags, transfer, extensions, data_length: fields.u64()? })
}

fn init<'a>(fields: &mut Fields<'a>) -> Result<SessInit<'a>, Unread> {
    let keepalive_seconds = fields.u16()?;
    let segment_mru = fields.u64()?;
    let transfer_mru = fields.u64()?;
    let node_id_length = fields.u16()?;
    let node_id = fields.take(usize::from(node_id_length))?;
    let node_id = str::from_utf8(node_id).map_err(|_| Unread::Malformed(Malformed::NodeId))?;
    if node_id.chars().any(char::is_control) {
        return Err(Unread::Malformed(Malformed::NodeId));
    }
    let extensions = fields.extensions(SESS_INIT)?;
    Ok(SessInit { keepalive_seconds, segment_mru, transfer_mru, node_id, extensions })
}

/// What is left to read of one message.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unread> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Unread::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unread> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Unread::Incomplete)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Unread> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, Unread> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Unread> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn extensions(&mut self, header: u8) -> Result<&'a [u8], Unread> {
        let length = u32::from_be_bytes(self.array()?);
        match usize::try_from(length) {
            Ok(octets) if octets <= EXTENSIONS_MAX => self.take(octets),
            _ => Err(Unread::Malformed(Malformed::ExtensionsTooLong { header, length })),
        }
    }
}
