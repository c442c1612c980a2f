//! What users of a deployment ask for: encrypt, decrypt for everybody, decrypt for oneself.

use crate::cli::{EncryptArgs, PublicDecryptArgs, TargetArgs, UserDecryptArgs};
use alloy_primitives::{Address, B256, U256};
use anyhow::{Context as _, Result, bail};
use rand::TryRngCore as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_client::{Assurance, Client, Config, Permit, PermitTerms, Trust};
use tkms_eth::LocalKey;
use tkms_types::{Cluster, FheType, Handle, HandlePair, Plaintext};

/// How far before now a permit starts, so that a node whose clock is behind does not see it in the future.
const START_MARGIN: u64 = 30;

/// A client of this deployment.
///
/// # Errors
/// If the cluster file cannot be read.
pub fn client(target: &TargetArgs) -> Result<Client> {
    let path = || target.cluster.display().to_string();
    let cluster =
        Cluster::from_json(&std::fs::read_to_string(&target.cluster).with_context(path)?).with_context(path)?;
    let chain = cluster.chains.first().context("the cluster file names no host chain")?;
    let trust = Trust::from_cluster(&cluster, chain.chain_id)?;
    let config = Config { shortest_wait: Duration::from_millis(200), ..Config::new(target.relayer.clone()) };
    Ok(Client::new(config, trust)?)
}

/// `tkms encrypt`.
///
/// # Errors
/// What the client, the relayer or the coprocessors say.
pub async fn encrypt(args: &EncryptArgs) -> Result<()> {
    let values = args.values.iter().map(|value| parse(value)).collect::<Result<Vec<_>>>()?;
    let client = client(&args.target)?;
    let keys = Arc::new(client.keys().await?);
    let input = client.encrypt(&keys, &values, args.contract, args.user).await?;
    for handle in &input.handles {
        println!("handle {handle}");
    }
    println!("proof  {}", input.proof);
    Ok(())
}

/// `tkms public-decrypt`.
///
/// # Errors
/// What the client or the relayer says.
pub async fn public_decrypt(args: &PublicDecryptArgs) -> Result<()> {
    let handles: Vec<Handle> = args.handles.iter().copied().map(Handle).collect();
    let found = client(&args.target)?.public_decrypt(&handles).await?;
    for (handle, value) in handles.iter().zip(&found.values) {
        println!("{handle} = {}", show(value));
    }
    println!("cleartexts {}\nproof      {}", found.cleartexts, found.proof);
    Ok(())
}

/// `tkms user-decrypt`.
///
/// # Errors
/// What the client or the relayer says.
pub async fn user_decrypt(args: &UserDecryptArgs) -> Result<()> {
    let wallet = LocalKey::read(&args.key_file)?;
    let client = client(&args.target)?;
    let permit = permit(&client, &wallet, vec![args.contract], args.delegator)?;
    let pair = |handle: &B256| HandlePair { handle: Handle(*handle), contract: args.contract };
    let pairs: Vec<HandlePair> = args.handles.iter().map(pair).collect();
    let found = client.user_decrypt(&permit, &pairs).await?;
    for (pair, value) in pairs.iter().zip(&found.values) {
        println!("{} = {}", pair.handle, show(value));
    }
    for blame in &found.blamed {
        println!("bad answer: {blame}");
    }
    if let Assurance::IfLiarsAtMost(liars) = found.assurance {
        println!("certain only if at most {liars} of the answering nodes lie: ask again when more nodes are up");
    }
    Ok(())
}

/// A permit for one day, from now.
///
/// # Errors
/// If the wallet refuses.
pub fn permit(
    client: &Client,
    wallet: &tkms_eth::LocalKey,
    contracts: Vec<Address>,
    delegator: Option<Address>,
) -> Result<Permit> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let terms = PermitTerms { contracts, start: now.saturating_sub(START_MARGIN), days: 1, delegator };
    Ok(Permit::sign(terms, wallet, client.trust(), &mut rand::rngs::OsRng.unwrap_err())?)
}

/// `uint64:1000`, `bool:true`, `address:0x…`.
fn parse(text: &str) -> Result<Plaintext> {
    let (kind, value) = text.split_once(':').context("expected type:value, e.g. uint64:1000")?;
    let kind = match kind {
        "bool" => FheType::Bool,
        "uint8" => FheType::Uint8,
        "uint16" => FheType::Uint16,
        "uint32" => FheType::Uint32,
        "uint64" => FheType::Uint64,
        "uint128" => FheType::Uint128,
        "uint256" => FheType::Uint256,
        "address" => FheType::Uint160,
        other => bail!("{other} is no type; use bool, uint8 … uint256 or address"),
    };
    let value = match (kind, value) {
        (FheType::Bool, "true") => U256::ONE,
        (FheType::Bool, "false") => U256::ZERO,
        // The parser takes nothing, or a bare prefix, for zero
        (_, "" | "0x" | "0b" | "0o") => bail!("the value of a {kind:?} is missing"),
        (_, value) => value.parse().with_context(|| format!("the value of a {kind:?} cannot be read"))?,
    };
    Ok(Plaintext::new(kind, value)?)
}

fn show(value: &Plaintext) -> String {
    match value.kind() {
        FheType::Bool => (!value.value().is_zero()).to_string(),
        FheType::Uint160 => value.address().to_string(),
        _ => value.value().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_types() {
        assert_eq!(parse("uint64:1000").unwrap().value(), U256::from(1000));
        assert_eq!(parse("bool:true").unwrap().value(), U256::ONE);
        let address = parse("address:0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D").unwrap();
        assert_eq!(show(&address), "0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["1000", "uint7:1", "uint8:256", "bool:2", "uint64:", "uint64:0x", "uint64:abc", "address:-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
