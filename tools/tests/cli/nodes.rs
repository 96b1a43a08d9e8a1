//! Homes, names, keys and trust.

use std::os::unix::fs::PermissionsExt;

use crate::args;
use crate::support::Node;

#[test]
fn init_makes_a_home_and_prints_the_line_for_others() {
    let node = Node::bare();
    let line = node.ok(["init", "--name", "clinic-3"]);
    assert!(line.starts_with("dtn://clinic-3/ ed25519:"), "{line}");
    assert_eq!(node.ok(["id"]), line);
    let mode = std::fs::metadata(node.home().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = std::fs::read_to_string(node.home().join("config.toml")).unwrap();
    assert!(config.contains("dtn://clinic-3/") && config.contains('#'));
}

#[test]
fn init_in_json_names_node_key_and_home() {
    let node = Node::bare();
    let [made] = node.json(["init", "--name", "hub"]).try_into().unwrap();
    assert_eq!(made["node"], "dtn://hub/");
    assert_eq!(made["line"], format!("dtn://hub/ {}", made["key"].as_str().unwrap()));
    assert!(made["home"].as_str().unwrap().ends_with("home"));
    let [id] = node.json(["id"]).try_into().unwrap();
    assert_eq!((&id["node"], &id["key"], &id["line"]), (&made["node"], &made["key"], &made["line"]));
}

#[test]
fn a_home_is_made_once_and_a_name_must_be_one() {
    let node = Node::new("a");
    assert!(node.fails(1, ["init", "--name", "b"])["error"].as_str().unwrap().contains("already"));
    assert!(node.line().starts_with("dtn://a/"));
    let bare = Node::bare();
    for name in ["a b", "", "x/y", "dtn:none"] {
        bare.fails(2, ["init", "--name", name]);
    }
    assert!(!bare.home().exists());
}

#[test]
fn a_verb_without_a_home_says_how_to_make_one() {
    let node = Node::bare();
    for verb in [&["id"][..], &["ls"], &["status"], &["recv", "--out", "/tmp"], &["peer", "ls"], &["run"]] {
        let error = node.fails(1, verb);
        assert!(error["error"].as_str().unwrap().contains("packmule init"), "{error}");
    }
}

#[test]
fn the_home_comes_from_the_environment_too() {
    let node = Node::new("env");
    let mut command = std::process::Command::new(crate::support::BINARY);
    let output = command.env("PACKMULE_HOME", node.home()).arg("id").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("dtn://env/"));
    let mut command = std::process::Command::new(crate::support::BINARY);
    let data = node.dir("data");
    // An empty variable is one that is not set.
    command.env("PACKMULE_HOME", "").env("XDG_DATA_HOME", &data).args(["init", "--name", "xdg"]);
    assert!(command.output().unwrap().status.success());
    assert!(data.join("packmule/config.toml").exists());
}

#[test]
fn trust_is_added_listed_and_removed() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    assert!(a.ok(["trust", "add", &b.line()]).contains("dtn://b/"));
    let entries = a.json(["trust", "ls"]);
    let entry = entries.iter().find(|entry| entry["node"] == "dtn://b/").unwrap();
    assert_eq!(format!("dtn://b/ {}", entry["key"].as_str().unwrap()), b.line());
    assert_eq!(entry["configured"], false);
    let again = a.json(["trust", "add", &b.line()]);
    assert_eq!(again[0]["changed"], false);
    a.ok(["trust", "rm", "b"]);
    assert!(!a.ok(["trust", "ls"]).contains("dtn://b/"));
    a.fails(1, ["trust", "rm", "b"]);
}

#[test]
fn a_second_key_for_a_known_name_needs_replace() {
    let (a, b, other) = (Node::new("a"), Node::new("b"), Node::new("b"));
    a.ok(["trust", "add", &b.line()]);
    let error = a.fails(12, ["trust", "add", &other.line()]);
    let key = b.line().split(' ').nth(1).unwrap().to_owned();
    assert!(error["error"].as_str().unwrap().contains(&key), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--replace"));
    a.ok(["trust", "add", "--replace", &other.line()]);
    assert!(a.ok(["trust", "ls"]).contains(other.line().split(' ').nth(1).unwrap()));
}

#[test]
fn two_machines_of_one_name_notice_it() {
    let (one, other) = (Node::new("raspberrypi"), Node::new("raspberrypi"));
    let error = one.fails(12, ["trust", "add", &other.line()]);
    assert!(error["error"].as_str().unwrap().contains("this node's name"), "{error}");
    one.fails(2, ["trust", "add", &one.line()]);
}

#[test]
fn a_misread_key_is_not_trusted() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let mut line = b.line();
    let last = if line.pop() == Some('a') { 'b' } else { 'a' };
    line.push(last);
    a.fails(2, ["trust", "add", &line]);
    a.fails(2, ["trust", "add", "dtn://b/"]);
    a.fails(2, ["trust", "add"]);
    assert!(!a.ok(["trust", "ls"]).contains("dtn://b/"));
}

#[test]
fn a_key_moves_to_a_new_card() {
    let old = Node::new("a");
    old.fails(2, ["key", "export"]);
    let text = old.ok(["key", "export", "--yes"]);
    let line = old.line();
    let new = Node::new("a");
    assert_ne!(new.line(), line);
    let file = new.file("key.txt", &text);
    new.fails(2, args!["key", "import", &file]);
    assert_eq!(new.ok(args!["key", "import", "--yes", &file]).trim(), line);
    assert_eq!(new.line(), line);
    let ran = new.run_with(["key", "import", "--yes", "-"], text.as_bytes());
    assert_eq!((ran.code, ran.text().trim()), (0, line.as_str()));
}

#[test]
fn what_is_no_key_is_not_imported() {
    let node = Node::new("a");
    let line = node.line();
    let text = node.ok(["key", "export", "--yes"]);
    let wrong = node.file("wrong", text.replace("packmule key", "somebody's key"));
    node.fails(1, args!["key", "import", "--yes", &wrong]);
    node.fails(1, args!["key", "import", "--yes", node.path("nothing")]);
    assert_eq!(node.line(), line);
}

#[test]
fn a_typo_in_the_configuration_is_named_with_its_line() {
    let node = Node::new("a");
    let file = node.home().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\ncarrry = \"all\"\n")).unwrap();
    let error = node.fails(1, ["id"]);
    let message = error["error"].as_str().unwrap();
    assert!(message.contains("carrry") && message.contains("carry") && message.contains("line"), "{error}");
}

#[test]
fn usage_errors_are_json_where_json_is_asked_for() {
    let node = Node::bare();
    let error = node.fails(2, ["sned"]);
    assert!(error["error"].as_str().unwrap().contains("sned"), "{error}");
    assert_eq!(error["kind"], "usage");
    let ran = node.run(["sned"]);
    assert!(ran.code == 2 && ran.stderr.starts_with("error: "), "{ran:?}");
    assert_eq!(node.run(["--help"]).code, 0);
    assert_eq!(node.run(["--version"]).code, 0);
}
