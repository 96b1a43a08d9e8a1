//! CBOR as bundles use it (RFC 9171 §4.1): shortest form, definite lengths, no recursion, nothing allocated by a declared
//! length. The reader borrows from the octets that it is given and says where they are wrong.

use std::ops::Range;

use minicbor::Encoder;

use crate::limits::{DEPTH_MAX, HEAD_OCTETS_MAX};
use crate::malformed::{Fault, Malformed};

/// The array of indefinite length that a bundle is.
pub(crate) const BUNDLE_START: u8 = 0x9f;
/// The "break" that ends it.
pub(crate) const BREAK: u8 = 0xff;

const UINT: u8 = 0;
const NINT: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// Reads items one after another.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'o> {
    octets: &'o [u8],
    at: usize,
    /// Where `octets` begin in what the caller was given, for messages.
    base: u64,
}

impl<'o> Cursor<'o> {
    pub(crate) fn new(octets: &'o [u8]) -> Self {
        Self::based(octets, 0)
    }

    /// A cursor over a part, which reports offsets in the whole.
    pub(crate) fn based(octets: &'o [u8], base: usize) -> Self {
        Self { octets, at: 0, base: base as u64 }
    }

    /// How many octets have been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn since(&self, start: usize) -> &'o [u8] {
        self.octets.get(start..self.at).unwrap_or_default()
    }

    /// The same octets, read again from a position.
    pub(crate) fn rewound(&self, position: usize) -> Self {
        Self { at: position, ..*self }
    }

    /// Goes on at a later position if there are that many octets.
    pub(crate) fn jump(&mut self, position: usize) -> bool {
        let there = position <= self.octets.len();
        if there {
            self.at = position;
        }
        there
    }

    /// A fault of the item that begins at `start`.
    pub(crate) fn fault(&self, start: usize, fault: Fault) -> Malformed {
        Malformed::new(self.base + start as u64, fault)
    }

    fn octet(&mut self) -> Result<u8, Malformed> {
        let octet = *self.octets.get(self.at).ok_or_else(|| self.fault(self.at, Fault::Truncated))?;
        self.at += 1;
        Ok(octet)
    }

    fn peek(&self) -> Result<u8, Malformed> {
        self.octets.get(self.at).copied().ok_or_else(|| self.fault(self.at, Fault::Truncated))
    }

    /// Takes one given octet.
    pub(crate) fn exactly(&mut self, octet: u8, name: &'static str) -> Result<(), Malformed> {
        let start = self.at;
        if self.octet()? == octet { Ok(()) } else { Err(self.fault(start, Fault::Expected(name))) }
    }

    fn take(&mut self, length: u64) -> Result<&'o [u8], Malformed> {
        let start = self.at;
        if length > HEAD_OCTETS_MAX as u64 {
            return Err(self.fault(start, Fault::LengthTooLarge));
        }
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let taken = end.and_then(|end| self.octets.get(start..end));
        let taken = taken.ok_or_else(|| self.fault(start, Fault::Truncated))?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Major type and argument of the next item.
    fn head(&mut self) -> Result<(u8, u64), Malformed> {
        let start = self.at;
        let initial = self.octet()?;
        let (major, short) = (initial >> 5, initial & 0x1f);
        let (value, least) = match short {
            0..=23 => (u64::from(short), 0),
            24 => (self.argument(1)?, 24),
            25 => (self.argument(2)?, 1 << 8),
            26 => (self.argument(4)?, 1 << 16),
            27 => (self.argument(8)?, 1 << 32),
            31 => return Err(self.fault(start, Fault::Indefinite)),
            _ => return Err(self.fault(start, Fault::ReservedCbor)),
        };
        if major != SIMPLE && value < least {
            return Err(self.fault(start, Fault::NotShortest));
        }
        Ok((major, value))
    }

    fn argument(&mut self, octets: u64) -> Result<u64, Malformed> {
        Ok(self.take(octets)?.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
    }

    fn head_of(&mut self, major: u8, name: &'static str) -> Result<u64, Malformed> {
        let start = self.at;
        if self.peek()? >> 5 != major {
            return Err(self.fault(start, Fault::Expected(name)));
        }
        Ok(self.head()?.1)
    }

    /// An unsigned integer.
    pub(crate) fn uint(&mut self) -> Result<u64, Malformed> {
        self.head_of(UINT, "an unsigned integer")
    }

    /// An integer of either sign.
    pub(crate) fn int(&mut self) -> Result<i128, Malformed> {
        let start = self.at;
        match self.head()? {
            (UINT, value) => Ok(i128::from(value)),
            (NINT, value) => Ok(-1 - i128::from(value)),
            _ => Err(self.fault(start, Fault::Expected("an integer"))),
        }
    }

    /// The length of an array, which cannot have more elements than a head has octets.
    pub(crate) fn array(&mut self) -> Result<u64, Malformed> {
        let start = self.at;
        let length = self.head_of(ARRAY, "an array")?;
        self.plausible(start, length)
    }

    /// An array of a given length.
    pub(crate) fn array_of(&mut self, length: u64, name: &'static str) -> Result<(), Malformed> {
        let start = self.at;
        if self.head_of(ARRAY, "an array")? == length {
            Ok(())
        } else {
            Err(self.fault(start, Fault::ElementCount(name)))
        }
    }

    /// The number of pairs of a map.
    pub(crate) fn map(&mut self) -> Result<u64, Malformed> {
        let start = self.at;
        let pairs = self.head_of(MAP, "a map")?;
        self.plausible(start, pairs)
    }

    fn plausible(&self, start: usize, count: u64) -> Result<u64, Malformed> {
        if count > HEAD_OCTETS_MAX as u64 { Err(self.fault(start, Fault::LengthTooLarge)) } else { Ok(count) }
    }

    /// The length of a byte string whose octets are not read here.
    pub(crate) fn bytes_head(&mut self) -> Result<u64, Malformed> {
        self.head_of(BYTES, "a byte string")
    }

    /// A byte string.
    pub(crate) fn bytes(&mut self) -> Result<&'o [u8], Malformed> {
        let length = self.bytes_head()?;
        self.take(length)
    }

    /// Where the next byte string's octets stand.
    pub(crate) fn bytes_range(&mut self) -> Result<Range<usize>, Malformed> {
        let length = self.bytes()?.len();
        Ok(self.at - length..self.at)
    }

    /// A text string.
    pub(crate) fn text(&mut self) -> Result<&'o str, Malformed> {
        let length = self.head_of(TEXT, "a text string")?;
        let start = self.at;
        let octets = self.take(length)?;
        std::str::from_utf8(octets).map_err(|_| self.fault(start, Fault::Expected("UTF-8")))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, Malformed> {
        let start = self.at;
        match self.octet()? {
            0xf4 => Ok(false),
            0xf5 => Ok(true),
            _ => Err(self.fault(start, Fault::Expected("true or false"))),
        }
    }

    /// `null`.
    pub(crate) fn null(&mut self) -> Result<(), Malformed> {
        self.exactly(0xf6, "null")
    }

    /// Whether the next item is an integer.
    pub(crate) fn is_at_int(&self) -> bool {
        self.peek().is_ok_and(|octet| octet >> 5 <= NINT)
    }

    /// Passes over a tag, if one stands here; the item that it is about follows.
    pub(crate) fn pass_tag(&mut self) -> Result<(), Malformed> {
        if self.peek()? >> 5 == TAG { self.head().map(drop) } else { Ok(()) }
    }

    /// Passes over one item, whatever it is, and returns its octets.
    pub(crate) fn skip(&mut self) -> Result<&'o [u8], Malformed> {
        let start = self.at;
        let mut open = [0_u64; DEPTH_MAX];
        let mut depth = 0;
        loop {
            let item = self.at;
            match self.skip_shallow()? {
                0 => {}
                inner => {
                    *open.get_mut(depth).ok_or_else(|| self.fault(item, Fault::TooDeep))? = inner;
                    depth += 1;
                    continue;
                }
            }
            // The item just read may have been the last of those around it.
            while let Some(left) = depth.checked_sub(1).and_then(|innermost| open.get_mut(innermost)) {
                *left -= 1;
                if *left > 0 {
                    break;
                }
                depth -= 1;
            }
            if depth == 0 {
                return Ok(self.since(start));
            }
        }
    }

    /// Passes over one item but not over what it contains, and returns how many items that is.
    fn skip_shallow(&mut self) -> Result<u64, Malformed> {
        let start = self.at;
        if self.peek()? == BREAK {
            return Err(self.fault(start, Fault::Expected("an item")));
        }
        match self.head()? {
            (BYTES, length) => self.take(length).map(|_| 0),
            (TEXT, length) => {
                let octets = self.take(length)?;
                std::str::from_utf8(octets).map_err(|_| self.fault(start, Fault::Expected("UTF-8")))?;
                Ok(0)
            }
            (ARRAY, items) => self.plausible(start, items),
            (MAP, pairs) => Ok(self.plausible(start, pairs)? * 2),
            (TAG, _) => Ok(1),
            // Simple values below 32 have a one-octet form (RFC 8949 §3.3); two octets that hold one are not valid.
            (SIMPLE, value) if self.at - start == 2 && value < 32 => {
                Err(self.fault(start, Fault::ReservedCbor))
            }
            _ => Ok(0),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.at == self.octets.len() { Ok(()) } else { Err(self.fault(self.at, Fault::TrailingOctets)) }
    }
}

/// Writes items one after another, in shortest form.
#[derive(Debug)]
pub(crate) struct Writer(Encoder<Vec<u8>>);

type Written<'w> = Result<&'w mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

fn in_memory(written: Written<'_>) {
    written.expect("writing to memory cannot fail");
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Encoder::new(Vec::new()))
    }

    pub(crate) fn uint(&mut self, value: u64) {
        in_memory(self.0.u64(value));
    }

    /// An integer that may be negative.
    pub(crate) fn int(&mut self, value: i64) {
        in_memory(self.0.i64(value));
    }

    pub(crate) fn bytes(&mut self, octets: &[u8]) {
        in_memory(self.0.bytes(octets));
    }

    /// The head of a byte string whose octets are written elsewhere.
    pub(crate) fn bytes_head(&mut self, length: u64) {
        in_memory(self.0.bytes_len(length));
    }

    pub(crate) fn text(&mut self, text: &str) {
        in_memory(self.0.str(text));
    }

    pub(crate) fn array(&mut self, length: u64) {
        in_memory(self.0.array(length));
    }

    pub(crate) fn map(&mut self, pairs: u64) {
        in_memory(self.0.map(pairs));
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        in_memory(self.0.bool(value));
    }

    pub(crate) fn null(&mut self) {
        in_memory(self.0.null());
    }

    /// Octets that are CBOR already.
    pub(crate) fn raw(&mut self, octets: &[u8]) {
        self.0.writer_mut().extend_from_slice(octets);
    }

    /// How many octets have been written.
    pub(crate) fn len(&self) -> usize {
        self.0.writer().len()
    }

    /// What has been written since a position.
    pub(crate) fn since(&self, start: usize) -> &[u8] {
        self.0.writer().get(start..).unwrap_or_default()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_vectors;

    fn fault_of<T>(read: Result<T, Malformed>) -> Fault {
        read.err().expect("these octets are refused").fault
    }

    #[test]
    fn the_examples_of_rfc_8949_are_taken_where_bundles_may_have_them() {
        let Some(vectors) = test_vectors::file("cbor-rfc8949-appendix-a.json") else { return };
        for vector in vectors["vectors"].as_array().unwrap() {
            let octets = test_vectors::octets(vector, "hex");
            let mut cursor = Cursor::new(&octets);
            let skipped = cursor.skip().map(<[u8]>::len);
            let indefinite = (BYTES..=MAP).contains(&(octets[0] >> 5)) && octets.contains(&BREAK);
            if indefinite {
                assert_eq!(fault_of(skipped), Fault::Indefinite, "{vector}");
            } else if octets == [0xf8, 0x18] {
                assert_eq!(fault_of(skipped), Fault::ReservedCbor);
            } else {
                assert_eq!(skipped, Ok(octets.len()), "{vector}");
                if let Some(number) = vector["decoded"].as_i64().filter(|_| octets[0] >> 5 <= NINT) {
                    assert_eq!(Cursor::new(&octets).int(), Ok(i128::from(number)), "{vector}");
                }
                if let Some(text) = vector["decoded"].as_str().filter(|_| octets[0] >> 5 == TEXT) {
                    assert_eq!(Cursor::new(&octets).text(), Ok(text), "{vector}");
                }
            }
        }
    }

    #[test]
    fn deep_nesting_costs_no_stack_and_is_refused() {
        for octet in [0x81, 0xc1, 0x9f] {
            let octets = vec![octet; 200_000];
            let expected = if octet == 0x9f { Fault::Indefinite } else { Fault::TooDeep };
            assert_eq!(fault_of(Cursor::new(&octets).skip()), expected);
        }
        let mut deepest = vec![0x81; DEPTH_MAX];
        deepest.push(0);
        assert_eq!(Cursor::new(&deepest).skip().map(<[u8]>::len), Ok(DEPTH_MAX + 1));
    }

    #[test]
    fn what_is_not_deterministic_is_refused() {
        let cases: [(&[u8], Fault); 10] = [
            (&[0x18, 0x17], Fault::NotShortest),
            (&[0x19, 0x00, 0xff], Fault::NotShortest),
            (&[0x1a, 0x00, 0x00, 0xff, 0xff], Fault::NotShortest),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], Fault::NotShortest),
            (&[0x58, 0x01, 0x00], Fault::NotShortest),
            (&[0x1c], Fault::ReservedCbor),
            (&[0xfe], Fault::ReservedCbor),
            (&[0xff], Fault::Expected("an item")),
            (&[0x5f, 0x41, 0x00, 0xff], Fault::Indefinite),
            (&[0x61, 0xff], Fault::Expected("UTF-8")),
        ];
        for (octets, fault) in cases {
            assert_eq!(fault_of(Cursor::new(octets).skip()), fault, "{octets:x?}");
        }
    }

    #[test]
    fn a_declared_length_that_nothing_can_have_is_refused_before_anything_is_read() {
        for octets in [b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(fault_of(Cursor::new(octets).skip()), Fault::LengthTooLarge);
        }
        assert_eq!(fault_of(Cursor::new(&[0xba, 0xff, 0xff, 0xff, 0xff]).map()), Fault::LengthTooLarge);
        assert_eq!(fault_of(Cursor::new(&[0x59, 0x01, 0x00]).bytes()), Fault::Truncated);
    }

    #[test]
    fn faults_say_where_they_are() {
        let mut cursor = Cursor::based(&[0x82, 0x00, 0x18, 0x00], 100);
        assert_eq!(cursor.skip().map(<[u8]>::len), Err(Malformed::new(102, Fault::NotShortest)));
    }

    proptest! {
        /// The library that writes agrees with the cursor that reads.
        #[test]
        fn what_is_written_is_read(number in any::<u64>(), octets in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,40}") {
            let mut writer = Writer::new();
            writer.array(4);
            writer.uint(number);
            writer.bytes(&octets);
            writer.text(&text);
            writer.int(-1 - i64::try_from(number >> 1).unwrap());
            let written = writer.finish();
            prop_assert_eq!(Cursor::new(&written).skip().map(<[u8]>::len), Ok(written.len()));
            let mut cursor = Cursor::new(&written);
            prop_assert_eq!(cursor.array(), Ok(4));
            prop_assert_eq!(cursor.uint(), Ok(number));
            prop_assert_eq!(cursor.bytes(), Ok(&octets[..]));
            prop_assert_eq!(cursor.text(), Ok(&text[..]));
            prop_assert_eq!(cursor.int(), Ok(-1 - i128::from(number >> 1)));
            prop_assert_eq!(cursor.end(), Ok(()));
        }

        /// Whatever the octets, the cursor ends; what it takes, the library takes too.
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut cursor = Cursor::new(&octets);
            if let Ok(item) = cursor.skip() {
                let mut reference = minicbor::Decoder::new(item);
                prop_assert!(reference.skip().is_ok());
                prop_assert_eq!(reference.position(), item.len());
            }
        }
    }
}
