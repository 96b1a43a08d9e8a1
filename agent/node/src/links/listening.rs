//! Takes connections of neighbors.

use std::sync::Arc;
use std::time::Duration;

use adapters::Listener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contact::{self, Known};
use crate::contacts::Opener;
use crate::node::Node;

/// Connections of neighbors at a time, for each listener: each may hold a few MiB under way.
const ACCEPTED_MAX: usize = 64;
/// How long to wait after the system had no resources for a connection.
const BREATH: Duration = Duration::from_millis(200);

/// Takes connections until the node stops; each is a task among `tasks`.
pub(super) async fn accept_all(
    mut listener: Listener,
    node: Arc<Node>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(ACCEPTED_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((link, from)) => {
                let node = Arc::clone(&node);
                tasks.spawn(async move {
                    let known = Known { url: from.to_string(), opener: Opener::Them, node: None };
                    contact::run(&node, link, &known).await;
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
