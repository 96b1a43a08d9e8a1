//! Every convergence layer in the same scenario: a thousand bundles of mixed sizes each way between two agents, over a line
//! that is cut ten times. All arrive, each once, and the agents' memory does not grow with what passes.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::files::{contents, file, folder, octets, word};
use crate::lines::{Carried, Line, Serial, Tcp, Udp};
use crate::node::{Agent, Node};
use crate::plain_lines::{OneWay, Programs, Shared};
use crate::process::Speaker;

/// Files that each node sends.
const FILES: usize = 1_000;
/// Layers that run at a time: each waits often, and all at once would wait for the machine.
const AT_A_TIME: usize = 4;
/// How often the line is cut.
const CUTS: usize = 10;
/// What an agent may hold in memory of its own, in KiB: far less than what passes through it with all windows open, and
/// ten times what it holds when idle.
const MEMORY_KIB_MAX: u64 = 64 << 10;

/// What each layer is, and how a line of it is laid.
const LAYERS: [(&str, Lay); 10] = [
    ("tcp", |_, nodes| Box::new(Tcp::between(nodes, "?tls=off"))),
    ("tcp+tls", |_, nodes| Box::new(Tcp::between(nodes, "?tls=require"))),
    ("udp", |_, nodes| Box::new(Udp::between(nodes, ""))),
    ("ltp", |_, nodes| Box::new(Udp::bare_ltp(nodes, 1_000_000))),
    ("serial", |at, nodes| Box::new(Serial::between(at, nodes, "?baud=4000000"))),
    ("stcp", |_, nodes| Box::new(OneWay::between("stcp", nodes, [[127, 0, 0, 21], [127, 0, 0, 22]]))),
    ("mtcp", |_, nodes| Box::new(OneWay::between("mtcp", nodes, [[127, 0, 0, 23], [127, 0, 0, 24]]))),
    ("pipe", |at, nodes| Box::new(Programs::between(at, nodes))),
    ("folder", |at, nodes| Box::new(Shared::between(at, nodes))),
    ("drive", |at, nodes| Box::new(Carried::between(at, nodes))),
];

type Lay = fn(&Path, &[Node; 2]) -> Box<dyn Line>;

/// How it went with a layer.
struct Row {
    layer: &'static str,
    octets: u64,
    cuts: usize,
    /// Bundles that crossed the line although they had before, and were refused.
    again: u64,
    /// From the first file sent to the last one received.
    seconds: f64,
    /// The most that one of the agents was seen to hold, in KiB.
    memory_kib: u64,
}

/// Sizes as people have them: most small, a few large. 1.3 MB in all.
fn size_of(number: usize) -> usize {
    match number % 100 {
        0 if number == 500 => 300_000,
        0 => 40_000,
        1..10 => 4_000,
        _ => 100 + number % 300,
    }
}

#[test]
fn over_every_layer_everything_arrives_once_although_the_line_is_cut_ten_times() {
    let rows: Vec<Row> = LAYERS.chunks(AT_A_TIME).flat_map(rows).collect();
    println!("{}", table(&rows));
    for row in rows {
        assert!(row.memory_kib < MEMORY_KIB_MAX, "{}: {} KiB", row.layer, row.memory_kib);
    }
}

fn rows(layers: &[(&'static str, Lay)]) -> Vec<Row> {
    thread::scope(|scope| {
        let running = layers.iter().map(|(layer, lay)| scope.spawn(|| row(layer, *lay)));
        let running: Vec<_> = running.collect();
        running.into_iter().map(|row| row.join().expect("a layer failed; its message is above")).collect()
    })
}

fn table(rows: &[Row]) -> String {
    let mut table = format!(
        "over every layer {FILES} bundles each way, all arrived once:\n{:<8}{:>12}{:>8}{:>10}{:>9}{:>13}\n",
        "layer", "octets", "cuts", "repeated", "seconds", "memory, KiB"
    );
    for Row { layer, octets, cuts, again, seconds, memory_kib } in rows {
        writeln!(table, "{layer:<8}{octets:>12}{cuts:>8}{again:>10}{seconds:>9.1}{memory_kib:>13}").unwrap();
    }
    table
}

fn row(layer: &'static str, lay: Lay) -> Row {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let nodes = ["near", "far"].map(|name| Node::new(at, name));
    nodes[0].befriend(&nodes[1]);
    let mut line = lay(at, &nodes);
    let outs = ["to-near", "to-far"].map(|name| folder(at, name));
    let sent = ["from-near", "from-far"].map(|name| files(at, name));
    let begun = Instant::now();
    for (node, to, from) in [(&nodes[0], "far", &sent[0]), (&nodes[1], "near", &sent[1])] {
        let mut words = vec!["send", to];
        words.extend(from.iter().map(|path| word(path)));
        node.verb(&words).done();
    }
    let (mut cuts, mut memory_kib, mut again) = (0, 0, 0);
    // The second receiver is looked at when the first has all; its lines wait meanwhile.
    let receivers = [0, 1].map(|which| receiver(&nodes[which], &outs[which]));
    for receiver in &receivers {
        for number in 1..=FILES {
            let line_said = receiver.line(&format!("{layer}: file {number}"));
            assert!(line_said.is_some(), "{layer}: the receiver ended after {} files", number - 1);
            if number % (2 * FILES / CUTS) == 0 {
                memory_kib = memory_kib.max(memory_kib_of(&line.agents()));
                line.cut();
                cuts += 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    for receiver in receivers {
        receiver.end().done();
    }
    for node in &nodes {
        let status = &node.ask(&["status"])[0];
        assert_eq!(status["queues"][0]["bundles"], 0, "{layer}: something was delivered twice");
        again += duplicates(status);
    }
    for (out, from) in [(&outs[1], &sent[0]), (&outs[0], &sent[1])] {
        assert!(
            contents(out) == contents(from[0].parent().unwrap()),
            "{layer}: what arrived is not what was sent"
        );
    }
    line.end();
    for node in &nodes {
        node.verb(&["store", "check"]).done();
    }
    let octets = (0..FILES).map(size_of).sum::<usize>() as u64;
    Row { layer, octets, cuts, again, seconds, memory_kib }
}

fn files(at: &Path, name: &str) -> Vec<PathBuf> {
    let folder = folder(at, name);
    let seed = name.len() as u64 * 1_000_000;
    (0..FILES)
        .map(|number| {
            let octets = octets(seed + number as u64, size_of(number));
            file(&folder, &format!("{name}-{number:04}.bin"), &octets)
        })
        .collect()
}

/// Takes all files that arrive at a node, and says a line for each.
fn receiver(node: &Node, out: &Path) -> Speaker {
    let count = FILES.to_string();
    let words = ["recv", "--out", word(out), "--count", &count, "--timeout", "600s", "--json"];
    Speaker::start(&mut node.command(&words))
}

/// How many bundles an agent refused because it had them.
fn duplicates(status: &Value) -> u64 {
    let refusals = status["refusals"].as_array().unwrap();
    refusals.iter().filter(|row| row["reason"] == "duplicate").map(|row| row["count"].as_u64().unwrap()).sum()
}

/// The memory of its own that the larger agent has: without the store's mapped file, which `VmHWM` would count.
fn memory_kib_of(agents: &[&Agent]) -> u64 {
    let of = |agent: &&Agent| {
        let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a kernel since 4.5");
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    agents.iter().map(of).max().unwrap_or(0)
}
