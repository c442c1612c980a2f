//! People who use a devnet: a funded account, the dApps it deployed, what it asks for.

use crate::compile::creation_code;
use crate::contracts::{DecryptionOracle, DecryptionProbe, HostileReceiver};
use crate::devnet::Devnet;
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolEvent, SolValue};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::time::{Duration, Instant};

/// How long a callback may take before a test gives up; the usual time is a few seconds.
pub const ANSWER_TIME: Duration = Duration::from_secs(120);

/// An account with a probe contract of its own.
pub struct Actor {
    /// Signs for the account.
    pub signer: PrivateKeySigner,
    /// The chain, seen and paid for by the account.
    pub provider: DynProvider,
    /// Makes and asks for encrypted values.
    pub probe: DecryptionProbe::DecryptionProbeInstance<DynProvider>,
    oracle: Address,
}

impl Actor {
    /// The devnet's account with this index, with a freshly deployed probe.
    pub async fn new(devnet: &Devnet, account: usize) -> Self {
        let deployment = &devnet.deployment;
        let signer = PrivateKeySigner::from_bytes(&deployment.accounts[account].private_key).unwrap();
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(signer.clone()))
            .connect_http(deployment.host_rpc_url.clone())
            .erased();
        provider.client().set_poll_interval(Duration::from_millis(100));
        let (oracle, acl) = (deployment.contracts.decryption_oracle, deployment.contracts.acl);
        let probe = deploy(&provider, "DecryptionProbe", (oracle, acl).abi_encode_params()).await;
        let probe = DecryptionProbe::new(probe, provider.clone());
        Self { signer, provider, probe, oracle }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// A receiver that misbehaves.
    pub async fn hostile(&self, mode: u8) -> HostileReceiver::HostileReceiverInstance<DynProvider> {
        let address = deploy(&self.provider, "HostileReceiver", (self.oracle,).abi_encode_params()).await;
        let receiver = HostileReceiver::new(address, self.provider.clone());
        receiver.setMode(mode).send().await.unwrap().get_receipt().await.unwrap();
        receiver
    }

    /// The handles a transaction of the probe made: index and handle.
    #[must_use]
    pub fn made(receipt: &TransactionReceipt) -> Vec<(U256, B256)> {
        let logs = receipt.logs().iter();
        logs.filter_map(|log| DecryptionProbe::Made::decode_log(&log.inner).ok())
            .map(|event| (event.index, event.handle))
            .collect()
    }

    /// The oracle request a transaction made.
    #[must_use]
    pub fn asked(receipt: &TransactionReceipt) -> U256 {
        let logs = receipt.logs().iter();
        logs.filter_map(|log| DecryptionProbe::Asked::decode_log(&log.inner).ok()).next().expect("it asked").requestId
    }

    /// Asks the oracle for values of the probe; the request's id.
    pub async fn ask(&self, indices: Vec<U256>) -> U256 {
        let receipt = self.probe.ask(indices, 300_000).send().await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status(), "the request was reverted");
        Self::asked(&receipt)
    }

    /// Waits for the fulfilment of a request.
    pub async fn fulfilled(&self, request: U256) -> DecryptionOracle::DecryptionFulfilled {
        let found = self.fulfilled_within(request, ANSWER_TIME).await;
        found.unwrap_or_else(|| panic!("request {request} was not fulfilled in {ANSWER_TIME:?}"))
    }

    /// Waits for the fulfilment of a request, for so long.
    pub async fn fulfilled_within(
        &self,
        request: U256,
        limit: Duration,
    ) -> Option<DecryptionOracle::DecryptionFulfilled> {
        let filter = Filter::new()
            .address(self.oracle)
            .event_signature(DecryptionOracle::DecryptionFulfilled::SIGNATURE_HASH)
            .topic1(B256::from(request))
            .from_block(0);
        let start = Instant::now();
        while start.elapsed() < limit {
            let logs = self.provider.get_logs(&filter).await.unwrap();
            assert!(logs.len() <= 1, "request {request} was fulfilled {} times", logs.len());
            if let Some(log) = logs.first() {
                return Some(DecryptionOracle::DecryptionFulfilled::decode_log(&log.inner).unwrap().data);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Asks and waits: the plaintext words.
    pub async fn decrypt(&self, indices: Vec<U256>) -> Vec<U256> {
        let request = self.ask(indices).await;
        let event = self.fulfilled(request).await;
        assert!(event.callbackOk, "the callback failed");
        assert_eq!(self.probe.cleartexts(request).call().await.unwrap(), event.cleartexts);
        assert_eq!(self.probe.deliveries(request).call().await.unwrap(), U256::ONE);
        words(&event.cleartexts)
    }
}

/// 32-byte words of a result.
#[must_use]
pub fn words(bytes: &Bytes) -> Vec<U256> {
    bytes.chunks(32).map(U256::from_be_slice).collect()
}

/// Sends a transaction and waits until it is mined; it must succeed.
pub async fn send(provider: &DynProvider, transaction: TransactionRequest) -> TransactionReceipt {
    let receipt = provider.send_transaction(transaction).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status(), "transaction {} was reverted", receipt.transaction_hash);
    receipt
}

async fn deploy(provider: &DynProvider, contract: &str, arguments: Vec<u8>) -> Address {
    deploy_code(provider, creation_code(contract), arguments).await
}

/// Puts a contract on the chain.
pub async fn deploy_code(provider: &DynProvider, code: Bytes, arguments: Vec<u8>) -> Address {
    let code = [code.to_vec(), arguments].concat();
    let transaction = TransactionRequest::default().with_deploy_code(code);
    let receipt = provider.send_transaction(transaction).await.unwrap().get_receipt().await.unwrap();
    receipt.contract_address.expect("the contract was deployed")
}
