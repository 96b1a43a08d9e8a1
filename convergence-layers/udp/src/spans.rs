//! Ranges of integers as the draft writes them (draft-ietf-dtn-udpcl-04 §3.5.1.1).
//!
//! The draft's own examples disagree with its CDDL; the CDDL is what is written and read here: the least value, then the
//! widths of what is included and excluded in turns, where a width is one less than a count.

use crate::decoding::Malformed;
use crate::head::{self, ARRAY, NEGATIVE, UNSIGNED};

/// Most intervals that are read: an honest range of support has one, and one of probes few.
pub const INTERVALS_MAX: usize = 32;

/// Intervals that do not touch, in order, both ends included. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans(Vec<(i64, i64)>);

impl Spans {
    /// The integers from the first to the last.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(first: i64, last: i64) -> Self {
        assert!(first <= last, "a range is not empty");
        Self(vec![(first, last)])
    }

    /// Adds an interval behind the others; `false` if it is empty, or does not leave one integer at least between.
    #[must_use]
    pub fn push(&mut self, first: i64, last: i64) -> bool {
        let is_behind =
            self.0.last().is_some_and(|(_, end)| end.checked_add(1).is_some_and(|next| next < first));
        let is_added = is_behind && first <= last && self.0.len() < INTERVALS_MAX;
        if is_added {
            self.0.push((first, last));
        }
        is_added
    }

    /// Whether an integer is among them.
    pub fn contains(&self, value: i64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&value))
    }

    /// The intervals.
    pub fn intervals(&self) -> &[(i64, i64)] {
        &self.0
    }

    /// Appends its octets to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        head::put(ARRAY, 2 * self.0.len() as u64, out);
        let mut end = None;
        for (first, last) in &self.0 {
            match end {
                None => match u64::try_from(*first) {
                    Ok(value) => head::put(UNSIGNED, value, out),
                    Err(_) => head::put(NEGATIVE, first.unsigned_abs() - 1, out),
                },
                Some(end) => head::put(UNSIGNED, first.abs_diff(end) - 2, out),
            }
            head::put(UNSIGNED, last.abs_diff(*first), out);
            end = Some(*last);
        }
    }

    /// Reads one.
    pub(crate) fn decode(decoder: &mut minicbor::Decoder<'_>) -> Result<Self, Malformed> {
        let items = decoder.array()?.ok_or(Malformed::Item)?;
        let intervals = usize::try_from(items / 2).map_err(|_| Malformed::Item)?;
        if items % 2 != 0 || !(1..=INTERVALS_MAX).contains(&intervals) {
            return Err(Malformed::Item);
        }
        let first = decoder.i64()?;
        let mut spans = Self(vec![(first, add(first, decoder.u64()?)?)]);
        for _ in 1..intervals {
            let end = spans.0.last().map_or(first, |(_, end)| *end);
            let next = add(add(end, decoder.u64()?)?, 2)?;
            spans.0.push((next, add(next, decoder.u64()?)?));
        }
        Ok(spans)
    }
}

fn add(value: i64, width: u64) -> Result<i64, Malformed> {
    value.checked_add_unsigned(width).ok_or(Malformed::Item)
}
