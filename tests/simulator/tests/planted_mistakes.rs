//! The checkers can fail: each of these mistakes, planted on purpose, is caught by the rule that it breaks.

use simulator::{ClockKind, Failure, Rule, Sabotage, Scenario, Show, simulate};

/// Worlds in which a mistake has to show.
const WORLDS: u64 = 40;
const NODES: usize = 5;

/// Whether a mistake is caught by one of these rules, in one world at least.
fn is_caught(sabotage: Sabotage, by: &[Rule]) -> bool {
    is_caught_in((0..WORLDS).map(|seed| Scenario::of(seed, NODES)), sabotage, by)
}

fn is_caught_in(mut worlds: impl Iterator<Item = Scenario>, sabotage: Sabotage, by: &[Rule]) -> bool {
    worlds.any(|scenario| match simulate(&scenario, sabotage, Show::Nothing) {
        Err(Failure::Broken { violation, .. }) => by.contains(&violation.rule),
        Err(Failure::Machine(error)) => panic!("{error}"),
        Ok(_) | Err(Failure::Planned { .. }) => false,
    })
}

/// Worlds in which somebody's clock is wrong.
fn worlds_of_wrong_clocks() -> impl Iterator<Item = Scenario> {
    let worlds = (0..4 * WORLDS).map(|seed| Scenario::of(seed, NODES));
    worlds.filter(|world| world.roles.iter().any(|role| matches!(role.clock, ClockKind::Wrong(_))))
}

#[test]
fn outputs_that_leave_before_the_commit_are_caught() {
    assert!(is_caught(Sabotage::OutputsBeforeCommit, &[Rule::PromisesAreKept]));
}

#[test]
fn a_store_that_forgets_is_caught() {
    assert!(is_caught(Sabotage::StoreForgets, &[Rule::PromisesAreKept]));
}

#[test]
fn a_driver_that_sleeps_through_timeouts_is_caught() {
    assert!(is_caught(Sabotage::NobodyWakes, &[Rule::ExpiresOnTime]));
}

#[test]
fn octets_that_change_in_the_store_are_caught() {
    assert!(is_caught(Sabotage::OctetsChange, &[Rule::DeliveredAsSent]));
}

#[test]
fn a_bundle_that_is_delivered_again_is_caught() {
    assert!(is_caught(Sabotage::ConsumedComesBack, &[Rule::DeliveredOnce]));
}

#[test]
fn a_node_that_forgets_what_it_answers_for_is_caught() {
    assert!(is_caught(Sabotage::CustodyIsForgotten, &[Rule::CustodyIsKept]));
}

#[test]
fn a_node_that_acknowledges_what_it_throws_away_is_caught() {
    assert!(is_caught(Sabotage::ArrivalsAreThrownAway, &[Rule::EverythingArrives]));
}

#[test]
fn what_is_forgiven_where_clocks_are_wrong_hides_no_mistake_of_others() {
    for (sabotage, rule) in [
        (Sabotage::StoreForgets, Rule::PromisesAreKept),
        (Sabotage::CustodyIsForgotten, Rule::CustodyIsKept),
        (Sabotage::NobodyWakes, Rule::ExpiresOnTime),
        (Sabotage::ConsumedComesBack, Rule::DeliveredOnce),
        (Sabotage::ArrivalsAreThrownAway, Rule::EverythingArrives),
    ] {
        assert!(is_caught_in(worlds_of_wrong_clocks(), sabotage, &[rule]), "{sabotage:?}");
    }
}

#[test]
fn a_node_that_acknowledges_what_its_full_disk_has_no_room_for_is_caught() {
    let worlds = (0..4 * WORLDS).map(|seed| Scenario::of(seed, 7));
    let small = worlds.filter(|world| world.roles.iter().any(|role| role.disk.is_some()));
    assert!(is_caught_in(small, Sabotage::FullDiskIsDenied, &[Rule::PromisesAreKept]));
}

#[test]
fn a_node_that_does_not_notice_that_its_store_is_an_old_backup_is_caught() {
    let worlds = (0..6 * WORLDS).map(|seed| Scenario::of(seed, NODES));
    let put_back = worlds.filter(|world| world.restoration.is_some());
    // Its numbers name other bundles to others, and neighbors do not give it what they think that it has.
    let rules = [Rule::PolicyHolds, Rule::EverythingArrives, Rule::DeliveredAsSent, Rule::CustodyIsKept];
    assert!(is_caught_in(put_back, Sabotage::BackupIsNotNoticed, &rules));
}
