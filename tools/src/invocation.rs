//! What every verb begins with: whose home it is about, and how it says what came of it.

use std::path::PathBuf;

use agent_node::{Call, Client, Home, Reply};

use crate::failure::Failure;
use crate::output::Output;

/// One call of the program.
#[derive(Debug)]
pub(crate) struct Invocation {
    home: Option<PathBuf>,
    pub(crate) output: Output,
}

impl Invocation {
    pub(crate) fn new(home: Option<PathBuf>, output: Output) -> Self {
        Self { home, output }
    }

    /// The node's folder, whether it is there or not.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        // An empty variable is one that is not set.
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let given = self.home.clone().filter(|folder| !folder.as_os_str().is_empty());
        // The XDG base directory specification has relative paths ignored.
        let data = || set("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
        let folder = given
            .or_else(|| data().map(|folder| folder.join("packmule")))
            .or_else(|| set("HOME").map(|folder| folder.join(".local/share/packmule")));
        folder.ok_or_else(|| {
            Failure::usage("no home folder is known: HOME is not set")
                .hint("name one with --home DIR or PACKMULE_HOME")
        })
    }

    /// The node's home, read and checked.
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        Ok(Home::open(&self.folder()?)?)
    }

    /// Does `work` on the home's store: through the running agent, or directly where none runs.
    pub(crate) async fn with_client<T>(
        &self,
        work: impl AsyncFnOnce(&Home, &mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let home = self.home()?;
        let mut client = Client::open(&home).await?;
        let outcome = work(&home, &mut client).await;
        // What failed first is what the user needs to know.
        let closed = client.close().await;
        let done = outcome?;
        closed?;
        Ok(done)
    }

    /// One question to the node, and its answer.
    pub(crate) async fn ask(&self, call: Call) -> Result<Reply, Failure> {
        self.with_client(async |_, client| Ok(client.call(call).await?)).await
    }
}
