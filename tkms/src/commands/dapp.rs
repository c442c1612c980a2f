//! What the demo and the benches do on chain: funded people, example dApps, transactions.

use crate::devnet::{Account, Deployment};
use crate::files::read_json;
use alloy::network::{EthereumWallet, TransactionBuilder as _};
use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, Bytes};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tkms_eth::LocalKey;

/// How often the chain is looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// A person: an account, and the key that signs permits.
pub struct Person {
    /// Of the account.
    pub address: Address,
    /// Signs permits.
    pub wallet: LocalKey,
    /// The chain, paid for by the account.
    pub provider: DynProvider,
}

impl Person {
    /// The holder of one of the devnet's accounts.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn new(deployment: &Deployment, account: usize) -> Result<Self> {
        let Account { address, private_key } =
            *deployment.accounts.get(account).context("Anvil has too few accounts")?;
        let signer = PrivateKeySigner::from_bytes(&private_key)?;
        let wallet = EthereumWallet::from(signer);
        let provider = ProviderBuilder::new().wallet(wallet).connect_http(deployment.host_rpc_url.clone()).erased();
        provider.client().set_poll_interval(POLL);
        Ok(Self { address, wallet: LocalKey::from_bytes(&private_key)?, provider })
    }

    /// Deploys a compiled example.
    ///
    /// # Errors
    /// If it is not compiled, or the chain refuses.
    pub async fn deploy(&self, root: &Path, contract: &str, arguments: &[u8]) -> Result<Address> {
        let artifact: Value = read_json(&root.join(format!("solidity/out/{contract}.sol/{contract}.json")))?;
        let code = artifact.pointer("/bytecode/object").and_then(Value::as_str);
        let code = code.with_context(|| format!("{contract} is not compiled: run `make build`"))?;
        let code = [code.parse::<Bytes>()?.as_ref(), arguments].concat();
        let receipt = self.send(TransactionRequest::default().with_deploy_code(code)).await?;
        receipt.contract_address.with_context(|| format!("{contract} was not deployed"))
    }

    /// Sends a transaction and waits until it is mined.
    ///
    /// # Errors
    /// If it is refused or reverted.
    pub async fn send(&self, transaction: TransactionRequest) -> Result<TransactionReceipt> {
        let receipt = self.provider.send_transaction(transaction).await?.get_receipt().await?;
        ensure!(receipt.status(), "transaction {} was reverted", receipt.transaction_hash);
        Ok(receipt)
    }
}
