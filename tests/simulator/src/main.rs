//! `cargo run -p simulator -- --seeds 1000 --nodes 12` runs many worlds; `--seed N` replays one; `--plan FILE` measures.

mod measuring;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use measuring::PlanArguments;
use simulator::{Counts, Failure, Sabotage, Scenario, Show, simulate};

/// How often the progress line is written anew.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Runs worlds of packmule nodes in virtual time, with faults, and checks them after every step.
#[derive(Debug, Parser)]
struct Arguments {
    /// Replay this one world.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run this many worlds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Run worlds until they had this many contacts together.
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    contacts: Option<u64>,
    /// The seed of the first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Nodes in each world.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    nodes: u32,
    /// Print the table of what comes of loss and of short contacts.
    #[arg(long)]
    table: bool,
    /// Show what happens, line by line.
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    plan: PlanArguments,
}

/// What all threads share.
#[derive(Debug)]
struct Run {
    next: AtomicU64,
    end: u64,
    contacts: u64,
    nodes: usize,
    show: Show,
    failed: AtomicBool,
    sum: Mutex<(u64, Counts)>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (first, count) = arguments.seed.map_or((arguments.first, arguments.seeds), |seed| (seed, 1));
    let show = if arguments.trace { Show::Lines } else { Show::Nothing };
    let nodes = usize::try_from(arguments.nodes).expect("some thousands");
    if arguments.table {
        return measured(simulator::table().map_err(|failure| failure.to_string()));
    }
    if arguments.plan.is_given() {
        return measured(arguments.plan.run(arguments.seed.unwrap_or(0), nodes, show));
    }
    let count = if arguments.contacts.is_some() { u64::MAX } else { count };
    let run = Run {
        next: AtomicU64::new(first),
        end: first.saturating_add(count),
        contacts: arguments.contacts.unwrap_or(u64::MAX),
        nodes,
        show,
        failed: AtomicBool::new(false),
        sum: Mutex::new((0, Counts::default())),
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run.work())).collect();
        if std::io::stderr().is_terminal() && run.show == Show::Nothing {
            while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                run.show_progress(began, count);
                std::thread::sleep(PROGRESS_EVERY);
            }
        }
    });
    run.show_progress(began, count);
    eprintln!();
    if run.failed.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[expect(clippy::print_stdout, reason = "it is what the program was asked for")]
fn measured(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Run {
    /// Takes one seed after another until none is left.
    fn work(&self) {
        loop {
            if self.sum.lock().expect("no thread panics while it adds").1.contacts >= self.contacts {
                return;
            }
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                return;
            }
            match simulate(&Scenario::of(seed, self.nodes), Sabotage::Nothing, self.show) {
                Ok(outcome) => {
                    let mut sum = self.sum.lock().expect("no thread panics while it adds");
                    sum.0 += 1;
                    sum.1.add(&outcome.counts);
                }
                Err(failure) => self.tell(&failure),
            }
        }
    }

    fn tell(&self, failure: &Failure) {
        self.failed.store(true, Ordering::Relaxed);
        eprintln!("\r{failure}\n");
    }

    fn show_progress(&self, began: Instant, count: u64) {
        let of = if count == u64::MAX { String::new() } else { format!(" of {count}") };
        let (worlds, sum) = *self.sum.lock().expect("no thread panics while it adds");
        let seconds = began.elapsed().as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let (per_minute, per_second) = (worlds as f64 * 60.0 / seconds, sum.events as f64 / seconds);
        eprint!(
            "\r{worlds}{of} worlds kept every rule; {per_minute:.0} worlds/min, {per_second:.0} events/s; \
             {} steps, {} contacts, {} crashes, {} bundles sent, {} without room, {} lost, {} disturbed, {} delivered, {} docks, \
             {} brought by drives",
            sum.steps,
            sum.contacts,
            sum.crashes,
            sum.bundles,
            sum.without_room,
            sum.lost,
            sum.disturbed,
            sum.delivered,
            sum.docks,
            sum.brought
        );
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().flush();
    }
}
