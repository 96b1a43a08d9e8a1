//! A bundle as it arrives, octets in any pieces: nothing is kept before limits are checked, and never more than a head.
//!
//! Three phases: the head is gathered, payload octets pass through and are hashed, verified and added to the CRC, the
//! tail is gathered. The caller keeps the payload octets wherever it wants to. What is computed over them is most of
//! the work, and can be handed over to another thread.

use bytes::{Bytes, BytesMut};

use crate::checked::{CheckedBundle, compare_tail, tail_of};
use crate::crc::RunningCrc;
use crate::framing::Framing;
use crate::head::Head;
use crate::limits::{HEAD_OCTETS_MAX, Limits, TAIL_OCTETS_MAX};
use crate::malformed::{Fault, Malformed};
use crate::passing::PassingPayload;
use crate::profile::Profile;

/// Reads one bundle from a stream of unknown origin. After an error the bundle is lost: drop the reader.
pub struct BundleReader {
    limits: Limits,
    profile: Profile,
    phase: Phase,
}

enum Phase {
    Head { gathered: BytesMut, framing: Framing },
    Body(Box<Body>),
}

/// What is known once the head is complete.
struct Body {
    head: Head,
    payload_left: u64,
    /// Elsewhere, once it was handed over.
    passing: Option<PassingPayload>,
    tail: BytesMut,
}

impl BundleReader {
    /// A reader of one bundle.
    pub fn new(limits: &Limits, profile: &Profile) -> Self {
        let phase = Phase::Head { gathered: BytesMut::new(), framing: Framing::default() };
        Self { limits: limits.clone(), profile: profile.clone(), phase }
    }

    /// Takes the next octets and returns those of them that belong to the payload, perhaps none.
    pub fn push(&mut self, octets: Bytes) -> Result<Bytes, Malformed> {
        match &mut self.phase {
            Phase::Body(body) => body.push(octets),
            Phase::Head { gathered, framing } => {
                let before = gathered.len();
                // One octet more than may be: enough to see that a head is too large.
                let room = (HEAD_OCTETS_MAX + 1).saturating_sub(before).min(octets.len());
                gathered.extend_from_slice(octets.get(..room).unwrap_or_default());
                let Some(framed) = framing.advance(gathered)? else { return Ok(Bytes::new()) };
                let head = Head::parse(gathered.split_to(framed.head_octets).freeze())?;
                let mut body = Body::begin(head, &self.limits, &self.profile)?;
                // All octets before these belonged to the head, or it would have been complete earlier.
                let passed = body.push(octets.slice(framed.head_octets - before..));
                self.phase = Phase::Body(Box::new(body));
                passed
            }
        }
    }

    /// The head, once it is complete.
    pub fn head(&self) -> Option<&Head> {
        match &self.phase {
            Phase::Head { .. } => None,
            Phase::Body(body) => Some(&body.head),
        }
    }

    /// Once the head is complete: hands over what is computed over the payload. From then on the caller gives to it what
    /// [`Self::push`] returns, in order and on any thread, and the bundle ends with [`Self::finish_with`].
    pub fn hand_over(&mut self) -> Option<PassingPayload> {
        match &mut self.phase {
            Phase::Head { .. } => None,
            Phase::Body(body) => body.passing.take(),
        }
    }

    /// Ends a bundle whose payload was computed over elsewhere.
    ///
    /// # Panics
    /// If the payload that passed there is not as long as this bundle's.
    pub fn finish_with(mut self, passing: PassingPayload) -> Result<CheckedBundle, Malformed> {
        if let Phase::Body(body) = &mut self.phase {
            body.passing = Some(passing);
        }
        self.finish()
    }

    /// Ends the bundle: all its octets must have been pushed. The payload is not part of the result.
    ///
    /// # Panics
    /// If the payload was handed over.
    pub fn finish(self) -> Result<CheckedBundle, Malformed> {
        match self.phase {
            Phase::Head { gathered, .. } => Err(Malformed::new(gathered.len() as u64, Fault::Truncated)),
            Phase::Body(body) => body.finish(),
        }
    }

    /// Ends a bundle of which head and payload were pushed, and no more: the tail is the one that follows from them, so that
    /// a CRC over the payload says nothing.
    pub fn finish_without_tail(self) -> Result<CheckedBundle, Malformed> {
        match self.phase {
            Phase::Head { gathered, .. } => Err(Malformed::new(gathered.len() as u64, Fault::Truncated)),
            Phase::Body(body) => body.finish_without_tail(),
        }
    }

    /// Like [`Self::finish`], with the payload kept: `payload` must be what [`Self::push`] returned, in one piece.
    pub fn finish_with_payload(self, payload: Bytes) -> Result<CheckedBundle, Malformed> {
        Ok(self.finish()?.with_payload(payload))
    }
}

impl std::fmt::Debug for BundleReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleReader").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Body {
    fn begin(head: Head, limits: &Limits, profile: &Profile) -> Result<Self, Malformed> {
        let head_octets = head.bytes().len() as u64;
        let least = head_octets + head.payload_octets() + tail_octets(&head);
        if least > limits.bundle_octets_max {
            return Err(Malformed::new(head_octets, Fault::BundleTooLarge));
        }
        let passing = Some(PassingPayload::begin(&head, profile));
        Ok(Self { payload_left: head.payload_octets(), head, passing, tail: BytesMut::new() })
    }

    fn push(&mut self, mut octets: Bytes) -> Result<Bytes, Malformed> {
        let length = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(octets.len());
        let payload = octets.split_to(length);
        self.payload_left -= length as u64;
        if let Some(passing) = &mut self.passing {
            passing.update(&payload);
        }
        if self.payload_left == 0 {
            if self.tail.len() + octets.len() > TAIL_OCTETS_MAX {
                return Err(Malformed::new(self.tail_start(), Fault::TrailingOctets));
            }
            self.tail.extend_from_slice(&octets);
        }
        Ok(payload)
    }

    fn tail_start(&self) -> u64 {
        self.head.bytes().len() as u64 + self.head.payload_octets()
    }

    fn finish_without_tail(mut self) -> Result<CheckedBundle, Malformed> {
        self.whole_payload()?;
        if !self.tail.is_empty() {
            return Err(Malformed::new(self.tail_start(), Fault::TrailingOctets));
        }
        let (tail, found) = self.passed().finish();
        Ok(CheckedBundle::new(self.head, tail.into(), None, found))
    }

    fn passed(&mut self) -> PassingPayload {
        let passing = self.passing.take().expect("what was handed over comes back before the bundle ends");
        assert!(
            passing.octets() == self.head.payload_octets(),
            "the whole payload passed where it was handed over"
        );
        passing
    }

    fn whole_payload(&self) -> Result<(), Malformed> {
        match self.payload_left {
            0 => Ok(()),
            left => Err(Malformed::new(self.tail_start() - left, Fault::Truncated)),
        }
    }

    fn finish(mut self) -> Result<CheckedBundle, Malformed> {
        let tail_start = self.tail_start();
        self.whole_payload()?;
        let (tail, found) = self.passed().finish();
        compare_tail(&self.tail, &tail, tail_start)?;
        Ok(CheckedBundle::new(self.head, self.tail.freeze(), None, found))
    }
}

fn tail_octets(head: &Head) -> u64 {
    tail_of(RunningCrc::new(head.payload_block().crc)).len() as u64
}
