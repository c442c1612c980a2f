//! What `exact` takes of the nodes alone. Values, permissions and samples are there before anything is timed; nodes still check
//! every proof and signature, fetch the samples, and agree on a range of stock.

use super::chain::{Bench, DecryptionProbe, quorum, wait};
use super::record::Figure;
use crate::cli::BenchArgs;
use crate::devnet::Devnet;
use alloy::network::TransactionBuilder as _;
use alloy::providers::Provider as _;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolEvent as _;
use alloy_primitives::{Bytes, U256};
use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_types::{Handle, PublicRequest};
use tkms_wire::coprocessor::MaterialReply;
use tkms_wire::kms::{InfoRequest, PublicDecryptRequest};
use tkms_wire::request::Call;
use tokio::task::JoinSet;

/// Requests one after the other.
const SEQUENTIAL: usize = 100;
/// Requests at once.
const IN_FLIGHT: usize = 100;
/// Values of a request when many are asked for: half of what one may have, 1024 bits.
const PER_REQUEST: usize = 16;
/// Items of stock that one euint64 takes.
const ITEMS: f64 = 16.0;
const CALLBACKS: usize = 7;
/// Transactions sent before the first of them is waited for.
const AT_ONCE: usize = 100;
/// Values of one transaction that makes them public.
const PUBLISHED: usize = 50;
/// Gas of a transaction that makes a value, and of one that makes values public. Not estimated: what a grant costs depends on those
/// that are mined before it.
const MAKE_GAS: u64 = 1_000_000;
const PUBLISH_GAS: u64 = 8_000_000;
/// How long the nodes may take to fill their stock.
const STOCK_TIME: Duration = Duration::from_secs(240);
/// From here on a run with preprocessing beside it is called sustained.
const SUSTAINED: Duration = Duration::from_secs(60);
/// Clock ticks of /proc in a second, on every Linux in use.
const TICKS: f64 = 100.0;

/// Measures everything but the stages.
pub async fn measure(devnet: &Devnet, args: &BenchArgs) -> Result<Vec<Figure>> {
    let bench = Bench::new(devnet, &args.devnet).await?;
    let nodes = Processes::of(devnet);
    let mut callback = Vec::new();
    for _ in 0..CALLBACKS {
        callback.push(bench.callback().await?);
    }
    let random = |_| bench.probe.makeRandomUint64(0).into_transaction_request();
    let single = bench.prepare((0..SEQUENTIAL).map(random).collect(), 1).await?;
    let trivial = |number| bench.probe.makeUint64(number).into_transaction_request();
    // from a number on: nodes know the ciphertexts of equal trivial values as one
    let many = bench
        .prepare((0..u64::from(args.values)).map(|number| trivial((1 << 40) + number)).collect(), PER_REQUEST)
        .await?;
    let made = bench.full_stock().await?;
    let background = nodes.background_ms()?;

    let (cpu, mut walls) = (nodes.cpu_ms()?, Vec::new());
    for call in &single {
        walls.push(bench.asked(call).await?.as_secs_f64() * 1e3);
    }
    let online = (nodes.cpu_ms()? - cpu) / SEQUENTIAL as f64;
    // callbacks were decrypted from the same stock
    let made = made as f64 + CALLBACKS as f64 * ITEMS;
    let total = online + background / made * ITEMS;

    let took = bench.in_flight(many).await?;
    let rate = f64::from(args.values) / took.as_secs_f64();
    let one = |name, unit, value| Figure { name, unit, samples: vec![value] };
    let mut figures = vec![
        Figure { name: "exact.e2e.callback_s", unit: "s", samples: callback },
        Figure { name: "exact.wall_ms", unit: "ms", samples: walls },
        one("exact.online_cpu_ms", "ms", online),
        one("exact.total_cpu_ms", "ms", total),
    ];
    if took < SUSTAINED {
        println!(
            "  {} values took {:.1} s: too few for a sustained rate, see --values",
            args.values,
            took.as_secs_f64()
        );
        figures.push(one("exact.per_s", "1/s", rate));
    } else {
        figures.push(one("exact.sustained_per_s", "1/s", rate));
    }
    Ok(figures)
}

impl Bench<'_> {
    /// Sends transactions that make one value each, makes the values public, waits for block and samples, and gives requests
    /// with all that nodes want to see.
    async fn prepare(
        &self,
        transactions: Vec<TransactionRequest>,
        per_request: usize,
    ) -> Result<Vec<Arc<PublicDecryptRequest>>> {
        let mut values = Vec::with_capacity(transactions.len());
        for some in transactions.chunks(AT_ONCE) {
            for receipt in self.send_all(some, MAKE_GAS).await? {
                let made = receipt.logs().iter().find_map(|log| DecryptionProbe::Made::decode_log(&log.inner).ok());
                let made = made.context("the probe made nothing")?;
                values.push((made.index, Handle(made.handle)));
            }
        }
        let publish = |some: &[(U256, Handle)]| {
            let indices = some.iter().map(|(index, _)| *index).collect();
            self.probe.publish(indices).into_transaction_request()
        };
        let publications: Vec<_> = values.chunks(PUBLISHED).map(publish).collect();
        for some in publications.chunks(AT_ONCE) {
            self.send_all(some, PUBLISH_GAS).await?;
        }
        let mined = self.person.provider.get_block_number().await?;
        let signed = self.attested(mined).await?;
        let mut calls = Vec::new();
        for some in values.chunks(per_request) {
            let handles: Vec<Handle> = some.iter().map(|(_, handle)| *handle).collect();
            let mut materials = Vec::new();
            for handle in &handles {
                let ready =
                    || async { Ok(matches!(self.material(*handle, false).await?, MaterialReply::Ready { .. })) };
                wait(ready).await?;
                materials.push(self.ready_material(*handle).await?);
            }
            let evidence = Some(self.evidence(&handles, &signed).await?);
            let request = PublicRequest { handles, extra_data: Bytes::new() };
            let (finality, label) = (None, String::new());
            let call = Call { request, materials, evidence, finality, wait: STOCK_TIME, label };
            calls.push(Arc::new((&call).into()));
        }
        Ok(calls)
    }

    async fn send_all(
        &self,
        transactions: &[TransactionRequest],
        gas: u64,
    ) -> Result<Vec<alloy::rpc::types::TransactionReceipt>> {
        let mut pending = Vec::new();
        for transaction in transactions {
            let transaction = transaction.clone().with_gas_limit(gas);
            pending.push(self.person.provider.send_transaction(transaction).await?);
        }
        let mut receipts = Vec::new();
        for transaction in pending {
            let receipt = transaction.get_receipt().await?;
            ensure!(receipt.status(), "transaction {} was reverted", receipt.transaction_hash);
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    /// Waits until every node has the stock it wants; the least of them.
    async fn full_stock(&self) -> Result<u64> {
        let start = Instant::now();
        loop {
            let (mut least, mut full) = (u64::MAX, true);
            for mut node in self.nodes.iter().cloned() {
                for level in node.info(InfoRequest {}).await?.into_inner().stock {
                    least = least.min(level.items);
                    full &= level.items >= level.target;
                }
            }
            if full && least != u64::MAX {
                return Ok(least);
            }
            ensure!(start.elapsed() < STOCK_TIME, "the stock is not full after {STOCK_TIME:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks all nodes; until a quorum has answered. Comes back when all have.
    async fn asked(&self, call: &Arc<PublicDecryptRequest>) -> Result<Duration> {
        let mut asked = JoinSet::new();
        let start = Instant::now();
        for mut node in self.nodes.iter().cloned() {
            let message = PublicDecryptRequest::clone(call);
            asked.spawn(async move { node.public_decrypt(tonic::Request::new(message)).await });
        }
        quorum(&mut asked, self.nodes.len()).await?;
        let elapsed = start.elapsed();
        while let Some(reply) = asked.join_next().await {
            reply??;
        }
        Ok(elapsed)
    }

    /// All requests, so many at once.
    async fn in_flight(&self, calls: Vec<Arc<PublicDecryptRequest>>) -> Result<Duration> {
        let start = Instant::now();
        let mut running = JoinSet::new();
        for call in calls {
            if running.len() == IN_FLIGHT {
                running.join_next().await.context("nothing runs")???;
            }
            let nodes = self.nodes.clone();
            running.spawn(async move {
                let mut asked = JoinSet::new();
                for mut node in nodes.iter().cloned() {
                    let message = PublicDecryptRequest::clone(&call);
                    asked.spawn(async move { node.public_decrypt(tonic::Request::new(message)).await });
                }
                quorum(&mut asked, nodes.len()).await
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(start.elapsed())
    }
}

/// The nodes' processes.
struct Processes(Vec<u32>);

impl Processes {
    fn of(devnet: &Devnet) -> Self {
        Self(devnet.pids().filter(|(name, _)| name.starts_with("node")).map(|(_, pid)| pid).collect())
    }

    /// User and system time of all of them, in milliseconds.
    fn cpu_ms(&self) -> Result<f64> {
        self.0.iter().map(|pid| ticks(&format!("/proc/{pid}/stat"))).sum()
    }

    /// The same of the threads that preprocess.
    fn background_ms(&self) -> Result<f64> {
        let mut sum = 0.0;
        for pid in &self.0 {
            for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let task = task?.path();
                if std::fs::read_to_string(task.join("comm"))?.trim() == "background" {
                    sum += ticks(&task.join("stat").display().to_string())?;
                }
            }
        }
        Ok(sum)
    }
}

/// User and system time of a process or thread, in milliseconds.
fn ticks(file: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
    let (_, rest) = stat.rsplit_once(')').with_context(|| file.to_owned())?;
    let field = |index: usize| rest.split_whitespace().nth(index).and_then(|ticks| ticks.parse::<f64>().ok());
    let ticks = field(11).zip(field(12)).map(|(user, system)| user + system).with_context(|| file.to_owned())?;
    Ok(ticks * 1e3 / TICKS)
}
