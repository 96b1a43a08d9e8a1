//! Agents that are killed in the middle of transfers, again and again: what was acknowledged arrives, once.
//!
//! `PACKMULE_KILLS` says how often; `PACKMULE_KILL_SEED` repeats the moments and the files of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::files::{self, Dice, contents, file, folder, word};
use crate::node::{ANY_PORT, Agent, Node, text};
use crate::process::{Outcome, PATIENCE, Speaker};

/// Kills in a run that nobody asked to be longer.
const KILLS: u64 = 20;
/// Most files that are sent in a run of so many kills, so that a slow machine has no backlog that it never works off.
const FILES_PER_KILL: u64 = 12;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// The octets of a file: most are small, every sixth is of some MiB.
fn octets_of(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number + 1);
    let length = if number % 6 == 5 { (1 << 20) + dice.below(4 << 20) } else { dice.below(8 << 10) };
    files::octets(number, length.try_into().unwrap())
}

/// Two nodes that keep a contact with each other, whoever of them was started last.
struct Pair {
    sender: Node,
    receiver: Node,
    /// The agents, sender's first, and where each listens.
    agents: [Option<Agent>; 2],
    urls: [String; 2],
}

impl Pair {
    fn new(at: &Path) -> Self {
        let [sender, receiver] = ["sender", "receiver"].map(|name| Node::new(at, name));
        sender.befriend(&receiver);
        let agents = [&sender, &receiver].map(|node| node.agent(ANY_PORT));
        let urls = agents.each_ref().map(|agent| agent.url.clone());
        sender.verb(&["peer", "add", &urls[1]]).done();
        receiver.verb(&["peer", "add", &urls[0]]).done();
        Self { sender, receiver, agents: agents.map(Some), urls }
    }

    /// Kills one of the agents and starts it again, on the same home and port.
    fn strike(&mut self, victim: usize) {
        self.agents[victim].take().unwrap().kill();
        let node = [&self.sender, &self.receiver][victim];
        self.agents[victim] = Some(node.agent(&self.urls[victim]));
    }

    /// Returns when the receiver has reported a bundle that was sent just now: contact and agents are up.
    fn await_contact(&self, probe: &Path) -> String {
        let words = [
            "send",
            "dtn://receiver/probes",
            word(probe),
            "--priority",
            "urgent",
            "--wait",
            "delivered",
            "--timeout",
            "60s",
        ];
        self.sender.verb(&words).done()
    }
}

/// Sends file after file until told to stop; `said` hears how each went.
fn send_files(sender: &Node, (folder, most): (&Path, u64), stop: &mpsc::Receiver<()>) -> Vec<(u64, Outcome)> {
    let mut sent = Vec::new();
    while stop.try_recv() == Err(TryRecvError::Empty) && (sent.len() as u64) < most {
        let number = sent.len() as u64;
        let path = file(folder, &format!("{number}.bin"), &octets_of(number));
        sent.push((number, sender.verb(&["send", "receiver", word(&path), "--json"])));
        std::fs::remove_file(path).unwrap();
    }
    sent
}

/// The files that were acknowledged: name by id.
fn acknowledged(sent: &[(u64, Outcome)]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (number, outcome) in sent {
        if let Ok(line) = serde_json::from_slice::<Value>(&outcome.out) {
            names.insert(text(&line, "id"), format!("{number}.bin"));
        } else {
            assert!(!outcome.is_done(), "file {number} was sent without a word");
            assert!(!outcome.err.contains("panicked"), "{}", outcome.err);
        }
    }
    names
}

/// Kills agents in turns at random moments, while files are sent. The channel says when the sending has ended.
fn strike_often(pair: &mut Pair, (kills, dice): (u64, &mut Dice), probe: &Path) {
    let (_never, timer) = mpsc::channel::<()>();
    for kill in 0..kills {
        pair.await_contact(probe);
        let moment = Duration::from_millis(dice.below(250));
        assert_eq!(timer.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
        pair.strike(usize::try_from((kill + dice.below(2)) % 2).unwrap());
    }
    pair.await_contact(probe);
}

/// Receives until each of these ids has come; gives the names that files got by id.
fn receive(receiver: &Node, out: &Path, mut awaited: BTreeSet<String>) -> BTreeMap<String, String> {
    let words = ["recv", "--follow", "--out", word(out), "--json"];
    let receiving = Speaker::start(&mut receiver.command(&words));
    let mut names = BTreeMap::new();
    while !awaited.is_empty() {
        let line = receiving.line(&awaited).expect("recv --follow goes on");
        let line: Value = serde_json::from_str(&line).unwrap();
        let (id, name) = (text(&line, "id"), text(&line, "file_name"));
        awaited.remove(&id);
        assert_eq!(names.insert(id.clone(), name), None, "{id} was delivered twice");
    }
    receiving.signal(Signal::INT);
    let rest = receiving.end();
    assert!(rest.out.is_empty(), "more was delivered than was sent: {}", String::from_utf8_lossy(&rest.out));
    names
}

/// Every file has the octets that its name stands for, and stands there once.
fn check_files(out: &Path, names: &BTreeMap<String, String>) {
    let written: Vec<String> = contents(out)
        .into_iter()
        .map(|(name, octets)| {
            let number = name.strip_suffix(".bin").and_then(|number| number.parse().ok());
            let number = number.unwrap_or_else(|| panic!("{name} is none of the names that were sent"));
            assert!(octets == octets_of(number), "{name} has other octets than were sent");
            name
        })
        .collect();
    let named: BTreeSet<&String> = names.values().collect();
    assert_eq!(written.iter().collect::<BTreeSet<_>>(), named);
    assert_eq!(written.len(), names.len(), "a file was delivered under two ids");
}

/// Nothing is owed to anybody, once the last acknowledgement has arrived.
fn check_status(pair: &Pair) {
    let deadline = Instant::now() + PATIENCE;
    for node in [&pair.sender, &pair.receiver] {
        loop {
            let status = node.ask(&["status"]).remove(0);
            let neighbors = status["neighbors"].as_array().expect("neighbors").clone();
            if neighbors.iter().all(|neighbor| neighbor["owed_bundles"] == 0) {
                break;
            }
            assert!(Instant::now() < deadline, "{} still owes something: {neighbors:?}", node.name);
        }
    }
}

#[test]
fn what_was_acknowledged_is_delivered_once_however_often_agents_are_killed() {
    let kills = number_from("PACKMULE_KILLS").unwrap_or(KILLS);
    let seed = number_from("PACKMULE_KILL_SEED").unwrap_or_else(|| getrandom::u32().unwrap().into());
    println!("repeat with PACKMULE_KILL_SEED={seed} PACKMULE_KILLS={kills}");
    let folders = tempfile::tempdir().unwrap();
    let [out, sources] = ["out", "sources"].map(|name| folder(folders.path(), name));
    let mut pair = Pair::new(folders.path());
    let probe: PathBuf = file(folders.path(), "probe", b"?");

    let (stop, stopped): (Sender<()>, _) = mpsc::channel();
    let sender = pair.sender.clone();
    let sending = thread::spawn(move || send_files(&sender, (&sources, kills * FILES_PER_KILL), &stopped));
    strike_often(&mut pair, (kills, &mut Dice::new(seed)), &probe);
    drop(stop);
    let sent = sending.join().unwrap();
    let acknowledged = acknowledged(&sent);
    println!("{} of {} files were acknowledged", acknowledged.len(), sent.len());
    assert!(acknowledged.len() as u64 >= kills, "too few files were sent for the kills to hit any");

    // A send that was cut off may have stored its bundle: it arrives as well, and once.
    let held: BTreeSet<String> = pair
        .sender
        .ask(&["ls"])
        .iter()
        .filter(|bundle| bundle["destination"] == "dtn://receiver/inbox")
        .map(|bundle| text(bundle, "id"))
        .collect();
    let missing: Vec<_> = acknowledged.keys().filter(|id| !held.contains(*id)).collect();
    assert!(missing.is_empty(), "acknowledged, and not in the sender's store: {missing:?}");
    let names = receive(&pair.receiver, &out, held);
    for (id, name) in &acknowledged {
        assert_eq!(names.get(id), Some(name), "{id}");
    }
    check_files(&out, &names);
    pair.await_contact(&probe);
    check_status(&pair);
    pair.agents.into_iter().flatten().for_each(Agent::stop);
    for node in [&pair.sender, &pair.receiver] {
        node.verb(&["store", "check"]).done();
    }
}
