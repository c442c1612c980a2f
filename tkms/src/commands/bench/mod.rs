//! `tkms bench`: the stages of a decryption on a devnet of its own. The protocol's own benches are criterion's.

mod chain;
mod exact;
mod plot;
mod record;
mod stages;
mod supply;
mod svg;
pub mod sweep;

use crate::cli::{BenchArgs, Decryption, DevnetArgs};
use crate::devnet::{Devnet, Layout};
use anyhow::{Context as _, Result};
use record::{Figure, record};
use std::path::{Path, PathBuf};

/// What `target/bench.json` lies under, from the root of the checkout.
const TARGET: &str = "target";

/// Measures, prints and records.
///
/// # Errors
/// If anything fails.
pub async fn run(bench: &BenchArgs) -> Result<()> {
    let args = &bench.devnet;
    let (target, exact) = (args.root.join(TARGET), args.decryption == Decryption::Exact);
    let samples = SamplesDir::make(args)?;
    let samples_at_nodes = exact.then(|| samples.0.clone());
    let devnet = super::devnet::start(&DevnetArgs { samples_at_nodes, ..args.clone() }).await?;
    println!("\nOn the devnet: {} nodes, 1 s blocks, final two blocks later\n", args.nodes);
    let mut figures = Vec::new();
    let measured = if exact {
        exact::measure(&devnet, bench, &samples.0, &mut figures).await
    } else {
        chain::measure(&devnet, args).await.map(|all| figures.extend(all))
    };
    let memory = memory(&devnet, exact);
    devnet.stop().await?;
    if measured.is_ok() {
        figures.extend(memory?);
    }
    // What was measured before a failure is a figure all the same
    for figure in &figures {
        figure.print();
        record(&target, Some(args.nodes), figure)?;
    }
    measured?;
    println!("\nIn one process, tfhe on all cores (wall) and summed over cores (CPU), one euint64:\n");
    let keys = Layout::new(&std::path::absolute(&args.dir)?).dealt(args.nodes.into(), args.decryption);
    let stages =
        tokio::task::spawn_blocking(move || if exact { stages::measure_exact(&keys) } else { stages::measure(&keys) });
    let stages = stages.await??;
    for figure in &stages {
        figure.print();
        record(&target, None, figure)?;
    }
    plot::plot(&target)?;
    println!("\nAll of it in {}, drawn in bench.svg beside it", target.join("bench.json").display());
    Ok(())
}

/// Where samples are put for the nodes, in memory if the system has a directory for that: writing them to a disk is no part of a
/// decryption. Gone with this.
struct SamplesDir(PathBuf);

impl SamplesDir {
    fn make(args: &DevnetArgs) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::path::absolute(&args.dir)? };
        let dir = parent.join(format!("tkms-bench-{}", args.port_base));
        if dir.exists() {
            // of a run that was killed
            std::fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
        }
        std::fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
        std::fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        Ok(Self(dir))
    }
}

impl Drop for SamplesDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left: {error}", self.0.display());
        }
    }
}

/// Peaks of resident memory, in MiB: of the largest node, and of all processes together.
fn memory(devnet: &Devnet, exact: bool) -> Result<[Figure; 2]> {
    let mut peaks = Vec::new();
    for (name, pid) in devnet.pids() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| name.clone())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
        peaks.push((name, kib.context("no VmHWM in /proc")? / 1024.0));
    }
    let nodes = peaks.iter().filter(|(name, _)| name.starts_with("node")).map(|(_, mib)| *mib).collect();
    let all = peaks.iter().map(|(_, mib)| *mib).sum();
    let (node, devnet) =
        if exact { ("exact.node.rss_mib", "exact.devnet.rss_mib") } else { ("node.rss_mib", "devnet.rss_mib") };
    let node = Figure { name: node, unit: "MiB", samples: nodes };
    Ok([node, Figure { name: devnet, unit: "MiB", samples: vec![all] }])
}
