//! Criterion: batches of bits and triples as one party sees them, in one thread: everything from the draw to the stored
//! shares, with the agreement on the batch, the peers' messages given.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking; criterion makes undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::hint::black_box;
use tkms_mpc::preprocessing::{Batch, BatchId, BatchMsg, Bits, Outcome, Recipe, Standing, Triples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{DEGREE, Gr16, Gr64, Ring};
use tkms_mpc::rounds::{Rounds, Say};
use tkms_types::{Committee, ContextId, EpochId, Id};

/// Items of a batch: a message of 128 KiB over GR(2¹⁶, 4).
const COUNT: usize = 1 << 16;

/// What the others say in every round: recorded from a run of all parties in step.
fn recorded<R: Ring, C: Recipe<R> + Copy>(keys: &[PrssKeys], recipe: C) -> Vec<Vec<Option<BatchMsg<R>>>> {
    let start = |keys| Batch::<R, C>::new(&id(), keys, recipe, &Standing::default()).unwrap();
    let (mut batches, mut says): (Vec<_>, Vec<_>) = keys.iter().map(start).unzip();
    let mut rounds = Vec::new();
    loop {
        let to = |receiver: usize| -> Vec<Option<BatchMsg<R>>> {
            let said = |say: &Say<BatchMsg<R>>| match say {
                Say::All(msg) => Some(msg.clone()),
                Say::Each(list) => list.get(receiver).cloned(),
                Say::Nothing => None,
            };
            says.iter().map(said).collect()
        };
        rounds.push(to(0));
        let heard: Vec<_> = (0..batches.len()).map(to).collect();
        let turns: Vec<_> = batches.iter_mut().zip(heard).map(|(batch, heard)| batch.close(heard)).collect();
        if turns.iter().all(|turn| turn.output.is_some()) {
            return rounds;
        }
        says = turns.into_iter().map(|turn| turn.say).collect();
    }
}

fn id() -> BatchId {
    BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 }
}

fn party<R: Ring, C: Recipe<R> + Copy>(keys: &PrssKeys, recipe: C, rounds: Vec<Vec<Option<BatchMsg<R>>>>) {
    let (mut batch, _) = Batch::<R, C>::new(&id(), keys, recipe, &Standing::default()).unwrap();
    let last = rounds.into_iter().filter_map(|heard| batch.close(heard).output).next();
    assert!(matches!(black_box(last), Some(Outcome::Accepted(_))));
}

fn measure<R: Ring, C: Recipe<R> + Copy>(c: &mut Criterion, name: &str, recipe: C) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    for n in [4, 13] {
        let keys = PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
        let rounds = recorded::<R, C>(&keys, recipe);
        let clone = || rounds.clone();
        group.bench_function(BenchmarkId::from_parameter(n), |bench| {
            bench.iter_batched(
                clone,
                |rounds| party(keys.first().unwrap(), recipe, rounds),
                criterion::BatchSize::LargeInput,
            );
        });
    }
}

fn batches(c: &mut Criterion) {
    assert!(COUNT.is_multiple_of(DEGREE));
    measure::<Gr16, _>(c, "bits16", Bits { count: COUNT });
    measure::<Gr64, _>(c, "bits64", Bits { count: COUNT });
    measure::<Gr64, _>(c, "mults64", Triples { count: COUNT });
}

criterion_group!(benches, batches);
criterion_main!(benches);
