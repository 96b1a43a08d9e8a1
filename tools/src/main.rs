//! The `packmule` command: `command_line` reads what is asked, one file of `verbs` does it, `output` and `failure` say
//! what came of it.

#![expect(
    clippy::doc_markdown,
    reason = "the help of verbs is read in terminals, where Markdown's marks are noise"
)]

mod anatomy;
mod bundle_line;
mod command_line;
mod docking;
mod endpoint;
mod failure;
mod failure_of_client;
mod failure_of_drive;
mod file_name;
mod identity;
mod invocation;
mod landing;
mod outgoing;
mod output;
mod printable;
mod progress;
mod quantity;
mod running_agent;
mod stop;
mod temporary;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::stop::Stop;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (invocation, verb) = match command_line::parse(&arguments) {
        Ok(parsed) => parsed,
        Err(code) => return ExitCode::from(code),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::failed(format!("cannot start threads: {}", failure::plain(&error)));
            failure.report(invocation.output.is_json());
            return ExitCode::from(failure.kind.exit_code());
        }
    };
    let outcome = runtime.block_on(async { verbs::run(verb, &invocation, Stop::on_signals()?).await });
    // A read from a terminal that nobody ends must not keep the process.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(invocation.output.is_json());
            ExitCode::from(failure.kind.exit_code())
        }
    }
}
