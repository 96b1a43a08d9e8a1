//! A bundle's octets on their way from the node to a program.

use bytes::Bytes;

use super::{Client, ClientError};
use crate::local_api::{Failure, Frame};

/// Octets that come piece by piece. One that is dropped early costs the client the rest of them.
#[derive(Debug)]
pub struct Body<'c> {
    client: &'c mut Client,
    octets: u64,
    left: u64,
}

impl<'c> Body<'c> {
    pub(super) fn new(client: &'c mut Client, octets: u64) -> Self {
        Self { client, octets, left: octets }
    }

    /// How many there are altogether.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The next piece; `None` at the end. An error means that the rest is not to be had, and that what came before it is
    /// not the whole.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        match self.client.body_piece().await? {
            Some(piece) => {
                self.left = self.left.checked_sub(piece.len() as u64).ok_or(ClientError::Protocol)?;
                Ok(Some(piece))
            }
            None if self.left == 0 => Ok(None),
            None => Err(ClientError::Protocol),
        }
    }

    /// All pieces at once, for small things; an error if there are more than `most` octets.
    pub async fn collect(mut self, most: u64) -> Result<Vec<u8>, ClientError> {
        if self.octets > most {
            return Err(ClientError::Usage(format!(
                "{} octets where at most {most} are expected",
                self.octets
            )));
        }
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

impl Client {
    /// The next piece of the body that is under way.
    pub(super) async fn body_piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        if !self.unread_body {
            return Ok(None);
        }
        match self.frames.next().await {
            Ok(Some(Frame::Data(piece))) => Ok(Some(piece)),
            other => {
                self.unread_body = false;
                match other? {
                    Some(Frame::End) => Ok(None),
                    Some(Frame::Abort(reason)) => {
                        let failure: Failure =
                            serde_json::from_slice(&reason).map_err(|_| ClientError::Protocol)?;
                        Err(failure.into())
                    }
                    Some(Frame::Message(_) | Frame::Data(_) | Frame::Break(_)) => Err(ClientError::Protocol),
                    None => Err(ClientError::Gone),
                }
            }
        }
    }
}
