//! `show` and `why`: who has a bundle, who is to have it, and why it is where it is.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::args;
use crate::support::Node;

fn codes(explained: &Value) -> Vec<&str> {
    let reasons = explained["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[test]
fn a_bundle_that_waits_for_a_contact_says_so_and_one_that_is_gone_too() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.befriend(&b);
    let id = a.send("b", &a.file("x", "x"));
    let [explained] = a.json(["why", &id[..10]]).try_into().unwrap();
    assert_eq!(explained["id"], id.as_str());
    assert_eq!(explained["state"], "held");
    let codes_of = codes(&explained);
    assert!(
        codes_of.starts_with(&["made_here"]) && codes_of.ends_with(&["waits_for_contact", "expires"]),
        "{codes_of:?}"
    );
    let [shown] = a.json(["show", &id]).try_into().unwrap();
    let nodes = shown["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!((&nodes[0]["node"], &nodes[0]["has"]), (&"dtn://b/".into(), &"unknown".into()));
    assert_eq!(nodes[0]["wants"], true);
    let text = a.ok(["show", &id]);
    assert!(text.contains("still missing at") && text.contains("never heard of"), "{text}");
    assert!(a.ok(["why", &id]).contains("dtn://b/ is to have it"));
    a.ok(["rm", &id]);
    let [gone] = a.json(["why", &id]).try_into().unwrap();
    assert_eq!((gone["state"].as_str(), codes(&gone)), (Some("gone"), vec!["gone"]));
}

#[test]
fn a_bundle_from_elsewhere_says_where_it_waits_and_one_to_nobody_known_too() {
    let node = Node::new("a");
    let id = node.send("a", &node.file("x", "x"));
    let [explained] = node.json(["why", &id]).try_into().unwrap();
    assert!(codes(&explained).contains(&"waits_for_application"), "{explained}");
    let id = node.send("nobody", &node.file("y", "y"));
    let [explained] = node.json(["why", &id]).try_into().unwrap();
    assert!(codes(&explained).contains(&"destination_unknown"), "{explained}");
}

/// Runs the agent until it has made its card; the card's id.
fn card(node: &Node) -> String {
    let file = node.home().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("card_interval = \"1s\"\n{config}")).unwrap();
    let _agent = node.start();
    let begun = Instant::now();
    loop {
        let all = node.json(["ls", "--all"]);
        if let Some(card) = all.iter().find(|line| line["destination"] == "dtn://packmule/~cards") {
            return card["id"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no card was made");
    }
}

#[test]
fn a_node_that_was_heard_of_by_a_drive_or_a_file_is_told_with_its_name() {
    let [a, b, c] = ["a", "b", "c"].map(Node::new);
    for (one, other) in [(&a, &b), (&a, &c), (&b, &c)] {
        one.befriend(other);
    }
    let usb = a.dir("usb");
    a.ok(args!["drive", "init", &usb, "--label", "blue stick"]);
    let card_of_c = card(&c);
    card(&a);
    let out = c.dir("out");
    c.ok(args!["export", &card_of_c, "--out", &out]);
    a.ok(args!["drive", "dock", &usb]);
    b.ok(args!["drive", "dock", &usb]);
    let file = out.join(format!("{card_of_c}.bundle"));
    b.ok(args!["import", &file]);

    let status = b.json(["status"]).remove(0);
    let way = |name: &str| {
        let nodes = status["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["node"] == name).expect("it is known")["way"].clone()
    };
    assert_eq!(way("dtn://a/"), r#"drive "blue stick""#, "{status}");
    assert_eq!(way("dtn://c/"), format!("file {}", file.display()));
    let id = b.send("a", &b.file("x", "x"));
    assert!(b.ok(["show", &id]).contains(r#"by drive "blue stick""#));
}
