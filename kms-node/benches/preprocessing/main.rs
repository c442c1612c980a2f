//! Preprocessing as a committee does it: one process a party, mutual TLS between them, agreed batches, items on disk.
//! Written to `target/bench.json`:
//!
//! - `mpc.bits16_per_s`, `mpc.bit16_bytes_per_peer`: bits over GR(2¹⁶, 4), stored as items of exact decryption.
//! - `mpc.bits64_per_s`, `mpc.bit64_bytes_per_peer`: bits over GR(2⁶⁴, 4), used at once.
//! - `mpc.mults64_per_s`, `mpc.mult64_bytes_per_peer`: products over GR(2⁶⁴, 4), used at once.
//! - `mpc.open_us`: from the masked shares of four blocks to their opened values at every party, one after the other.
//!
//! An item counts once for the committee, when its batch is agreed and, over GR(2¹⁶, 4), on disk. Bytes are frames:
//! payload, agreement and signatures. All processes share the cores of this machine. A rate is that of at least ten
//! seconds. The limit beside a rate is that of arithmetic: all parties do the AES blocks and ring products of step 1 and
//! nothing else, on all cores; an item has 8 bytes to each peer over GR(2⁶⁴, 4) and 2 over GR(2¹⁶, 4) without agreement;
//! that of an opening is the ring products of all parties. The bar is what a committee of four has to reach. An argument
//! picks figures by name.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

#[path = "../../tests/kms_node/common/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common;
#[path = "../../../mpc/benches/limit/mod.rs"]
mod limit;
mod party;
#[path = "../../../mpc/benches/record/mod.rs"]
mod record;

use record::{Figure, record};
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tkms_kms_node::keystore::{Keystore, NodeIdentity};
use tkms_mpc::ring::{DEGREE, Gr16, Gr64};
use tkms_types::{Cluster, Node, PartyId};

/// Set for the processes of the parties: the party's directory.
const PARTY: &str = "TKMS_BENCH_PARTY";
/// Of the parties' key stores, which are gone after the run.
const PASSPHRASE: &str = "insecure bench passphrase";
/// Batches that show how many fit the time.
const CALIBRATION: u32 = 3;
/// Seconds aimed at.
const SECONDS: f64 = 12.0;
/// Seconds measured at least: what is shorter is not a steady state, and is measured again with more batches.
const STEADY: f64 = 10.0;
/// How often it is.
const TRIES: u32 = 4;
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
    /// Seconds of processor time of all threads, in the system too.
    cpu: f64,
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

/// What is measured of one kind of batch.
struct Kind {
    rate: &'static str,
    bytes: &'static str,
    task: fn(u32, u32) -> Task,
    /// Items of a batch: it takes the better part of a second.
    items: u32,
    /// Items per second of one party on one core.
    limit: f64,
    /// Bytes of an item to one peer, without agreement.
    least: f64,
    /// Items per second that a committee of four has to make.
    bar: f64,
    /// Bytes of an item to one peer that it may take, if that was set.
    bytes_bar: Option<f64>,
}

fn kinds(n: usize) -> [Kind; 3] {
    let (bits16, bits64, products) = if n == 4 { (1_040_000, 1 << 19, 1 << 18) } else { (60_000, 40_000, 20_000) };
    let bytes = |bytes: usize| bytes as f64 / DEGREE as f64;
    [
        Kind {
            rate: "mpc.bits16_per_s",
            bytes: "mpc.bit16_bytes_per_peer",
            task: |batches, items| Task::Bits16 { batches, items },
            items: bits16,
            limit: limit::per_core::<Gr16>(n, 1.0),
            least: bytes(Gr16::BYTES),
            bar: 3e6,
            bytes_bar: Some(2.5),
        },
        Kind {
            rate: "mpc.bits64_per_s",
            bytes: "mpc.bit64_bytes_per_peer",
            task: |batches, items| Task::Bits64 { batches, items },
            items: bits64,
            limit: limit::per_core::<Gr64>(n, 1.0),
            least: bytes(Gr64::BYTES),
            bar: 5e6,
            bytes_bar: Some(10.0),
        },
        Kind {
            rate: "mpc.mults64_per_s",
            bytes: "mpc.mult64_bytes_per_peer",
            task: |batches, items| Task::Products64 { batches, items },
            items: products,
            limit: limit::per_core::<Gr64>(n, 3.0),
            least: bytes(Gr64::BYTES),
            bar: 2e6,
            bytes_bar: None,
        },
    ]
}

/// Whether a figure is asked for.
fn wanted(name: &str) -> bool {
    std::env::args().skip(1).find(|arg| !arg.starts_with('-')).is_none_or(|only| name.contains(&only))
}

fn measure(n: usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let mut parties = Parties::start(n);
    for kind in kinds(n).into_iter().filter(|kind| wanted(kind.rate)) {
        let reports = steady(&mut parties, &kind);
        let each = |figure: fn(&Report) -> f64| reports.iter().map(figure).collect::<Vec<_>>();
        // bars are those of the smallest committee
        let bar = |bar: Option<f64>| bar.filter(|_| n == 4);
        let (values, limit) = (each(|r| r.items as f64 / r.seconds), Some(kind.limit * cores / n as f64));
        note(Figure { name: kind.rate, n, unit: "items/s", values, limit, bar: bar(Some(kind.bar)) });
        let values: Vec<_> = each(|r| r.bytes as f64 / r.items as f64).iter().map(|b| b / (n - 1) as f64).collect();
        let (limit, bar) = (Some(kind.least), bar(kind.bytes_bar));
        note(Figure { name: kind.bytes, n, unit: "bytes", values, limit, bar });
        let cpu: f64 = each(|r| r.cpu / r.items as f64).iter().sum();
        println!("{}, n = {n}: {:.0} ns of processor time an item, all parties together", kind.rate, cpu * 1e9);
    }
    if wanted("mpc.open_us") {
        parties.all(Task::Open { count: OPENINGS / 10 });
        let reports = parties.all(Task::Open { count: OPENINGS });
        let values = reports.iter().map(|report| report.seconds * 1e6 / report.items as f64).collect();
        let limit = Some(limit::opening_us(n) * n as f64 / cores);
        note(Figure { name: "mpc.open_us", n, unit: "us", values, limit, bar: None });
    }
}

/// Batches for so long that every party's rate is that of a steady state.
fn steady(parties: &mut Parties, kind: &Kind) -> Vec<Report> {
    let mut reports = parties.all((kind.task)(CALIBRATION, kind.items));
    let mut batches = f64::from(CALIBRATION);
    for _ in 0..TRIES {
        let shortest = reports.iter().map(|report| report.seconds).fold(f64::INFINITY, f64::min);
        batches = (batches * SECONDS / shortest).ceil();
        reports = parties.all((kind.task)(batches as u32, kind.items));
        if reports.iter().all(|report| report.seconds >= STEADY) {
            return reports;
        }
    }
    panic!("{}: no {STEADY} seconds of a steady state in {TRIES} tries", kind.rate);
}

/// Prints a figure and records it.
fn note(figure: Figure<'_>) {
    let (low, high) = figure.values.iter().fold((f64::INFINITY, 0f64), |(low, high), v| (low.min(*v), high.max(*v)));
    let beside = |what: &str, value: Option<f64>| value.map_or_else(String::new, |v| format!(", {what} {v:.2}"));
    let (limit, bar) = (beside("limit", figure.limit), beside("bar", figure.bar));
    println!("{}, n = {}: {low:.2} to {high:.2} {}{limit}{bar}", figure.name, figure.n, figure.unit);
    record(figure);
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
