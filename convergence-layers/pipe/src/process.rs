//! The program: started by a shell in a process group of its own, and ended with everything that it started.
//!
//! While this node lives it ends the group itself. A guard, a shell that waits for the end of a pipe that only this process holds, does so
//! when the node was killed and can no longer.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time;

/// What the guard runs: the time that a program has to end by itself is [`GRACE`].
const GUARD: &str = "read -r _; sleep 3; kill -s KILL -- \"-$1\"";
/// How long a program may take to end after its input has ended.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// A running program. Dropping it kills the program and all that it started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Group,
}

/// Our ends of the program's pipes.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

/// The process group, killed when this is dropped.
#[derive(Debug)]
struct Group {
    id: Option<Pid>,
    _guard: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // Where nobody is left, nobody need be killed.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Process {
    /// Starts what the shell makes of `command`.
    pub(crate) fn start(command: &str) -> io::Result<(Self, Pipes)> {
        let mut child =
            shell(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let guard = guard(id)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok((Self { child, group: Group { id, _guard: guard } }, Pipes { stdin, stdout, stderr }))
    }

    /// Waits until the program has ended, and kills it where it takes too long. How it ended, where it did so itself.
    pub(crate) async fn end(mut self) -> Option<ExitStatus> {
        let ended = time::timeout(GRACE, self.child.wait()).await;
        drop(self.group);
        // Nothing that was killed stays among the processes of the system.
        let _ = self.child.wait().await;
        ended.ok()?.ok()
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    // In a group of its own, a key press that ends the agent in a terminal leaves the program to the agent.
    command.args(["-c", script]).process_group(0).kill_on_drop(true);
    command
}

fn guard(group: Option<Pid>) -> io::Result<Child> {
    let group = group.map_or_else(String::new, |group| group.as_raw_nonzero().to_string());
    shell(GUARD)
        .args(["guard", &group])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
