//! Criterion: ring product, phase of a block, mask of a block, decoding of a packed element.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking; criterion makes undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::hint::black_box;
use std::time::Duration;
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{Gr64, Gr128};
use tkms_mpc::shamir::{Received, decode, share};
use tkms_types::{Committee, Id, KeyId, PartyId, SessionId};

/// Coefficients of the key of squashed samples in production.
const DIMENSION: usize = 4096;
/// 64 MiB of samples: more than the last-level cache.
const BLOCKS: usize = 1024;
/// Packed elements of a batch to decode.
const ELEMENTS: usize = 64;

fn ring(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (a, b) = (Gr128::random(&mut rng), Gr128::random(&mut rng));
    c.bench_function("ring/gr128 product", |bench| bench.iter(|| black_box(a) * black_box(b)));
    let (a, b) = (Gr64::random(&mut rng), Gr64::random(&mut rng));
    c.bench_function("ring/gr64 product", |bench| bench.iter(|| black_box(a) * black_box(b)));
    c.bench_function("ring/gr64 inverse", |bench| bench.iter(|| black_box(a).inverse()));
}

fn phases(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let words: Vec<u128> = (0..BLOCKS * (DIMENSION + 1)).map(|_| rng.random()).collect();
    let samples = Samples::new(DIMENSION, &words).unwrap();
    let plain: Vec<u128> = (0..DIMENSION).map(|_| u128::from(rng.random::<bool>())).collect();
    let mut group = c.benchmark_group("phase share of a block");
    group.sample_size(10).throughput(Throughput::Elements(BLOCKS as u64));
    for n in [4, 13] {
        let key = KeyShare::deal(&plain, Committee::new(n).unwrap(), &mut rng).unwrap().remove(0);
        group.bench_function(BenchmarkId::from_parameter(n), |bench| bench.iter(|| key.phase_shares(&samples)));
    }
}

fn masks(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let session = SessionId(KeyId::numbered(1).bytes());
    let mut group = c.benchmark_group("mask share of a block, 16 to a session");
    group.throughput(Throughput::Elements(16));
    for n in [4, 13] {
        let keys = PrssKeys::deal(Committee::new(n).unwrap(), &mut rng).unwrap().remove(0);
        group.bench_function(BenchmarkId::from_parameter(n), |bench| bench.iter(|| keys.mask_shares(&session, 16)));
    }
}

fn decoding(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut group = c.benchmark_group("decode a packed element");
    group.throughput(Throughput::Elements(ELEMENTS as u64));
    for n in [4, 13] {
        let committee = Committee::new(n).unwrap();
        let threshold = committee.threshold();
        let mut dealt: Vec<(PartyId, Vec<Gr128>)> = committee.parties().map(|party| (party, Vec::new())).collect();
        for _ in 0..ELEMENTS {
            let secret = Gr128::random(&mut rng);
            for ((_, list), share) in dealt.iter_mut().zip(share(secret, committee, &mut rng).iter()) {
                list.push(*share);
            }
        }
        let received = |dealt: &[(PartyId, Vec<Gr128>)], count: usize| {
            let list: Vec<_> =
                dealt.iter().take(count).map(|(party, shares)| Received { party: *party, shares }).collect();
            decode(&list, threshold.faults(), count - threshold.quorum()).unwrap()
        };
        group.bench_function(BenchmarkId::new("honest quorum", n), |bench| {
            bench.iter(|| received(&dealt, threshold.quorum()));
        });
        for (_, shares) in dealt.iter_mut().take(threshold.faults()) {
            shares.iter_mut().for_each(|share| *share += Gr128::random(&mut rng));
        }
        group.bench_function(BenchmarkId::new("t liars of n", n), |bench| bench.iter(|| received(&dealt, n)));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = ring, phases, masks, decoding
}
criterion_main!(benches);
