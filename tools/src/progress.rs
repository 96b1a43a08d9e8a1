//! A bar for what takes longer than a second, on stderr, where that is a terminal.

use std::io::IsTerminal;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::io::{AsyncRead, ReadBuf};

const PATIENCE: Duration = Duration::from_secs(1);
const BAR: &str = "{prefix} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}";
const SPINNER: &str = "{prefix} {spinner} {bytes}  {bytes_per_sec}";

/// How far something has come. Removes its bar when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    shown: bool,
}

impl Progress {
    /// Of `total` octets, where that is known. `what` names the work in a few words.
    pub(crate) fn new(what: &str, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = if total.is_some() { BAR } else { SPINNER };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(crate::printable::printable(what));
        // Where nobody looks, the patience never ends.
        Self { bar, begun: Instant::now(), shown: !std::io::stderr().is_terminal() }
    }

    /// This many octets are done by now.
    pub(crate) fn reach(&mut self, octets: u64) {
        if !self.shown && self.begun.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_position(octets);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Octets that are read, and how far that has come.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    octets: R,
    done: u64,
    progress: Progress,
}

impl<R> Watched<R> {
    pub(crate) fn new(octets: R, progress: Progress) -> Self {
        Self { octets, done: 0, progress }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.octets).poll_read(context, buffer);
        let done = self.done + (buffer.filled().len() - before) as u64;
        self.done = done;
        self.progress.reach(done);
        polled
    }
}
