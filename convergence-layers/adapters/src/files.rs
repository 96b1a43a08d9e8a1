//! Folders by address: `folder:/srv/sync/mule`.

use convergence_layer::Link;
use folder::Settings;

use crate::{Local, Unreachable};

/// What all folders of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    local: folder::Local,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        Self { local: folder::Local { node_id: local.node_id.clone(), transfer_mru: local.transfer_mru } }
    }

    /// Opens a folder.
    pub(crate) async fn dial(&self, settings: &Settings) -> Result<Link, Unreachable> {
        let link = folder::connect(settings, &self.local).await;
        link.map_err(|error| Unreachable(error.to_string()))
    }
}
