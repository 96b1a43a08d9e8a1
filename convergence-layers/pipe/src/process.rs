//! The program: started by a shell in a process group apart, and ended with everything that it started.
//!
//! While this node lives it ends the group itself. The group's first process is a guard, a shell that waits for the end of a pipe that only
//! this node holds: it ends the group when the node was killed and can no longer.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time;

/// What the guard runs: the time that a program has to end by itself is [`GRACE`].
const GUARD: &str = "read -r _; sleep 3; kill -s KILL -- -$$";
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

/// The process group, killed when this is dropped. As long as its guard is not reaped, its number is nobody else's.
#[derive(Debug)]
struct Group {
    id: Pid,
    _guard: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        // Where nobody is left, nobody need be killed.
        let _ = kill_process_group(self.id, Signal::KILL);
    }
}

impl Process {
    /// Starts what the shell makes of `command`.
    pub(crate) fn start(command: &str) -> io::Result<(Self, Pipes)> {
        // The guard first: there is no moment in which nobody would end the program.
        let group = Group::begin()?;
        let mut child = shell(command)
            .process_group(group.id.as_raw_nonzero().get())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok((Self { child, group }, Pipes { stdin, stdout, stderr }))
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

impl Group {
    /// In a group apart, a key press that ends the agent in a terminal leaves the program to the agent.
    fn begin() -> io::Result<Self> {
        let guard = shell(GUARD)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let id = guard.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { id: id.ok_or(io::ErrorKind::NotFound)?, _guard: guard })
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).kill_on_drop(true);
    command
}
