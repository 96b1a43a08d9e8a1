//! The receiving half of a link: files become bundles for the agent, and go when it has them.
//!
//! `connection` runs it until the folder is gone or the agent wants no more. At most [`UNDECIDED_MAX`] files are remembered at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::ReadDir;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use convergence_layer::{Control, Event, Gauge, RefusalReason, TransferId};
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::inbox::{self, Found, Inbox};
use crate::writing::blocking;

/// Files that may await a decision.
const UNDECIDED_MAX: usize = 64;
/// How often is looked for files: while something comes, and otherwise. Networked file systems tell of nothing by themselves.
const LOOK_SOON: Duration = Duration::from_millis(200);
const LOOK_LATER: Duration = Duration::from_secs(2);
/// How long after the last file something still comes.
const LIVELY: Duration = Duration::from_secs(10);
/// How long files wait for which the agent has no room.
const PAUSE: Duration = Duration::from_secs(60);

/// Files that are left for later by name; more make all wait.
const LEFT_MAX: usize = 1_024;

/// The receiving half.
pub(crate) struct Offering {
    inbox: Inbox,
    octets_max: u64,
    events: mpsc::Sender<Event>,
    control: mpsc::UnboundedReceiver<Control>,
    gauge: Arc<Gauge>,
    waiting: VecDeque<Found>,
    undecided: BTreeMap<TransferId, Found>,
    /// Files that this node may take later, until [`Self::left_until`].
    left: BTreeSet<OsString>,
    left_until: Instant,
    next: TransferId,
    rest: Option<ReadDir>,
    next_look: Instant,
    last_found: Option<Instant>,
}

/// Why a half ends.
pub(crate) enum Ended {
    /// This node closes the link, or has dropped it.
    Closed,
    /// The folder cannot be used.
    Failed(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Offering {
    pub(crate) fn new(
        (inbox, octets_max): (Inbox, u64),
        events: mpsc::Sender<Event>,
        control: mpsc::UnboundedReceiver<Control>,
        gauge: Arc<Gauge>,
    ) -> Self {
        let now = Instant::now();
        Self {
            inbox,
            octets_max,
            events,
            control,
            gauge,
            waiting: VecDeque::new(),
            undecided: BTreeMap::new(),
            left: BTreeSet::new(),
            left_until: now,
            next: 0,
            rest: None,
            next_look: now,
            last_found: None,
        }
    }

    /// Offers files until there is a reason to end.
    pub(crate) async fn run(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.step().await {
                return ended;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Ended> {
        self.take_decisions().await?;
        let has_room = self.undecided.len() < UNDECIDED_MAX;
        if has_room && let Some(found) = self.waiting.pop_front() {
            return self.offer(found).await;
        }
        let looks = has_room && self.waiting.is_empty();
        if looks && self.next_look <= Instant::now() {
            return self.look().await;
        }
        tokio::select! {
            control = self.control.recv() => self.decide(control.ok_or(Ended::Closed)?).await,
            () = self.events.closed() => Err(Ended::Closed),
            () = time::sleep_until(self.next_look), if looks => Ok(()),
        }
    }

    async fn look(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if self.left_until <= now {
            self.left.clear();
        }
        let names = self.undecided.values().map(|found| &found.name).chain(&self.left);
        let known: BTreeSet<OsString> = names.cloned().collect();
        let (inbox, octets_max, rest) = (self.inbox.clone(), self.octets_max, self.rest.take());
        let look = blocking(move || inbox.look(rest, (octets_max, SystemTime::now()), &known)).await?;
        if let Some(fault) = look.fault {
            self.gauge.fault(&fault);
        }
        if !look.found.is_empty() {
            self.last_found = Some(now);
        }
        self.waiting.extend(look.found);
        self.rest = look.rest;
        let is_lively = self.last_found.is_some_and(|at| now < at + LIVELY);
        self.next_look = match (&self.rest, is_lively) {
            (Some(_), _) => now,
            (None, true) => now + LOOK_SOON,
            (None, false) => now + LOOK_LATER,
        };
        Ok(())
    }

    /// Hands a file to the agent, piece by piece.
    async fn offer(&mut self, found: Found) -> Result<(), Ended> {
        let (inbox, wanted) = (self.inbox.clone(), found.clone());
        // It may be gone, or another, since it was looked at.
        let Some(mut file) = blocking(move || Ok(inbox.open(&wanted))).await? else { return Ok(()) };
        let (transfer, octets) = (self.next, found.octets);
        self.next += 1;
        self.undecided.insert(transfer, found);
        self.tell(Event::Receiving { transfer, length: Some(octets) }).await?;
        let mut missing = octets;
        while missing > 0 {
            self.take_decisions().await?;
            if !self.undecided.contains_key(&transfer) {
                return Ok(());
            }
            let (read, rest) = blocking(move || Ok((inbox::piece(&mut file), file))).await?;
            file = rest;
            let piece = read.unwrap_or_default();
            missing = match missing.checked_sub(piece.len() as u64) {
                Some(missing) if !piece.is_empty() => missing,
                // Somebody cut it, or wrote more to it: it is another file now.
                _ => {
                    self.undecided.remove(&transfer);
                    return self.tell(Event::Broken).await;
                }
            };
            self.gauge.read(piece.len() as u64);
            self.tell(Event::Octets(piece)).await?;
        }
        self.tell(Event::Received).await
    }

    async fn tell(&self, event: Event) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended::Closed)
    }

    async fn take_decisions(&mut self) -> Result<(), Ended> {
        while let Ok(control) = self.control.try_recv() {
            self.decide(control).await?;
        }
        Ok(())
    }

    async fn decide(&mut self, control: Control) -> Result<(), Ended> {
        let (transfer, reason) = match control {
            Control::Accept(transfer) => (transfer, None),
            Control::Refuse(transfer, reason) => (transfer, Some(reason)),
            Control::Close(_) => return Err(Ended::Closed),
        };
        let Some(found) = self.undecided.remove(&transfer) else { return Ok(()) };
        let (inbox, now) = (self.inbox.clone(), Instant::now());
        match reason {
            None | Some(RefusalReason::Completed) => {
                blocking(move || {
                    inbox.taken(&found);
                    Ok(())
                })
                .await?;
            }
            Some(RefusalReason::NotAcceptable | RefusalReason::ExtensionFailure) => {
                if let Some(fault) = blocking(move || Ok(inbox.refused(&found))).await? {
                    self.gauge.fault(&fault);
                }
            }
            Some(reason) => {
                self.left.insert(found.name);
                self.left_until = now + PAUSE;
                if reason == RefusalReason::NoResources || self.left.len() > LEFT_MAX {
                    self.waiting.clear();
                    self.rest = None;
                    self.next_look = now + PAUSE;
                }
            }
        }
        Ok(())
    }
}
