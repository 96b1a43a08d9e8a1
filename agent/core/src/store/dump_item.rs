//! Items of a dump as CBOR (RFC 8949): arrays of unsigned integers, byte strings and text strings of definite length, each array
//! closed by a CRC-32 of its octets before. `docs/store.md` has what the fields mean.

use std::io::{self, Read, Write};

use crate::store::StoreError;

/// The kinds of items: the first element of each array. They are never reused.
pub(crate) mod kind {
    pub(crate) const HEADER: u64 = 0;
    pub(crate) const SETTINGS: u64 = 1;
    pub(crate) const BUNDLE: u64 = 2;
    pub(crate) const TOMBSTONE: u64 = 3;
    pub(crate) const WAITING: u64 = 4;
    pub(crate) const TRUST: u64 = 5;
    pub(crate) const PEER: u64 = 6;
    pub(crate) const SUBSCRIPTION: u64 = 7;
    pub(crate) const END: u64 = 8;
    pub(crate) const RECORD: u64 = 9;
    pub(crate) const TOMBSTONE_IN_SET: u64 = 20;
}

pub(crate) const TITLE: &str = "packmule store dump";
/// The version of the items that a dump is made of.
pub(crate) const DUMP_VERSION: u32 = 1;
/// The longest field but a payload: a head.
const FIELD_OCTETS_MAX: u64 = 1 << 16;

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

/// Writes items.
pub(crate) struct ItemWriter<'w> {
    output: &'w mut dyn Write,
    hasher: crc32fast::Hasher,
}

impl<'w> ItemWriter<'w> {
    pub(crate) fn new(output: &'w mut dyn Write) -> Self {
        Self { output, hasher: crc32fast::Hasher::new() }
    }

    /// Begins an item with so many fields between its kind and its checksum.
    pub(crate) fn begin(&mut self, kind: u64, fields: u64) -> Result<(), StoreError> {
        self.head(ARRAY, fields + 2)?;
        self.uint(kind)
    }

    pub(crate) fn uint(&mut self, value: u64) -> Result<(), StoreError> {
        self.head(UNSIGNED, value)
    }

    pub(crate) fn bytes(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.begin_bytes(octets.len() as u64)?;
        self.raw(octets)
    }

    /// Begins a byte string whose octets follow with `raw`.
    pub(crate) fn begin_bytes(&mut self, count: u64) -> Result<(), StoreError> {
        self.head(BYTES, count)
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), StoreError> {
        self.head(TEXT, text.len() as u64)?;
        self.raw(text.as_bytes())
    }

    pub(crate) fn raw(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(octets);
        self.output.write_all(octets).map_err(StoreError::Stream)
    }

    pub(crate) fn end(&mut self) -> Result<(), StoreError> {
        let sum = std::mem::take(&mut self.hasher).finalize();
        self.uint(u64::from(sum))?;
        self.hasher = crc32fast::Hasher::new();
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        self.output.flush().map_err(StoreError::Stream)
    }

    /// The shortest head, as RFC 8949 §4.2.1 wants it.
    fn head(&mut self, major: u8, value: u64) -> Result<(), StoreError> {
        let [.., b3, b2, b1, b0] = value.to_be_bytes();
        let first = major << 5;
        match value {
            0..=23 => self.raw(&[first | b0]),
            24..=0xff => self.raw(&[first | 0x18, b0]),
            0x100..=0xffff => self.raw(&[first | 0x19, b1, b0]),
            0x1_0000..=0xffff_ffff => self.raw(&[first | 0x1a, b3, b2, b1, b0]),
            _ => {
                self.raw(&[first | 0x1b])?;
                self.raw(&value.to_be_bytes())
            }
        }
    }
}

/// Reads items from a stream that may hold anything.
pub(crate) struct ItemReader<'r> {
    input: &'r mut dyn Read,
    hasher: crc32fast::Hasher,
    /// Items that were read whole.
    items: u64,
}

impl<'r> ItemReader<'r> {
    pub(crate) fn new(input: &'r mut dyn Read) -> Self {
        Self { input, hasher: crc32fast::Hasher::new(), items: 0 }
    }

    pub(crate) fn fault(&self, what: &'static str) -> StoreError {
        StoreError::BadDump { item: self.items, what }
    }

    /// Begins the next item: its kind.
    pub(crate) fn begin(&mut self) -> Result<u64, StoreError> {
        self.expect(ARRAY, "an item of the dump is expected here")?;
        self.uint()
    }

    pub(crate) fn uint(&mut self) -> Result<u64, StoreError> {
        self.expect(UNSIGNED, "a number is expected here")
    }

    /// A short byte string.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        let count = self.begin_bytes()?;
        self.field(count)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.bytes()?.try_into().map_err(|_| self.fault("a field has another length"))
    }

    /// Begins a byte string whose octets follow with `raw`: how many.
    pub(crate) fn begin_bytes(&mut self) -> Result<u64, StoreError> {
        self.expect(BYTES, "octets are expected here")
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        let count = self.expect(TEXT, "a text is expected here")?;
        String::from_utf8(self.field(count)?).map_err(|_| self.fault("a text is not UTF-8"))
    }

    fn field(&mut self, count: u64) -> Result<Vec<u8>, StoreError> {
        if count > FIELD_OCTETS_MAX {
            return Err(self.fault("a field is longer than it can be"));
        }
        let mut octets = Vec::new();
        self.input.take(count).read_to_end(&mut octets).map_err(StoreError::Stream)?;
        if octets.len() as u64 != count {
            return Err(self.fault("it ends within an item"));
        }
        self.hasher.update(&octets);
        Ok(octets)
    }

    /// Fills the buffer.
    pub(crate) fn raw(&mut self, buffer: &mut [u8]) -> Result<(), StoreError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.hasher.update(buffer);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.fault("it ends within an item"))
            }
            Err(error) => Err(StoreError::Stream(error)),
        }
    }

    pub(crate) fn end(&mut self) -> Result<(), StoreError> {
        let sum = std::mem::take(&mut self.hasher).finalize();
        if self.uint()? != u64::from(sum) {
            return Err(self.fault("its checksum is wrong"));
        }
        self.hasher = crc32fast::Hasher::new();
        self.items += 1;
        Ok(())
    }

    fn expect(&mut self, major: u8, what: &'static str) -> Result<u64, StoreError> {
        let mut first = [0];
        self.raw(&mut first)?;
        let [first] = first;
        if first >> 5 != major {
            return Err(self.fault(what));
        }
        match first & 0x1f {
            short @ 0..=23 => Ok(u64::from(short)),
            0x18 => self.argument::<1>(),
            0x19 => self.argument::<2>(),
            0x1a => self.argument::<4>(),
            0x1b => self.argument::<8>(),
            _ => Err(self.fault(what)),
        }
    }

    fn argument<const N: usize>(&mut self) -> Result<u64, StoreError> {
        let mut octets = [0; N];
        self.raw(&mut octets)?;
        Ok(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
    }
}
