//! Lines between two agents that can be cut, one kind for each convergence layer.

use std::path::Path;

use crate::node::{ANY_PORT, Agent, Node};
use crate::wire::Wire;

/// A line between two running agents.
pub(crate) trait Line {
    /// Cuts it in the middle of whatever is on it, and mends it.
    fn cut(&mut self);

    /// The agents at its ends, where agents run.
    fn agents(&self) -> Vec<&Agent>;

    /// Ends both agents in an orderly way.
    fn end(self: Box<Self>);
}

/// A connection through a wire.
pub(crate) struct Tcp {
    agents: [Agent; 2],
    wire: Wire,
}

impl Tcp {
    /// The first node calls the second. `options` stand behind the address.
    pub(crate) fn between(_: &Path, nodes: &[Node; 2], options: &str) -> Self {
        let agents = [0, 1].map(|which| nodes[which].agent(ANY_PORT));
        let wire = Wire::to(agents[1].port(), 0);
        nodes[0].verb(&["peer", "add", &format!("{}{options}", wire.url())]).done();
        Self { agents, wire }
    }
}

impl Line for Tcp {
    fn cut(&mut self) {
        self.wire.cut();
        self.wire.mend();
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.agents.into_iter().for_each(Agent::stop);
    }
}
