//! How much of a link is left for bundles at each loss: `tests/goodput.txt`, figure by figure. `LTP_TABLE=write` in the
//! environment writes the file.

use std::fmt::Write as _;
use std::time::Duration;

use crate::world::{Link, World, block};

const HEAD: &str = "\
Goodput of LTP over 10 Mbit/s with 200 ms round trip, in percent of what the link carries, headers included;
segments of 1,232 octets in datagrams of 1,260; unlimited rate, no loss by congestion.

loss in % (both ways)           0     1     2     5    10    20    30    50
";

const LOSSES: [u64; 8] = [0, 10, 20, 50, 100, 200, 300, 500];

/// The share of the link that the octets of the blocks made up, and that of octets that were sent again; in thousandths.
fn measure(loss: u64, count: u64, length: usize) -> (u64, u64) {
    let mut world = World::new(1, [Link::losing(loss); 2]);
    for transfer in 0..count {
        world.nodes[0].send(transfer, block(transfer, length));
    }
    world.run(Duration::from_secs(3_600));
    let node = &world.nodes[0];
    assert_eq!(node.sent.len() as u64, count, "all arrive at a loss of {loss}");
    let last = node.sent.iter().map(|(_, at)| *at).max().expect("there is one");
    let octets = count * length as u64;
    let carried = last.as_micros() as u64 * node.link.rate / 1_000_000;
    let counters = node.engine.counters();
    (octets * 1_000 / carried, counters.octets_sent_again * 1_000 / counters.octets_sent)
}

fn table() -> String {
    let mut text = HEAD.to_owned();
    for (name, count, length) in
        [("one bundle of 8 MiB", 1, 8 << 20), ("1,000 bundles of 8 KiB", 1_000, 8 << 10)]
    {
        let measured = LOSSES.map(|loss| measure(loss, count, length));
        for (what, figures) in [(name, measured.map(|m| m.0)), ("  sent again", measured.map(|m| m.1))] {
            write!(text, "{what:<27}").expect("writing to a string cannot fail");
            for figure in figures {
                write!(text, "{:>4}.{}", figure / 10, figure % 10).expect("writing to a string cannot fail");
            }
            text.push('\n');
        }
    }
    text
}

#[test]
fn goodput_at_each_loss_is_what_the_table_says() {
    let came = table();
    if std::env::var("LTP_TABLE").is_ok_and(|wish| wish == "write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goodput.txt");
        std::fs::write(path, &came).expect("the table can be written");
        return;
    }
    let expected = include_str!("../goodput.txt");
    assert!(
        came == expected,
        "the table was\n{expected}\nand is\n{came}\nIf that is wanted: LTP_TABLE=write"
    );
}
