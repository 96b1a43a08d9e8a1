//! What an engine hands up when its contact is over.

#![expect(clippy::unwrap_used, reason = "a test that goes wrong shall panic")]

use std::time::Instant;

use ltp::{Engine, Event, Options};

/// Two engines, and how many segments of the first reach the second.
fn after(segments: usize, length: usize) -> Engine {
    let now = Instant::now();
    let (mut from, mut to) =
        (Engine::new(Options::new(1, 2), 7).unwrap(), Engine::new(Options::new(2, 1), 8).unwrap());
    assert!(from.is_idle() && to.is_idle());
    from.send_begin(5, length as u64, false);
    from.send_octets(5, vec![9; length].into());
    let mut segment = Vec::new();
    for _ in 0..segments {
        assert!(from.poll_transmit(now, &mut segment));
        to.handle_segments(now, &segment);
    }
    assert!(!from.is_idle() && !to.is_idle());
    to
}

#[test]
fn what_came_of_an_incomplete_block_is_handed_up_when_the_contact_is_over() {
    let mut engine = after(3, 10_000);
    assert_eq!(engine.poll_event(), None);
    engine.finish();
    let events: Vec<Event> = std::iter::from_fn(|| engine.poll_event()).collect();
    let octets: usize = events
        .iter()
        .map(|event| match event {
            Event::Octets { octets, .. } => octets.len(),
            _ => 0,
        })
        .sum();
    assert!((3_000..4_000).contains(&octets), "{octets}");
    assert_eq!(events.first(), Some(&Event::Receiving { transfer: 0, length: None }));
    assert_eq!(events.last(), Some(&Event::Broken { transfer: 0 }));
    assert!(engine.is_idle());
}

#[test]
fn first_sessions_have_small_numbers_where_they_shall() {
    let options = Options { first_session_max: 3, ..Options::new(1, 2) };
    for seed in 0..50 {
        let mut engine = Engine::new(options.clone(), seed).unwrap();
        engine.send_begin(0, 1, false);
        engine.send_octets(0, vec![1].into());
        let mut segment = Vec::new();
        assert!(engine.poll_transmit(Instant::now(), &mut segment));
        assert!((1..=3).contains(&segment[2]));
    }
    assert!(Engine::new(Options { first_session_max: 0, ..options }, 0).is_err());
}
