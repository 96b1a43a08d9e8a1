//! Bundles of any shape, right or wrong, written item by item.

use bytes::Bytes;

/// The octets of a bundle under construction. No CRCs unless they are written by hand.
#[derive(Clone)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

/// `dtn://a/`, `dtn://b/` and `dtn:none` as they are encoded.
pub(crate) const A: &[u8] = b"\x82\x01\x64//a/";
pub(crate) const B: &[u8] = b"\x82\x01\x64//b/";
pub(crate) const NONE: &[u8] = b"\x82\x01\x00";

/// The head of a CBOR item in shortest form.
pub(crate) fn head(major: u8, value: u64) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.u64(value).unwrap();
    let mut octets = encoder.into_writer();
    octets[0] |= major << 5;
    octets
}

pub(crate) fn string(octets: &[u8]) -> Vec<u8> {
    [&head(2, octets.len() as u64)[..], octets].concat()
}

/// The fields of a primary block.
pub(crate) struct Primary<'p> {
    pub(crate) flags: u64,
    pub(crate) destination: &'p [u8],
    pub(crate) source: &'p [u8],
    pub(crate) lifetime: u64,
    pub(crate) fragment: Option<(u64, u64)>,
}

impl Default for Primary<'_> {
    fn default() -> Self {
        Self { flags: 0, destination: B, source: A, lifetime: 1000, fragment: None }
    }
}

impl Primary<'_> {
    /// The start of a bundle with this primary block.
    pub(crate) fn bundle(&self) -> Raw {
        let mut octets = vec![0x9f];
        octets.extend(head(4, if self.fragment.is_some() { 10 } else { 8 }));
        octets.extend([vec![7], head(0, self.flags), vec![0]].concat());
        octets.extend([self.destination, self.source, NONE, b"\x82\x19\x03\xe8\x01"].concat());
        octets.extend(head(0, self.lifetime));
        if let Some((offset, total)) = self.fragment {
            octets.extend([head(0, offset), head(0, total)].concat());
        }
        Raw(octets)
    }
}

impl Raw {
    pub(crate) fn block(self, block_type: u64, number: u64, data: &[u8]) -> Self {
        self.flagged(block_type, number, 0, data)
    }

    pub(crate) fn flagged(mut self, block_type: u64, number: u64, flags: u64, data: &[u8]) -> Self {
        self.0.extend(
            [vec![0x85], head(0, block_type), head(0, number), head(0, flags), vec![0], string(data)]
                .concat(),
        );
        self
    }

    /// The payload block and the end.
    pub(crate) fn end(self, payload: &[u8]) -> Bytes {
        let mut whole = self.block(1, 1, payload).0;
        whole.push(0xff);
        whole.into()
    }
}
