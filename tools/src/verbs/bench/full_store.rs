//! A store with 100,000 bundles: how long it takes to open, and what an idle agent on it needs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use agent_node::{Call, Client, Home};

use super::figure::Figure;
use super::transfers::fill_store;
use crate::failure::Failure;
use crate::stop::Stop;

const BUNDLES: u64 = 100_000;
const RUNS: usize = 5;
/// Milliseconds that opening may take.
const OPENING_MS_MAX: f64 = 100.0;
/// Anonymous memory of an idle agent, in MiB.
const IDLE_MIB_MAX: f64 = 16.0;

pub(super) async fn measure(folder: &Path, stop: &Stop) -> Result<Vec<Figure>, Failure> {
    let home = Home::create(&folder.join("full"), "full", None)?;
    fill_store(&home, BUNDLES, stop).await?;
    let mut openings = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        let client = Client::open(&home).await?;
        openings.push(begun.elapsed().as_secs_f64() * 1e3);
        client.close().await?;
    }
    let mut figures = vec![
        Figure::new("opening", "open a store of 100,000 bundles", (openings, "ms")).at_most(OPENING_MS_MAX),
    ];
    if let Some(mib) = idle_memory(&home).await? {
        let figure = Figure::new("idle_memory", "an idle agent on it: anonymous memory", (vec![mib], "MiB"));
        figures.push(figure.at_most(IDLE_MIB_MAX));
    }
    Ok(figures)
}

/// An agent in a process of its own, which ends when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Its store is thrown away; how it ends is of no matter.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The anonymous memory of an agent that has answered once and has nothing to do, in MiB; `None` where the system does not
/// tell it.
async fn idle_memory(home: &Home) -> Result<Option<f64>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("where this program lies is not known: {error}")))?;
    let mut command = Command::new(&program);
    command.arg("--home").arg(home.folder()).args(["--json", "run", "--no-discovery"]);
    command.args(["--listen", "tcp://127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let started = command.spawn().map_err(|error| Failure::io("run", &program, &error))?;
    let mut agent = Process(started);
    let mut line = String::new();
    if let Some(stdout) = agent.0.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line);
        read.map_err(|error| Failure::failed(format!("the agent that is measured said nothing: {error}")))?;
    }
    let mut client = Client::open(home).await?;
    client.call(Call::Status).await?;
    client.close().await?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.0.id()));
    Ok(status.ok().and_then(|status| anonymous_mib(&status)))
}

/// The line `RssAnon:  484 kB` of a process's status.
fn anonymous_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_found_in_a_status() {
        assert_eq!(anonymous_mib("Name:\tx\nRssAnon:\t     512 kB\nRssFile:\t 9 kB\n"), Some(0.5));
        assert_eq!(anonymous_mib("Name:\tx\n"), None);
    }
}
