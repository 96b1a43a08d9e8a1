//! `bench`: figures, and nothing left of them. What is fast here is not asked.

use std::process::Command;

use crate::support::{BINARY, Ran, names};

fn bench(folder: &std::path::Path, words: &[&str]) -> Ran {
    let mut command = Command::new(BINARY);
    command.env_remove("PACKMULE_HOME").current_dir(folder).arg("bench").args(words);
    Ran::of(command.output().unwrap())
}

#[test]
fn a_part_is_measured_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ran = bench(folder.path(), &["ingest", "--json"]);
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
fn a_part_or_a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = bench(folder.path(), &["everything"]);
    assert!(ran.code == 2 && ran.stderr.contains("everything"), "{ran:?}");
    let ran = bench(folder.path(), &["bundles", "--dir", "nowhere"]);
    assert!(ran.code == 1 && ran.stderr.contains("nowhere"), "{ran:?}");
}
