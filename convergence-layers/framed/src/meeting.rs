//! Who meets whom: a connection that we opened to a host and one that the same host opened to us become one link.
//!
//! A link of ours has one place for a connection that comes in, and says here that it is free. What comes in and finds no free place is
//! a link of its own, and says here that it would rather be joined. `listener` asks for both, from any task.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use crate::receiving::Incoming;

/// The place of a link for a connection that comes in.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    joins: mpsc::Sender<(Incoming, Place)>,
    is_taken: Arc<AtomicBool>,
}

/// A seat that was taken; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicBool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A seat that is kept for a connection.
#[derive(Debug)]
pub(crate) struct Reservation {
    joins: mpsc::Sender<(Incoming, Place)>,
    place: Place,
}

impl Reservation {
    /// The connection goes there. Where the link is gone in the meantime, so is the connection.
    pub(crate) fn give(self, incoming: Incoming) {
        // One place, one connection at a time: there is room unless the link is gone.
        let _ = self.joins.try_send((incoming, self.place));
    }
}

impl Seat {
    /// A free seat, and where what is given to it comes out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<(Incoming, Place)>) {
        let (joins, joined) = mpsc::channel(1);
        (Self { joins, is_taken: Arc::default() }, joined)
    }

    fn reserve(&self) -> Option<Reservation> {
        let taken = self.is_taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed);
        let place = taken.ok().map(|_| Place(Arc::clone(&self.is_taken)))?;
        Some(Reservation { joins: self.joins.clone(), place })
    }

    fn is_gone(&self) -> bool {
        self.joins.is_closed()
    }
}

/// A link that only receives, while it is one.
#[derive(Debug)]
struct OneWay {
    give_to: oneshot::Sender<Reservation>,
    has_knocked: bool,
}

/// What is open with one host.
#[derive(Debug, Default)]
struct Host {
    seats: Vec<Seat>,
    one_way: Vec<OneWay>,
}

impl Host {
    fn prune(&mut self) -> bool {
        self.seats.retain(|seat| !seat.is_gone());
        self.one_way.retain(|link| !link.give_to.is_closed());
        !(self.seats.is_empty() && self.one_way.is_empty())
    }
}

/// All hosts with which something is open.
#[derive(Debug)]
pub(crate) struct Meeting {
    hosts: Mutex<BTreeMap<IpAddr, Host>>,
    knocks: watch::Sender<u64>,
}

impl Meeting {
    pub(crate) fn new() -> Self {
        Self { hosts: Mutex::default(), knocks: watch::Sender::new(0) }
    }

    /// A link of ours is open; what the host opened before is joined to it, if there is something.
    pub(crate) fn dialled(&self, host: IpAddr, seat: Seat) {
        let mut hosts = self.lock();
        let entry = hosts.entry(host.to_canonical()).or_default();
        while let Some(link) = entry.one_way.pop() {
            let Some(reservation) = seat.reserve() else { break };
            if link.give_to.send(reservation).is_ok() {
                break;
            }
        }
        entry.seats.push(seat);
    }

    /// The host opened a connection: the place where it belongs, or else where to wait for one.
    pub(crate) fn accepted(&self, host: IpAddr) -> Result<Reservation, oneshot::Receiver<Reservation>> {
        let mut hosts = self.lock();
        let entry = hosts.entry(host.to_canonical()).or_default();
        entry.prune();
        if let Some(reservation) = entry.seats.iter().find_map(Seat::reserve) {
            return Ok(reservation);
        }
        let (give_to, given) = oneshot::channel();
        entry.one_way.push(OneWay { give_to, has_knocked: false });
        drop(hosts);
        self.knocks.send_modify(|count| *count = count.wrapping_add(1));
        Err(given)
    }

    /// Until one of these hosts opened a connection that has not been told of here and waits for one of ours.
    pub(crate) async fn knocked(&self, hosts: &[IpAddr]) {
        let mut knocks = self.knocks.subscribe();
        while !self.has_knocked(hosts) {
            if knocks.changed().await.is_err() {
                return;
            }
        }
    }

    fn has_knocked(&self, hosts: &[IpAddr]) -> bool {
        let mut all = self.lock();
        let mut heard = false;
        for host in hosts {
            let Some(entry) = all.get_mut(&host.to_canonical()) else { continue };
            entry.prune();
            for link in &mut entry.one_way {
                heard |= !link.has_knocked;
                link.has_knocked = true;
            }
        }
        heard
    }

    /// Forgets what is over. Costs what is open, at most a few hundred.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Host>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, host| host.prune());
        hosts
    }
}
