//! Any two engines over any links, with contacts that break: nothing arrives twice, and nothing is said to have arrived that did
//! not. `LTP_SEED` repeats one world.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::dice::Dice;
use crate::world::{Link, World, block};

const WORLDS: u64 = 300;
/// Worlds in which a mistake once showed.
const KNOWN: [u64; 5] = [12, 110, 2_378, 16_270, 30_462];

fn any_link(dice: &mut Dice) -> Link {
    Link {
        rate: 1_000 << dice.below(12),
        delay: Duration::from_millis(dice.below(1_500)),
        loss: dice.below(400),
        doubled: dice.below(100),
        held_up: dice.below(200),
        corrupted: 0,
    }
}

fn any_world(seed: u64) -> (World, Dice) {
    let mut dice = Dice::new(seed);
    let links = [any_link(&mut dice), any_link(&mut dice)];
    let [segment, every, window, at_once] = [1_400, 20_000, 60_000, 3].map(|bound| dice.below(bound));
    let mut world = World::with(seed, links, |options| {
        options.segment_max = 96 + segment as usize;
        options.checkpoint_every = 500 + every;
        options.window = 2_000 + window as usize;
        options.buffer_max = options.window;
        options.buffers_max = options.window * 2;
        options.deliveries_max = 1 + at_once as usize;
        options.idle_max = Duration::from_secs(24 * 3_600);
        options.transmissions_max = 60;
    });
    for node in &mut world.nodes {
        node.refuses = if dice.below(3) == 0 { 100 } else { 0 };
        node.store_delay = Duration::from_millis(dice.below(40_000));
    }
    // Of every second world the agents may be slower than the links.
    let mut slow = Dice::new(!seed);
    for node in world.nodes.iter_mut().filter(|_| seed % 2 == 1) {
        node.takes = 1_000 << slow.below(12);
    }
    (world, dice)
}

fn holds(seed: u64) {
    let (mut world, mut dice) = any_world(seed);
    let count = 1 + dice.below(12);
    for at in 0..2 {
        for transfer in 0..count {
            let most = 1 << dice.below(17);
            let length = 1 + dice.below(most) as usize;
            let octets = block(transfer * 2 + at, length);
            world.nodes[at as usize].to_send.push_back((transfer, octets.into(), dice.below(4) == 0));
        }
    }
    for _ in 0..dice.below(4) {
        let until = world.elapsed() + Duration::from_millis(dice.below(60_000));
        world.run(until);
        world.interrupt(Duration::from_millis(dice.below(100_000)));
    }
    world.run_out();
    for at in 0..2_usize {
        let (sender, receiver) = (&world.nodes[at], &world.nodes[1 - at]);
        let came: BTreeSet<_> = receiver.received.iter().map(|(octets, _)| octets).collect();
        assert_eq!(came.len(), receiver.received.len(), "seed {seed}: a block came twice");
        let settled = sender.sent.len() + sender.refused.len();
        assert_eq!(settled, count as usize, "seed {seed}: the sender heard of every block");
        assert_eq!(sender.sent.len(), came.len(), "seed {seed}: what came was reported, and nothing else");
        assert!(receiver.refuses > 0 || sender.refused.is_empty(), "seed {seed}: a block was refused");
        assert_eq!(sender.engine.memory(), (0, 0), "seed {seed}: memory is free again");
        assert_eq!(sender.engine.poll_timeout(), None, "seed {seed}: nothing is waited for");
    }
    let sent: BTreeSet<_> = world.nodes[0].sent.iter().map(|(transfer, _)| *transfer).collect();
    for (octets, _) in &world.nodes[1].received {
        let transfer = (0..count).find(|transfer| block(transfer * 2, octets.len()) == *octets);
        assert!(
            transfer.is_some_and(|t| sent.contains(&t)),
            "seed {seed}: a block came that was not sent so"
        );
    }
}

#[test]
fn whatever_links_do_blocks_come_once_and_the_sender_knows() {
    if let Ok(seed) = std::env::var("LTP_SEED") {
        return holds(seed.parse().expect("LTP_SEED is a number"));
    }
    for seed in (0..WORLDS).chain(KNOWN) {
        holds(seed);
    }
}

#[test]
fn corrupted_segments_stop_no_engine() {
    for seed in 0..30 {
        let link = Link { corrupted: 100, ..Link::losing(50) };
        let mut world = World::new(seed, [link, link]);
        for at in 0..2_u64 {
            for transfer in 0..5 {
                world.nodes[at as usize].send(transfer, block(transfer, 3_000 * transfer as usize + 1));
            }
        }
        world.run(Duration::from_secs(24 * 3_600));
        for node in &world.nodes {
            let settled = node.sent.len() + node.refused.len();
            assert_eq!(settled, 5, "seed {seed}: every block is settled");
        }
    }
}
