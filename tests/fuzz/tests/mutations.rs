//! Each target over its seeds and over mutations of them: a short run of what a fuzzer does for hours, with every
//! `cargo test`. `FUZZ_SEED` repeats one mutation, `FUZZ_MUTATIONS` says how many there are for each target.

#![expect(clippy::indexing_slicing, reason = "a test that goes wrong shall panic")]

use std::panic::{self, AssertUnwindSafe};

use fuzz_targets::{Dice, Octets, TARGETS, Target};

/// Mutations of each target's seeds: a few seconds for all targets.
const MUTATIONS: u64 = 20_000;
/// The same where each takes files.
const MUTATIONS_OF_FILES: u64 = 3_000;
/// Most changes to one seed.
const CHANGES_MAX: usize = 6;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|(known, ..)| *known == name).expect("a target of that name")
}

/// Runs a target with the seeds as they are, then with mutations of them.
fn run(name: &str, mutations: u64) {
    let (_, holds, seeds) = target(name);
    let seeds = seeds();
    if let Some(seed) = number_from("FUZZ_SEED") {
        return holds(&mutation(&seeds, seed));
    }
    for octets in &seeds {
        holds(octets);
    }
    for seed in 0..number_from("FUZZ_MUTATIONS").unwrap_or(mutations) {
        let octets = mutation(&seeds, seed);
        if let Err(fault) = panic::catch_unwind(AssertUnwindSafe(|| holds(&octets))) {
            eprintln!("{name} fails with FUZZ_SEED={seed}; its {} octets are {octets:02x?}", octets.len());
            panic::resume_unwind(fault);
        }
    }
}

/// The mutation of a number: always the same.
fn mutation(seeds: &[Octets], seed: u64) -> Octets {
    let mut dice = Dice::new(seed);
    let mut octets = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(CHANGES_MAX) {
        change(&mut octets, seeds, &mut dice);
    }
    octets
}

fn change(octets: &mut Octets, seeds: &[Octets], dice: &mut Dice) {
    let at = dice.below(octets.len() + 1);
    let run = dice.below(octets.len() - at + 1).min(64);
    match dice.below(8) {
        0 if at < octets.len() => octets[at] ^= 1 << dice.below(8),
        1 if at < octets.len() => octets[at] = dice.octet(),
        2 => octets.insert(at, dice.octet()),
        3 => drop(octets.drain(at..at + run)),
        4 => octets.truncate(at),
        5 => {
            let again = octets[at..at + run].to_vec();
            octets.splice(at..at, again);
        }
        // Numbers at which lengths go wrong, in the width of any field.
        6 => {
            let extreme =
                [u64::MAX, 1 << 63, (1 << 32) - 1, 1 << 16, 255, 24, 23, 0][dice.below(8)].to_be_bytes();
            let width = (1 << dice.below(4)).min(octets.len() - at);
            octets[at..at + width].copy_from_slice(&extreme[8 - width..]);
        }
        _ => {
            let other = &seeds[dice.below(seeds.len())];
            octets.truncate(at);
            octets.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
    }
}

#[test]
fn a_bundle_of_any_octets_is_refused_or_read_as_it_was_written() {
    run("bundle", MUTATIONS);
}

#[test]
fn an_endpoint_id_of_any_octets_is_refused_or_comes_back_as_it_was() {
    run("eid", MUTATIONS);
}

#[test]
fn frames_of_any_octets_are_the_same_in_whatever_pieces_they_come() {
    run("framing", MUTATIONS);
}

#[test]
fn a_program_may_say_any_octets_in_whatever_pieces_they_come() {
    run("pipe", MUTATIONS);
}

#[test]
fn a_message_of_any_octets_is_refused_or_written_again_as_it_was() {
    run("message", MUTATIONS);
}

#[test]
fn a_stranger_may_say_anything_before_a_session_is_established() {
    run("opening", MUTATIONS_OF_FILES);
}

#[test]
fn a_serial_line_of_any_octets_brings_the_same_frames_in_any_pieces() {
    run("serial", MUTATIONS);
}

#[test]
fn a_session_hears_any_octets_within_its_bounds() {
    run("session", MUTATIONS);
}

#[test]
fn an_ltp_engine_hears_any_octets_within_its_bounds() {
    run("ltp", MUTATIONS);
}

#[test]
fn a_contact_message_of_any_octets_is_unintelligible_or_means_the_same_when_written_again() {
    run("contact", MUTATIONS);
}

#[test]
fn cells_of_any_octets_are_decoded_to_what_explains_them_or_not_at_all() {
    run("sketch", MUTATIONS_OF_FILES);
}

#[test]
fn a_volume_of_any_octets_gives_what_is_whole_on_it() {
    run("volume", MUTATIONS_OF_FILES);
}

#[test]
fn a_datagram_of_any_octets_is_read_within_bounds() {
    run("udpcl", MUTATIONS);
}

#[test]
fn a_mutation_is_the_same_each_time() {
    let (_, _, seeds) = target("eid");
    let seeds = seeds();
    for seed in 0..100 {
        assert_eq!(mutation(&seeds, seed), mutation(&seeds, seed));
    }
    assert!((0..100).any(|seed| !seeds.contains(&mutation(&seeds, seed))));
}
