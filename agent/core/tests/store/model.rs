//! Sequences of operations against a model that keeps the same things in ordinary maps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agent_core::store::{
    CHUNK_OCTETS, Number, PayloadPlace, Presence, Standing, Store, Tombstone, Usage, WriteTxn,
};
use agent_core::time::NodeTime;
use bundle_format::{BundleId, Eid};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::recipe::{Recipe, eid, findings, open, payload_of};

const SOURCES: &[&str] = &["dtn://clinic/out", "dtn://clinic/log", "dtn://farm/"];
const DESTINATIONS: &[&str] = &["dtn://hospital/in", "dtn://region/~news", "dtn://farm/"];
const NEIGHBORS: &[&str] = &["dtn://hospital/", "dtn://bus/"];
const SIZES: [usize; 5] = [0, 40, 1_900, 2_500, CHUNK_OCTETS + 1];

fn pick(index: Index, names: &[&'static str]) -> &'static str {
    names[index.index(names.len())]
}

#[derive(Debug, Clone)]
enum Step {
    Insert { source: Index, destination: Index, size: Index, deadline: u64, unvouched: bool },
    Stage,
    PutChunk(Index),
    InsertStaged { staging: Index, deadline: u64 },
    Abandon(Index),
    Remove { bundle: Index, remembered_until: Option<u64> },
    Expire(u64),
    Purge(u64),
    Enqueue(Index),
    Dequeue(Index),
    MarkHeld { neighbor: Index, bundle: Index },
    ForgetNeighbor(Index),
    Quarantine(Index),
    Commit,
    Drop,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let time = 0..20_000_000_u64;
    prop_oneof![
        6 => (any::<Index>(), any::<Index>(), any::<Index>(), time.clone(), any::<bool>()).prop_map(
            |(source, destination, size, deadline, unvouched)| {
                Step::Insert { source, destination, size, deadline, unvouched }
            }
        ),
        2 => Just(Step::Stage),
        4 => any::<Index>().prop_map(Step::PutChunk),
        2 => (any::<Index>(), time.clone()).prop_map(|(staging, deadline)| Step::InsertStaged { staging, deadline }),
        1 => any::<Index>().prop_map(Step::Abandon),
        3 => (any::<Index>(), proptest::option::of(time.clone()))
            .prop_map(|(bundle, remembered_until)| Step::Remove { bundle, remembered_until }),
        1 => time.clone().prop_map(Step::Expire),
        1 => time.prop_map(Step::Purge),
        2 => any::<Index>().prop_map(Step::Enqueue),
        1 => any::<Index>().prop_map(Step::Dequeue),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(neighbor, bundle)| Step::MarkHeld { neighbor, bundle }),
        1 => any::<Index>().prop_map(Step::ForgetNeighbor),
        1 => any::<Index>().prop_map(Step::Quarantine),
        4 => Just(Step::Commit),
        1 => Just(Step::Drop),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone)]
struct ModelBundle {
    recipe: Recipe,
    payload: Vec<u8>,
    octets: u64,
    id: BundleId,
    queued: bool,
    holders: BTreeSet<Eid>,
}

#[derive(Debug, Clone, Default)]
struct Model {
    bundles: BTreeMap<Number, ModelBundle>,
    gone: BTreeMap<BundleId, NodeTime>,
    stagings: BTreeMap<Number, Vec<u8>>,
    sequence: u64,
}

impl Model {
    fn pick(&self, index: Index) -> Option<Number> {
        (!self.bundles.is_empty()).then(|| *index.get(&self.bundles.keys().collect::<Vec<_>>())).copied()
    }

    fn pick_staging(&self, index: Index) -> Option<Number> {
        (!self.stagings.is_empty()).then(|| *index.get(&self.stagings.keys().collect::<Vec<_>>())).copied()
    }

    fn store(&mut self, recipe: Recipe, place: PayloadPlace, txn: &mut WriteTxn<'_>) {
        let bundle = recipe.bundle();
        let number = recipe.insert_as(&bundle, txn, place);
        let last = self.bundles.last_key_value().map(|(number, _)| *number);
        assert!(last.is_none_or(|last| last < number), "numbers grow");
        self.bundles.insert(
            number,
            ModelBundle {
                payload: recipe.payload().to_vec(),
                octets: bundle.octets(),
                id: bundle.id(),
                queued: false,
                holders: BTreeSet::new(),
                recipe,
            },
        );
    }

    fn next_recipe(&mut self, deadline: u64) -> Recipe {
        self.sequence += 1;
        Recipe { deadline: NodeTime::from_ms(deadline), ..Recipe::new(self.sequence) }
    }

    fn remove(&mut self, number: Number, tombstone: Tombstone, txn: &mut WriteTxn<'_>) {
        let bundle = self.bundles.remove(&number).expect("a bundle that was picked");
        assert!(txn.remove(number, tombstone).expect("a sound store"));
        if let Tombstone::Until(until) = tombstone {
            self.gone.insert(bundle.id, until);
        }
    }

    fn apply(&mut self, step: &Step, txn: &mut WriteTxn<'_>) {
        match step {
            Step::Insert { source, destination, size, deadline, unvouched } => {
                let recipe = Recipe {
                    source: pick(*source, SOURCES),
                    destination: pick(*destination, DESTINATIONS),
                    payload_octets: *size.get(&SIZES),
                    standing: if *unvouched { Standing::Unvouched } else { Standing::Trusted },
                    ..self.next_recipe(*deadline)
                };
                self.store(recipe, PayloadPlace::Inline, txn);
            }
            Step::Stage | Step::PutChunk(_) | Step::InsertStaged { .. } | Step::Abandon(_) => {
                self.apply_staging(step, txn);
            }
            Step::Remove { .. } | Step::Expire(_) | Step::Purge(_) | Step::Quarantine(_) => {
                self.apply_removal(step, txn);
            }
            _ => self.apply_marking(step, txn),
        }
    }

    fn apply_staging(&mut self, step: &Step, txn: &mut WriteTxn<'_>) {
        match step {
            Step::Stage => {
                self.stagings.insert(txn.begin_staging().expect("room"), Vec::new());
            }
            Step::PutChunk(index) => {
                let Some(staging) = self.pick_staging(*index) else { return };
                let staged = self.stagings.get_mut(&staging).expect("a staging that was picked");
                let piece = vec![7; CHUNK_OCTETS];
                let chunks = u32::try_from(staged.len() / CHUNK_OCTETS).expect("few chunks");
                txn.put_chunk(staging, chunks, &piece).expect("room");
                staged.extend_from_slice(&piece);
            }
            Step::InsertStaged { staging, deadline } => {
                let Some(staging) = self.pick_staging(*staging) else { return };
                let staged = self.stagings.remove(&staging).expect("a staging that was picked");
                let recipe = self.next_recipe(*deadline).payload_octets(staged.len());
                self.store(recipe, PayloadPlace::Staged(staging), txn);
                self.bundles.last_entry().expect("what was stored").get_mut().payload = staged;
            }
            Step::Abandon(index) => {
                let Some(staging) = self.pick_staging(*index) else { return };
                self.stagings.remove(&staging);
                txn.abandon_staging(staging).expect("a sound store");
            }
            _ => unreachable!("not a step about stagings"),
        }
    }

    fn apply_removal(&mut self, step: &Step, txn: &mut WriteTxn<'_>) {
        match step {
            Step::Remove { bundle, remembered_until } => {
                let Some(number) = self.pick(*bundle) else { return };
                let tombstone = remembered_until
                    .map_or(Tombstone::None, |until| Tombstone::Until(NodeTime::from_ms(until)));
                self.remove(number, tombstone, txn);
            }
            Step::Expire(now) => {
                let now = NodeTime::from_ms(*now);
                let over = txn.view().expired(now, 3).expect("a sound store");
                assert!(over.iter().all(|number| self.bundles[number].recipe.deadline <= now));
                for number in over {
                    self.remove(number, Tombstone::Until(now.after_ms(3_600_000)), txn);
                }
            }
            Step::Purge(now) => {
                txn.purge_tombstones(NodeTime::from_ms(*now), usize::MAX).expect("a sound store");
                self.gone.retain(|_, until| until.as_ms() / 3_600_000 >= now / 3_600_000);
            }
            Step::Quarantine(index) => {
                let Some(number) = self.pick(*index) else { return };
                let id = txn.quarantine(number).expect("a sound store");
                assert_eq!(id, self.bundles.remove(&number).map(|bundle| bundle.id));
            }
            _ => unreachable!("not a step about removals"),
        }
    }

    fn apply_marking(&mut self, step: &Step, txn: &mut WriteTxn<'_>) {
        match step {
            Step::Enqueue(index) => {
                let Some(number) = self.pick(*index) else { return };
                let bundle = self.bundles.get_mut(&number).expect("a bundle that was picked");
                txn.enqueue(&eid(bundle.recipe.destination), number).expect("a sound store");
                bundle.queued = true;
            }
            Step::Dequeue(index) => {
                let Some(number) = self.pick(*index) else { return };
                let bundle = self.bundles.get_mut(&number).expect("a bundle that was picked");
                let was = txn.dequeue(&eid(bundle.recipe.destination), number).expect("a sound store");
                assert_eq!(was, std::mem::take(&mut bundle.queued));
            }
            Step::MarkHeld { neighbor, bundle } => {
                let Some(number) = self.pick(*bundle) else { return };
                let neighbor = eid(pick(*neighbor, NEIGHBORS));
                txn.mark_held(&neighbor, number).expect("a sound store");
                self.bundles.get_mut(&number).expect("a bundle that was picked").holders.insert(neighbor);
            }
            Step::ForgetNeighbor(index) => {
                let neighbor = eid(pick(*index, NEIGHBORS));
                txn.forget_neighbor(&neighbor).expect("a sound store");
                for bundle in self.bundles.values_mut() {
                    bundle.holders.remove(&neighbor);
                }
            }
            _ => unreachable!("not a step about marks"),
        }
    }

    /// Everything that can be asked of the store says what the model says.
    fn compare(&self, store: &Store) {
        let txn = store.read().expect("a reader");
        let view = txn.view();
        let numbers: Vec<_> = self.bundles.keys().copied().collect();
        assert_eq!(view.numbers_from(None, usize::MAX).expect("numbers"), numbers);
        let ids: BTreeMap<_, _> = self.bundles.iter().map(|(number, bundle)| (bundle.id, *number)).collect();
        assert_eq!(view.ids_from(None, usize::MAX).expect("ids"), ids.into_iter().collect::<Vec<_>>());
        let octets = self.bundles.values().map(|bundle| bundle.octets).sum();
        assert_eq!(view.usage().expect("usage"), Usage { bundles: numbers.len() as u64, octets });
        let next = self.bundles.values().map(|bundle| bundle.recipe.deadline).min();
        assert_eq!(view.next_expiry().expect("expiry"), next);
        for id in self.gone.keys().filter(|id| !self.bundles.values().any(|bundle| bundle.id == **id)) {
            assert_eq!(view.find(id).expect("an id"), Some(Presence::Gone));
        }
        for (number, bundle) in &self.bundles {
            assert_eq!(view.find(&bundle.id).expect("an id"), Some(Presence::Held(*number)));
            let holders: BTreeSet<_> = view.holders(*number).expect("holders").into_iter().collect();
            assert_eq!(holders, bundle.holders);
            assert_eq!(payload_of(store, *number), bundle.payload);
        }
        self.compare_queues(store);
        assert_eq!(findings(store), Vec::<String>::new());
    }

    fn compare_queues(&self, store: &Store) {
        let txn = store.read().expect("a reader");
        for destination in DESTINATIONS {
            let to_it = |bundle: &ModelBundle| bundle.recipe.destination == *destination;
            let all = self.bundles.iter().filter(|(_, bundle)| to_it(bundle)).map(|(number, _)| *number);
            let found = txn.view().bundles_for(&eid(destination), None, usize::MAX).expect("an index");
            assert_eq!(found, all.collect::<Vec<_>>());
            let waiting = self.bundles.iter().filter(|(_, bundle)| to_it(bundle) && bundle.queued);
            let mut after = None;
            for (number, _) in waiting {
                after = txn.view().queued(&eid(destination), after).expect("a queue");
                assert_eq!(after, Some(*number));
            }
            assert_eq!(txn.view().queued(&eid(destination), after).expect("a queue"), None);
        }
    }
}

/// Steps up to the next that ends a transaction are one transaction.
fn run(folder: &Path, steps: &[Step]) {
    let mut store = open(folder);
    let mut kept = Model::default();
    for steps in steps.split_inclusive(|step| matches!(step, Step::Commit | Step::Drop | Step::Reopen)) {
        let mut model = kept.clone();
        let mut txn = store.write().expect("a writer");
        let (last, rest) = steps.split_last().expect("a piece that is not empty");
        for step in rest {
            model.apply(step, &mut txn);
        }
        match last {
            Step::Commit => {
                txn.commit().expect("room");
                kept = model;
            }
            Step::Drop => drop(txn),
            Step::Reopen => {
                drop(txn);
                drop(store);
                store = open(folder);
            }
            step => model.apply(step, &mut txn),
        }
        kept.compare(&store);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_model_of_maps_does(steps in proptest::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().expect("a folder");
        run(folder.path(), &steps);
    }
}
