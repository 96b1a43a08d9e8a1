//! What a program says on stderr: a line at a time, into the log and into `status`.

use std::sync::Arc;

use convergence_layer::Gauge;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

/// The longest line that is kept.
const LINE_OCTETS_MAX: usize = 1_000;
/// Lines that are logged within [`PERIOD`]; the rest of a flood shows in `status` only.
const LINES_MAX: u32 = 100;
const PERIOD: Duration = Duration::from_secs(60);
const READ: usize = 4 * 1024;

/// Reads to the end.
pub(crate) async fn listen(
    mut stderr: ChildStderr,
    command: String,
    last: watch::Sender<String>,
    gauge: Arc<Gauge>,
) {
    let (mut input, mut line) = ([0; READ], Vec::new());
    let mut logged = (0, Instant::now());
    while let Ok(octets @ 1..) = stderr.read(&mut input).await {
        for octet in input.get(..octets).unwrap_or_default() {
            if *octet != b'\n' {
                if line.len() < LINE_OCTETS_MAX {
                    line.push(*octet);
                }
                continue;
            }
            let text = printable(&line);
            line.clear();
            if text.is_empty() {
                continue;
            }
            if logged.1.elapsed() > PERIOD {
                logged = (0, Instant::now());
            }
            logged.0 += 1;
            if logged.0 <= LINES_MAX {
                tracing::info!(program = command, "{text}");
            }
            gauge.fault(&text);
            last.send_replace(text);
        }
    }
}

fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}
