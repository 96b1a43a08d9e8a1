//! What is sent arrives, once and whole, whatever the links do.

use std::time::Duration;

use crate::world::{Link, World, block};

/// Sends blocks both ways, and expects each once on the other side.
fn all_arrive(seed: u64, link: Link, lengths: &[usize]) -> World {
    let mut world = World::new(seed, [link, link]);
    for (transfer, length) in lengths.iter().enumerate() {
        for (at, node) in world.nodes.iter_mut().enumerate() {
            node.send(transfer as u64, block(transfer as u64 * 2 + at as u64, *length));
        }
    }
    world.run_out();
    for at in 0..2 {
        let mut expected: Vec<_> =
            lengths.iter().enumerate().map(|(t, length)| block(t as u64 * 2 + at as u64, *length)).collect();
        let mut came: Vec<_> =
            world.nodes[1 - at].received.iter().map(|(octets, _)| octets.clone()).collect();
        expected.sort();
        came.sort();
        let [expected_count, came_count] = [&expected, &came].map(Vec::len);
        assert!(expected == came, "seed {seed}, {link:?}: {came_count} blocks came, of {expected_count}");
        assert_eq!(world.nodes[at].sent.len(), lengths.len(), "seed {seed}, {link:?}: the sender knows");
        assert_eq!(world.nodes[at].engine.memory(), (0, 0), "seed {seed}: all memory is free again");
        assert!(!world.nodes[at].engine.has_segment(), "seed {seed}: nothing is left to say");
        assert_eq!(world.nodes[at].engine.poll_timeout(), None, "seed {seed}: nothing is waited for");
    }
    world
}

const MIXED: [usize; 8] = [1, 2, 1_000, 1_211, 1_300, 20_000, 300_000, 64];

#[test]
fn without_loss_each_block_takes_one_round_trip_more_than_its_octets() {
    let world = all_arrive(1, Link::clean(), &[100_000]);
    let (_, at) = world.nodes[0].sent[0];
    assert!(at < Duration::from_millis(320), "it took {at:?}");
    let again = world.nodes[0].engine.counters().octets_sent_again;
    assert_eq!(again, 0, "nothing was sent in vain");
}

#[test]
fn everything_arrives_once_at_any_loss() {
    for loss in [0, 10, 50, 100, 200, 300, 500] {
        for seed in 0..10 {
            all_arrive(seed, Link::losing(loss), &MIXED);
        }
    }
}

#[test]
fn everything_arrives_once_where_segments_are_doubled_and_overtaken() {
    for seed in 0..10 {
        let link = Link { doubled: 200, held_up: 200, ..Link::losing(100) };
        all_arrive(seed, link, &MIXED);
    }
}

#[test]
fn a_block_of_many_windows_arrives_within_the_window() {
    let mut world = World::with(7, [Link::losing(20); 2], |options| {
        options.window = 256 * 1024;
        options.checkpoint_every = 16 * 1024;
        options.buffer_max = 256 * 1024;
        options.buffers_max = 512 * 1024;
    });
    world.nodes[0].send(0, block(0, 8 << 20));
    let mut most = (0, 0);
    for step in 1..400 {
        world.run(Duration::from_millis(step * 500));
        let (held, _) = world.nodes[0].engine.memory();
        let (_, buffered) = world.nodes[1].engine.memory();
        most = (most.0.max(held), most.1.max(buffered));
    }
    assert_eq!(world.nodes[1].received.len(), 1);
    assert!(world.nodes[1].received[0].0 == block(0, 8 << 20));
    assert!(most.0 <= 272 * 1024 && most.1 <= 256 * 1024, "{most:?} octets were held");
}

#[test]
fn a_block_far_longer_than_the_receivers_memory_with_one_checkpoint_at_its_end_arrives() {
    let mut world = World::with(3, [Link::losing(50); 2], |options| {
        options.checkpoint_every = u64::MAX;
        options.buffer_max = 64 * 1024;
        options.buffers_max = 128 * 1024;
    });
    world.nodes[0].send(0, block(0, 2 << 20));
    world.run_out();
    assert_eq!(world.nodes[0].sent.len(), 1);
    assert!(world.nodes[1].received[0].0 == block(0, 2 << 20));
    let again = world.nodes[0].engine.counters().octets_sent_again;
    assert!(again < 4 << 20, "{again} octets were sent again");
}

#[test]
fn a_link_faster_than_the_agent_carries_nothing_in_vain() {
    let mut world = World::with(5, [Link { rate: 10_000_000, ..Link::clean() }; 2], |options| {
        options.window = 256 * 1024;
        options.checkpoint_every = 16 * 1024;
        options.buffer_max = 512 * 1024;
        options.buffers_max = 512 * 1024;
    });
    world.nodes[1].takes = 500_000;
    world.nodes[0].send(0, block(0, 8 << 20));
    world.run_out();
    assert!(world.nodes[1].received[0].0 == block(0, 8 << 20));
    assert_eq!(world.nodes[0].engine.counters().octets_sent_again, 0);
    let (_, took) = world.nodes[1].received[0];
    assert!(
        took < Duration::from_secs(18),
        "the agent has something to take all the time, and is done after {took:?}"
    );
}

#[test]
fn an_engine_that_forgot_a_block_is_not_taken_to_have_it() {
    for length in [1_000, 10_000, 10_001, 200_000] {
        let mut world = World::new(1, [Link::clean(); 2]);
        world.nodes[1].store_delay = Duration::from_secs(3_600);
        world.nodes[0].send(0, block(0, length));
        world.run(Duration::from_secs(10));
        assert_eq!(world.nodes[1].received.len(), 1, "all has come, and nothing is accepted");
        world.forget(1);
        world.run_out();
        assert_eq!((world.nodes[0].sent.len(), world.nodes[0].refused.len()), (0, 1), "{length} octets");
    }
}
