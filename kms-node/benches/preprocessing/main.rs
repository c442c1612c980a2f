//! Preprocessing as a committee does it: one process a party, mutual TLS between them, agreed batches, items on disk.
//! Written to `target/bench.json`:
//!
//! - `mpc.bits16_per_s`, `mpc.bit16_bytes_per_peer`: bits over GR(2¹⁶, 4), stored as items of exact decryption.
//! - `mpc.bits64_per_s`, `mpc.bit64_bytes_per_peer`: bits over GR(2⁶⁴, 4), used at once.
//! - `mpc.mults64_per_s`: products over GR(2⁶⁴, 4), used at once.
//! - `mpc.open_us`: from the masked shares of four blocks to their opened values at every party, one after the other.
//!
//! An item counts once for the committee, when its batch is agreed and, over GR(2¹⁶, 4), on disk. Bytes are frames:
//! payload, agreement and signatures. All processes share the cores of this machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

#[path = "../../tests/kms_node/common/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common;
mod party;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tkms_kms_node::keystore::{Keystore, NodeIdentity};
use tkms_types::{Cluster, Node, PartyId};

/// Set for the processes of the parties: the party's directory.
const PARTY: &str = "TKMS_BENCH_PARTY";
/// Of the parties' key stores, which are gone after the run.
const PASSPHRASE: &str = "insecure bench passphrase";
/// Batches that show how many fit the time.
const CALIBRATION: u32 = 3;
/// Seconds measured.
const SECONDS: f64 = 12.0;
/// Openings measured.
const OPENINGS: u32 = 2_000;

/// What the parties are told to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Task {
    /// Bits over GR(2¹⁶, 4), to disk.
    Bits16 { batches: u32, items: u32 },
    /// Bits over GR(2⁶⁴, 4).
    Bits64 { batches: u32, items: u32 },
    /// Products over GR(2⁶⁴, 4).
    Products64 { batches: u32, items: u32 },
    /// Openings of one element.
    Open { count: u32 },
}

/// What a party measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Report {
    seconds: f64,
    items: u64,
    /// Bytes of frames to all peers together.
    bytes: u64,
}

fn main() {
    // `cargo test --benches` only checks that it builds and starts
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    if let Ok(party) = std::env::var(PARTY) {
        return party::run(Path::new(&party));
    }
    let only: Option<usize> = std::env::var("TKMS_BENCH_N").ok().and_then(|n| n.parse().ok());
    for n in [4, 13].into_iter().filter(|n| only.is_none_or(|only| only == *n)) {
        measure(n);
    }
}

/// Name of the rate, name of the bytes, batches and items to task, items.
type Kind = (&'static str, Option<&'static str>, fn(u32, u32) -> Task, u32);

fn measure(n: usize) {
    let mut parties = Parties::start(n);
    // A batch takes the better part of a second
    let (bits16, bits64, products) = if n == 4 { (1_040_000, 1 << 19, 1 << 18) } else { (60_000, 40_000, 20_000) };
    let kinds: [Kind; 3] = [
        (
            "mpc.bits16_per_s",
            Some("mpc.bit16_bytes_per_peer"),
            |batches, items| Task::Bits16 { batches, items },
            bits16,
        ),
        (
            "mpc.bits64_per_s",
            Some("mpc.bit64_bytes_per_peer"),
            |batches, items| Task::Bits64 { batches, items },
            bits64,
        ),
        ("mpc.mults64_per_s", None, |batches, items| Task::Products64 { batches, items }, products),
    ];
    for (rate, bytes, task, items) in kinds {
        let calibration = parties.all(task(CALIBRATION, items));
        let slowest = calibration.iter().map(|report| report.seconds).fold(0.0, f64::max);
        let batches = SECONDS * f64::from(CALIBRATION) / slowest;
        let reports = parties.all(task(batches.ceil() as u32, items));
        let rates: Vec<f64> = reports.iter().map(|report| report.items as f64 / report.seconds).collect();
        record(rate, n, "items/s", &rates);
        let per_peer = |report: &Report| report.bytes as f64 / (n - 1) as f64 / report.items as f64;
        let per_peer: Vec<f64> = reports.iter().map(per_peer).collect();
        bytes.into_iter().for_each(|name| record(name, n, "bytes", &per_peer));
    }
    parties.all(Task::Open { count: OPENINGS / 10 });
    let reports = parties.all(Task::Open { count: OPENINGS });
    let times: Vec<f64> = reports.iter().map(|report| report.seconds * 1e6 / report.items as f64).collect();
    record("mpc.open_us", n, "us", &times);
}

/// The processes of a committee.
struct Parties {
    running: Vec<(Child, ChildStdin, BufReader<ChildStdout>)>,
    _dir: tempfile::TempDir,
}

impl Parties {
    fn start(n: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for number in 1..=n {
            let identity = NodeIdentity::generate().unwrap();
            let party_dir = dir.path().join(number.to_string());
            Keystore::new(&party_dir).create_identity(&identity, &PASSPHRASE.to_owned().into()).unwrap();
            nodes.push(Node {
                party_id: PartyId::new(number as u8).unwrap(),
                signer: identity.signer(),
                tls_certificate: identity.record().tls_certificate,
                peer_address: format!("127.0.0.1:{}", common::cluster::free_port()),
                api_url: String::new(),
            });
        }
        let cluster: Cluster = common::cluster_of(nodes, common::host());
        std::fs::write(dir.path().join("cluster.json"), cluster.to_json().unwrap()).unwrap();
        let start = |number: usize| {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .arg("--bench")
                .env(PARTY, dir.path().join(number.to_string()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            (child, stdin, BufReader::new(stdout))
        };
        Self { running: (1..=n).map(start).collect(), _dir: dir }
    }

    /// Everybody does this; what each measured.
    fn all(&mut self, task: Task) -> Vec<Report> {
        let line = serde_json::to_string(&task).unwrap();
        for (_, stdin, _) in &mut self.running {
            writeln!(stdin, "{line}").unwrap();
        }
        let report = |stdout: &mut BufReader<ChildStdout>| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            serde_json::from_str(&line).unwrap()
        };
        self.running.iter_mut().map(|(_, _, stdout)| report(stdout)).collect()
    }
}

impl Drop for Parties {
    fn drop(&mut self) {
        for (child, ..) in &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Replaces the entry of this name and committee in `target/bench.json` and keeps the others.
fn record(name: &str, n: usize, unit: &str, figures: &[f64]) {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let file = target.join("bench.json");
    let mut entries: Vec<Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    entries.retain(|entry| entry.get("name") != Some(&json!(name)) || entry.get("n") != Some(&json!(n)));
    let value = sorted[sorted.len() / 2];
    println!("{name}, n = {n}: {value:.2} {unit} ({:.2} to {:.2})", sorted[0], sorted[sorted.len() - 1]);
    entries.push(json!({
        "name": name,
        "n": n,
        "value": value,
        "unit": unit,
        "min": sorted.first(),
        "max": sorted.last(),
        "samples": sorted.len(),
    }));
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&entries).unwrap()).unwrap();
}
