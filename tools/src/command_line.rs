//! The command line as a whole: what stands before and after every verb, and which verbs there are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::output::Output;
use crate::verbs::{
    bench, demo, drive, export, id, import, init, inspect, key, ls, peer, ping, recv, rm, run, send, show,
    status, store, subscribe, subscriptions, trace, trust, unsubscribe, why,
};

/// Moves signed data between machines that are rarely connected.
///
/// Files sent at one node reach every node that should have them: over TCP when there is a network, on a USB drive in
/// somebody's pocket when there is none. Begin with 'packmule init' and 'packmule id', or watch 'packmule demo'.
#[derive(Debug, Parser)]
#[command(name = "packmule", version, arg_required_else_help = true, propagate_version = false)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 partly done, 10 no agent, 11 store full, \
                        12 not trusted, 13 drive problem, 14 timed out, 130 interrupted.")]
struct CommandLine {
    /// The node's folder [default: $XDG_DATA_HOME/packmule or ~/.local/share/packmule]
    // An empty variable counts as none, so that paths are not clap's own, which must not be empty.
    #[arg(long, global = true, env = "PACKMULE_HOME", value_name = "DIR", hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    home: Option<PathBuf>,
    /// Say results as JSON lines on stdout, and errors as a JSON object on stderr
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(init::Init),
    Id(id::Id),
    Trust(trust::Trust),
    Key(key::Key),
    Run(run::Run),
    Peer(peer::Peer),
    Send(send::Send),
    Subscribe(subscribe::Subscribe),
    Unsubscribe(unsubscribe::Unsubscribe),
    Subscriptions(subscriptions::Subscriptions),
    Recv(recv::Recv),
    Ls(ls::Ls),
    Show(show::Show),
    Why(why::Why),
    Rm(rm::Rm),
    Inspect(inspect::Inspect),
    Import(import::Import),
    Export(export::Export),
    Ping(ping::Ping),
    Trace(trace::Trace),
    Drive(drive::Drive),
    Store(store::Store),
    Status(status::Status),
    Demo(demo::Demo),
    Bench(bench::Bench),
}

/// What was asked for, or the exit code where help, the version or a usage error has been printed already.
pub(crate) fn parse(arguments: &[OsString]) -> Result<(Invocation, Verb), u8> {
    let wants_json =
        arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => {
            let output = if line.json { Output::Json } else { Output::Text };
            Ok((Invocation::new(line.home, output), line.verb))
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A closed pipe is no failure here either.
            let _ = error.print();
            Err(0)
        }
        Err(error) => {
            if wants_json {
                json_failure(&error).report(true);
            } else {
                let _ = error.print();
            }
            Err(Kind::Usage.exit_code())
        }
    }
}

/// Clap's text, cut into the message and the advice below it.
fn json_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.trim().split("\n\n");
    let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let failure = Failure::usage(one_line(message));
    match paragraphs.next() {
        Some(advice) => failure.hint(one_line(advice)),
        None => failure,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Invocation, Verb), u8> {
        let mut all = vec![OsString::from("packmule")];
        all.extend(arguments.iter().map(OsString::from));
        parse(&all)
    }

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn home_and_json_may_stand_anywhere() {
        for arguments in [["--json", "--home", "/h", "id"], ["id", "--home", "/h", "--json"]] {
            let (invocation, verb) = parsed(&arguments).unwrap();
            assert!(invocation.output.is_json());
            assert_eq!(invocation.folder().unwrap(), PathBuf::from("/h"));
            assert!(matches!(verb, Verb::Id(_)));
        }
    }

    #[test]
    fn every_verb_explains_itself() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&CommandLine::command());
    }

    #[test]
    fn every_verb_and_option_is_documented() {
        fn check(command: &clap::Command, page: &str) {
            for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
                assert!(page.contains(verb.get_name()), "{}", verb.get_name());
                check(verb, page);
            }
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                let known = matches!(option, "help" | "version");
                assert!(known || page.contains(&format!("--{option}")), "{} --{option}", command.get_name());
            }
        }
        check(&CommandLine::command(), include_str!("../../docs/cli.md"));
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for arguments in
            [&[][..], &["sned"], &["send", "a"], &["ls", "--nope"], &["send", "a", "b", "--priority", "x"]]
        {
            assert_eq!(parsed(arguments).unwrap_err(), 2, "{arguments:?}");
        }
        assert_eq!(parsed(&["--help"]).unwrap_err(), 0);
    }
}
