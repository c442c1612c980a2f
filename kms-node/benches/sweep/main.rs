//! Both protocols of decryption over committee sizes, types and delays: `cargo bench --bench sweep -- 4 7 10 13`. Without a size it
//! does nothing; `flood` or `exact`, `0ms`, `20ms` or `80ms` name parts. Written to `target/sweep.json`, in place of entries with the same names; `tkms sweep` draws them.
//!
//! Every node is a process and does everything a node does: checks of evidence and signatures, fetching and hashing samples from disk,
//! votes, the protocol over mutual TLS, its books on disk, its signature. Three things are not those of a deployment: headers, proofs and
//! attestations are real but of a chain in memory; samples are encrypted under a synthetic key instead of squashed or switched, which
//! a node cannot tell; and all share this machine. A delay is that of relays between the nodes, each way; at 0 there are none.
//!
//! - `online`: one value a request, one request after the other, from the request at all nodes to a quorum of answers (`wall_ms`, the
//!   median, with the tenth and the ninetieth of a hundred), processor time of all nodes (`cpu_ms`), messages of one node to one peer
//!   (`messages`), bytes of their bodies (`payload_bytes`), and all bytes between them (`wire_bytes`: TLS, HTTP/2, acknowledgements,
//!   the nodes' heartbeats).
//! - `stock`: one item of preprocessing in batches without pause: processor time of all nodes (`cpu_us`), items a second, bytes from one
//!   node to one peer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

mod committee;
#[path = "../../tests/kms_node/common/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common;
mod node;
mod wire;

use committee::{Committee, Plan, Prepared};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tkms_types::FheType;

/// Set for the processes of the nodes: the node's directory.
const NODE: &str = "TKMS_BENCH_NODE";
/// One way, in milliseconds.
const DELAYS: [u64; 3] = [0, 20, 80];
const KINDS: [(FheType, &str); 4] = [
    (FheType::Bool, "ebool"),
    (FheType::Uint8, "euint8"),
    (FheType::Uint64, "euint64"),
    (FheType::Uint256, "euint256"),
];
/// Requests of each type before those that count.
const WARM_UP: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Flood,
    Exact,
}

fn main() {
    if let Ok(dir) = std::env::var(NODE) {
        return node::run(Path::new(&dir));
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    // all of a list, or those that are named
    let named = |name: &str, all: &[&str]| {
        args.iter().any(|arg| arg == name) || !args.iter().any(|arg| all.contains(&arg.as_str()))
    };
    let modes = [("flood", Mode::Flood), ("exact", Mode::Exact)].into_iter();
    let modes = modes.filter(|(name, _)| named(name, &["flood", "exact"])).map(|(_, mode)| mode);
    let delays = DELAYS.into_iter().filter(|delay| named(&format!("{delay}ms"), &["0ms", "20ms", "80ms"]));
    let cells: Vec<_> = modes.flat_map(|mode| delays.clone().map(move |delay| (mode, delay))).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for n in args.iter().filter_map(|arg| arg.parse().ok()) {
        for (mode, delay) in cells.iter().copied() {
            let start = Instant::now();
            runtime.block_on(measure(&plan(n, mode, delay)));
            println!("n = {n}, {mode:?}, {delay} ms: took {:.1} s", start.elapsed().as_secs_f64());
        }
    }
}

/// Batches are of the default size where they take less than some seconds.
fn plan(n: usize, mode: Mode, delay: u64) -> Plan {
    let batch = match n {
        ..10 => 104_000,
        10 => 52_000,
        _ => 20_800,
    };
    let batches = if delay == 0 && n < 10 { 5 } else { 2 };
    Plan { n, mode, delay: Duration::from_millis(delay), batch, batches }
}

/// Measured requests of a type: with delays they take long, and their processor time is known from those without.
fn requests(kind: FheType, delay: Duration) -> usize {
    match (delay.as_millis(), kind) {
        (0, FheType::Uint256) => 30,
        (0, _) => 100,
        (..40, _) => 30,
        _ => 15,
    }
}

async fn measure(plan: &Plan) {
    let mut committee = Committee::start(*plan).await;
    if plan.mode == Mode::Exact {
        stock(&mut committee, plan).await;
    }
    let wanted = KINDS.map(|(kind, _)| (kind, WARM_UP + requests(kind, plan.delay)));
    let prepared = committee.prepare(&wanted);
    for ((_, name), calls) in KINDS.into_iter().zip(prepared) {
        online(&mut committee, plan, name, &calls).await;
    }
}

async fn stock(committee: &mut Committee, plan: &Plan) {
    let batch = u64::from(plan.batch);
    committee.await_stock(batch).await;
    let before = committee.spent();
    committee.await_stock(batch * u64::from(plan.batches)).await;
    let after = committee.spent();
    let items = (batch * u64::from(plan.batches - 1)) as f64;
    let pairs = (plan.n * (plan.n - 1)) as f64;
    let bytes = (!plan.delay.is_zero()).then(|| (after.wire - before.wire) as f64 / items / pairs);
    record(
        json!({ "what": "stock", "mode": plan.mode, "n": plan.n, "delay_ms": plan.delay.as_millis() as u64 }),
        json!({
            "batch": batch,
            "batches": plan.batches - 1,
            "cpu_us": (after.cpu - before.cpu) * 1e3 / items,
            "per_s": items / (after.at - before.at).as_secs_f64(),
            "wire_bytes": bytes,
        }),
    );
}

async fn online(committee: &mut Committee, plan: &Plan, kind: &str, calls: &[Prepared]) {
    let (warm_up, calls) = calls.split_at(WARM_UP);
    for call in warm_up {
        committee.ask(call).await;
    }
    let before = committee.spent();
    let mut walls = Vec::new();
    for call in calls {
        walls.push(committee.ask(call).await.as_secs_f64() * 1e3);
    }
    let after = committee.spent();
    walls.sort_unstable_by(f64::total_cmp);
    let (count, pairs) = (calls.len() as f64, (plan.n * (plan.n - 1)) as f64);
    let each = |before: u64, after: u64| (after - before) as f64 / count / pairs;
    let wire = (!plan.delay.is_zero()).then(|| each(before.wire, after.wire));
    let delay = plan.delay.as_millis() as u64;
    record(
        json!({ "what": "online", "mode": plan.mode, "n": plan.n, "delay_ms": delay, "kind": kind }),
        json!({
            "requests": calls.len(),
            "wall_ms": walls[walls.len() / 2],
            "wall_p10_ms": walls[walls.len() / 10],
            "wall_p90_ms": walls[walls.len() * 9 / 10],
            "cpu_ms": (after.cpu - before.cpu) / count,
            "messages": each(before.said.messages, after.said.messages),
            "payload_bytes": each(before.said.bytes, after.said.bytes),
            "wire_bytes": wire,
        }),
    );
}

/// Prints an entry and puts it into `target/sweep.json` in place of one with the same names.
fn record(names: Value, figures: Value) {
    println!("{names} {figures}");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let file = target.join("sweep.json");
    let mut entries: Vec<Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let names = names.as_object().unwrap();
    entries.retain(|entry| names.iter().any(|(name, value)| entry[name] != *value));
    let mut entry = names.clone();
    entry.extend(figures.as_object().unwrap().clone());
    entries.push(entry.into());
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&entries).unwrap()).unwrap();
}
