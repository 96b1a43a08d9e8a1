//! Serial lines by address: `serial:///dev/ttyUSB0?baud=9600`.

use convergence_layer::Link;
use serial::Settings;

use crate::{Local, Unreachable};

/// What all lines of a node share.
#[derive(Debug)]
pub(crate) struct Adapter {
    local: serial::Local,
}

impl Adapter {
    pub(crate) fn new(local: &Local) -> Self {
        Self { local: serial::Local { node_id: local.node_id.clone(), transfer_mru: local.transfer_mru } }
    }

    /// Waits at the device until somebody is at the other end.
    pub(crate) async fn dial(&self, settings: &Settings) -> Result<Link, Unreachable> {
        let link = serial::connect(settings, self.local.clone()).await;
        link.map_err(|error| Unreachable(error.to_string()))
    }
}
