//! Frames on the local socket (`docs/local-api.md`): a length, a kind, and at most 256 KiB.
//!
//! Both sides use [`FrameStream`]. Reading is safe to cancel: what has arrived stays in its buffer.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

/// The longest frame, kind included.
pub(crate) const FRAME_OCTETS_MAX: usize = 256 << 10;
/// How much of a body goes into one frame of data.
pub(crate) const DATA_OCTETS: usize = 128 << 10;

const MESSAGE: u8 = 0;
const DATA: u8 = 1;
const END: u8 = 2;
const ABORT: u8 = 3;
const BREAK: u8 = 4;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A JSON message.
    Message(Bytes),
    /// A piece of a body.
    Data(Bytes),
    /// The body is complete.
    End,
    /// The body will not be completed, and is worth nothing: a JSON reason.
    Abort(Bytes),
    /// The body will not be completed now, and what came of it is right: a JSON reason.
    Break(Bytes),
}

/// The other side does not keep to the protocol, or is gone.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The connection failed or ended in the middle.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A frame of no known kind, or none at all.
    #[error("a frame that is none of this protocol")]
    Kind,
    /// A frame that is not due here.
    #[error("a frame that is not due")]
    Unexpected,
    /// A message that says nothing known.
    #[error("a message that cannot be read: {0}")]
    Message(#[from] serde_json::Error),
}

/// A connection, frame by frame.
#[derive(Debug)]
pub(crate) struct FrameStream {
    stream: UnixStream,
    codec: LengthDelimitedCodec,
    arrived: BytesMut,
}

impl FrameStream {
    pub(crate) fn new(stream: UnixStream) -> Self {
        let codec = LengthDelimitedCodec::builder().max_frame_length(FRAME_OCTETS_MAX).new_codec();
        Self { stream, codec, arrived: BytesMut::new() }
    }

    /// The next frame; `None` where the other side ended the connection between two frames.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(mut frame) = self.codec.decode(&mut self.arrived)? {
                let kind = frame.first().copied().ok_or(FrameError::Kind)?;
                frame.advance(1);
                return parse(kind, frame.freeze()).map(Some);
            }
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                let in_the_middle = !self.arrived.is_empty();
                return if in_the_middle {
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
                } else {
                    Ok(None)
                };
            }
        }
    }

    /// The next frame, which must be a message.
    pub(crate) async fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, FrameError> {
        match self.next().await? {
            Some(Frame::Message(json)) => Ok(Some(serde_json::from_slice(&json)?)),
            Some(_) => Err(FrameError::Unexpected),
            None => Ok(None),
        }
    }

    /// Returns when the other side has ended the connection, or has said something more (which stays unread).
    pub(crate) async fn disturbed(&mut self) -> io::Result<()> {
        if self.arrived.is_empty() {
            self.stream.readable().await?;
            self.stream.read_buf(&mut self.arrived).await?;
        }
        Ok(())
    }

    pub(crate) async fn send_message<M: Serialize>(&mut self, message: &M) -> Result<(), FrameError> {
        let json = serde_json::to_vec(message)?;
        self.send(MESSAGE, &json).await
    }

    /// Sends a piece of a body, in as many frames as it takes.
    pub(crate) async fn send_data(&mut self, octets: &[u8]) -> Result<(), FrameError> {
        for piece in octets.chunks(DATA_OCTETS) {
            self.send(DATA, piece).await?;
        }
        Ok(())
    }

    pub(crate) async fn send_end(&mut self) -> Result<(), FrameError> {
        self.send(END, &[]).await
    }

    pub(crate) async fn send_abort<M: Serialize>(&mut self, reason: &M) -> Result<(), FrameError> {
        let json = serde_json::to_vec(reason)?;
        self.send(ABORT, &json).await
    }

    pub(crate) async fn send_break<M: Serialize>(&mut self, reason: &M) -> Result<(), FrameError> {
        let json = serde_json::to_vec(reason)?;
        self.send(BREAK, &json).await
    }

    async fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), FrameError> {
        let length = body.len() + 1;
        if length > FRAME_OCTETS_MAX {
            let text = "a message of more than 256 KiB: ask for less at a time";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
        }
        let length = u32::try_from(length).expect("at most 256 KiB");
        let mut head = [0; 5];
        head[..4].copy_from_slice(&length.to_be_bytes());
        head[4] = kind;
        self.stream.write_all(&head).await?;
        self.stream.write_all(body).await?;
        Ok(())
    }
}

fn parse(kind: u8, body: Bytes) -> Result<Frame, FrameError> {
    match kind {
        MESSAGE => Ok(Frame::Message(body)),
        DATA => Ok(Frame::Data(body)),
        END if body.is_empty() => Ok(Frame::End),
        ABORT => Ok(Frame::Abort(body)),
        BREAK => Ok(Frame::Break(body)),
        _ => Err(FrameError::Kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixStream, FrameStream) {
        let (raw, framed) = UnixStream::pair().unwrap();
        (raw, FrameStream::new(framed))
    }

    #[tokio::test]
    async fn frames_come_back_as_they_went() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (FrameStream::new(a), FrameStream::new(b));
        let body = vec![7; 3 * DATA_OCTETS / 2];
        let sending = async {
            a.send_message(&"hello").await.unwrap();
            a.send_data(&body).await.unwrap();
            a.send_end().await.unwrap();
            a.send_abort(&"why").await.unwrap();
            drop(a);
        };
        let receiving = async {
            assert_eq!(b.message::<String>().await.unwrap().as_deref(), Some("hello"));
            let mut got = Vec::new();
            while let Some(Frame::Data(piece)) = b.next().await.unwrap() {
                got.extend_from_slice(&piece);
            }
            assert_eq!(got.len(), 3 * DATA_OCTETS / 2);
            assert_eq!(b.next().await.unwrap(), Some(Frame::Abort(Bytes::from_static(b"\"why\""))));
            assert_eq!(b.next().await.unwrap(), None);
        };
        tokio::join!(sending, receiving);
    }

    #[tokio::test]
    async fn a_declared_length_beyond_the_limit_is_refused_before_its_octets() {
        let (mut raw, mut framed) = pair();
        raw.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        assert!(matches!(framed.next().await, Err(FrameError::Io(_))));
    }

    #[tokio::test]
    async fn frames_without_a_known_kind_are_errors() {
        for octets in [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 9], &[0, 0, 0, 2, END, 0]] {
            let (mut raw, mut framed) = pair();
            raw.write_all(octets).await.unwrap();
            assert!(matches!(framed.next().await, Err(FrameError::Kind)), "{octets:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_within_a_frame_is_an_error() {
        let (mut raw, mut framed) = pair();
        raw.write_all(&[0, 0, 0, 9, 1, 2]).await.unwrap();
        drop(raw);
        assert!(matches!(framed.next().await, Err(FrameError::Io(_))));
    }
}
