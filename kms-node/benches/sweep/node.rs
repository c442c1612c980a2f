//! One node in a process of its own, as `tkms node` runs it. Its transport counts what it says in sessions; on every line of
//! standard input it prints the count, and it ends with it.

use super::common::bent::bent;
use serde::{Deserialize, Serialize};
use std::io::BufRead as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tkms_kms_node::config::Config;
use tkms_kms_node::{Hooks, Node};
use tkms_types::Cluster;

/// Configuration and cluster file, in the node's directory.
pub const CONFIG: &str = "node.toml";
pub const CLUSTER: &str = "cluster.json";

/// Messages to single peers since the start, and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Said {
    pub messages: u64,
    pub bytes: u64,
}

pub fn run(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::read(&dir.join(CONFIG)).unwrap();
    let cluster = Cluster::from_json(&std::fs::read_to_string(dir.join(CLUSTER)).unwrap()).unwrap();
    let counters = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let said = Arc::clone(&counters);
    let counting = bent(move |message| {
        said.0.fetch_add(1, Ordering::Relaxed);
        said.1.fetch_add(message.body.len() as u64, Ordering::Relaxed);
        Some(message)
    });
    let hooks = Hooks { transport: Some(counting), ..Hooks::default() };
    let _running = runtime.block_on(Node::start_with(config, cluster, hooks)).unwrap();
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        let said = Said { messages: counters.0.load(Ordering::Relaxed), bytes: counters.1.load(Ordering::Relaxed) };
        println!("{}", serde_json::to_string(&said).unwrap());
    }
    std::process::exit(0);
}
