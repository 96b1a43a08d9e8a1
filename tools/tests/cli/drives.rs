//! `drive`: from node to node in a pocket.

use std::path::{Path, PathBuf};

use bundle_format::{BundleFlags, BundleId, CreationTimestamp, DtnTime, Eid, NewBundle, NodeKey, Profile};
use bytes::Bytes;
use drive_volume::{Access, Volume};

use crate::args;
use crate::support::{Node, names, noise};

/// A new volume in a folder of the node's.
fn drive(node: &Node) -> PathBuf {
    let path = node.dir("usb");
    node.ok(args!["drive", "init", &path, "--label", "RED"]);
    path
}

fn segments(drive: &Path) -> Vec<PathBuf> {
    let folder = drive.join("packmule");
    names(&folder).into_iter().filter(|name| name.contains(".pms")).map(|name| folder.join(name)).collect()
}

#[test]
fn a_drive_is_prepared_once_and_what_is_on_it_stays() {
    let node = Node::new("a");
    let path = node.dir("usb");
    std::fs::write(path.join("holidays.jpg"), "mine").unwrap();
    let [made] = node.json(args!["drive", "init", &path, "--label", "RED"]).try_into().unwrap();
    assert_eq!(made["label"], "RED");
    assert_eq!(made["id"].as_str().unwrap().len(), 26);
    assert_eq!(std::fs::read(path.join("holidays.jpg")).unwrap(), b"mine");
    let error = node.fails(13, args!["drive", "init", &path]);
    assert!(error["error"].as_str().unwrap().contains("RED"), "{error}");
    node.fails(13, args!["drive", "init", node.path("nothing")]);
    node.fails(2, args!["drive", "init", node.dir("other"), "--label", ""]);
}

#[test]
fn a_file_goes_to_the_other_node_and_back_on_a_drive() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    let contents = noise(5, 3 << 20);
    let id = a.send("c", &a.file("image.raw", &contents));
    let text = a.ok(args!["drive", "dock", &usb]);
    assert!(text.trim_end().ends_with("written and synced: eject it now"), "{text}");

    let [line] = a.json(args!["drive", "ls", &usb]).try_into().unwrap();
    assert_eq!((&line["id"], &line["destination"]), (&id.as_str().into(), &"dtn://c/inbox".into()));
    assert_eq!(line["file_name"], "image.raw");

    c.send("a", &c.file("answer", "thanks"));
    let [docked] = c.json(args!["drive", "dock", &usb]).try_into().unwrap();
    // The answer, and the signal that c answers for what it took.
    assert_eq!((&docked["taken"], &docked["put"]), (&1.into(), &2.into()));
    assert_eq!(docked["label"], "RED");
    assert_eq!(c.run(["recv"]).stdout, contents);

    a.ok(args!["drive", "dock", &usb]);
    assert_eq!(a.run(["recv"]).stdout, b"thanks");
    // The inventory of c, signed by c, says that it has it.
    let shown = &a.json(["show", &id])[0];
    let holders = shown["held_by"].as_array().unwrap();
    assert!(holders.contains(&"dtn://c/".into()), "{shown}");
}

#[test]
fn a_second_dock_has_nothing_to_do() {
    let a = Node::new("a");
    let usb = drive(&a);
    a.send("c", &a.file("x", "x"));
    assert_eq!(a.json(args!["drive", "dock", &usb])[0]["put"], 1);
    let [again] = a.json(args!["drive", "dock", &usb]).try_into().unwrap();
    assert_eq!((&again["taken"], &again["put"], &again["on_drive"]), (&0.into(), &0.into(), &1.into()));
}

#[test]
fn a_dock_works_through_a_running_agent() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    a.send("c", &a.file("x", "by drive"));
    a.ok(args!["drive", "dock", &usb]);
    let _agent = c.start();
    let mut command = c.command(["recv", "--timeout", "60s"]);
    let receiver = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    c.ok(args!["drive", "dock", &usb]);
    assert_eq!(receiver.wait_with_output().unwrap().stdout, b"by drive");
}

#[test]
fn what_strangers_put_on_a_drive_is_refused_and_named() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let usb = drive(&a);
    let id = a.send("b", &a.file("x", "x"));
    a.ok(args!["drive", "dock", &usb]);
    let ran = b.run(args!["drive", "dock", &usb, "--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let docked = &ran.json()[0];
    assert_eq!(docked["refused"][0]["id"], id.as_str());
    assert!(docked["refused"][0]["reason"].as_str().unwrap().contains("dtn://a/"));
    assert_eq!(docked["taken"], 0);
    assert!(b.json(["ls"]).is_empty());
}

#[test]
fn damage_is_named_and_what_is_whole_is_taken() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    a.send("c", &a.file("first", noise(1, 50_000)));
    a.ok(args!["drive", "dock", &usb]);
    a.send("c", &a.file("second", noise(2, 50_000)));
    a.ok(args!["drive", "dock", &usb]);
    assert!(a.ok(args!["drive", "check", &usb]).contains("2 bundles whole"));

    let segment = segments(&usb).remove(0);
    let mut octets = std::fs::read(&segment).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    std::fs::write(&segment, octets).unwrap();

    let ran = a.run(args!["drive", "check", &usb, "--json"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    assert_eq!(ran.json()[0]["damages"].as_array().unwrap().len(), 1);
    let ran = c.run(args!["drive", "dock", &usb, "--json"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    assert_eq!((&ran.json()[0]["taken"], &ran.json()[0]["damage_count"]), (&1.into(), &1.into()));
    assert_eq!(c.run(["recv"]).stdout, noise(2, 50_000));
}

#[test]
fn what_somebody_found_damaged_on_a_drive_is_put_there_again() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    a.send("c", &a.file("x", noise(1, 50_000)));
    a.ok(args!["drive", "dock", &usb]);
    let segment = segments(&usb).remove(0);
    let mut octets = std::fs::read(&segment).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    std::fs::write(&segment, octets).unwrap();

    assert_eq!(c.run(args!["drive", "dock", &usb]).code, 13);
    assert!(a.ok(args!["drive", "check", &usb]).contains("0 bundles whole"), "what is damaged went");
    assert_eq!(a.json(args!["drive", "dock", &usb])[0]["put"], 1);
    c.ok(args!["drive", "dock", &usb]);
    assert_eq!(c.run(["recv"]).stdout, noise(1, 50_000));
}

#[test]
fn what_is_no_volume_is_a_drive_problem() {
    let node = Node::new("a");
    let (empty, file) = (node.dir("empty"), node.file("file", "x"));
    for path in [&empty, &file, &node.path("nothing")] {
        for verb in ["ls", "check", "dock"] {
            let error = node.fails(13, args!["drive", verb, path]);
            assert!(error["error"].as_str().unwrap().contains(path.to_str().unwrap()), "{error}");
        }
    }
    assert!(names(&empty).is_empty());
}

#[test]
fn a_folder_cannot_be_unmounted_and_everything_is_written_all_the_same() {
    let node = Node::new("a");
    let usb = drive(&node);
    node.send("c", &node.file("x", "x"));
    let error = node.fails(13, args!["drive", "dock", &usb, "--unmount"]);
    assert!(error["hint"].as_str().unwrap().contains("written and synced"), "{error}");
    assert_eq!(node.json(args!["drive", "ls", &usb]).len(), 1);
}

#[test]
fn a_copy_that_was_torn_off_costs_only_itself() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    a.send("c", &a.file("x", "whole"));
    a.ok(args!["drive", "dock", &usb]);
    let torn = usb.join("packmule/00000099.tmp");
    std::fs::write(&torn, "half a segment").unwrap();
    c.ok(args!["drive", "dock", &usb]);
    assert_eq!(c.run(["recv"]).stdout, b"whole");
    assert!(!torn.exists());
}

#[test]
fn an_interrupted_dock_is_continued_by_the_next() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    for n in 0..4 {
        a.send("c", &a.file("part", noise(n, 20 << 20)));
    }
    let mut dock =
        a.command(args!["drive", "dock", &usb]).stdout(std::process::Stdio::null()).spawn().unwrap();
    // As soon as something is being written: a temporary segment, or a finished one.
    while names(&usb.join("packmule")).iter().all(|name| !name.starts_with("0000"))
        && dock.try_wait().unwrap().is_none()
    {
        std::thread::yield_now();
    }
    let _ =
        rustix::process::kill_process(rustix::process::Pid::from_child(&dock), rustix::process::Signal::INT);
    let code = dock.wait().unwrap().code();
    assert_eq!(code, Some(130), "four times 20 MiB take longer than a signal");
    assert!(names(&usb.join("packmule")).iter().all(|name| !name.contains(".tmp")));
    let there = a.json(args!["drive", "ls", &usb]).len();
    assert!(there < 4);
    let [docked] = a.json(args!["drive", "dock", &usb]).try_into().unwrap();
    assert_eq!(docked["put"], 4 - there);
    assert_eq!(c.json(args!["drive", "dock", &usb])[0]["taken"], 4);
}

#[test]
fn a_forged_inventory_counts_for_nothing() {
    let (a, c) = (Node::new("a"), Node::new("c"));
    a.befriend(&c);
    let usb = drive(&a);
    let id = a.send("c", &a.file("x", "x"));
    let forged = NewBundle {
        destination: "dtn://packmule/~inventory".parse().unwrap(),
        source: "dtn://c/".parse().unwrap(),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(0), sequence: 1 },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    };
    let payload = Bytes::copy_from_slice(id.parse::<BundleId>().unwrap().as_bytes());
    let signed = forged.sign(&Profile::default(), &NodeKey::from_seed([3; 32]), payload).unwrap();
    let volume = Volume::open(&usb, Access::ReadWrite).unwrap();
    volume.write_inventory(&[9; 16], None, &signed.encode().unwrap()).unwrap();
    volume.write_inventory(&[8; 16], None, b"no bundle at all").unwrap();
    drop(volume);
    let [docked] = a.json(args!["drive", "dock", &usb]).try_into().unwrap();
    assert_eq!(docked["put"], 1);
    let shown = &a.json(["show", &id])[0];
    assert!(!shown["held_by"].as_array().unwrap().contains(&"dtn://c/".into()), "{shown}");
}

#[test]
fn policies_say_what_goes_onto_a_drive_that_others_visit() {
    let [a, b, c] = ["a", "b", "c"].map(Node::new);
    for (one, other) in [(&a, &b), (&a, &c), (&b, &c)] {
        one.befriend(other);
    }
    let config = a.home().join("config.toml");
    let policies = "\n[[policy]]\ndestination = \"dtn://c/*\"\nforward = \"direct\"\n\
                    [[policy]]\ndestination = \"dtn://d/*\"\nforward = \"via\"\nvia = [\"dtn://b/\"]\n";
    let text = std::fs::read_to_string(&config).unwrap() + policies;
    std::fs::write(&config, text).unwrap();
    let [direct, by_b, plain] = ["c", "d", "e"].map(|name| a.send(name, &a.file(name, name)));
    let out = |usb: &Path| {
        a.ok(args!["drive", "dock", usb]);
        let there = a.json(args!["drive", "ls", usb]);
        [&direct, &by_b, &plain].map(|id| there.iter().any(|line| line["id"] == id.as_str()))
    };
    let usb = drive(&a);
    assert_eq!(out(&usb), [false, false, true], "nobody is known to visit it");
    b.ok(args!["drive", "dock", &usb]);
    assert_eq!(out(&usb), [false, true, true], "b visits it");
    let other = drive(&c);
    c.ok(args!["drive", "dock", &other]);
    assert_eq!(out(&other), [true, false, true], "c visits it");
}

#[test]
fn what_one_node_is_to_have_stays_news_until_that_node_had_it() {
    let [a, b, c] = ["a", "b", "c"].map(Node::new);
    for (one, other) in [(&a, &b), (&a, &c), (&b, &c)] {
        one.befriend(other);
    }
    let usb = drive(&a);
    let id = a.send("c", &a.file("x", "x"));
    for node in [&a, &b] {
        node.ok(args!["drive", "dock", &usb]);
    }
    let put = |node: &Node| {
        // Somebody made room on it.
        for segment in segments(&usb) {
            std::fs::remove_file(segment).unwrap();
        }
        node.ok(args!["drive", "dock", &usb]);
        node.json(args!["drive", "ls", &usb]).iter().any(|line| line["id"] == id.as_str())
    };
    assert!(put(&a), "b has it and is only on its way");
    c.ok(args!["drive", "dock", &usb]);
    assert!(!put(&b), "c has it");
}

#[test]
fn what_everybody_has_whom_a_drive_visits_is_no_news() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Node::new);
    for (one, other) in [(&a, &b), (&a, &c), (&a, &d), (&b, &c), (&b, &d), (&c, &d)] {
        one.befriend(other);
    }
    let usb = drive(&a);
    let dock = |node: &Node| {
        let [docked] = node.json(args!["drive", "dock", &usb]).try_into().unwrap();
        docked
    };
    let old = a.send("dtn://all/~news", &a.file("old", "old"));
    for node in [&a, &b, &c, &a] {
        dock(node);
    }
    // Somebody made room on it.
    for segment in segments(&usb) {
        std::fs::remove_file(segment).unwrap();
    }
    let new = a.send("dtn://all/~news", &a.file("new", "new"));
    dock(&a);
    let carried: Vec<_> = a.json(args!["drive", "ls", &usb]).iter().map(|line| line["id"].clone()).collect();
    assert!(carried.contains(&new.as_str().into()) && !carried.contains(&old.as_str().into()), "{carried:?}");

    // Who comes for the first time lacks it; the next visit brings it.
    dock(&d);
    dock(&a);
    dock(&d);
    let held: Vec<_> = d.json(["ls"]).iter().map(|line| line["id"].clone()).collect();
    assert!(held.contains(&old.as_str().into()) && held.contains(&new.as_str().into()), "{held:?}");
}
