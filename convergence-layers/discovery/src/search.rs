//! The search: announces what the node offers, and keeps the list of what others do.
//!
//! `mdns-sd` keeps a thread and a cache without a bound: where others fill it, the search ends with an error, and whoever
//! started it starts another one after a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ResolvedService, ServiceDaemon, ServiceEvent};
use tokio::time::{Instant, sleep_until, timeout};

use crate::announcement::{is_of_this_machine, places};
use crate::offer::Offer;
use crate::services::Services;
use crate::{SERVICE, SearchError};

/// Records that may be remembered: a hundred times what a well-filled network has, a few MiB.
const RECORDS_MAX: i64 = 16_384;
/// How often they are counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// A search that runs. Dropped, it ends.
#[derive(Debug)]
pub struct Search {
    daemon: Daemon,
    events: Receiver<ServiceEvent>,
    services: Services,
    offered: Option<(String, u16)>,
    count_at: Instant,
}

impl Search {
    /// Begins to announce what is offered, and to listen.
    pub fn start(offer: Option<&Offer>) -> Result<Self, SearchError> {
        let daemon = Daemon(ServiceDaemon::new()?);
        daemon.0.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let mut offered = None;
        if let Some(offer) = offer {
            let service = offer.service()?;
            offered = Some((service.get_fullname().to_owned(), offer.port));
            daemon.0.register(service)?;
        }
        let events = daemon.0.browse(SERVICE)?;
        let count_at = Instant::now() + COUNT_EVERY;
        Ok(Self { daemon, events, services: Services::default(), offered, count_at })
    }

    /// Waits until what others announce has changed. May be dropped while it waits.
    pub async fn changed(&mut self) -> Result<(), SearchError> {
        loop {
            tokio::select! {
                event = self.events.recv_async() => match event {
                    Ok(event) => if self.heard_all(event) { return Ok(()) },
                    Err(_) => return Err(SearchError("the resolver has ended, or was overwhelmed".to_owned())),
                },
                () = sleep_until(self.count_at) => {
                    self.count_at = Instant::now() + COUNT_EVERY;
                    self.check_memory().await?;
                }
            }
        }
    }

    /// The addresses of each service that is announced now, by its name, which says nothing about who is there.
    pub fn services(&self) -> BTreeMap<String, Vec<SocketAddr>> {
        self.services.all()
    }

    /// Says farewell to others, so that they forget this node at once.
    pub async fn stop(self) {
        let Some((name, _)) = &self.offered else { return };
        if let Ok(done) = self.daemon.0.unregister(name) {
            // Whoever did not hear it notices when the announcement expires.
            let _ = timeout(FAREWELL, done.recv_async()).await;
        }
    }

    /// The event, and those that wait behind it.
    fn heard_all(&mut self, event: ServiceEvent) -> bool {
        let mut changes = self.heard(event);
        for _ in 0..self.events.len() {
            let Ok(event) = self.events.try_recv() else { break };
            changes |= self.heard(event);
        }
        changes
    }

    fn heard(&mut self, event: ServiceEvent) -> bool {
        match event {
            ServiceEvent::ServiceResolved(service) if !self.is_ours(&service) => {
                self.services.announced(&service.fullname, places(&service))
            }
            ServiceEvent::ServiceRemoved(_, name) => self.services.gone(&name),
            _ => false,
        }
    }

    /// Another responder may have taken our name, or made us change it.
    fn is_ours(&self, service: &ResolvedService) -> bool {
        let Some((name, port)) = &self.offered else { return false };
        (service.fullname == *name || service.port == *port) && is_of_this_machine(service)
    }

    async fn check_memory(&self) -> Result<(), SearchError> {
        let counts = self.daemon.0.get_metrics()?.recv_async().await;
        let counts = counts.map_err(|_| SearchError("the resolver has ended".to_owned()))?;
        let cached = counts.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| *count);
        if cached.fold(0, i64::saturating_add) > RECORDS_MAX {
            return Err(SearchError("the local network is full of announcements".to_owned()));
        }
        Ok(())
    }
}

/// The thread of the resolver, which ends with this.
struct Daemon(ServiceDaemon);

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Daemon")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A thread that has ended needs no asking.
        let _ = self.0.shutdown();
    }
}
