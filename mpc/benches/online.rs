//! `flood.online.blocks_per_s_per_core`: all the online work of one node, from sample lists in memory to plaintext
//! digits, for sessions of one euint64 each; written to `target/bench.json`.
//!
//! One thread. The rate is per second of that thread's CPU time where the system tells it, so that a busy machine
//! does not count as slow code; wall time is printed beside it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and reports by printing")]

mod record;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use record::{Clock, Figure, record};
use std::time::{Duration, Instant};
use tkms_mpc::decrypt::{Opening, PartialDecryption, masked_shares};
use tkms_mpc::machine::Machine;
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::sim::synthetic::PlainKey;
use tkms_types::{Committee, Id, KeyId, SessionId};

const NAME: &str = "flood.online.blocks_per_s_per_core";
const DIMENSION: usize = 4096;
/// Blocks of a euint64.
const BLOCKS: usize = 16;
/// 1,024 distinct blocks, 64 MiB: more than the last-level cache.
const SESSIONS: usize = 64;
const RUNS: usize = 9;
/// Passes over all blocks in a run: CPU time may be told in steps of some milliseconds.
const PASSES: usize = 8;

struct Job {
    id: SessionId,
    words: Vec<u128>,
    messages: Vec<u8>,
    /// What the peers send, in the order of parties 2 … n.
    peers: Vec<PartialDecryption>,
}

fn main() {
    // `cargo test --benches` only checks that it builds and starts
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    for n in [4, 13] {
        record(Figure { name: NAME, n, unit: "blocks/s", values: measure(n), limit: None, bar: None });
    }
}

fn measure(n: usize) -> Vec<f64> {
    let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
    let committee = Committee::new(n).unwrap();
    let plain = PlainKey::random(DIMENSION, &mut rng);
    let keys = KeyShare::deal(&plain.coefficients, committee, &mut rng).unwrap();
    let masks = PrssKeys::deal(committee, &mut rng).unwrap();
    let jobs: Vec<_> = (0..SESSIONS).map(|number| job(number, &plain, &keys, &masks, &mut rng)).collect();
    let (key, masks) = (keys.first().unwrap(), masks.first().unwrap());
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let (wall, clock) = (Instant::now(), Clock::start());
        for job in (0..PASSES).flat_map(|_| &jobs) {
            assert_eq!(decrypt(job, key, masks, committee), job.messages);
        }
        let (wall, spent) = (wall.elapsed(), clock.spent());
        let rate = |time: Duration| (PASSES * SESSIONS * BLOCKS) as f64 / time.as_secs_f64();
        println!("n = {n}: {:.0} blocks/s of CPU time, {:.0} of wall time", rate(spent), rate(wall));
        rates.push(rate(spent));
    }
    rates
}

fn job(number: usize, plain: &PlainKey, keys: &[KeyShare], masks: &[PrssKeys], rng: &mut ChaCha20Rng) -> Job {
    let messages: Vec<u8> = (0..BLOCKS).map(|_| rng.random_range(0..16)).collect();
    let words = plain.encrypt(&messages, rng, |rng| rng.random_range(-(1 << 70)..=1 << 70));
    let id = SessionId(KeyId::numbered(number as u64).bytes());
    let samples = Samples::new(DIMENSION, &words).unwrap();
    let send = |(key, masks)| Opening::start(&masked_shares(key, &samples, masks, &id).unwrap()).1.send.remove(0).msg;
    let peers = keys.iter().zip(masks).skip(1).map(send).collect();
    Job { id, words, messages, peers }
}

/// Everything one node does for a session: its own shares, every peer's message (late ones too), the digits.
fn decrypt(job: &Job, key: &KeyShare, masks: &PrssKeys, committee: Committee) -> Vec<u8> {
    let samples = Samples::new(DIMENSION, &job.words).unwrap();
    let own = masked_shares(key, &samples, masks, &job.id).unwrap();
    let (mut opening, mut step) = Opening::start(&own);
    let mut opened = None;
    for (party, msg) in committee.parties().skip(1).zip(&job.peers) {
        step = opening.receive(party, msg.clone());
        assert!(step.faults.is_empty());
        opened = step.output.take().or(opened);
    }
    opened.or(step.output).unwrap().digits().unwrap()
}
