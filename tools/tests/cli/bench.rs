//! `bench`: figures, and nothing left of them. What is fast here is not asked.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{BINARY, Ran, names};

fn bench(folder: &std::path::Path, words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.env_remove("PACKMULE_HOME").current_dir(folder).arg("bench").args(words);
    command
}

fn run(folder: &std::path::Path, words: &[&str]) -> Ran {
    Ran::of(bench(folder, words).output().unwrap())
}

#[test]
fn a_part_is_measured_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["ingest", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let figures = ran.json();
    let ids: Vec<&str> = figures.iter().map(|figure| figure["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ingest_parse", "ingest_check", "ingest_step", "ingest_commit", "ingest_ratio"]);
    for figure in &figures {
        let runs = figure["runs"].as_array().unwrap();
        assert!(figure["value"].as_f64().unwrap() > 0.0 && runs.contains(&figure["value"]), "{figure}");
    }
    assert!(figures[4]["met"].is_boolean() && figures[0]["met"].is_null());
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_interrupted_measurement_of_agents_leaves_nothing() {
    for (part, signal) in [("transfers", Signal::INT), ("links", Signal::INT), ("full-store", Signal::TERM)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = bench(folder.path(), &[part]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // An agent's store is there: it is in the middle of what it measures.
        while !has_store(folder.path()) {
            assert!(child.try_wait().unwrap().is_none(), "{part} ended by itself");
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{part}: {said}");
        assert!(said.contains("interrupted") && !said.contains("not removed"), "{part}: {said}");
        assert!(names(folder.path()).is_empty(), "{part}: {said}");
    }
}

/// Whether an LMDB file lies anywhere below a folder.
fn has_store(folder: &std::path::Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.ends_with("data.mdb") || has_store(&path))
}

#[test]
fn a_part_or_a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["everything"]);
    assert!(ran.code == 2 && ran.stderr.contains("everything"), "{ran:?}");
    let ran = run(folder.path(), &["bundles", "--dir", "nowhere"]);
    assert!(ran.code == 1 && ran.stderr.contains("nowhere"), "{ran:?}");
}
