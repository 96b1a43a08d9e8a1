//! Extension items of sessions and transfers (RFC 9174 §4.8, §5.2.5).
//!
//! We use one: the Transfer Length Extension (§5.2.5.1). Everything else is ignored, or, where it is critical, the end
//! of the session or of the transfer.

use bytes::{BufMut, BytesMut};

/// Item type of the Transfer Length Extension (RFC 9174 §8.4).
pub const TRANSFER_LENGTH: u16 = 0x0001;
/// Flag of an item: a receiver that does not know it must not go on.
pub const CRITICAL: u8 = 0x01;
/// Octets of a list that holds one Transfer Length item: flags, type, length, value.
pub const TRANSFER_LENGTH_ITEM: usize = 1 + 2 + 2 + 8;

/// One extension item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// [`CRITICAL`]; other bits are reserved.
    pub flags: u8,
    /// What the value means.
    pub item_type: u16,
    /// The value.
    pub value: &'a [u8],
}

impl Item<'_> {
    /// Whether a receiver that does not know the item must not go on.
    pub fn is_critical(&self) -> bool {
        self.flags & CRITICAL != 0
    }

    /// Appends its octets to `out`.
    ///
    /// # Panics
    /// If the value is longer than 65,535 octets.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.flags);
        out.put_u16(self.item_type);
        out.put_u16(u16::try_from(self.value.len()).expect("an item value of at most 65,535 octets"));
        out.put_slice(self.value);
    }
}

/// Why a list of items cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The last item is longer or shorter than the list says.
    #[error("the extension items disagree with their length")]
    Length,
    /// An item that is critical and that we do not know.
    #[error("an extension item of type {0:#06x} is critical and unknown here")]
    UnknownCritical(u16),
    /// A Transfer Length item of another size than 8 octets, or a second one.
    #[error("the Transfer Length Extension is wrong")]
    TransferLength,
}

impl ItemError {
    /// The same of a transfer, for whoever reads what a neighbor did wrong.
    pub(crate) fn fault(self) -> &'static str {
        match self {
            Self::Length => "it sent extension items that disagree with their length",
            Self::UnknownCritical(_) => {
                "it sent a transfer with a critical extension item that is unknown here"
            }
            Self::TransferLength => "it sent a transfer with a wrong Transfer Length Extension",
        }
    }
}

/// The items of a list, in order; the last one is an error where the list does not end with its last item.
pub fn items(list: &[u8]) -> impl Iterator<Item = Result<Item<'_>, ItemError>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((item, after)) = split_item(rest) else {
            rest = &[];
            return Some(Err(ItemError::Length));
        };
        rest = after;
        Some(Ok(item))
    })
}

fn split_item(list: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (&flags, list) = list.split_first()?;
    let (item_type, list) = list.split_first_chunk()?;
    let (length, list) = list.split_first_chunk()?;
    let (value, rest) = list.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((Item { flags, item_type: u16::from_be_bytes(*item_type), value }, rest))
}

/// Checks the items of a `SESS_INIT`. None is defined, so that a critical one ends the session (RFC 9174 §4.8).
pub fn check_session_items(list: &[u8]) -> Result<(), ItemError> {
    for item in items(list) {
        let item = item?;
        if item.is_critical() {
            return Err(ItemError::UnknownCritical(item.item_type));
        }
    }
    Ok(())
}

/// The Transfer Length among the items of a transfer, in octets (RFC 9174 §5.2.5).
pub fn transfer_length(list: &[u8]) -> Result<Option<u64>, ItemError> {
    let mut length = None;
    for item in items(list) {
        let item = item?;
        if item.item_type == TRANSFER_LENGTH {
            let value = item.value.try_into().map_err(|_| ItemError::TransferLength)?;
            // §5.2.5.1: not more than one.
            if length.replace(u64::from_be_bytes(value)).is_some() {
                return Err(ItemError::TransferLength);
            }
        } else if item.is_critical() {
            return Err(ItemError::UnknownCritical(item.item_type));
        }
    }
    Ok(length)
}

/// A list of one item: the Transfer Length Extension with `length` octets.
///
/// It is marked critical, so that a receiver that cannot check the length refuses instead of taking a transfer that
/// was broken off for a complete one.
pub fn transfer_length_list(length: u64) -> [u8; TRANSFER_LENGTH_ITEM] {
    let mut list = [0; TRANSFER_LENGTH_ITEM];
    let mut out = list.as_mut_slice();
    out.put_u8(CRITICAL);
    out.put_u16(TRANSFER_LENGTH);
    out.put_u16(8);
    out.put_u64(length);
    list
}
