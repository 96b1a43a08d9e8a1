//! Three nodes: alpha and bravo on one network, charlie reached by nothing but a drive.

use std::path::Path;

use crate::files::{contents, file, folder, octets, word};
use crate::node::{ANY_PORT, Node};

const GROUP: &str = "dtn://all/~updates";

/// Takes so many files from an endpoint, with their names.
fn received(node: &Node, parent: &Path, (endpoint, count): (&str, usize)) -> Vec<(String, Vec<u8>)> {
    let out = folder(parent, &format!("{}-{}", node.name, endpoint.rsplit('/').next().unwrap()));
    let count = count.to_string();
    node.verb(&["recv", endpoint, "--out", word(&out), "--count", &count, "--timeout", "60s"]).done();
    contents(&out)
}

#[test]
fn files_reach_a_node_by_network_and_drive_and_a_group_reaches_everyone() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [alpha, bravo, charlie] = ["alpha", "bravo", "charlie"].map(|name| Node::new(at, name));
    alpha.befriend(&bravo);
    bravo.befriend(&charlie);
    charlie.befriend(&alpha);
    for node in [&alpha, &bravo, &charlie] {
        node.verb(&["subscribe", GROUP]).done();
    }
    let listening = bravo.agent(ANY_PORT);
    let dialling = alpha.agent(ANY_PORT);
    alpha.verb(&["peer", "add", &listening.url]).done();

    let (small, large, update) = (b"A letter.\n".to_vec(), octets(1, 5 << 20), octets(2, 70_000));
    let files = folder(at, "files");
    let [letter, image, update_file] =
        [("letter.txt", &small), ("image.bin", &large), ("update.img", &update)]
            .map(|(name, octets)| file(&files, name, octets));
    let carried = ["--wait", "carried", "--timeout", "60s"];
    for path in [&letter, &image] {
        alpha.verb(&[&["send", "dtn://charlie/inbox", word(path)], carried.as_slice()].concat()).done();
    }
    alpha.verb(&[&["send", GROUP, word(&update_file)], carried.as_slice()].concat()).done();

    let drive = folder(at, "drive");
    bravo.verb(&["drive", "init", word(&drive), "--label", "RED"]).done();
    bravo.verb(&["drive", "dock", word(&drive)]).done();
    charlie.verb(&["drive", "dock", word(&drive)]).done();

    let inbox = [("image.bin".to_owned(), large), ("letter.txt".to_owned(), small.clone())];
    assert!(received(&charlie, at, ("/inbox", 2)) == inbox, "what charlie received is not what alpha sent");
    for node in [&alpha, &bravo, &charlie] {
        let group = received(node, at, (GROUP, 1));
        assert!(
            group == [("update.img".to_owned(), update.clone())],
            "{} received another update",
            node.name
        );
    }

    // And the answer comes back the same way, with both agents running.
    let answer = file(&files, "answer.txt", b"Thank you.\n");
    charlie.verb(&["send", "alpha", word(&answer)]).done();
    charlie.verb(&["drive", "dock", word(&drive)]).done();
    bravo.verb(&["drive", "dock", word(&drive)]).done();
    let answers = received(&alpha, at, ("/inbox", 1));
    assert_eq!(answers, [("answer.txt".to_owned(), b"Thank you.\n".to_vec())]);
    bravo.verb(&["drive", "check", word(&drive)]).done();

    dialling.stop();
    listening.stop();
    for node in [&alpha, &bravo, &charlie] {
        node.verb(&["store", "check"]).done();
    }
}
