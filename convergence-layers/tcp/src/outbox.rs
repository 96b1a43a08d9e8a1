//! Octets on their way to the neighbor, message by message, until the socket has taken them.
//!
//! Small messages that follow each other are written into one chunk; the data of a large segment are never copied.
//! A segment that was refused can be withdrawn as long as none of it is on the wire (RFC 9174 §5.2.4).

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use convergence_layer::TransferId;

use crate::message::{ContactHeader, Message};

/// Data up to this length are copied behind their head: cheaper than one more slice for the kernel to walk.
const COPIED_MAX: usize = 4 * 1024;

/// Octets on their way to the neighbor, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Messages behind all chunks; also where the heads of segments are carved from.
    tail: BytesMut,
    octets: usize,
    /// Whether some octets of the first chunk are on the wire already.
    front_began: bool,
}

#[derive(Debug)]
struct Chunk {
    octets: Bytes,
    /// The transfer, for a segment.
    segment_of: Option<TransferId>,
    /// Whether a message begins here.
    begins: bool,
}

impl Outbox {
    /// Octets that wait.
    pub(crate) fn len(&self) -> usize {
        self.octets
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Puts a message at the end.
    pub(crate) fn push(&mut self, message: &Message<'_>) {
        let before = self.tail.len();
        message.encode(&mut self.tail);
        self.octets += self.tail.len() - before;
    }

    /// Puts our contact header at the end.
    pub(crate) fn push_contact_header(&mut self, header: ContactHeader) {
        header.encode(&mut self.tail);
        self.octets += ContactHeader::LENGTH;
    }

    /// Puts a segment at the end: its head, and `length` octets from the front of `data`.
    pub(crate) fn push_segment(
        &mut self,
        transfer: TransferId,
        head: &Message<'_>,
        data: &mut VecDeque<Bytes>,
        length: usize,
    ) {
        self.seal();
        head.encode(&mut self.tail);
        let mut left = length;
        if length <= COPIED_MAX {
            while let Some(piece) = take_piece(data, &mut left) {
                self.tail.extend_from_slice(&piece);
            }
        }
        self.octets += self.tail.len() + left;
        let octets = self.tail.split().freeze();
        self.chunks.push_back(Chunk { octets, segment_of: Some(transfer), begins: true });
        while let Some(octets) = take_piece(data, &mut left) {
            self.chunks.push_back(Chunk { octets, segment_of: Some(transfer), begins: false });
        }
    }

    /// Takes back the segments of a transfer that are not on the wire yet. A segment that is partly sent stays whole
    /// (§5.2.4: there is no way to interrupt a message).
    pub(crate) fn withdraw(&mut self, transfer: TransferId) {
        let mut on_wire = self.front_began;
        let mut withdrawn = 0;
        let mut first = true;
        self.chunks.retain(|chunk| {
            on_wire = if first { on_wire || !chunk.begins } else { on_wire && !chunk.begins };
            first = false;
            let stays = on_wire || chunk.segment_of != Some(transfer);
            withdrawn += if stays { 0 } else { chunk.octets.len() };
            stays
        });
        self.octets -= withdrawn;
    }

    /// Fills `slices` with what to write next and says how many of them are filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(self.tail.as_ref()).filter(|tail| !tail.is_empty());
        let waiting = self.chunks.iter().map(|chunk| chunk.octets.as_ref()).chain(tail);
        let mut filled = 0;
        for (slice, octets) in slices.iter_mut().zip(waiting) {
            *slice = IoSlice::new(octets);
            filled += 1;
        }
        filled
    }

    /// The first `written` octets are on the wire.
    pub(crate) fn written(&mut self, written: usize) {
        let mut left = written;
        self.octets -= written;
        while let Some(chunk) = self.chunks.front_mut().filter(|_| left > 0) {
            if left < chunk.octets.len() {
                chunk.octets.advance(left);
                self.front_began = true;
                return;
            }
            left -= chunk.octets.len();
            self.chunks.pop_front();
            self.front_began = false;
        }
        self.tail.advance(left);
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let octets = self.tail.split().freeze();
            self.chunks.push_back(Chunk { octets, segment_of: None, begins: true });
        } else if self.tail.capacity() < COPIED_MAX {
            self.tail.reserve(4 * COPIED_MAX);
        }
    }
}

/// The next piece of `data`, at most `left` octets, which it is subtracted from; `None` when nothing is left to take.
fn take_piece(data: &mut VecDeque<Bytes>, left: &mut usize) -> Option<Bytes> {
    let front = data.front_mut().filter(|_| *left > 0)?;
    let piece = if front.len() > *left { front.split_to(*left) } else { data.pop_front()? };
    *left -= piece.len();
    Some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{END, START, SegmentHead};

    fn push_segment(outbox: &mut Outbox, transfer: TransferId, flags: u8, data: &'static [u8]) {
        let head = SegmentHead { flags, transfer, extensions: &[], data_length: data.len() as u64 };
        let mut data = VecDeque::from([Bytes::from_static(data)]);
        let length = data[0].len();
        outbox.push_segment(transfer, &Message::Segment(head), &mut data, length);
    }

    fn waiting(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = outbox.slices(&mut slices);
        let octets: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(octets.len(), outbox.len());
        octets
    }

    #[test]
    fn a_segment_that_is_partly_on_the_wire_is_completed_and_the_others_are_withdrawn() {
        static LARGE: [u8; 10_000] = [7; 10_000];
        let mut outbox = Outbox::default();
        push_segment(&mut outbox, 1, START, &LARGE);
        outbox.push(&Message::Keepalive);
        push_segment(&mut outbox, 1, END, &LARGE);
        push_segment(&mut outbox, 2, START | END, b"other");
        outbox.written(5);
        outbox.withdraw(1);
        let left = waiting(&outbox);
        // Heads: 2 + 8 + 4 + 8 octets with START.
        assert_eq!(left.len(), (22 + 10_000 - 5) + 1 + (22 + 5));
        assert_eq!(&left[left.len() - 5..], b"other");
        assert_eq!(left[22 + 10_000 - 5], crate::message::KEEPALIVE);
    }

    #[test]
    fn a_segment_whose_head_is_on_the_wire_keeps_its_data() {
        static LARGE: [u8; 10_000] = [7; 10_000];
        let mut outbox = Outbox::default();
        push_segment(&mut outbox, 1, START | END, &LARGE);
        outbox.written(22);
        outbox.withdraw(1);
        assert_eq!(waiting(&outbox), LARGE);
        outbox.written(10_000);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_segment_that_is_not_on_the_wire_goes_entirely() {
        static LARGE: [u8; 10_000] = [7; 10_000];
        let mut outbox = Outbox::default();
        push_segment(&mut outbox, 1, START, &LARGE);
        push_segment(&mut outbox, 1, END, b"small");
        outbox.withdraw(1);
        assert_eq!(waiting(&outbox), b"");
    }

    #[test]
    fn messages_that_are_partly_on_the_wire_stay_in_order_with_segments_behind_them() {
        let mut outbox = Outbox::default();
        outbox.push(&Message::Reject { reason: 1, header: 2 });
        outbox.written(1);
        push_segment(&mut outbox, 1, START | END, b"x");
        outbox.push(&Message::Keepalive);
        let left = waiting(&outbox);
        assert_eq!((&left[..2], left.len()), (&[1, 2][..], 2 + 23 + 1));
        assert_eq!(left.last(), Some(&crate::message::KEEPALIVE));
    }
}
