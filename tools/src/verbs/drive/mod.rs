//! `packmule drive`: volumes on USB drives, or in any folder that is carried.

mod check;
mod dock;
mod init;
mod ls;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::stop::Stop;

/// Carry bundles on a drive: prepare it once, dock it here, carry it, dock it there
#[derive(Debug, Args)]
pub(crate) struct Drive {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Init(init::Init),
    Ls(ls::Ls),
    Check(check::Check),
    Dock(dock::Dock),
}

impl Drive {
    pub(crate) async fn run(self, invocation: &Invocation, stop: Stop) -> Result<(), Failure> {
        match self.action {
            // Its segment under way is finished first.
            Action::Dock(verb) => verb.run(invocation, stop).await,
            other => stop.unless_asked(run_droppable(other, invocation)).await,
        }
    }
}

async fn run_droppable(action: Action, invocation: &Invocation) -> Result<(), Failure> {
    let output = invocation.output;
    match action {
        Action::Init(verb) => verb.run(invocation).await,
        Action::Ls(verb) => blocking(move || verb.run(output)).await,
        Action::Check(verb) => blocking(move || verb.run(output)).await,
        // It is not dropped; `run` has taken it.
        Action::Dock(_) => Ok(()),
    }
}

/// Work that waits for a drive, on a thread that may.
async fn blocking(work: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Failure::interrupted()),
        },
    }
}
