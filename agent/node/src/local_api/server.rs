//! Takes connections of local programs.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::session::Session;
use crate::node::Node;

/// Local programs at a time.
const SESSIONS_MAX: usize = 64;
/// How long to wait after the system had no resources for a connection.
const BREATH: Duration = Duration::from_millis(200);

/// Serves local programs until this is dropped.
pub(crate) async fn serve(node: Arc<Node>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(SESSIONS_MAX));
    let mut sessions = JoinSet::new();
    loop {
        while sessions.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let session = Session::new(Arc::clone(&node), stream);
                sessions.spawn(async move {
                    session.run().await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a local connection could not be taken");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}
