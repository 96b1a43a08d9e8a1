//! How a record is laid out: big-endian fields one after another, closed by a checksum of table, key and fields.
//!
//! LMDB trusts its file; the checksum is what tells a record that was written from one that a dying card made up. It
//! covers the table and the key too, so that a sound record in the wrong place is found as well. `docs/store.md` has the
//! layout of every record.

/// Octets of the checksum that closes every record: a CRC-32 (IEEE), big-endian.
pub(crate) const CHECKSUM_OCTETS: usize = 4;

/// The checksum of a record.
pub(crate) fn checksum(tag: u8, key: &[u8], body: &[u8]) -> [u8; CHECKSUM_OCTETS] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(key);
    hasher.update(body);
    hasher.finalize().to_be_bytes()
}

/// The fields of a stored record, if its checksum holds.
pub(crate) fn verified<'v>(tag: u8, key: &[u8], value: &'v [u8]) -> Option<&'v [u8]> {
    let (body, sum) = value.split_last_chunk::<CHECKSUM_OCTETS>()?;
    (checksum(tag, key, body) == *sum).then_some(body)
}

/// Writes fields.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    pub(crate) fn u8(mut self, field: u8) -> Self {
        self.0.push(field);
        self
    }

    pub(crate) fn u32(mut self, field: u32) -> Self {
        self.0.extend_from_slice(&field.to_be_bytes());
        self
    }

    pub(crate) fn u64(mut self, field: u64) -> Self {
        self.0.extend_from_slice(&field.to_be_bytes());
        self
    }

    pub(crate) fn octets(mut self, field: &[u8]) -> Self {
        self.0.extend_from_slice(field);
        self
    }

    /// Octets with their number before them. What is written here is bounded by a bundle's head (64 KiB).
    pub(crate) fn counted(self, field: &[u8]) -> Self {
        let count = u32::try_from(field.len()).expect("a name or text within a bundle's head");
        self.u32(count).octets(field)
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields; `None` where the record ends too early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'r>(&'r [u8]);

impl<'r> Reader<'r> {
    pub(crate) fn new(octets: &'r [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn octets(&mut self, count: usize) -> Option<&'r [u8]> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(field)
    }

    pub(crate) fn counted(&mut self) -> Option<&'r [u8]> {
        let count = usize::try_from(self.u32()?).ok()?;
        self.octets(count)
    }

    /// `Some` if nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
