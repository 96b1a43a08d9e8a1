//! `demo`: the whole story, and nothing left of it.

use std::process::{Command, Stdio};

use crate::support::{BINARY, Ran, names, noise};

/// The demo with a temporary folder of its own, so that what it leaves can be seen.
fn demo(folder: &std::path::Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .arg("demo")
        .env("TMPDIR", folder)
        .env_remove("PACKMULE_HOME")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn files_arrive_everywhere_verified_and_nothing_is_left() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = files.path().join("picture.jpg");
    std::fs::write(&file, noise(1, 300_000)).unwrap();
    let ran = Ran::of(demo(folder.path()).arg("--json").arg(&file).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut arrivals: Vec<String> = ran
        .json()
        .iter()
        .map(|line| {
            assert_eq!((&line["verified"], &line["octets"]), (&true.into(), &300_000.into()));
            format!("{} at {}", line["destination"].as_str().unwrap(), line["arrived_at"].as_str().unwrap())
        })
        .collect();
    arrivals.sort();
    assert_eq!(
        arrivals,
        [
            "dtn://all/~demo at clinic",
            "dtn://all/~demo at school",
            "dtn://all/~demo at van",
            "dtn://clinic/inbox at clinic"
        ]
    );
    assert!(names(folder.path()).is_empty());
}

#[test]
fn people_see_a_story_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "hello").unwrap();
    let ran = Ran::of(demo(folder.path()).arg(&file).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = ran.text();
    for part in ["van:", "clinic:", "ARRIVED AT", "school -TCP-> van -drive-> clinic", "4 files arrived"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(names(folder.path()), ["letter.txt"]);
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    for (argument, code) in [("/nowhere/at/all", 1), ("/", 2), ("-", 2)] {
        let ran = Ran::of(demo(folder.path()).arg(argument).output().unwrap());
        assert_eq!(ran.code, code, "{ran:?}");
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .unwrap();
    // Its story may go on being told until it ends.
    std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(names(folder.path()).is_empty());
}
