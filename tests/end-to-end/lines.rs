//! Lines between two agents that can be cut, one kind for each convergence layer.

use std::path::Path;

use crate::datagrams::Datagrams;
use crate::node::{ANY_PORT, Agent, Node};
use crate::terminals::Terminals;
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
    pub(crate) fn between(nodes: &[Node; 2], options: &str) -> Self {
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

/// Datagrams, of which as many are lost at a cut as are under way on a link of some length.
pub(crate) struct Udp {
    agents: [Agent; 2],
    wire: Datagrams,
}

/// Datagrams that a cut loses.
const LOST: u64 = 100;

impl Udp {
    /// The first node calls the second. `options` stand behind the address.
    pub(crate) fn between(scheme: &str, nodes: &[Node; 2], options: &str) -> Self {
        let agents = [0, 1].map(|which| nodes[which].agent(&format!("{scheme}://127.0.0.1:0{options}")));
        let wire = Datagrams::to(agents[1].port());
        nodes[0].verb(&["peer", "add", &format!("{scheme}://127.0.0.1:{}{options}", wire.port)]).done();
        Self { agents, wire }
    }
}

impl Line for Udp {
    fn cut(&mut self) {
        self.wire.lose(LOST);
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.agents.into_iter().for_each(Agent::stop);
    }
}

/// A serial line, whose devices are pulled and plugged in again.
pub(crate) struct Serial {
    agents: [Agent; 2],
    cable: Terminals,
}

impl Serial {
    /// `options` stand behind the devices.
    pub(crate) fn between(at: &Path, nodes: &[Node; 2], options: &str) -> Self {
        let cable = Terminals::plugged(at);
        let agents = [0, 1].map(|which| nodes[which].agent(ANY_PORT));
        for (end, node) in nodes.iter().enumerate() {
            node.verb(&["peer", "add", &format!("serial://{}{options}", cable.path(end).display())]).done();
        }
        Self { agents, cable }
    }
}

impl Line for Serial {
    fn cut(&mut self) {
        self.cable.replug();
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.agents.into_iter().for_each(Agent::stop);
    }
}
