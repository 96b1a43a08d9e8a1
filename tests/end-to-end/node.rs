//! Nodes: a home, the verbs upon it, and its agent.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Outcome, Speaker, run};

/// Where an agent listens first: whatever port is free.
pub(crate) const ANY_PORT: &str = "tcp://127.0.0.1:0";

/// A node's home.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) home: PathBuf,
    /// The line that introduces it to others.
    line: String,
}

impl Node {
    /// Makes a node below a folder.
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        let home = folder.join(name);
        let mut node = Self::at(home, name);
        node.line.push_str(node.verb(&["init", "--name", name]).done().trim());
        node
    }

    /// A node whose home has not been made.
    pub(crate) fn at(home: PathBuf, name: &'static str) -> Self {
        Self { name, home, line: String::new() }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packmule"));
        command.env_remove("PACKMULE_HOME").arg("--home").arg(&self.home).args(words);
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn verb(&self, words: &[&str]) -> Outcome {
        run(&mut self.command(words))
    }

    /// What a verb that succeeds says with `--json`, an object a line.
    pub(crate) fn ask(&self, words: &[&str]) -> Vec<Value> {
        let said = run(self.command(words).arg("--json")).done();
        said.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
    }

    /// The ids of what the store holds.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.ask(&["ls"]).iter().map(|bundle| text(bundle, "id")).collect()
    }

    /// Has both trust each other.
    pub(crate) fn befriend(&self, other: &Self) {
        self.verb(&["trust", "add", &other.line]).done();
        other.verb(&["trust", "add", &self.line]).done();
    }

    /// Starts the agent and waits until it listens.
    pub(crate) fn agent(&self, listen: &str) -> Agent {
        self.try_agent(listen).unwrap_or_else(|outcome| panic!("{outcome:?}"))
    }

    /// The same where it may refuse to start.
    pub(crate) fn try_agent(&self, listen: &str) -> Result<Agent, Outcome> {
        let words = ["run", "--no-discovery", "--listen", listen, "--json"];
        Agent::started(Speaker::start(&mut self.command(&words)))
    }

    /// The line that introduces it to others.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// One more line in its `config.toml`.
    pub(crate) fn configure(&self, line: &str) {
        let path = self.home.join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{line}\n{config}")).unwrap();
    }
}

/// A running agent, which is killed when it is dropped.
pub(crate) struct Agent {
    speaker: Speaker,
    /// Where it listens.
    pub(crate) url: String,
}

impl Agent {
    /// An agent that starts, once it listens; how it ended, where it does not.
    pub(crate) fn started(speaker: Speaker) -> Result<Self, Outcome> {
        let Some(line) = speaker.line(&"where it listens") else { return Err(speaker.end()) };
        let started: Value = serde_json::from_str(&line).expect("a JSON object");
        let url = started["listening"][0].as_str().expect("an address").to_owned();
        Ok(Self { speaker, url })
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().expect("an address with a port")
    }

    pub(crate) fn id(&self) -> u32 {
        self.speaker.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.speaker.is_running()
    }

    /// SIGKILL: it cannot do anything about it.
    pub(crate) fn kill(self) {
        self.speaker.signal(Signal::KILL);
        assert!(!self.speaker.end().is_done());
    }

    /// Asks it to stop, which it has to do cleanly.
    pub(crate) fn stop(self) {
        self.speaker.signal(Signal::TERM);
        self.speaker.end().done();
    }
}

/// A member of a JSON object that is text.
pub(crate) fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no text '{name}' in {object}")).to_owned()
}
