//! Reads one's own values: `user_decrypt <cluster.json> <relayer URL> <key file> <contract> <handle>…`
//!
//! The key file holds the wallet's private key in hex.
#![allow(clippy::print_stdout, reason = "a command-line program")]

use alloy_primitives::{Address, hex};
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};
use tkms_client::{Client, Config, Permit, PermitTerms, Trust};
use tkms_eth::LocalKey;
use tkms_types::{Cluster, Handle, HandlePair};
use zeroize::Zeroizing;

const USAGE: &str = "usage: user_decrypt <cluster.json> <relayer URL> <key file> <contract> <handle>…";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (file, relayer, key, contract) = (next()?, next()?, next()?, next()?);
    let contract: Address = contract.parse()?;
    let pair = |text: String| text.parse().map(|handle| HandlePair { handle: Handle(handle), contract });
    let pairs = arguments.map(pair).collect::<Result<Vec<_>, _>>()?;
    let chain = pairs.first().ok_or(USAGE)?.handle.chain_id();

    let text = Zeroizing::new(std::fs::read_to_string(key)?);
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *secret)?;
    let wallet = LocalKey::from_bytes(&secret)?;

    let cluster = Cluster::from_json(&std::fs::read_to_string(file)?)?;
    let client = Client::new(Config::new(relayer.parse()?), Trust::from_cluster(&cluster, chain)?)?;
    // A minute back: the nodes' clocks are not ours
    let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - 60;
    let terms = PermitTerms { contracts: vec![contract], start, days: 1, delegator: None };
    let permit = Permit::sign(terms, &wallet, client.trust(), &mut rand::rng())?;
    let answer = client.user_decrypt(&permit, &pairs).await?;

    for (pair, value) in pairs.iter().zip(&answer.values) {
        println!("{} = {}", pair.handle, value.value());
    }
    println!("assurance: {:?}", answer.assurance);
    for blame in &answer.blamed {
        println!("bad answer of {blame}");
    }
    Ok(())
}
