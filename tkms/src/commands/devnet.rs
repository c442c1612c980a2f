//! `tkms devnet`.

use crate::cli::{Decryption, DevnetArgs};
use crate::devnet::{Devnet, Progress};
use anyhow::Result;
use std::time::Duration;

/// How often it is looked whether a process has died.
const WATCH: Duration = Duration::from_secs(1);

/// Starts a devnet and stays until it is told to stop.
///
/// # Errors
/// If something does not start.
pub async fn run(args: &DevnetArgs) -> Result<()> {
    let stop = super::service::stop(args.until_stdin_closes)?;
    tokio::pin!(stop);
    let mut devnet = tokio::select! {
        started = start(args) => started?,
        () = &mut stop => return Ok(()),
    };
    introduce(&devnet, args.decryption);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(WATCH) => {}
        }
        for error in devnet.ended() {
            println!("{error}");
        }
    }
    println!("stopping");
    devnet.stop().await
}

/// Starts one and says what is being done.
///
/// # Errors
/// If something does not start.
pub async fn start(args: &DevnetArgs) -> Result<Devnet> {
    let say = |elapsed: Duration, what: &str| println!("{:6.1} s  {what}", elapsed.as_secs_f32());
    Devnet::start(args, &Progress::new(&say)).await
}

fn introduce(devnet: &Devnet, decryption: Decryption) {
    let deployment = &devnet.deployment;
    println!("\n  host chain   {}  (chain id {})", deployment.host_rpc_url, deployment.chain_id);
    println!("  decryption   {}", decryption);
    println!("  relayer      {}", deployment.relayer_url);
    println!("  demo page    {}", deployment.demo_url);
    for node in &deployment.nodes {
        println!(
            "  node {:<2}      {}  signer {}  pid {}",
            node.party_id.number(),
            node.api_url,
            node.signer,
            node.pid
        );
    }
    println!("  ACL {}  executor {}", deployment.contracts.acl, deployment.contracts.executor);
    println!("  DecryptionOracle {}", deployment.contracts.decryption_oracle);
    println!("  all of it in {}\n\nCtrl-C stops it.", devnet.deployment_file().display());
}
