//! `--plan FILE` and `--bus-line`: one world that follows a plan, and what came of it beside ideal flooding. Where it fails,
//! the command that replays it is told.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use simulator::{Audience, Carriers, Load, Measured, Meeting, PlanFile, Scenario, Show, long_line, measure};

/// How often the progress line is written anew.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Villages that a bus of a generated line visits.
const VILLAGES_PER_BUS: usize = 25;

/// Which plan, and what is sent over it.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArguments {
    /// Follow the contact plan in this file, without faults.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    plan: Option<PathBuf>,
    /// Follow a bus line through villages, one bus for 25 of them; the buses, and the villages where two meet, carry everything.
    #[arg(long, conflicts_with_all = ["seeds", "plan"])]
    bus_line: bool,
    /// Hours that the bus line runs.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=1000))]
    hours: u64,
    /// Bundles that are sent over the plan.
    #[arg(long, default_value_t = 100)]
    bundles: usize,
    /// Octets of the payload of each.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    octets: u32,
    /// Send every bundle to all nodes, not to one.
    #[arg(long)]
    to_all: bool,
    /// Print the plan, in the format of plan files, and run nothing.
    #[arg(long)]
    print_plan: bool,
}

impl PlanArguments {
    pub(crate) fn is_given(&self) -> bool {
        self.bus_line || self.plan.is_some()
    }

    /// Runs the plan; answers what to print, or what went wrong.
    pub(crate) fn run(&self, seed: u64, nodes: usize, show: Show) -> Result<String, String> {
        let (nodes, plan, carriers) = self.plan(nodes)?;
        if self.print_plan {
            return Ok(PlanFile::write(&plan));
        }
        let load = Load {
            bundles: self.bundles,
            octets: usize::try_from(self.octets).map_err(|error| error.to_string())?,
            to: if self.to_all { Audience::Everybody } else { Audience::One },
            carriers,
        };
        let scenario = Scenario::planned(seed, nodes, plan, load);
        let (began, mut shown) = (Instant::now(), Instant::now());
        let measured = measure(&scenario, show, &mut |counts, now| {
            if shown.elapsed() < PROGRESS_EVERY {
                return;
            }
            shown = Instant::now();
            let permille = now * 1000 / scenario.faults_end.max(1);
            eprint!(
                "\r{}.{} % after {} s; {} steps, {} contacts, {} bundles sent, {} delivered ",
                permille / 10,
                permille % 10,
                began.elapsed().as_secs(),
                counts.steps,
                counts.contacts,
                counts.bundles,
                counts.delivered
            );
            // A terminal that is gone is no reason to stop.
            let _ = std::io::stderr().flush();
        });
        eprintln!();
        let measured = measured
            .map_err(|failure| format!("{failure}\nReplay it with: {} --trace", self.command(seed, nodes)))?;
        Ok(table(&scenario, &measured, began.elapsed()))
    }

    /// The command that does the same again.
    fn command(&self, seed: u64, nodes: usize) -> String {
        let Self { plan, bus_line, hours, bundles, octets, to_all, print_plan: _ } = self;
        let mut text = "cargo run --release -p simulator --".to_owned();
        if let Some(path) = plan {
            let quoted = path.to_string_lossy().replace('\'', r"'\''");
            write!(text, " --plan '{quoted}'").expect("writing to a string cannot fail");
        }
        if *bus_line {
            write!(text, " --bus-line --nodes {nodes} --hours {hours}")
                .expect("writing to a string cannot fail");
        }
        let to_all = if *to_all { " --to-all" } else { "" };
        write!(text, " --bundles {bundles} --octets {octets}{to_all} --seed {seed}")
            .expect("writing to a string cannot fail");
        text
    }

    fn plan(&self, nodes: usize) -> Result<(usize, Vec<Meeting>, Carriers), String> {
        let Some(path) = &self.plan else {
            let buses = nodes.div_ceil(VILLAGES_PER_BUS + 1).max(1);
            let plan = long_line(nodes, buses, self.hours * 3_600_000);
            return Ok((nodes, plan, Carriers::Line(buses)));
        };
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let plan = PlanFile::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if plan.names.len() < 2 {
            return Err(format!("{}: nobody meets anybody", path.display()));
        }
        Ok((plan.names.len(), plan.meetings, Carriers::All))
    }
}

fn table(scenario: &Scenario, measured: &Measured, took: Duration) -> String {
    let counts = measured.outcome.counts;
    let seconds = |millis: u64| format!("{}.{:03} s", millis / 1000, millis % 1000);
    let mut text = String::new();
    for (name, value) in [
        ("nodes", scenario.roles.len().to_string()),
        ("bundles", scenario.orders.len().to_string()),
        ("contacts", counts.contacts.to_string()),
        ("wanted pairs within reach", measured.wanted.to_string()),
        ("  of them delivered", measured.delivered.to_string()),
        ("pairs that ideal flooding reaches", measured.ideal.to_string()),
        ("  of them reached", measured.reached.to_string()),
        ("median latency of ideal flooding", seconds(measured.ideal_median_ms)),
        ("median latency", seconds(measured.median_ms)),
        ("bundles sent", counts.bundles.to_string()),
        ("octets of bundles", counts.bundle_octets.to_string()),
        ("messages sent", counts.messages.to_string()),
        ("octets of messages", counts.message_octets.to_string()),
        ("steps", counts.steps.to_string()),
        ("took", format!("{:.1} s", took.as_secs_f64())),
    ] {
        writeln!(text, "{name:<34} {value:>16}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::Arguments;

    #[test]
    fn the_command_that_replays_a_run_means_the_same_run() {
        for words in [
            "simulator --bus-line --nodes 50 --hours 7 --bundles 12 --octets 9 --to-all --seed 3",
            "simulator --bus-line --seed 0",
            "simulator --plan valley.plan --bundles 70 --seed 4",
        ] {
            let given = Arguments::parse_from(words.split(' '));
            let command = given.plan.command(given.seed.unwrap(), given.nodes.try_into().unwrap());
            let (_, replayed) = command.split_once(" -p ").unwrap();
            let replayed = replayed.replace(" -- ", " ").replace('\'', "");
            let replayed = Arguments::parse_from(replayed.split(' '));
            assert_eq!(format!("{replayed:?}"), format!("{given:?}"), "{command}");
        }
    }
}
