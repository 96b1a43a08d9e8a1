//! The agent: a node with links and a socket, until it is told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use adapters::{Adapters, Address, ListenError, Listener, TlsError};
use convergence_layer::CloseReason;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::credentials::Trust;
use crate::driver::DriverError;
use crate::engine::{Engine, EngineError};
use crate::home::{Home, HomeError, HomeLock, SocketPath};
use crate::links::{Links, addresses_said};
use crate::local_api;

/// How long to wait for a home that a verb works on; it is done soon.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long contacts may take to finish what is under way when the agent stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// How the agent is run, besides what its home says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// Where to listen instead of where `config.toml` says; empty: as it says.
    pub listen: Vec<Address>,
    /// Whether neighbors may be looked for, where `config.toml` allows it as well.
    pub discovery: Discovery,
}

/// Whether neighbors may be looked for. Contacts that are configured are kept either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// They may.
    Allowed,
    /// Nothing is sent to anybody who was not named.
    Off,
}

/// Why the agent could not run, or could not go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// Its folder, store or writer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Where it was to listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The key with which it encrypts.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<HomeError> for RunError {
    fn from(error: HomeError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<DriverError> for RunError {
    fn from(error: DriverError) -> Self {
        Self::Engine(error.into())
    }
}

/// Runs the agent of a home until `shutdown` completes: contacts then end in an orderly way, what is queued is written,
/// and the home is given back. `ready` hears where it listens, once it does.
pub async fn run(
    home: Home,
    options: RunOptions,
    ready: impl FnOnce(&[String]),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    tokio::pin!(shutdown);
    let lock = tokio::select! {
        lock = take_lock(&home) => lock?,
        () = &mut shutdown => return Ok(()),
    };
    let trust = Trust::default();
    let adapters = Adapters::new(&home.config().local()).with_credentials(trust.credentials(&home))?;
    let adapters = Arc::new(adapters);
    let mut listeners = Vec::new();
    for address in if options.listen.is_empty() { &home.config().listen } else { &options.listen } {
        listeners.push(adapters.listen(address).await?);
    }
    let listening: Vec<Address> = listeners.iter().map(Listener::address).collect();
    let urls: Vec<String> = listening.iter().map(ToString::to_string).collect();
    let discovers = [options.discovery, home.config().discovery] == [Discovery::Allowed; 2];
    let mut config = home.config().core(home.key());
    config.cards.addresses = addresses_said(&listening, discovers);
    let mut engine = Engine::start(&home, lock, config)?;
    let node = Arc::clone(&engine.node);
    trust.begin(&node.ground);
    node.listening.get_or_init(|| urls.clone());
    let (_socket, listener) = SocketPath::bind(&home)?;
    let api = tokio::spawn(local_api::serve(Arc::clone(&node), listener));
    let links = Links::start(&node, &adapters, listeners);
    if discovers {
        links.discover(&node, &adapters, &listening);
    }
    tracing::info!(node = %home.node(), listening = urls.join(" "), "the agent runs");
    ready(&urls);

    let fault = tokio::select! {
        () = &mut shutdown => None,
        outcome = engine.ended() => outcome.err(),
    };
    tracing::info!("the agent stops");
    links.stop();
    node.contacts.close_all(CloseReason::Unknown, "the agent is stopping");
    if tokio::time::timeout(FAREWELL, links.ended()).await.is_err() {
        tracing::warn!("some contacts took too long to end and are cut off");
        node.cut_off.cancel();
        links.ended().await;
    }
    api.abort();
    // Cancelled on purpose.
    let _ = api.await;
    // They know the store, which the engine closes.
    drop((node, adapters, trust));
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(engine.stop().await?),
    }
}

/// Takes the home's lock. A verb that has it is waited for, another agent is not.
async fn take_lock(home: &Home) -> Result<HomeLock, HomeError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let error = match home.lock() {
            Err(error @ HomeError::Locked { .. }) => error,
            taken => return taken,
        };
        let is_agent = UnixStream::connect(SocketPath::of(home)).await.is_ok();
        if is_agent || Instant::now() >= deadline {
            return Err(error);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
