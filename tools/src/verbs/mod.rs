//! The verbs, a file each: its arguments with their help, and what it does.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod drive;
pub(crate) mod export;
pub(crate) mod id;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod ls;
pub(crate) mod peer;
pub(crate) mod ping;
pub(crate) mod recv;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod subscribe;
pub(crate) mod subscriptions;
pub(crate) mod trace;
pub(crate) mod trust;
pub(crate) mod unsubscribe;
pub(crate) mod why;

use crate::command_line::Verb;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::stop::Stop;

/// Does what was asked. Verbs that have something to put in order end by themselves when asked to stop; the others are
/// dropped where they are, and take their temporary files with them.
pub(crate) async fn run(verb: Verb, invocation: &Invocation, stop: Stop) -> Result<(), Failure> {
    match verb {
        Verb::Run(run) => run.run(invocation, stop).await,
        Verb::Demo(demo) => demo.run(invocation, stop).await,
        Verb::Bench(bench) => bench.run(invocation, stop).await,
        Verb::Drive(drive) => drive.run(invocation, stop).await,
        other => stop.unless_asked(run_droppable(other, invocation)).await,
    }
}

async fn run_droppable(verb: Verb, invocation: &Invocation) -> Result<(), Failure> {
    match verb {
        Verb::Init(verb) => verb.run(invocation),
        Verb::Id(_) => id::Id::run(invocation),
        Verb::Trust(verb) => verb.run(invocation).await,
        Verb::Key(verb) => verb.run(invocation),
        Verb::Peer(verb) => verb.run(invocation).await,
        Verb::Send(verb) => verb.run(invocation).await,
        Verb::Subscribe(verb) => verb.run(invocation).await,
        Verb::Unsubscribe(verb) => verb.run(invocation).await,
        Verb::Subscriptions(verb) => verb.run(invocation).await,
        Verb::Recv(verb) => verb.run(invocation).await,
        Verb::Ls(verb) => verb.run(invocation).await,
        Verb::Show(verb) => verb.run(invocation).await,
        Verb::Why(verb) => verb.run(invocation).await,
        Verb::Rm(verb) => verb.run(invocation).await,
        Verb::Inspect(verb) => verb.run(invocation),
        Verb::Import(verb) => verb.run(invocation).await,
        Verb::Export(verb) => verb.run(invocation).await,
        Verb::Ping(verb) => verb.run(invocation).await,
        Verb::Trace(verb) => verb.run(invocation).await,
        Verb::Store(verb) => verb.run(invocation).await,
        Verb::Status(verb) => verb.run(invocation).await,
        // They are not dropped; `run` has taken them.
        Verb::Run(_) | Verb::Demo(_) | Verb::Bench(_) | Verb::Drive(_) => Ok(()),
    }
}
