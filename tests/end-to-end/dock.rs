//! A dock that is cut off at any moment: the drive stays whole, and the next dock goes on.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::Signal;

use crate::files::{Dice, contents, file, folder, octets, word};
use crate::node::Node;
use crate::process::Speaker;

/// How often the dock is cut off before it is left alone.
const CUTS: u64 = 6;
const FILES: u64 = 16;

fn octets_of(number: u64) -> Vec<u8> {
    octets(number, 3 << 20)
}

#[test]
fn a_dock_that_is_killed_leaves_a_whole_drive_and_the_next_one_completes_it() {
    let folders = tempfile::tempdir().unwrap();
    let at = folders.path();
    let [hub, clinic] = ["hub", "clinic"].map(|name| Node::new(at, name));
    hub.befriend(&clinic);
    let [drive, sources, out] = ["drive", "sources", "out"].map(|name| folder(at, name));
    for number in 0..FILES {
        let path = file(&sources, &format!("{number:02}.bin"), &octets_of(number));
        hub.verb(&["send", "clinic", word(&path)]).done();
    }
    hub.verb(&["drive", "init", word(&drive), "--label", "RED"]).done();
    let seed = getrandom::u32().unwrap().into();
    println!("the moments are those of seed {seed}");
    let mut dice = Dice::new(seed);
    let (_never, timer) = mpsc::channel::<()>();
    // In turns what is put on the drive and what is taken from it is cut off.
    for node in [&hub, &clinic].into_iter().cycle().take(usize::try_from(CUTS).unwrap()) {
        let docking = Speaker::start(&mut node.command(&["drive", "dock", word(&drive)]));
        let moment = Duration::from_millis(20 + dice.below(300));
        assert_eq!(timer.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
        docking.signal(Signal::KILL);
        docking.end();
        hub.verb(&["drive", "check", word(&drive)]).done();
        node.verb(&["store", "check"]).done();
    }
    hub.verb(&["drive", "dock", word(&drive)]).done();
    clinic.verb(&["drive", "dock", word(&drive)]).done();
    let leftovers: Vec<String> = contents(&drive.join("packmule"))
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| Path::new(name).extension() == Some("tmp".as_ref()))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    clinic.verb(&["recv", "--out", word(&out), "--count", &FILES.to_string()]).done();
    let expected: Vec<_> = (0..FILES).map(|number| (format!("{number:02}.bin"), octets_of(number))).collect();
    assert!(contents(&out) == expected, "what came by the drive is not what was sent");
}
