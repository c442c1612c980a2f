//! `tkms halt`: why a node or an oracle serves nothing of a host chain, and the operator's word that it may again.

use crate::cli::HaltArgs;
use anyhow::{Context as _, Result, bail};
use tkms_kms_node::Config;
use tkms_kms_node::hosts::{Hosts, clear_halt, halt_evidence};
use tkms_kms_node::store::Store;
use tkms_types::Cluster;

/// Shows every halt; clears the one named.
///
/// # Errors
/// If the node or oracle runs, its store cannot be read, or the chain is not halted.
pub async fn run(args: &HaltArgs) -> Result<()> {
    if args.oracle {
        return oracle(args);
    }
    let config = Config::read(&args.config)?;
    let name = || args.cluster.display().to_string();
    let cluster = Cluster::from_json(&std::fs::read_to_string(&args.cluster).with_context(name)?)?;
    let store = Store::open(&config.data_dir.join("node.redb")).context("the node must not be running")?;
    let halted = Hosts::load(store.clone(), cluster.hash()?)?.halted();
    for (chain, reason) in &halted {
        println!("host chain {chain} is halted: {reason}");
        if let Some(evidence) = halt_evidence(&store, *chain)? {
            println!("  accepted before: 0x{}", alloy_primitives::hex::encode(&evidence.before));
            println!("  contradicts it:  0x{}", alloy_primitives::hex::encode(&evidence.found));
        }
    }
    if halted.is_empty() {
        println!("no host chain is halted");
    }
    match args.clear {
        None => Ok(()),
        Some(chain) if clear_halt(&store, chain).await? => {
            println!("host chain {chain} is served again from the node's next start");
            Ok(())
        }
        Some(chain) => bail!("host chain {chain} is not halted"),
    }
}

fn oracle(args: &HaltArgs) -> Result<()> {
    let config = tkms_oracle::Config::read(&args.config)?;
    let path = config.data_dir.join(tkms_oracle::DATABASE);
    let store = tkms_oracle::store::Store::open(&path).context("the oracle must not be running")?;
    let mut halted = false;
    for chain in config.host.iter().map(|host| host.chain_id) {
        if let Some(reason) = store.halt(chain)? {
            halted = true;
            println!("host chain {chain} is halted: {reason}");
        }
    }
    if !halted {
        println!("no host chain is halted");
    }
    match args.clear {
        None => Ok(()),
        Some(chain) if store.clear_halt(chain)? => {
            println!("host chain {chain} is served again from the oracle's next start");
            Ok(())
        }
        Some(chain) => bail!("host chain {chain} is not halted"),
    }
}
