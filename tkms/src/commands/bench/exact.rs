//! What `exact` takes of the nodes alone. Values, permissions and samples are there before anything is timed; nodes still check
//! every proof and signature, read and hash the samples, and agree on a range of stock.

use super::chain::Bench;
use super::record::Figure;
use super::supply::{Ask, Supply};
use crate::cli::BenchArgs;
use crate::devnet::{Devnet, Layout};
use anyhow::{Context as _, Result, bail, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_wire::kms::InfoRequest;
use tkms_wire::kms::reply::Outcome;
use tokio::task::JoinSet;

/// Requests one after the other.
const SEQUENTIAL: u64 = 100;
/// Requests at once.
const IN_FLIGHT: usize = 100;
/// Values of a request when many are asked for: half of what one may have, 1024 bits.
const PER_REQUEST: u64 = 16;
/// Items of stock that one euint64 takes.
const ITEMS: f64 = 16.0;
const CALLBACKS: usize = 7;
/// Requests whose samples are written ahead of those in flight.
const AHEAD: usize = 50;
/// How long the nodes may take to fill their stock.
const STOCK_TIME: Duration = Duration::from_secs(120);
/// How long all nodes may take for one request.
const ANSWER_TIME: Duration = Duration::from_secs(45);
/// Windows for which a rate is told.
const WINDOW: f64 = 10.0;
/// Clock ticks of /proc in a second, on every Linux in use.
const TICKS: f64 = 100.0;

/// Measures everything but the stages. After an error `figures` holds what was measured before it.
pub async fn measure(devnet: &Devnet, args: &BenchArgs, samples: &Path, figures: &mut Vec<Figure>) -> Result<()> {
    let start = Instant::now();
    let tell = |what: &str| println!("  {:6.1} s  {what}", start.elapsed().as_secs_f64());
    let bench = Bench::new(devnet, &args.devnet).await?;
    tell("requests to callbacks, on the chain");
    let mut callback = Vec::new();
    for _ in 0..CALLBACKS {
        callback.push(bench.callback().await?);
    }
    tell("values: grants, proofs, attestations");
    let layout = Layout::new(&std::path::absolute(&args.devnet.dir)?);
    let supply = Arc::new(Supply::grant(&bench, &layout, samples).await?);
    let load = Load { bench: &bench, supply, nodes: Processes::of(devnet) };
    let asks = load.asks(0, SEQUENTIAL + 1, 1).await?;
    load.store(&asks).await?;
    figures.push(Figure { name: "exact.e2e.callback_s", unit: "s", samples: callback });
    tell("stock");
    let made = bench.full_stock().await?;
    tell(&format!("{SEQUENTIAL} requests one after the other"));
    // callbacks were decrypted from the same stock
    figures.extend(load.sequence(&asks, made as f64 + CALLBACKS as f64 * ITEMS).await?);

    let values = u64::from(args.values);
    tell(&format!("{values} values are prepared"));
    let first = SEQUENTIAL + 1;
    let asks = load.asks(first, values, PER_REQUEST).await?;
    load.store(&asks).await?;
    bench.full_stock().await?;
    tell(&format!("{values} values, {IN_FLIGHT} requests in flight"));
    let burst = load.in_flight(asks, None).await?;
    let one = |name, value| Figure { name, unit: "1/s", samples: vec![value] };
    figures.push(one("exact.per_s", burst.per_s()));
    let time = f64::from(args.sustained);
    if args.sustained > 0 {
        let wanted = (burst.per_s() * time * 1.3) as u64;
        tell(&format!("{:.0} values a second; {wanted} values are prepared", burst.per_s()));
        let asks = load.asks(first + values, wanted, PER_REQUEST).await?;
        bench.full_stock().await?;
        tell(&format!("{time} s, {IN_FLIGHT} requests in flight, preprocessing beside them"));
        let run = load.in_flight(asks, Some(Duration::from_secs(args.sustained.into()))).await?;
        ensure!(run.took >= time, "only {:.1} s: the values were too few", run.took);
        run.tell();
        figures.push(one("exact.sustained_per_s", run.per_s()));
    }
    tell("done");
    Ok(())
}

impl Bench<'_> {
    /// Waits until every node has the stock it wants; the least of them.
    async fn full_stock(&self) -> Result<u64> {
        let start = Instant::now();
        loop {
            let (mut least, mut lacking) = (u64::MAX, Vec::new());
            for (number, mut node) in (1..).zip(self.nodes.iter().cloned()) {
                for level in node.info(InfoRequest {}).await?.into_inner().stock {
                    least = least.min(level.items);
                    if level.items < level.target {
                        lacking.push(format!("node {number} has {} of {} items", level.items, level.target));
                    }
                }
            }
            if lacking.is_empty() && least != u64::MAX {
                return Ok(least);
            }
            ensure!(start.elapsed() < STOCK_TIME, "after {STOCK_TIME:?} {}", lacking.join(", "));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Requests on their way to all nodes.
struct Load<'a> {
    bench: &'a Bench<'a>,
    supply: Arc<Supply>,
    nodes: Processes,
}

/// When requests of a run were answered, and how many values they had.
struct Run {
    done: Vec<(f64, u64)>,
    took: f64,
}

impl Run {
    fn per_s(&self) -> f64 {
        self.done.iter().map(|(_, values)| *values as f64).sum::<f64>() / self.took
    }

    /// The slowest and the fastest stretch.
    fn tell(&self) {
        let rates = (0..(self.took / WINDOW) as usize).map(|window| {
            let within = |(at, _): &&(f64, u64)| (at / WINDOW) as usize == window;
            self.done.iter().filter(within).map(|(_, values)| *values as f64).sum::<f64>() / WINDOW
        });
        let rates: Vec<_> = rates.collect();
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates.iter().copied().fold(0.0, f64::max);
        println!("  {:.1} s; in {WINDOW} s each {least:.0} to {most:.0} values a second", self.took);
    }
}

impl Load<'_> {
    /// Requests for `count` values from `first` on.
    async fn asks(&self, first: u64, count: u64, per_request: u64) -> Result<Vec<Arc<Ask>>> {
        let supply = Arc::clone(&self.supply);
        let made = tokio::task::spawn_blocking(move || supply.asks(first..first + count, per_request));
        Ok(made.await??.into_iter().map(Arc::new).collect())
    }

    /// Writes the samples of requests.
    async fn store(&self, asks: &[Arc<Ask>]) -> Result<()> {
        let written = stream::iter(asks).map(|ask| self.written(Arc::clone(ask)));
        written.buffer_unordered(AHEAD).try_for_each(|_| std::future::ready(Ok(()))).await
    }

    async fn written(&self, ask: Arc<Ask>) -> Result<Arc<Ask>> {
        let supply = Arc::clone(&self.supply);
        tokio::task::spawn_blocking(move || supply.store(&ask).map(|()| ask)).await?
    }

    async fn removed(&self, ask: Arc<Ask>) -> Result<()> {
        let supply = Arc::clone(&self.supply);
        tokio::task::spawn_blocking(move || supply.remove(&ask)).await?
    }

    /// Asks all nodes: the time until a quorum has answered. Comes back when all have, with the right values.
    async fn asked(&self, ask: &Arc<Ask>) -> Result<Duration> {
        let mut asked = JoinSet::new();
        let start = Instant::now();
        for (number, mut node) in (1..).zip(self.bench.nodes.iter().cloned()) {
            let ask = Arc::clone(ask);
            asked.spawn(async move {
                let reply = node.public_decrypt(tonic::Request::new(ask.call.clone())).await;
                let reply = reply.with_context(|| format!("node {number}"))?.into_inner();
                match reply.outcome {
                    Some(Outcome::PublicAnswer(answer)) => ask.check(&answer).with_context(|| format!("node {number}")),
                    other => bail!("node {number} does not answer: {other:?}"),
                }
            });
        }
        let (nodes, mut quorum) = (self.bench.nodes.len(), Duration::ZERO);
        for answers in 1..=nodes {
            let answered = tokio::time::timeout(ANSWER_TIME.saturating_sub(start.elapsed()), asked.join_next()).await;
            let answered = answered.map_err(|_| anyhow::anyhow!("{} nodes say nothing", nodes + 1 - answers))?;
            answered.context("too few nodes")???;
            if answers == 2 * (nodes - 1) / 3 + 1 {
                quorum = start.elapsed();
            }
        }
        Ok(quorum)
    }

    /// One request after the other: wall, and CPU without and with its part of preprocessing.
    async fn sequence(&self, asks: &[Arc<Ask>], made: f64) -> Result<[Figure; 3]> {
        let background = self.nodes.background_ms()?;
        // the block is new to the nodes: the first request brings it
        let (warm, asks) = asks.split_first().context("no request")?;
        self.asked(warm).await?;
        let (cpu, mut walls) = (self.nodes.cpu_ms()?, Vec::new());
        for ask in asks {
            walls.push(self.asked(ask).await?.as_secs_f64() * 1e3);
        }
        let online = (self.nodes.cpu_ms()? - cpu) / asks.len() as f64;
        let one = |name, value| Figure { name, unit: "ms", samples: vec![value] };
        Ok([
            Figure { name: "exact.wall_ms", unit: "ms", samples: walls },
            one("exact.online_cpu_ms", online),
            one("exact.total_cpu_ms", online + background / made * ITEMS),
        ])
    }

    /// Many at once: all of them, their samples written before; or for some time, with samples written ahead and removed behind.
    async fn in_flight(&self, asks: Vec<Arc<Ask>>, time: Option<Duration>) -> Result<Run> {
        let start = Instant::now();
        let going = |_: &Arc<Ask>| std::future::ready(time.is_none_or(|time| start.elapsed() < time));
        let written = stream::iter(asks)
            .take_while(going)
            .map(|ask| async move { if time.is_some() { self.written(ask).await } else { Ok(ask) } });
        let answered = written.buffered(AHEAD).map(|ask| async move {
            let ask = ask?;
            self.asked(&ask).await?;
            let (at, values) = (start.elapsed().as_secs_f64(), ask.values());
            self.removed(ask).await?;
            Ok::<_, anyhow::Error>((at, values))
        });
        let done: Vec<_> = answered.buffer_unordered(IN_FLIGHT).try_collect().await?;
        let took = done.iter().map(|(at, _)| *at).fold(0.0, f64::max);
        Ok(Run { done, took })
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
