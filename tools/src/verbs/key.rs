//! `packmule key`: the private key leaves the home folder only here, and only on purpose.

use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use agent_node::Home;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::failure::Failure;
use crate::identity;
use crate::invocation::Invocation;
use crate::output::{self, note};

/// A key's text is three short lines; what is longer is something else.
const KEY_TEXT_OCTETS_MAX: u64 = 4096;

/// Take this node's private key to a safe place, or bring it back
#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the private key: whoever has it can sign as this node
    Export {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put an exported key in the place of the one that this home has
    Import {
        /// A file that 'packmule key export' wrote, or - for the standard input
        file: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Serialize)]
struct Exported {
    node: String,
    private_key: String,
}

#[derive(Serialize)]
struct Imported {
    node: String,
    key: String,
    line: String,
}

impl Key {
    pub(crate) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.action {
            Action::Export { yes } => export(invocation, yes.into()),
            Action::Import { file, yes } => import(invocation, &file, yes.into()),
        }
    }
}

/// Whether the user has agreed beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consent {
    Given,
    ToBeAsked,
}

impl From<bool> for Consent {
    fn from(yes: bool) -> Self {
        if yes { Self::Given } else { Self::ToBeAsked }
    }
}

fn export(invocation: &Invocation, consent: Consent) -> Result<(), Failure> {
    let home = invocation.home()?;
    confirm(
        consent,
        &format!(
            "This prints the private key of {}. Whoever has it can sign as this node, and nobody can tell the difference.\n\
             Keep it on paper or on a drive in a safe place, for the day when this machine's card dies.\n\
             Do not use it on two machines at once: their bundles would be taken for forgeries of each other.",
            home.node()
        ),
    )?;
    let text = home.export_key();
    if invocation.output.is_json() {
        return output::json(&Exported { node: home.node().to_string(), private_key: text });
    }
    output::write(text.as_bytes())
}

fn import(invocation: &Invocation, file: &Path, consent: Consent) -> Result<(), Failure> {
    let folder = invocation.folder()?;
    let text = read(file)?;
    confirm(
        consent,
        &format!(
            "This replaces the private key of the home {}. The one that it has now is lost unless you exported it,\n\
             and other nodes refuse what this one sends unless they trust the key that is brought in.\n\
             The machine that had this key before must not run any more.",
            folder.display()
        ),
    )?;
    let home = Home::import_key(&folder, &text)?;
    let key = home.key().public();
    let line = identity::line(home.node(), &key);
    let object = Imported { node: home.node().to_string(), key: key.to_string(), line: line.clone() };
    invocation.output.say(&object, || line)
}

fn read(file: &Path) -> Result<String, Failure> {
    let fault = |error: &std::io::Error| Failure::io("read", file, error);
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin()
            .take(KEY_TEXT_OCTETS_MAX)
            .read_to_string(&mut text)
            .map_err(|error| fault(&error))?;
    } else {
        let opened = std::fs::File::open(file).map_err(|error| fault(&error))?;
        opened.take(KEY_TEXT_OCTETS_MAX).read_to_string(&mut text).map_err(|error| fault(&error))?;
    }
    Ok(text)
}

/// Asks at the terminal; where there is none, nobody can agree.
fn confirm(consent: Consent, meaning: &str) -> Result<(), Failure> {
    if consent == Consent::Given {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage("nobody is at the terminal to be asked").hint("say --yes if you mean it"));
    }
    note(meaning);
    note("Go on? Type yes:");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::io("read", Path::new("the terminal"), &error))?;
    if answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { Err(Failure::failed("nothing was done")) }
}
