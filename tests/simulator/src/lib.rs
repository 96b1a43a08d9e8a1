//! Many nodes in virtual time, with real agents and real stores, and the faults of the world.
//!
//! A world is drawn from a seed ([`Scenario`]) and runs in two halves. First everything goes wrong that can: parcels are
//! lost, repeated and disturbed, contacts break, power fails before and after commits. Then it heals: everybody
//! meets everybody, everything that was promised must arrive wherever it is wanted, and the agents must fall silent.
//! After every step checkers compare the node with what the world knows ([`Rule`] lists what they hold it to).
//!
//! The same seed always makes the same world, step by step ([`Outcome::trace`] is the proof), so that a [`Failure`] is
//! replayed with the one command that it prints.
//!
//! - `scenario`, `plan`, `faults`, `drift`, `full_disk`, `backups`, `settlement`: what a seed becomes.
//! - `world`, `agenda`, `driving`, `links`, `lossy`, `reception`, `applications`, `foreign`: the first half, event by event.
//! - `routes`, `carrying`, `drive`, `docking`, `drive_bundles`: drives, and what happens where they are docked.
//! - `healing`: the second half, and its demands.
//! - `ledger`, `inspection`, `violation`: what the checkers know, look at, and say.
//! - `plan_file`, `planned`, `flooding`: plans from files, worlds that measure, and the ideal that they are measured by.
//! - `table`: what comes of loss and of short contacts.
//! - `sabotage`: mistakes planted on purpose, so that the checkers are seen to fail.

mod agenda;
mod applications;
mod backups;
mod carrying;
mod clock;
mod contact;
mod custody;
mod dice;
mod disk;
mod docking;
mod drift;
mod drive;
mod drive_bundles;
mod driving;
mod faults;
mod flooding;
mod foreign;
mod full_disk;
mod healing;
mod inspection;
mod ledger;
mod liar;
mod links;
mod lossy;
mod node;
mod outcome;
mod plan;
mod plan_file;
mod planned;
mod reception;
mod routes;
mod sabotage;
mod scenario;
mod settlement;
mod table;
mod trace;
mod violation;
mod world;

pub use backups::Restoration;
pub use dice::Dice;
pub use drift::Drift;
pub use faults::Faults;
pub use full_disk::FullDisk;
pub use outcome::{Counts, Failure, Outcome};
pub use plan::{Link, Meeting, Millis, NodeIndex, Shape, long_line};
pub use plan_file::{NODES_MAX, PlanError, PlanFile};
pub use planned::{Audience, Carriers, Load, Measured, measure};
pub use routes::{DriveFaults, Drives, Stop};
pub use sabotage::Sabotage;
pub use scenario::{Chore, ClockKind, Kind, PlacedOrder, Recipient, Role, Scenario, Setting};
pub use table::table;
pub use trace::Show;
pub use violation::{Rule, Violation};

/// Runs one world from beginning to end.
pub fn simulate(scenario: &Scenario, sabotage: Sabotage, show: Show) -> Result<Outcome, Failure> {
    let mut world = world::World::new(scenario.clone(), sabotage, show)?;
    let ran =
        world.begin().and_then(|()| world.run_until(scenario.faults_end + 1)).and_then(|()| world.heal());
    match ran {
        Ok(()) => Ok(Outcome { counts: world.counts, trace: world.trace.hash() }),
        Err(violation) => {
            Err(Failure::Broken { seed: scenario.seed, nodes: scenario.roles.len(), violation })
        }
    }
}
