//! Drives that are really mounted: small ones, read-only ones, and what `--unmount` does. They are mounted in a user
//! namespace; where the system allows none, there is nothing to see.

use std::path::Path;
use std::process::Command;

use crate::args;
use crate::support::{BINARY, Node, Ran, noise};

/// Runs a script where a file system of `mebibytes` is mounted at `usb` for as long as the script runs.
fn with_drive(node: &Node, usb: &Path, (mebibytes, script): (u32, &str)) -> Option<Ran> {
    let may =
        Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("user namespaces are not allowed here: not tested");
        return None;
    }
    let script = format!("mount -t tmpfs -o size={mebibytes}m tmpfs \"$USB\" && {script}");
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .env("PACKMULE_HOME", node.home())
        .env("USB", usb)
        .env("P", BINARY)
        .output();
    Some(Ran::of(output.expect("a shell")))
}

#[test]
fn what_does_not_fit_is_named_and_the_rest_is_put_out() {
    let node = Node::new("a");
    let usb = node.dir("usb");
    node.ok(args!["send", "b", node.file("letter", "x"), "--priority", "bulk"]);
    let big = node.send("b", &node.file("big", noise(1, 40 << 20)));
    node.ok(args!["send", "b", node.file("urgent", noise(2, 1 << 20)), "--priority", "urgent"]);
    let script = "$P drive init \"$USB\" --label SMALL >/dev/null && $P drive dock \"$USB\" --json";
    let Some(ran) = with_drive(&node, &usb, (90, script)) else { return };
    assert_eq!(ran.code, 3, "{ran:?}");
    let docked = &ran.json()[0];
    assert_eq!((&docked["put"], &docked["left_out_count"]), (&2.into(), &1.into()));
    assert_eq!(docked["left_out"][0]["id"], big.as_str());
    assert!(ran.error()["error"].as_str().unwrap().contains("no room"), "{ran:?}");
}

#[test]
fn a_drive_is_unmounted_when_it_is_safe_to_remove() {
    let node = Node::new("a");
    let usb = node.dir("usb");
    node.send("b", &node.file("letter", "x"));
    let script =
        "$P drive init \"$USB\" --label RED >/dev/null && $P drive dock \"$USB\" --unmount && ls -A \"$USB\"";
    let Some(ran) = with_drive(&node, &usb, (100, script)) else { return };
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.text().ends_with("RED: SAFE TO REMOVE\n"), "{ran:?}");
}

#[test]
fn a_drive_in_use_is_not_unmounted_and_everything_is_written() {
    let node = Node::new("a");
    let usb = node.dir("usb");
    node.send("b", &node.file("letter", "x"));
    let script =
        "$P drive init \"$USB\" --label RED >/dev/null && cd \"$USB\" && $P drive dock \"$USB\" --unmount";
    let Some(ran) = with_drive(&node, &usb, (100, script)) else { return };
    assert_eq!(ran.code, 13, "{ran:?}");
    assert!(ran.stderr.contains("another program") && ran.stderr.contains("written and synced"), "{ran:?}");
}

#[test]
fn a_drive_that_can_only_be_read_is_a_drive_problem() {
    let node = Node::new("a");
    let usb = node.dir("usb");
    node.send("b", &node.file("letter", "x"));
    let script = "$P drive init \"$USB\" --label RED >/dev/null && mount -o remount,ro \"$USB\" \
                  && $P drive ls \"$USB\" && $P drive dock \"$USB\"";
    let Some(ran) = with_drive(&node, &usb, (100, script)) else { return };
    assert_eq!(ran.code, 13, "{ran:?}");
    assert!(ran.stderr.contains("only be read"), "{ran:?}");
}

#[test]
fn a_full_disk_below_the_home_is_told_and_loses_nothing() {
    let node = Node::new("a");
    let usb = node.dir("usb");
    node.file("big", noise(1, 150 << 20));
    let script = "export PACKMULE_HOME=\"$USB/home\"; $P init --name a >/dev/null && echo hello | $P send a - >/dev/null; \
                  $P send a \"$USB/../big\"; code=$?; $P recv; exit $code";
    let Some(ran) = with_drive(&node, &usb, (120, script)) else { return };
    assert_eq!(ran.code, 11, "{ran:?}");
    assert_eq!(ran.text(), "hello\n");
}

#[test]
fn a_full_drive_drops_first_what_everybody_has_whom_it_visits() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = a.dir("usb");
    let old = a.send("dtn://all/~news", &a.file("old", noise(1, 15 << 20)));
    let new = a.file("new", noise(2, 15 << 20));
    let script = format!(
        "$P drive init \"$USB\" --label SMALL >/dev/null && $P drive dock \"$USB\" >/dev/null && \
         $P --home '{}' drive dock \"$USB\" >/dev/null && $P send dtn://all/~news '{}' >/dev/null && \
         $P drive dock \"$USB\" >/dev/null && $P drive ls \"$USB\" --json",
        c.home().display(),
        new.display()
    );
    let Some(ran) = with_drive(&a, &usb, (90, &script)) else { return };
    assert_eq!(ran.code, 0, "{ran:?}");
    let carried: Vec<_> = ran.json().iter().map(|line| line["file_name"].clone()).collect();
    assert!(carried.contains(&"new".into()) && !carried.contains(&"old".into()), "{carried:?}");
    assert_eq!(c.json(["ls"])[0]["id"], old.as_str());
}
