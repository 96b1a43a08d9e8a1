//! The wish to stop: SIGINT from a terminal, SIGTERM from whoever supervises.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::{Failure, plain};

/// Whether somebody asked the program to stop. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
}

impl Stop {
    /// Listens to signals from now on.
    pub(crate) fn on_signals() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("cannot listen to signals: {}", plain(&error))))
        };
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (ask, asked) = watch::channel(false);
        tokio::spawn(async move {
            either(interrupt, terminate).await;
            let _ = ask.send(true);
            // Keeps the channel open: whoever waits later still learns it.
            ask.closed().await;
        });
        Ok(Self { asked })
    }

    /// Whether it was asked for by now.
    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Does `work`, unless somebody asks to stop before it is done.
    pub(crate) async fn unless_asked<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            outcome = work => outcome,
            () = self.asked() => Err(Failure::interrupted()),
        }
    }

    /// Returns once it is asked for.
    pub(crate) async fn asked(&self) {
        let mut asked = self.asked.clone();
        // The sender lives as long as there are receivers.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}

async fn either(mut one: Signal, mut other: Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
