//! Does preprocessing in the background cost decryptions time? Four nodes in this process, mutual TLS between them, public
//! decryptions of 64-bit values one after the other; first with no preprocessing, then with batches of the default size
//! without end. Written to `target/bench.json`:
//!
//! - `flood.decrypt_ms`: from the request to the answer of a node, preprocessing off.
//! - `flood.decrypt_beside_preprocessing_ms`: the same beside it.
//!
//! All nodes share the cores of this machine, so the second is worse here than where each has its own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

#[path = "../../tests/kms_node/common/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common;

use common::cluster::{World, words};
use common::{handle, public_ciphertext};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tkms_kms_node::stock::Preprocessing;
use tkms_types::FheType;

/// Decryptions measured.
const COUNT: u8 = 40;
/// Decryptions before, not measured.
const WARM_UP: u8 = 5;
const WAIT: Duration = Duration::from_secs(30);
/// Between two decryptions: each comes with a block of its own, and a node takes so many new ones a second.
const PAUSE: Duration = Duration::from_millis(200);

fn main() {
    // `cargo test --benches` only checks that it builds and starts
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let off = Preprocessing { items: 0, ..Preprocessing::default() };
    let on = Preprocessing { items: u32::MAX, ..Preprocessing::default() };
    record("flood.decrypt_ms", &runtime.block_on(measure(off)));
    record("flood.decrypt_beside_preprocessing_ms", &runtime.block_on(measure(on)));
}

/// Milliseconds of each decryption.
async fn measure(plan: Preprocessing) -> Vec<f64> {
    let mut world = World::new(4);
    world.preprocess(plan);
    world.start(1..=4).await;
    let mut times = Vec::new();
    for number in 0..WARM_UP + COUNT {
        let value = u64::from(number) << 40 | 7;
        let (handle, material) = public_ciphertext(&world, handle(number, FheType::Uint64), value).await;
        if number == WARM_UP && plan.items > 0 {
            // batches are under way, or there is nothing to measure
            while world.node(1).stock().is_none_or(|stock| stock.batches().unwrap().is_empty()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
        let asked = Instant::now();
        let reply = world.ask_public(1, &[handle], &[material], WAIT).await;
        let time = asked.elapsed().as_secs_f64() * 1e3;
        assert_eq!(words(&reply), [alloy_primitives::U256::from(value)]);
        if number >= WARM_UP {
            times.push(time);
        }
    }
    for party in 1..=4 {
        world.stop(party).await;
    }
    times
}

/// Replaces the entry of this name in `target/bench.json` and keeps the others.
fn record(name: &str, figures: &[f64]) {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let file = target.join("bench.json");
    let mut entries: Vec<Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    entries.retain(|entry| entry.get("name") != Some(&json!(name)));
    let (value, high) = (sorted[sorted.len() / 2], sorted[sorted.len() * 9 / 10]);
    println!("{name}, n = 4: median {value:.1} ms, nine of ten below {high:.1} ms");
    let (min, max) = (sorted.first(), sorted.last());
    entries.push(json!({
        "name": name, "n": 4, "value": value, "unit": "ms", "min": min, "max": max, "p90": high, "samples": sorted.len(),
    }));
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&entries).unwrap()).unwrap();
}
