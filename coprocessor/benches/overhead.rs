//! `coprocessor.overhead_percent` and the figures beside it, with production keys made for the occasion; written to
//! `target/bench.json`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and reports by printing")]

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use tkms_coprocessor::engine::TfheEngine;
use tkms_coprocessor::measure::{Figure, Setup, measure};
use tkms_eth::{DigestSigner, LocalKey};
use tkms_fhe::{Evaluator, PublicKeys};
use tkms_types::{
    AttesterSet, Cluster, Contracts, CoprocessorSet, GatewayDomain, HeaderTrustKind, HostChain, Id, KeyMaterial,
    MinFinality, Thresholds,
};

const ROUNDS: usize = 3;

fn main() {
    // `cargo test --benches` only checks that it builds and starts
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    // Without a squash key, which takes most of the time to make and is not used here.
    let dealt = tkms_fhe::deal_for(tkms_fhe::Decryption::Exact, &mut |step| println!("{step}")).unwrap();
    let evaluator = Evaluator::load(dealt.server_key.as_slice()).unwrap();
    let keys = PublicKeys::parse_pinned(&dealt.public_key, &dealt.crs).unwrap();
    drop(dealt);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let engine = Arc::new(TfheEngine::new(evaluator, keys, threads).unwrap());
    let signer = Arc::new(LocalKey::from_bytes(&[7; 32]).unwrap());
    let directory = tempfile::tempdir_in(target()).unwrap();
    let cluster = cluster(signer.address());
    let setup = Setup { engine, directory: directory.path().into(), cluster, signer, rounds: ROUNDS };
    let figures = tokio::runtime::Runtime::new().unwrap().block_on(measure(setup)).unwrap();
    println!("{threads} threads, {ROUNDS} rounds");
    figures.iter().for_each(record);
}

fn target() -> std::path::PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&target).unwrap();
    target
}

/// A deployment that is on no chain: only names in what is signed.
fn cluster(coprocessor: Address) -> Cluster {
    let [acl, executor, kms_verifier, input_verifier, decryption_oracle] = [1, 2, 3, 4, 5].map(Address::repeat_byte);
    let chain = HostChain {
        chain_id: 31337,
        contracts: Contracts { acl, executor, kms_verifier, input_verifier, decryption_oracle },
        acl_code_hash: B256::ZERO,
        executor_code_hash: B256::ZERO,
        checkpoint_number: 1,
        checkpoint_hash: B256::ZERO,
        trust: HeaderTrustKind::Attesters,
        attesters: AttesterSet { version: 1, quorum: 1, members: vec![coprocessor] },
        former_attesters: None,
        min_finality: MinFinality::Finalized,
        max_anchor_age: 600,
        max_anchor_lag: 600,
        clock_skew: 10,
        deny_blocks_user_decryption: false,
        coprocessors: CoprocessorSet { version: 1, quorum: 1, members: vec![coprocessor], profiles: Vec::new() },
    };
    Cluster {
        version: 1,
        chains: vec![chain],
        gateway: GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(8),
            input_verification: Address::repeat_byte(9),
        },
        committee: Vec::new(),
        thresholds: Thresholds { faults: 0, quorum: 1 },
        context: Id::numbered(1),
        epoch: Id::numbered(1),
        key: KeyMaterial {
            id: Id::numbered(1),
            public_key_digest: B256::ZERO,
            server_key_digest: B256::ZERO,
            crs_digest: B256::ZERO,
            decryption: vec![tkms_types::transcript::Protocol::Flood],
        },
    }
}

/// Prints a figure and replaces the entry of its name in `target/bench.json`; others stay.
fn record(figure: &Figure) {
    let Figure { name, unit, samples } = figure;
    let mut sorted = samples.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied();
    println!("{name:<34} {:10.2} {unit:<4} {sorted:.2?}", median.unwrap_or_default());
    let file = target().join("bench.json");
    let mut entries: Vec<Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    entries.retain(|entry| entry.get("name") != Some(&json!(name)) || entry.get("n") != Some(&Value::Null));
    entries.push(json!({
        "name": name,
        "n": null,
        "value": median,
        "unit": unit,
        "min": sorted.first(),
        "max": sorted.last(),
        "samples": sorted.len(),
    }));
    std::fs::write(&file, serde_json::to_vec_pretty(&entries).unwrap()).unwrap();
}
