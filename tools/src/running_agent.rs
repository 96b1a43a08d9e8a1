//! An agent that runs inside this process, on loopback, for as long as a demonstration or a measurement takes.

use agent_node::{Address, Discovery, Home, RunError, RunOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// A running agent. It ends in order with [`RunningAgent::end`], and at once when the process ends.
pub(crate) struct RunningAgent {
    /// Where it listens.
    pub(crate) url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
}

impl RunningAgent {
    pub(crate) async fn start(home: Home) -> Result<Self, Failure> {
        Self::start_at(home, "tcp://127.0.0.1:0").await
    }

    pub(crate) async fn start_at(home: Home, listen: &str) -> Result<Self, Failure> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, listening) = oneshot::channel();
        let address: Address =
            listen.parse().map_err(|_| Failure::failed(format!("{listen} is no address")))?;
        let options = RunOptions { listen: vec![address], discovery: Discovery::Off };
        let mut task = tokio::spawn(agent_node::run(
            home,
            options,
            move |urls: &[String]| drop(ready.send(urls.first().cloned().unwrap_or_default())),
            async move { drop(stopped.await) },
        ));
        tokio::select! {
            Ok(url) = listening => Ok(Self { url, stop, task }),
            ended = &mut task => match ended {
                Ok(Err(error)) => Err(error.into()),
                _ => Err(Failure::failed("an agent did not start")),
            },
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        // It may have ended by itself.
        let _ = self.stop.send(());
        match self.task.await {
            Ok(ended) => ended.map_err(Failure::from),
            Err(error) => Err(Failure::failed(format!("an agent ended in disorder: {error}"))),
        }
    }
}
