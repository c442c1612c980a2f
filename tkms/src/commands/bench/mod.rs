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

/// What `target/bench.json` lies under, from the root of the checkout.
const TARGET: &str = "target";

/// Measures, prints and records.
///
/// # Errors
/// If anything fails.
pub async fn run(bench: &BenchArgs) -> Result<()> {
    let args = &bench.devnet;
    let (target, exact) = (args.root.join(TARGET), args.decryption == Decryption::Exact);
    let devnet = super::devnet::start(&DevnetArgs { samples_at_nodes: exact, ..args.clone() }).await?;
    println!("\nOn the devnet: {} nodes, 1 s blocks, final two blocks later\n", args.nodes);
    let mut figures = Vec::new();
    let measured = if exact {
        exact::measure(&devnet, bench, &mut figures).await
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
