//! Takes connections of neighbors.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::Address;
use crate::contact;
use crate::contacts::Opener;
use crate::node::Node;
use crate::settings::Settings;

/// Connections of neighbors at a time, for each listener: each may hold a few MiB under way.
const ACCEPTED_MAX: usize = 64;
/// How long to wait after the system had no resources for a connection.
const BREATH: Duration = Duration::from_millis(200);

/// A node cannot listen where it was told to.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another program does.
    #[error(
        "{address} is in use by another program: stop it, or listen elsewhere with --listen (tcp://[::]:0 takes a free port)"
    )]
    InUse {
        /// Where.
        address: Address,
    },
    /// The system says no.
    #[error("cannot listen at {address}: {error}")]
    Io {
        /// Where.
        address: Address,
        /// What the system said.
        error: std::io::Error,
    },
}

impl ListenError {
    fn of(address: &Address, error: tcpcl::ContactError) -> Self {
        let address = address.clone();
        match error {
            tcpcl::ContactError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
                Self::InUse { address }
            }
            tcpcl::ContactError::Listen { source, .. } => Self::Io { address, error: source },
            other => Self::Io { address, error: std::io::Error::other(other) },
        }
    }
}

/// A bound address at which neighbors may connect.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: tcpcl::Listener,
    bound: SocketAddr,
}

impl Listener {
    /// Binds an address; `[::]` means all addresses, of IPv4 as well.
    pub(crate) async fn bind(address: &Address, settings: &Settings) -> Result<Self, ListenError> {
        let options = Arc::new(layer_options(settings));
        let resolved: Vec<SocketAddr> = tokio::net::lookup_host((address.host(), address.port()))
            .await
            .map_err(|error| ListenError::Io { address: address.clone(), error })?
            .collect();
        let mut failed =
            ListenError::Io { address: address.clone(), error: ErrorKind::AddrNotAvailable.into() };
        // A machine without IPv6 has no such wildcard.
        let fallback = (address.host() == "::").then_some(SocketAddr::from(([0, 0, 0, 0], address.port())));
        for candidate in resolved.into_iter().chain(fallback) {
            match tcpcl::Listener::bind(candidate, Arc::clone(&options)).await {
                Ok(listener) => return Self::bound(listener, address),
                Err(error) => failed = ListenError::of(address, error),
            }
            if matches!(failed, ListenError::InUse { .. }) {
                break;
            }
        }
        Err(failed)
    }

    fn bound(listener: tcpcl::Listener, address: &Address) -> Result<Self, ListenError> {
        let bound =
            listener.local_address().map_err(|error| ListenError::Io { address: address.clone(), error })?;
        Ok(Self { listener, bound })
    }

    /// Where it listens, with the port that the system chose.
    pub(crate) fn url(&self) -> String {
        Address::from(self.bound).to_string()
    }

    /// Takes connections until the node stops; each is a task among `tasks`.
    pub(super) async fn accept_all(self, node: Arc<Node>, stop: CancellationToken, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(ACCEPTED_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((link, from)) => {
                    let node = Arc::clone(&node);
                    tasks.spawn(async move {
                        let url = Address::from(from).to_string();
                        contact::run(&node, link, &url, Opener::Them).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

/// What we tell neighbors of ourselves.
pub(super) fn layer_options(settings: &Settings) -> tcpcl::Options {
    tcpcl::Options {
        transfer_mru: settings.bundle_octets_max,
        ..tcpcl::Options::new(settings.node.to_string())
    }
}
