//! `packmule why`: why a bundle is where it is.

use agent_node::{Call, Reply};
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::invocation::Invocation;
use crate::printable::printable;

/// Explain why a bundle is where it is: how it came, who has it, what it waits for
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Its id, or the first eight letters or more of it
    id: String,
}

#[derive(Serialize)]
struct Explained {
    id: String,
    state: String,
    reasons: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    code: String,
    text: String,
}

impl Why {
    pub(crate) async fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let explanation = match invocation.ask(Call::Why { id: self.id }).await? {
            Reply::Why(explanation) => explanation,
            other => return Err(unexpected(&other)),
        };
        let reasons = explanation.reasons.into_iter();
        let explained = Explained {
            id: explanation.id.to_string(),
            state: explanation.state,
            reasons: reasons.map(|reason| Line { code: reason.code, text: reason.text }).collect(),
        };
        invocation.output.say(&explained, || {
            let lines = explained.reasons.iter().map(|reason| format!("- {}", printable(&reason.text)));
            format!("{} is {} here:\n{}", explained.id, explained.state, lines.collect::<Vec<_>>().join("\n"))
        })
    }
}
