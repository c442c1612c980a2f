//! What one permission costs a node, on evidence of mainnet's size; written to `target/bench.json`.
//!
//! - `evidence.cached_us`: a grant by its path, the block being known.
//! - `evidence.full_us`: header, five attestations, account and range proofs, and the path.
//! - `evidence.ten_bytes`: the message with the evidence of a batch of ten grants that lie anywhere in the range; `max` is the worst batch.
//!
//! One thread, CPU time where the system tells it, inputs larger than the last-level cache.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

#[path = "../tests/merkle_acl/common/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::mainnet::{self, State, anywhere, batch, grant, host, levels, state, trust};
use merkle_acl::range::MountainRange;
use merkle_acl::trust::{AnchorHistory, Finality, accept};
use merkle_acl::{AclBlock, AclProof, Fact};
use prost::Message as _;
use serde_json::{Value, json};
use tkms_wire::kms;

const RUNS: usize = 9;
/// 64 MiB of paths, some 660 bytes each.
const PATHS: u64 = 100_000;
/// 64 MiB of blocks, some 10 kB each.
const BLOCKS: u64 = 6_500;
const BATCHES: u64 = 1_001;

fn main() {
    // `cargo test --benches` only checks that it builds and starts
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let range = mainnet::range();
    record("evidence.cached_us", "us", &cached(&range));
    record("evidence.full_us", "us", &full(&range));
    record("evidence.ten_bytes", "B", &ten(&range));
}

fn path(range: &MountainRange, index: u64) -> AclProof {
    AclProof::Path { grant: grant(index), path: range.prove(index).unwrap() }
}

/// Checks a block from its bytes.
fn open(state: &State) -> AclBlock {
    let rules = &mainnet::RULES;
    let history = AnchorHistory::default();
    let trusted = accept(&state.header, &trust(), rules, &history, Finality::Finalized, mainnet::TIME + 60).unwrap();
    AclBlock::under(*trusted.anchor(), &state.account, &state.slots, &host()).unwrap()
}

fn cached(range: &MountainRange) -> Vec<f64> {
    let all: Vec<u64> = (0..PATHS).map(anywhere).collect();
    let block = open(&state(range, &levels(&all), &[], 0));
    let jobs: Vec<_> = all.iter().map(|index| ([path(range, *index)], [Fact::Granted(grant(*index))])).collect();
    measure("cached", &jobs, |(proof, wanted)| assert!(block.facts(proof, wanted).is_ok()))
}

fn full(range: &MountainRange) -> Vec<f64> {
    let job = |i| {
        let index = anywhere(i) % (1 << 20);
        (state(range, &levels(&[index]), &[], i), [path(range, index)], [Fact::Granted(grant(index))])
    };
    let jobs: Vec<_> = (0..BLOCKS).map(job).collect();
    let proof = &jobs[0].0;
    println!("{} account nodes, {} storage nodes", proof.account.len(), proof.slots[0].nodes.len());
    measure("full", &jobs, |(state, proof, wanted)| assert!(open(state).facts(proof, wanted).is_ok()))
}

/// Microseconds a job, one figure a run.
fn measure<T>(name: &str, jobs: &[T], work: impl Fn(&T)) -> Vec<f64> {
    let mut figures = Vec::new();
    for _ in 0..RUNS {
        let (wall, cpu) = (Instant::now(), thread_time());
        jobs.iter().for_each(&work);
        let wall = wall.elapsed();
        let spent = cpu.zip(thread_time()).map_or(wall, |(from, to)| to - from);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / jobs.len() as f64;
        println!("{name}: {:.1} us of CPU time, {:.1} of wall time", each(spent), each(wall));
        figures.push(each(spent));
    }
    figures
}

/// Bytes of the message with the evidence of a batch.
fn ten(range: &MountainRange) -> Vec<f64> {
    let bytes = |number| kms::Evidence::from(&mainnet::sent(range, &batch(number), number)).encoded_len() as f64;
    (0..BATCHES).map(bytes).collect()
}

/// CPU time of this thread, if the system tells it.
fn thread_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = stat.split_whitespace().next()?.parse().ok()?;
    (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
}

/// Replaces the entry of this name in `target/bench.json` and keeps the others.
fn record(name: &str, unit: &str, figures: &[f64]) {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let file = target.join("bench.json");
    let mut entries: Vec<Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    entries.retain(|entry| entry.get("name") != Some(&json!(name)));
    let value = sorted[sorted.len() / 2];
    println!("{name}: {value:.1} {unit} ({:.1} to {:.1})", sorted[0], sorted[sorted.len() - 1]);
    entries.push(json!({
        "name": name,
        "n": null,
        "value": value,
        "unit": unit,
        "min": sorted.first(),
        "max": sorted.last(),
        "samples": sorted.len(),
    }));
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&entries).unwrap()).unwrap();
}
