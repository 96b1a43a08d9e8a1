//! `status`, `peer` and `store`.

use crate::args;
use crate::support::Node;

#[test]
fn status_tells_of_a_node_whose_agent_does_not_run() {
    let node = Node::new("a");
    node.send("a", &node.file("x", "x"));
    node.ok(["subscribe", "dtn://all/~updates"]);
    let [status] = node.json(["status"]).try_into().unwrap();
    assert_eq!(status["node"], "dtn://a/");
    assert_eq!(status["running"], false);
    assert_eq!(status["store"]["bundles"], 1);
    assert!(status["store"]["quota_octets"].as_u64().unwrap() > 0);
    assert_eq!(status["queues"][0]["endpoint"], "dtn://a/inbox");
    assert_eq!(status["queues"][0]["bundles"], 1);
    assert_eq!(status["subscriptions"][0], "dtn://all/~updates");
    let text = node.ok(["status"]);
    assert!(text.contains("NOT RUNNING") && text.contains("1 bundle for dtn://a/inbox"), "{text}");
}

#[test]
fn status_tells_of_a_running_agent_and_of_peers_out_of_reach() {
    let node = Node::new("a");
    let agent = node.start();
    let [status] = node.json(["status"]).try_into().unwrap();
    assert_eq!(status["running"], true);
    assert_eq!(status["listening"][0], agent.url.as_str());
    node.ok(["peer", "add", "tcp://127.0.0.1:9"]);
    let [status] = node.json(["status"]).try_into().unwrap();
    assert_eq!(status["peers"][0]["url"], "tcp://127.0.0.1:9");
    assert_eq!(status["peers"][0]["up"], false);
}

#[test]
fn peers_are_added_listed_and_removed() {
    let node = Node::new("a");
    node.ok(["peer", "add", "tcp://192.0.2.7"]);
    let [peer] = node.json(["peer", "ls"]).try_into().unwrap();
    assert_eq!((&peer["url"], &peer["configured"]), (&"tcp://192.0.2.7:4556".into(), &false.into()));
    assert_eq!(node.json(["peer", "add", "tcp://192.0.2.7:4556"])[0]["changed"], false);
    node.ok(["peer", "rm", "tcp://192.0.2.7"]);
    assert_eq!(node.ok(["peer", "ls"]), "");
    node.fails(1, ["peer", "rm", "tcp://192.0.2.7"]);
    for wrong in ["192.0.2.7", "smoke://x", "tcp://x?tls=maybe", "tcp://", "tcp://x:99999"] {
        node.fails(2, ["peer", "add", wrong]);
    }
}

#[test]
fn configured_peers_are_changed_in_the_configuration() {
    let node = Node::new("a");
    let file = node.home().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\npeers = [\"tcp://192.0.2.7:4556\"]\n")).unwrap();
    assert_eq!(node.json(["peer", "ls"])[0]["configured"], true);
    let error = node.fails(1, ["peer", "rm", "tcp://192.0.2.7:4556"]);
    assert!(error["error"].as_str().unwrap().contains("config.toml"), "{error}");
}

#[test]
fn a_sound_store_is_found_sound() {
    let node = Node::new("a");
    node.send("b", &node.file("x", vec![1; 200_000]));
    assert!(node.ok(["store", "check"]).contains("sound"));
    let [checked] = node.json(["store", "check", "--repair"]).try_into().unwrap();
    assert_eq!(checked["findings"].as_array().unwrap().len(), 0);
}

#[test]
fn a_dump_moves_a_store_to_another_home() {
    let old = Node::new("a");
    let id = old.send("b", &old.file("x", "contents"));
    old.send("a", &old.file("y", vec![7; 3 << 20]));
    old.ok(["peer", "add", "tcp://192.0.2.7"]);
    let dump = old.path("dump");
    let [line] = old.json(args!["store", "dump", &dump]).try_into().unwrap();
    assert_eq!(line["bundles"], 2);
    assert_eq!(line["octets"], std::fs::metadata(&dump).unwrap().len());
    old.fails(2, args!["store", "dump", &dump]);

    let new = Node::new("a");
    let [line] = new.json(args!["store", "load", &dump]).try_into().unwrap();
    assert_eq!(line["bundles"], 2);
    assert_eq!(new.json(["ls"])[0]["id"], id.as_str());
    assert_eq!(new.run(["recv"]).stdout, vec![7; 3 << 20]);
    assert_eq!(new.json(["peer", "ls"]).len(), 1);
    new.fails(1, args!["store", "load", &dump]);
}

#[test]
fn a_dump_goes_through_pipes() {
    let (old, new) = (Node::new("a"), Node::new("a"));
    let id = old.send("b", &old.file("x", "contents"));
    let dump = old.run(["store", "dump", "-"]);
    assert_eq!(dump.code, 0, "{dump:?}");
    let ran = new.run_with(["store", "load", "-"], &dump.stdout);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(new.json(["ls"])[0]["id"], id.as_str());
}

#[test]
fn what_is_no_dump_is_not_loaded() {
    let (old, new) = (Node::new("a"), Node::new("a"));
    old.send("b", &old.file("x", "contents"));
    let dump = old.path("dump");
    old.ok(args!["store", "dump", &dump]);
    let octets = std::fs::read(&dump).unwrap();
    let cut = new.file("cut", &octets[..octets.len() - 20]);
    new.fails(1, args!["store", "load", &cut]);
    let other = Node::new("c");
    let nonsense = other.file("nonsense", "this is no dump");
    other.fails(1, args!["store", "load", &nonsense]);
    other.fails(1, args!["store", "load", other.path("nothing")]);
}

#[test]
fn a_store_is_not_dumped_under_a_running_agent() {
    let node = Node::new("a");
    let _agent = node.start();
    let error = node.fails(1, args!["store", "dump", node.path("dump")]);
    assert!(error["error"].as_str().unwrap().contains("in use"), "{error}");
    assert!(!node.path("dump").exists());
    assert!(node.ok(["store", "check"]).contains("sound"));
}
