//! Lines that carry octets or files and acknowledge nothing: one-way connections, programs that pass octets on, and a folder.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, getpgid, kill_process_group};
use tokio::runtime::Runtime;

use crate::files::folder;
use crate::hosts::Wire;
use crate::lines::Line;
use crate::node::{ANY_PORT, Agent, Node};

/// A connection each way between two hosts.
pub(crate) struct OneWay {
    agents: [Agent; 2],
    wires: [Wire; 2],
    _runtime: Runtime,
}

impl OneWay {
    /// The nodes are told apart by the addresses at which they listen.
    pub(crate) fn between(scheme: &str, nodes: &[Node; 2], hosts: [[u8; 4]; 2]) -> Self {
        let runtime = Runtime::new().unwrap();
        let hosts = hosts.map(IpAddr::from);
        let agents = [0, 1].map(|which| nodes[which].agent(&format!("{scheme}://{}:0", hosts[which])));
        let wires = [(0, 1), (1, 0)].map(|(from, to)| {
            let agent = SocketAddr::new(hosts[to], agents[to].port());
            let wire = runtime.block_on(Wire::between(hosts[from], agent));
            nodes[from].verb(&["peer", "add", &format!("{scheme}://{}", wire.address)]).done();
            wire
        });
        Self { agents, wires, _runtime: runtime }
    }
}

impl Line for OneWay {
    fn cut(&mut self) {
        self.wires.iter().for_each(Wire::cut);
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.agents.into_iter().for_each(Agent::stop);
    }
}

/// Programs that pass octets on, which are killed at a cut.
pub(crate) struct Programs {
    agents: [Agent; 2],
    pids: [PathBuf; 2],
}

impl Programs {
    pub(crate) fn between(at: &Path, nodes: &[Node; 2]) -> Self {
        let [there, back] = ["there", "back"].map(|name| at.join(name));
        assert!(Command::new("mkfifo").args([&there, &back]).status().unwrap().success());
        let agents = [0, 1].map(|which| nodes[which].agent(ANY_PORT));
        let pids = ["near-pid", "far-pid"].map(|name| at.join(name));
        for (which, (from, to)) in [(&back, &there), (&there, &back)].into_iter().enumerate() {
            let [from, to, pid] = [from, to, &pids[which]].map(|path| path.display());
            let command = format!("pipe:echo $$ > '{pid}'; cat '{from}' & exec cat > '{to}'");
            nodes[which].verb(&["peer", "add", &command]).done();
        }
        Self { agents, pids }
    }
}

impl Line for Programs {
    fn cut(&mut self) {
        for pid in &self.pids {
            let text = fs::read_to_string(pid).unwrap_or_default();
            // It may have ended by now, because the other one did.
            let program = text.trim().parse().ok().and_then(Pid::from_raw);
            if let Some(group) = program.and_then(|program| getpgid(Some(program)).ok()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.agents.into_iter().for_each(Agent::stop);
    }
}

/// A folder that both have, which is away for a while at a cut, and empty when it comes back.
pub(crate) struct Shared {
    agents: [Agent; 2],
    nodes: [Node; 2],
    path: PathBuf,
}

impl Shared {
    pub(crate) fn between(at: &Path, nodes: &[Node; 2]) -> Self {
        let path = folder(at, "shared");
        let agents = [0, 1].map(|which| nodes[which].agent(ANY_PORT));
        for node in nodes {
            node.verb(&["peer", "add", &format!("folder:{}", path.display())]).done();
        }
        Self { agents, nodes: nodes.clone(), path }
    }
}

impl Line for Shared {
    fn cut(&mut self) {
        let away = self.path.with_extension("away");
        fs::rename(&self.path, &away).unwrap();
        for node in &self.nodes {
            while node.ask(&["status"])[0]["contacts"] != serde_json::json!([]) {}
        }
        fs::remove_dir_all(away).unwrap();
        fs::create_dir(&self.path).unwrap();
    }

    fn agents(&self) -> Vec<&Agent> {
        self.agents.iter().collect()
    }

    fn end(self: Box<Self>) {
        self.agents.into_iter().for_each(Agent::stop);
    }
}
