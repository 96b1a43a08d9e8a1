//! `packmule run`: the agent, in the foreground, until a signal asks it to stop.

use agent_node::{Address, Discovery, RunOptions};
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::output::{Output, tell};
use crate::stop::Stop;

/// Run the agent in the foreground: it listens, connects to peers, and passes bundles on
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Where neighbors may connect, in place of what config.toml says; port 0 takes a free one
    #[arg(long, value_name = "URL")]
    listen: Vec<Address>,
    /// Neither look for nodes, on the local network or where cards say they listen, nor announce this one
    #[arg(long)]
    no_discovery: bool,
}

#[derive(Serialize)]
struct Started<'a> {
    node: String,
    listening: &'a [String],
}

impl Run {
    pub(crate) async fn run(self, invocation: &Invocation, stop: Stop) -> Result<(), Failure> {
        let home = invocation.home()?;
        begin_log(home.config().log.as_str());
        let node = home.node().to_string();
        let output = invocation.output;
        let discovery = if self.no_discovery { Discovery::Off } else { Discovery::Allowed };
        let options = RunOptions { listen: self.listen, discovery };
        let ready = |listening: &[String]| announce(output, &Started { node, listening });
        agent_node::run(home, options, ready, async move { stop.asked().await }).await?;
        Ok(())
    }
}

/// Says where it listens. Whoever started the agent may have closed its output: it runs all the same.
fn announce(output: Output, started: &Started<'_>) {
    let _ = output.say(started, || {
        if started.listening.is_empty() {
            return format!("{} runs and listens nowhere", started.node);
        }
        let lines = started.listening.iter().map(|url| format!("{} listens on {url}", started.node));
        lines.collect::<Vec<_>>().join("\n")
    });
}

/// The log goes to stderr; a supervisor adds times of its own, a terminal needs ours.
fn begin_log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::new(level);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    if subscriber.try_init().is_err() {
        tell("the log could not be started");
    }
}
