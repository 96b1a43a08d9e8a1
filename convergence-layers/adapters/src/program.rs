//! Programs by address: `pipe:COMMAND`.

use convergence_layer::Link;

use crate::{Local, Unreachable};

/// What all programs of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    local: pipe::session::Local,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        let local = pipe::session::Local { node_id: local.node_id.clone(), transfer_mru: local.transfer_mru };
        Self { local }
    }

    /// Starts a program and waits until it is ready.
    pub(crate) async fn dial(&self, command: &str) -> Result<Link, Unreachable> {
        let link = pipe::connect(command, &self.local).await;
        link.map_err(|error| Unreachable(error.to_string()))
    }
}
