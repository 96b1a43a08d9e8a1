//! Large bundles over contacts that are too short for them, and on drives that are torn: they continue where they were.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::files::{contents, file, folder, octets, word};
use crate::metered::{End, Metered};
use crate::node::{ANY_PORT, Agent, Node};
use crate::process::PATIENCE;

const MIB: usize = 1 << 20;

/// Takes the one file that comes, and compares it.
fn expect_file(node: &Node, at: &Path, expected: &[u8]) {
    let out = folder(at, "out");
    node.verb(&["recv", "--out", word(&out), "--count", "1", "--timeout", "60s"]).done();
    let [(_, found)] = &contents(&out)[..] else { panic!("one file was sent") };
    assert!(found == expected, "what arrived is not what was sent");
}

/// What the status says of the one partial that there is: octets here, and in all.
fn partial(node: &Node) -> Option<(usize, usize)> {
    let status = node.ask(&["status"]).remove(0);
    let partial = status["partials"].as_array().unwrap().first()?.clone();
    let number = |name: &str| partial[name].as_u64().map(|number| usize::try_from(number).unwrap()).unwrap();
    assert_eq!(partial["destination"], Value::from("dtn://far/inbox"));
    Some((number("octets"), number("of_octets")))
}

fn end(agents: impl IntoIterator<Item = Agent>, nodes: [&Node; 2]) {
    agents.into_iter().for_each(Agent::stop);
    for node in nodes {
        node.verb(&["store", "check"]).done();
    }
}

#[test]
fn a_mebibyte_arrives_over_contacts_that_each_carry_200_kilobytes() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let agents = [&near, &far].map(|node| node.agent(ANY_PORT));
    let wire = Metered::to(agents[1].port(), 200_000, End::Cut);
    let sent = octets(1, MIB);
    near.verb(&["send", "far", word(&file(at, "sent.bin", &sent))]).done();
    near.verb(&["peer", "add", &wire.url()]).done();

    expect_file(&far, at, &sent);
    let (carried, connections) = (wire.take_carried(), wire.connections());
    println!("{connections} contacts carried {carried} octets");
    assert!(connections >= 6, "each carries 200 kB at most");
    assert!(carried < 3 * MIB / 2, "{carried} octets in {connections} contacts: it did not continue");
    assert_eq!(partial(&far), None);
    end(agents, [&near, &far]);
}

#[test]
fn a_receiver_that_is_killed_continues_where_it_was() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let (near_agent, far_agent) = (near.agent(ANY_PORT), far.agent(ANY_PORT));
    let far_url = far_agent.url.clone();
    let wire = Metered::to(far_agent.port(), 10 * MIB, End::Stall);
    let sent = octets(2, 16 * MIB);
    near.verb(&["send", "far", word(&file(at, "sent.bin", &sent))]).done();
    near.verb(&["peer", "add", &wire.url()]).done();

    let begun = Instant::now();
    while partial(&far).is_none_or(|(here, of)| here < 9 * MIB || of != 16 * MIB) {
        assert!(begun.elapsed() < PATIENCE, "{:?} arrived", partial(&far));
    }
    far_agent.kill();
    wire.lift();
    let (before, _) = partial(&far).expect("what came survives");
    assert!(before >= 9 * MIB);
    wire.take_carried();
    let far_agent = far.agent(&far_url);
    expect_file(&far, at, &sent);
    let carried = wire.take_carried();
    println!("{before} octets were there, {carried} came after the kill");
    assert!(carried < 16 * MIB - before + MIB, "{carried} octets: it began anew");
    end([near_agent, far_agent], [&near, &far]);
}

/// Puts the file onto a drive, tears the drive's segment in the middle of it, and lets the other node dock that.
fn dock_torn(at: &Path, [near, far]: [&Node; 2], sent: &[u8]) {
    let drive = folder(at, "torn");
    near.verb(&["send", "far", word(&file(at, "sent.bin", sent))]).done();
    near.verb(&["drive", "init", word(&drive), "--label", "RED"]).done();
    near.verb(&["drive", "dock", word(&drive)]).done();
    let segment = drive.join("packmule/00000001.pms");
    let octets = std::fs::read(&segment).unwrap();
    assert!(octets.len() > sent.len());
    std::fs::write(&segment, &octets[..octets.len() / 2]).unwrap();
    assert!(!far.verb(&["drive", "dock", word(&drive)]).is_done(), "the drive is damaged");
    let (here, of) = partial(far).expect("the beginning is kept");
    assert!(here > 2 * MIB && of == sent.len(), "{here} of {of}");
}

#[test]
fn what_is_torn_on_a_drive_is_gone_on_with_over_a_link() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let sent = octets(4, 5 * MIB);
    dock_torn(at, [&near, &far], &sent);
    let agents = [&near, &far].map(|node| node.agent(ANY_PORT));
    let wire = Metered::to(agents[1].port(), usize::MAX, End::Cut);
    near.verb(&["peer", "add", &wire.url()]).done();
    expect_file(&far, at, &sent);
    let carried = wire.take_carried();
    println!("{carried} octets came over the link");
    assert!(carried < 3 * MIB, "{carried} octets: it began anew");
    assert_eq!(partial(&far), None);
    end(agents, [&near, &far]);
}

#[test]
fn what_is_torn_on_one_drive_is_completed_by_another() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let sent = octets(5, 5 * MIB);
    dock_torn(at, [&near, &far], &sent);
    let drive = folder(at, "whole");
    near.verb(&["drive", "init", word(&drive), "--label", "BLUE"]).done();
    for node in [&near, &far] {
        node.verb(&["drive", "dock", word(&drive)]).done();
    }
    expect_file(&far, at, &sent);
    assert_eq!(partial(&far), None);
    end([], [&near, &far]);
}

#[test]
fn what_began_over_a_link_is_completed_by_a_drive() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [near, far] = ["near", "far"].map(|name| Node::new(at, name));
    near.befriend(&far);
    let agents = [&near, &far].map(|node| node.agent(ANY_PORT));
    let wire = Metered::to(agents[1].port(), 3 * MIB / 2, End::Stall);
    let sent = octets(3, 3 * MIB);
    near.verb(&["send", "far", word(&file(at, "sent.bin", &sent))]).done();
    near.verb(&["peer", "add", &wire.url()]).done();
    let begun = Instant::now();
    while partial(&far).is_none_or(|(here, _)| here < MIB) {
        assert!(begun.elapsed() < PATIENCE, "{:?} arrived", partial(&far));
    }
    let drive = folder(at, "drive");
    near.verb(&["drive", "init", word(&drive), "--label", "RED"]).done();
    for node in [&near, &far] {
        node.verb(&["drive", "dock", word(&drive)]).done();
    }
    expect_file(&far, at, &sent);
    assert_eq!(partial(&far), None);
    end(agents, [&near, &far]);
}
