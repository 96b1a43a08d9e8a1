//! Reads segments (RFC 5326 §3). Whatever does not conform is refused whole (§6); extensions are skipped.
//!
//! Nothing is allocated by a declared count or length: a report's claims are as many as its octets hold.

use crate::sdnv;
use crate::segment::{Checkpoint, Claim, Content, Data, Mark, Report, Segment, SessionId, Side};

/// What is wrong with octets that are no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end within the segment.
    #[error("the segment is cut off")]
    CutOff,
    /// A number of more than 64 bits, or in more than ten octets.
    #[error("a number in the segment is too large")]
    NumberTooLarge,
    /// Another version of the protocol.
    #[error("version {0} of LTP is not known")]
    Version(u8),
    /// A type that has no meaning.
    #[error("segments of type {0} are not defined")]
    Type(u8),
    /// A serial number that must not be 0 is.
    #[error("a serial number is 0")]
    SerialZero,
    /// The data reach beyond the largest offset.
    #[error("the data reach beyond the largest offset")]
    Offset,
    /// Claims out of order, empty, or beyond the report's bounds (§3.2.2).
    #[error("the claims of a report contradict its bounds, or each other")]
    Claims,
}

/// Reads one segment from the beginning of `input` and says how many octets it takes.
///
/// A datagram may hold several (§5).
pub fn segment(input: &[u8]) -> Result<(Segment<'_>, usize), Malformed> {
    let mut fields = Fields { rest: input };
    let control = fields.octet()?;
    if control >> 4 != 0 {
        return Err(Malformed::Version(control >> 4));
    }
    let session = SessionId { originator: fields.number()?, number: fields.number()? };
    let extensions = fields.octet()?;
    fields.skip_extensions(extensions >> 4)?;
    let content = fields.content(control)?;
    fields.skip_extensions(extensions & 0x0f)?;
    Ok((Segment { session, content }, input.len() - fields.rest.len()))
}

/// What is left to read of one segment.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn octet(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed::CutOff)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        sdnv::decode(&mut self.rest)
    }

    fn serial(&mut self) -> Result<u64, Malformed> {
        match self.number()? {
            0 => Err(Malformed::SerialZero),
            serial => Ok(serial),
        }
    }

    fn counted(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.number()?;
        self.take(length)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed::CutOff)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip_extensions(&mut self, count: u8) -> Result<(), Malformed> {
        for _ in 0..count {
            self.octet()?;
            self.counted()?;
        }
        Ok(())
    }

    fn content(&mut self, kind: u8) -> Result<Content<'a>, Malformed> {
        Ok(match kind {
            0..=4 | 7 => Content::Data(self.data(kind)?),
            8 => Content::Report(self.report()?),
            9 => Content::ReportAck { report: self.serial()? },
            12 => Content::Cancel { by: Side::Sender, reason: self.octet()? },
            13 => Content::CancelAck { by: Side::Sender },
            14 => Content::Cancel { by: Side::Receiver, reason: self.octet()? },
            15 => Content::CancelAck { by: Side::Receiver },
            other => return Err(Malformed::Type(other)),
        })
    }

    fn data(&mut self, kind: u8) -> Result<Data<'a>, Malformed> {
        let client_service = self.number()?;
        let offset = self.number()?;
        let length = self.number()?;
        offset.checked_add(length).ok_or(Malformed::Offset)?;
        let mark = match kind {
            0 => Mark::Red,
            1 => Mark::Checkpoint(self.checkpoint()?),
            2 => Mark::RedEnd(self.checkpoint()?),
            3 => Mark::BlockEnd(self.checkpoint()?),
            4 => Mark::Green,
            _ => Mark::GreenEnd,
        };
        Ok(Data { mark, client_service, offset, octets: self.take(length)? })
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, Malformed> {
        Ok(Checkpoint { serial: self.serial()?, report: self.number()? })
    }

    fn report(&mut self) -> Result<Report, Malformed> {
        let serial = self.serial()?;
        let (checkpoint, upper, lower) = (self.number()?, self.number()?, self.number()?);
        let scope = upper.checked_sub(lower).filter(|scope| *scope > 0).ok_or(Malformed::Claims)?;
        let count = self.number()?;
        let mut claims = Vec::new();
        let mut past = None;
        for _ in 0..count {
            let claim = Claim { offset: self.number()?, length: self.number()? };
            let end = claim.offset.checked_add(claim.length).ok_or(Malformed::Claims)?;
            if claim.length == 0 || end > scope || past.is_some_and(|past| claim.offset <= past) {
                return Err(Malformed::Claims);
            }
            past = Some(end);
            claims.push(claim);
        }
        Ok(Report { serial, checkpoint, upper, lower, claims })
    }
}
