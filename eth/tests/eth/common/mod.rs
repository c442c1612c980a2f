//! A real Anvil per test, and two contracts small enough to write by hand.

use std::path::{Path, PathBuf};

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, hex},
    providers::{Provider, ext::AnvilApi},
};
use tkms_eth::{
    LocalKey, Rpc,
    anvil::{AnvilConfig, AnvilInstance, find_anvil, spawn},
    connect,
};

/// Emits its input as a log whose topic is the first word.
pub const EMITTER: Address = address!("00000000000000000000000000000000000e1117");
const EMITTER_CODE: [u8; 10] = hex!("365f5f375f35365fa100");
/// Remembers its input's first word; a second time it reverts with [`DONE`].
pub const ONCE: Address = address!("000000000000000000000000000000000000ace1");
const ONCE_CODE: [u8; 27] = hex!("5f3554600c5760015f3555005b63deadbeef60e01b5f5260045ffd");
pub const DONE: [u8; 4] = hex!("deadbeef");

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub struct Chain {
    pub rpc: Rpc,
    pub anvil: AnvilInstance,
}

impl Chain {
    /// Fails, and does not skip, where Anvil is not installed.
    pub async fn start(config: &AnvilConfig) -> Self {
        let anvil = spawn(&find_anvil(&root()).unwrap(), config).unwrap();
        let rpc = connect(&anvil.endpoint_url()).unwrap();
        rpc.anvil_set_code(EMITTER, EMITTER_CODE.into()).await.unwrap();
        rpc.anvil_set_code(ONCE, ONCE_CODE.into()).await.unwrap();
        Self { rpc, anvil }
    }

    /// Blocks only when told.
    pub async fn quiet() -> Self {
        let chain = Self::start(&AnvilConfig { slots_in_an_epoch: 64, ..AnvilConfig::default() }).await;
        chain.rpc.anvil_set_auto_mine(false).await.unwrap();
        chain
    }

    pub fn key(&self, index: usize) -> LocalKey {
        LocalKey::from_bytes(&self.anvil.keys()[index].to_bytes().into()).unwrap()
    }

    pub async fn mine(&self, blocks: u64) {
        self.rpc.anvil_mine(Some(blocks), None).await.unwrap();
    }

    /// One transaction from Anvil's own account into the pool, with its nonce.
    pub async fn send(&self, account: usize, to: Address, word: u64, nonce: u64) -> B256 {
        self.send_input(account, to, word_bytes(word), nonce).await
    }

    pub async fn send_input(&self, account: usize, to: Address, input: Bytes, nonce: u64) -> B256 {
        use alloy::{network::TransactionBuilder, rpc::types::TransactionRequest};
        let request = TransactionRequest::default()
            .with_from(self.anvil.addresses()[account])
            .with_to(to)
            .with_nonce(nonce)
            .with_gas_limit(100_000)
            .with_max_fee_per_gas(900_000_000_000)
            .with_max_priority_fee_per_gas(500_000_000_000)
            .with_input(input);
        *self.rpc.send_transaction(request).await.unwrap().tx_hash()
    }
}

pub fn word_bytes(word: u64) -> Bytes {
    U256::from(word).to_be_bytes_vec().into()
}
