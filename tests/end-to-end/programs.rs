//! Programs that an agent runs as links (`docs/pipe.md`), and what becomes of them.

use std::path::Path;
use std::time::Instant;
use std::{fs, thread};

use crate::node::{ANY_PORT, Node};
use crate::process::PATIENCE;

#[test]
fn a_program_that_does_not_notice_that_its_agent_was_killed_is_killed_too() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path(), "a");
    let agent = node.agent(ANY_PORT);
    let file = folder.path().join("pid");
    node.verb(&["peer", "add", &format!("pipe:echo $$ > '{}'; exec sleep 1000", file.display())]).done();
    let pid: u32 = wait_for("the program's number", || fs::read_to_string(&file).ok()?.trim().parse().ok());
    assert!(is_running(pid));
    agent.kill();
    wait_for("its end", || (!is_running(pid)).then_some(()));
}

#[test]
fn what_a_program_said_last_is_in_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path(), "a");
    let agent = node.agent(ANY_PORT);
    node.verb(&["peer", "add", "pipe:echo 'no radio there' >&2; exit 3"]).done();
    let error = wait_for("why the program ended", || {
        let status = &node.ask(&["status"])[0];
        status["peers"][0]["last_error"].as_str().map(str::to_owned)
    });
    assert_eq!(error, "the program ended with exit status: 3; it said: no radio there");
    agent.stop();
}

fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what} does not come");
        thread::yield_now();
    }
}

/// One that has ended, and whose parent has not looked, does nothing any more.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
