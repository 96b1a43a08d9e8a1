//! One bundle's octets on their way in, from a link or from a local program.
//!
//! Up to 1 MiB they are gathered and parsed as one; more of them pass through a reader into the store, piece by piece, and
//! are hashed beside that. As soon as the head is known, and more is to come, the cheap questions of admission are asked,
//! so that what will be refused is not received. What came of a large bundle when its transfer, or its copy from
//! a drive, breaks off is kept as a partial.

use std::sync::Arc;

use agent_core::input::{Input, Way};
use agent_core::refusal::Refusal;
use agent_core::store::{Number, StoreError};
use agent_core::{KEPT_OCTETS_MIN, LARGE_OCTETS, admission};
use bundle_format::{Bundle, BundleReader, CheckedBundle, Head, Malformed};
use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::driver::{Lost, Room};
use crate::hashing::{Hashed, Hashing};
use crate::node::Node;
use crate::staging::{Staging, permit};

/// Bundles of up to this many octets are held in memory whole.
pub(crate) const IN_MEMORY_OCTETS_MAX: usize = 1 << 20;

/// A bundle that is here.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Whole, in memory; its signature has not been looked at. Its octets hold these permits.
    Whole(Bundle, Option<OwnedSemaphorePermit>),
    /// Its payload is in the store, or on its way there, and being hashed.
    Staged(Box<Staged>),
}

/// A bundle whose octets have all come, with a payload too large for memory. Who drops it gives the payload up.
#[derive(Debug)]
pub(crate) struct Staged {
    reader: BundleReader,
    hashed: Hashed,
    staging: Staging,
}

impl Staged {
    /// Waits for the hash: the bundle, checked, and where its payload is.
    pub(crate) async fn settled(mut self) -> Result<(Box<CheckedBundle>, Number), NotTaken> {
        let passing = self.hashed.result().await?;
        let bundle = self.reader.finish_with(passing).inspect_err(|_| self.staging.give_up())?;
        Ok((Box::new(bundle), self.staging.finish().await?))
    }
}

/// Why a bundle does not come in.
#[derive(Debug, Error)]
pub(crate) enum NotTaken {
    /// It is none.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// Policy.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The writer, or the disk.
    #[error("{0}")]
    Lost(#[from] Lost),
}

impl From<StoreError> for NotTaken {
    fn from(error: StoreError) -> Self {
        Self::Lost(Lost::Store(error.to_string()))
    }
}

/// The octets of one bundle so far.
#[derive(Debug)]
pub(crate) struct Intake {
    node: Arc<Node>,
    budget: Arc<Semaphore>,
    /// Where it comes from.
    way: Way,
    /// The head, once it was asked about.
    head: Option<Head>,
    /// Room for a payload that will not fit in memory, asked for while its first octets are gathered.
    room: Option<Room>,
    state: State,
}

#[derive(Debug)]
enum State {
    Gathering {
        pieces: Vec<Bytes>,
        octets: usize,
        held: Option<OwnedSemaphorePermit>,
        probe: Probe,
    },
    Passing {
        reader: Box<BundleReader>,
        hashing: Hashing,
        staging: Staging,
    },
    /// It was finished, or is not to come in.
    Over,
}

/// Looks for the head while octets are gathered.
#[derive(Debug)]
enum Probe {
    NotYet,
    Reading(Box<BundleReader>),
    Done,
}

impl Intake {
    /// If it is dropped before it is finished or given up, what came is kept.
    pub(crate) fn new(node: &Arc<Node>, budget: &Arc<Semaphore>, way: Way) -> Self {
        let state = State::Gathering { pieces: Vec::new(), octets: 0, held: None, probe: Probe::NotYet };
        let (node, budget) = (Arc::clone(node), Arc::clone(budget));
        Self { node, budget, way, head: None, room: None, state }
    }

    /// Takes the next octets. After an error the bundle is lost.
    pub(crate) async fn push(&mut self, octets: Bytes) -> Result<(), NotTaken> {
        let taken = self.take(octets).await;
        if taken.is_err() {
            self.give_up();
        }
        taken
    }

    async fn take(&mut self, octets: Bytes) -> Result<(), NotTaken> {
        let permit = permit(&self.budget, octets.len()).await?;
        match &mut self.state {
            State::Over => Ok(()),
            State::Passing { reader, hashing, staging } => {
                let payload = reader.push(octets)?;
                pass_on(&self.budget, (hashing, staging), payload, Some(permit)).await
            }
            State::Gathering { pieces, octets: gathered, held, probe } => {
                *gathered += octets.len();
                match held {
                    Some(held) => held.merge(permit),
                    None => *held = Some(permit),
                }
                pieces.push(octets);
                if *gathered > IN_MEMORY_OCTETS_MAX {
                    return self.pass().await;
                }
                // Most bundles are here with their first octets, and are asked about when they are checked.
                if pieces.len() > 1 && !matches!(probe, Probe::Done) {
                    return self.probe().await;
                }
                Ok(())
            }
        }
    }

    /// All octets were taken.
    pub(crate) async fn finish(mut self) -> Result<Taken, NotTaken> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Err(NotTaken::Lost(Lost::Stopped)),
            State::Gathering { pieces, held, .. } => {
                let bundle = Bundle::parse(in_one(pieces), &self.node.config.limits)?;
                Ok(Taken::Whole(bundle, held))
            }
            State::Passing { reader, hashing, mut staging } => {
                staging.post_rest().await?;
                Ok(Taken::Staged(Box::new(Staged { reader: *reader, hashed: hashing.end(), staging })))
            }
        }
    }

    /// Looks for the head in what was gathered, and asks about it once it is there.
    async fn probe(&mut self) -> Result<(), NotTaken> {
        let State::Gathering { pieces, probe, .. } = &mut self.state else { return Ok(()) };
        let head = match probe {
            Probe::Done => return Ok(()),
            Probe::NotYet => {
                let mut reader =
                    Box::new(BundleReader::new(&self.node.config.limits, &self.node.config.profile));
                for piece in pieces.iter() {
                    reader.push(piece.clone())?;
                }
                let head = reader.head().cloned();
                *probe = Probe::Reading(reader);
                head
            }
            Probe::Reading(reader) => {
                if let Some(piece) = pieces.last() {
                    reader.push(piece.clone())?;
                }
                reader.head().cloned()
            }
        };
        match head {
            Some(head) => {
                *probe = Probe::Done;
                let is_large = head.payload_octets() > IN_MEMORY_OCTETS_MAX as u64;
                self.consider(head).await?;
                if is_large {
                    self.room = Some(self.node.inputs.ask_for_room().await?);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// From now on octets pass into the store.
    async fn pass(&mut self) -> Result<(), NotTaken> {
        let mut reader = Box::new(BundleReader::new(&self.node.config.limits, &self.node.config.profile));
        let State::Gathering { pieces, held, .. } = &mut self.state else { return Ok(()) };
        let (pieces, mut held) = (std::mem::take(pieces), held.take());
        let (mut begun, mut payload, mut passing) = (Bytes::new(), Vec::new(), None);
        for piece in pieces {
            let passed = reader.push(piece)?;
            if passing.is_some() {
                payload.push(passed);
            } else {
                (begun, passing) = (passed, reader.hand_over());
            }
        }
        let hashing = Hashing::new(passing.expect("a head is far smaller than what was gathered"));
        if let Some(head) = reader.head().cloned() {
            self.consider(head).await?;
        }
        let room = match self.room.take() {
            Some(room) => room,
            None => self.node.inputs.ask_for_room().await?,
        };
        let mut staging = Staging::at(&self.node, room.number().await?);
        if let Some(head) = reader.head() {
            staging.keep_as(self.way, head.clone()).await?;
        }
        let permit = part_of(&mut held, begun.len());
        staging.push(begun, permit).await?;
        for piece in payload {
            let permit = part_of(&mut held, piece.len());
            pass_on(&self.budget, (&hashing, &mut staging), piece, permit).await?;
        }
        self.state = State::Passing { reader, hashing, staging };
        Ok(())
    }

    /// Nothing of it is to be kept.
    pub(crate) fn give_up(&mut self) {
        if let State::Passing { staging, .. } = &mut self.state {
            staging.give_up();
        }
        self.state = State::Over;
    }

    /// What was gathered of a large bundle when its transfer broke off, if it is enough to be kept.
    fn gathered(&mut self) -> Option<(Head, Bytes)> {
        let State::Gathering { pieces, octets, .. } = &mut self.state else { return None };
        if (*octets as u64) < KEPT_OCTETS_MIN {
            return None;
        }
        let mut reader = BundleReader::new(&self.node.config.limits, &self.node.config.profile);
        let mut payload = Vec::new();
        for piece in std::mem::take(pieces) {
            payload.push(reader.push(piece).ok()?);
            // What is only a beginning needs no hash.
            drop(reader.hand_over());
        }
        let head = reader.head().filter(|head| head.payload_octets() > LARGE_OCTETS)?;
        Some((head.clone(), in_one(payload)))
    }

    /// The head, where there was a reason to look at it early.
    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The cheap questions about a head.
    async fn consider(&mut self, head: Head) -> Result<(), NotTaken> {
        let (config, now) = (Arc::clone(&self.node.config), self.node.clock.now());
        self.head = Some(head.clone());
        match self.node.read(move |view| admission::consider(&config, view, now, &head)).await? {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let Some((head, octets)) = self.gathered() {
            let way = self.way;
            self.node.inputs.post_end(Input::TransferBroken { way, head, staging: None, octets });
        }
    }
}

/// Gives octets of a payload to the hash and to the store; each holds permits for them as long as it needs them.
async fn pass_on(
    budget: &Arc<Semaphore>,
    (hashing, staging): (&Hashing, &mut Staging),
    payload: Bytes,
    held: Option<OwnedSemaphorePermit>,
) -> Result<(), NotTaken> {
    if !payload.is_empty() {
        hashing.push(payload.clone(), permit(budget, payload.len()).await?);
        staging.push(payload, held).await?;
    }
    Ok(())
}

/// The permits of some of the octets that hold these.
fn part_of(held: &mut Option<OwnedSemaphorePermit>, octets: usize) -> Option<OwnedSemaphorePermit> {
    held.as_mut().and_then(|held| held.split(octets.min(held.num_permits())))
}

fn in_one(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.swap_remove(0),
        _ => {
            let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
            for piece in &pieces {
                all.extend_from_slice(piece);
            }
            all.freeze()
        }
    }
}
