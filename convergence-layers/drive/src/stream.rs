//! Moves a bundle of declared length from its source into a record, with or without compression.

use std::io::{self, Read, Write};

use zstd::zstd_safe::CParameter;

use crate::error::AppendError;
use crate::limits::WINDOW_LOG_MAX;

/// zstd's own default: faster than any drive, and most of what can be had.
const LEVEL: i32 = 3;

/// A compressor for bundles that are in memory.
pub(crate) fn compressor() -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX))?;
    Ok(compressor)
}

/// Fills a buffer from a source that declared `declared` octets and gave `before` of them.
pub(crate) fn read_full(
    source: &mut impl Read,
    buffer: &mut [u8],
    before: u64,
    declared: u64,
) -> Result<(), AppendError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => return Err(AppendError::Declared { declared, found: Some(before + filled as u64) }),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(AppendError::Source(error)),
        }
    }
    Ok(())
}

/// Refuses a source that has more than it declared.
pub(crate) fn require_end(source: &mut impl Read, declared: u64) -> Result<(), AppendError> {
    match read_full(source, &mut [0], declared, declared) {
        Err(AppendError::Declared { .. }) => Ok(()),
        Ok(()) => Err(AppendError::Declared { declared, found: None }),
        Err(error) => Err(error),
    }
}

/// Copies a bundle whose first octets are in `buffer`.
pub(crate) fn copy(
    sink: &mut impl Write,
    length: u64,
    buffer: &mut [u8],
    source: &mut impl Read,
) -> Result<(), AppendError> {
    let mut done = 0;
    let mut filled = buffer.len();
    loop {
        sink.write_all(buffer.get(..filled).unwrap_or_default()).map_err(AppendError::Source)?;
        done += filled as u64;
        filled = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
        if filled == 0 {
            return require_end(source, length);
        }
        read_full(source, buffer.get_mut(..filled).unwrap_or_default(), done, length)?;
    }
}

/// Compresses a bundle whose first octets are in `buffer`.
pub(crate) fn compress(
    sink: &mut impl Write,
    length: u64,
    buffer: &mut [u8],
    source: &mut impl Read,
) -> Result<(), AppendError> {
    let mut encoder = encoder(sink, length).map_err(AppendError::Source)?;
    copy(&mut encoder, length, buffer, source)?;
    encoder.finish().map_err(AppendError::Source)?;
    Ok(())
}

fn encoder<W: Write>(sink: W, length: u64) -> io::Result<zstd::stream::write::Encoder<'static, W>> {
    let mut encoder = zstd::stream::write::Encoder::new(sink, LEVEL)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX))?;
    encoder.set_pledged_src_size(Some(length))?;
    Ok(encoder)
}
