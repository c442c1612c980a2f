//! Holders of confidential tokens: an account each, what it encrypts and what it reads of its own.

use alloy::network::{EthereumWallet, TransactionBuilder as _};
use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_client::{Client, Config, EncryptedInput, Error, Permit, PermitTerms, PublicKeys, Trust};
use tkms_e2e::actors::send;
use tkms_e2e::devnet::Devnet;
use tkms_eth::LocalKey;
use tkms_types::{FheType, Handle, HandlePair, Plaintext};

/// Our client of a devnet, with the keys that everybody encrypts with.
pub struct Network {
    pub client: Client,
    keys: Arc<PublicKeys>,
}

impl Network {
    pub async fn of(devnet: &Devnet) -> Self {
        let trust = Trust::from_cluster(&devnet.cluster, devnet.deployment.chain_id).unwrap();
        let client = Client::new(Config::new(devnet.deployment.relayer_url.clone()), trust).unwrap();
        let keys = Arc::new(client.keys().await.unwrap());
        Self { client, keys }
    }

    /// euint64 inputs in one proven list.
    pub async fn encrypt(&self, values: &[u64], contract: Address, user: Address) -> EncryptedInput {
        let plaintext = |value: &u64| Plaintext::new(FheType::Uint64, U256::from(*value)).unwrap();
        let values: Vec<Plaintext> = values.iter().map(plaintext).collect();
        self.client.encrypt(&self.keys, &values, contract, user).await.unwrap()
    }

    /// What `reader` reads of a handle through the contract.
    pub async fn read(&self, reader: &Person, handle: B256, contract: Address) -> Result<u64, Error> {
        let wallet = LocalKey::from_bytes(&reader.key.0).unwrap();
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 60;
        let terms = PermitTerms { contracts: vec![contract], start, days: 1, delegator: None };
        let permit = Permit::sign(terms, &wallet, self.client.trust(), &mut rand::rng()).unwrap();
        let found = self.client.user_decrypt(&permit, &[HandlePair { handle: Handle(handle), contract }]).await?;
        Ok(found.values[0].value().to())
    }
}

/// One of the devnet's funded accounts.
pub struct Person {
    pub address: Address,
    pub provider: DynProvider,
    key: B256,
}

impl Person {
    pub fn of(devnet: &Devnet, account: usize) -> Self {
        let account = devnet.deployment.accounts[account];
        let signer = alloy::signers::local::PrivateKeySigner::from_bytes(&account.private_key).unwrap();
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(signer))
            .connect_http(devnet.deployment.host_rpc_url.clone())
            .erased();
        provider.client().set_poll_interval(Duration::from_millis(100));
        Self { address: account.address, provider, key: account.private_key }
    }

    pub async fn deploy(&self, code: &Bytes, arguments: Vec<u8>) -> Address {
        let code = [code.to_vec(), arguments].concat();
        let receipt = send(&self.provider, TransactionRequest::default().with_deploy_code(code)).await;
        receipt.contract_address.expect("the contract was deployed")
    }
}
