//! Lines between two agents that can be cut, one kind for each convergence layer.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use crate::capture::Passed;
use crate::datagrams::Datagrams;
use crate::files::{folder, word};
use crate::node::{ANY_PORT, Agent, Node};
use crate::process::Speaker;
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
    /// The first node calls the second. `options` stand behind both addresses.
    pub(crate) fn between(nodes: &[Node; 2], options: &str) -> Self {
        let agents = [0, 1].map(|which| nodes[which].agent(&format!("udp://127.0.0.1:0{options}")));
        let wire = Datagrams::to(agents[1].port());
        nodes[0].verb(&["peer", "add", &format!("udp://127.0.0.1:{}{options}", wire.port)]).done();
        Self { agents, wire }
    }

    /// With nothing but LTP inside. Both nodes call, since nobody introduces himself: each says both engines' numbers.
    pub(crate) fn bare_ltp(nodes: &[Node; 2], rate: u64) -> Self {
        let agents = [0, 1].map(|which| nodes[which].agent(&format!("ltp://127.0.0.1:0?own={}", which + 1)));
        let wire = Datagrams::to(agents[1].port());
        for (own, (node, port)) in (1..).zip(nodes.iter().zip([wire.port, wire.far_port])) {
            let engine = 3 - own;
            let url = format!("ltp://127.0.0.1:{port}?engine={engine}&own={own}&rate={rate}");
            node.verb(&["peer", "add", &url]).done();
        }
        Self { agents, wire }
    }

    /// The datagrams that have passed until now.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.wire.passed()
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

/// A drive that is carried from one to the other and docked, again and again. At a cut the dock is killed in the middle.
pub(crate) struct Carried {
    agents: [Agent; 2],
    docking: Arc<(Mutex<Docking>, Condvar)>,
    carrier: JoinHandle<()>,
}

#[derive(Default)]
struct Docking {
    /// The dock that goes on now. It is not reaped while its number is here.
    process: Option<Pid>,
    was_killed: bool,
    is_over: bool,
}

impl Carried {
    pub(crate) fn between(at: &Path, nodes: &[Node; 2]) -> Self {
        let drive = folder(at, "drive");
        nodes[0].verb(&["drive", "init", word(&drive), "--label", "RED"]).done();
        let agents = [0, 1].map(|which| nodes[which].agent(ANY_PORT));
        let docking = Arc::<(Mutex<Docking>, Condvar)>::default();
        let (docks, nodes) = (Arc::clone(&docking), nodes.clone());
        let carrier = thread::spawn(move || {
            let mut turn = 0;
            while dock(&nodes[turn], &drive, &docks) {
                turn = 1 - turn;
            }
        });
        Self { agents, docking, carrier }
    }
}

/// Docks a drive at a node, unless it has been carried often enough.
fn dock(node: &Node, drive: &Path, (docking, begins): &(Mutex<Docking>, Condvar)) -> bool {
    let mut now = docking.lock().unwrap();
    if now.is_over {
        return false;
    }
    let dock = Speaker::start(&mut node.command(&["drive", "dock", word(drive)]));
    now.process = Pid::from_raw(dock.id().try_into().unwrap());
    drop(now);
    begins.notify_one();
    while dock.line(&"the end of a dock").is_some() {}
    let mut now = docking.lock().unwrap();
    now.process = None;
    let (outcome, was_killed) = (dock.end(), std::mem::take(&mut now.was_killed));
    assert!(outcome.is_done() || was_killed, "a dock failed: {outcome:?}");
    true
}

impl Line for Carried {
    fn cut(&mut self) {
        let (docking, begins) = &*self.docking;
        let mut now = begins.wait_while(docking.lock().unwrap(), |now| now.process.is_none()).unwrap();
        now.was_killed = true;
        kill_process(now.process.unwrap(), Signal::KILL).unwrap();
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.docking.0.lock().unwrap().is_over = true;
        self.carrier.join().unwrap();
        self.agents.into_iter().for_each(Agent::stop);
    }
}
