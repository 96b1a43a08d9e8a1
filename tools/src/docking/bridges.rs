//! A drive's records are read by blocking calls, a node's bundles come piece by piece from its socket: each side sees
//! the other as what it is used to.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use agent_node::Body;
use bytes::{Buf, Bytes};
use drive_volume::{Damage, RecordReader};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Handle;

use crate::stop::Stop;

/// What a reader says when somebody asked to stop. Not `Interrupted`, which means "try again".
pub(super) fn stopped() -> io::Error {
    io::Error::other("interrupted")
}

/// What the node is told where the beginning of a record is worth keeping.
fn beginning(error: &io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string())
}

/// A record of the drive, for the node. Polled on a thread that may wait, so that it simply does.
pub(super) struct FromDrive<'r> {
    pub(super) record: &'r mut RecordReader,
    pub(super) stop: &'r Stop,
    pub(super) failed: Option<io::Error>,
}

impl AsyncRead for FromDrive<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stop.is_asked() {
            return Poll::Ready(Err(beginning(&stopped())));
        }
        match self.record.read(buffer.initialize_unfilled()) {
            Ok(read) => {
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                let is_right = Damage::of(&error).is_some_and(|damage| damage.reason.leaves_a_beginning());
                let told = if is_right {
                    beginning(&error)
                } else {
                    io::Error::new(error.kind(), error.to_string())
                };
                self.failed = Some(error);
                Poll::Ready(Err(told))
            }
        }
    }
}

/// A bundle of the node, for the drive.
pub(super) struct FromNode<'r, 'c> {
    body: Body<'c>,
    piece: Bytes,
    runtime: &'r Handle,
    stop: &'r Stop,
}

impl<'r, 'c> FromNode<'r, 'c> {
    pub(super) fn new(body: Body<'c>, runtime: &'r Handle, stop: &'r Stop) -> Self {
        Self { body, piece: Bytes::new(), runtime, stop }
    }
}

impl Read for FromNode<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.stop.is_asked() {
                return Err(stopped());
            }
            match self.runtime.block_on(self.body.next_piece()).map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        let (target, _) = buffer.split_at_mut(length);
        self.piece.copy_to_slice(target);
        Ok(length)
    }
}
