//! The oracle on a real Anvil with our contracts and a dApp written against the fhEVM library. Needs `forge build`.

use crate::common::coprocessor::Mood;
use crate::common::node::{Act, WORD};
use crate::common::oracle::Setup;
use crate::common::{address_of, coprocessor_key, node_key};
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256, hex};
use alloy::providers::ext::AnvilApi;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::anvil::ReorgOptions;
use alloy::rpc::types::{Filter, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tkms_eth::anvil::{AnvilConfig, AnvilInstance, find_anvil, spawn};
use tkms_eth::bindings::IDecryptionOracle::DecryptionFulfilled;
use tkms_eth::deploy::{DeployPlan, Deployer, deploy};
use tkms_types::{Cluster, GatewayDomain};
use tokio::sync::Mutex;

alloy::sol! {
    interface Probe {
        event Made(uint256 indexed index, bytes32 handle);
        event Asked(uint256 indexed requestId);
        function makeUint64(uint64 value) external;
        function publish(uint256[] calldata indices) external;
        function ask(uint256[] calldata indices, uint32 callbackGas) external returns (uint256 requestId);
        function deliveries(uint256 requestId) external view returns (uint256);
    }
    interface Hostile {
        event Asked(uint256 indexed requestId);
        function setMode(uint8 mode_) external;
        function ask(uint64 value, uint32 callbackGas) external returns (uint256 requestId);
    }
}

const GAS: u64 = 5_000_000;
/// Between two blocks that nobody asked for.
const TICK: Duration = Duration::from_millis(300);

struct Chain {
    setup: Setup,
    anvil: AnvilInstance,
    rpc: DynProvider,
    /// Mines a block now and then, so that others become final; holds while it is locked.
    ticks: Arc<Mutex<()>>,
    probe: Address,
    oracle: Address,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Chain {
    /// A block for each transaction and one now and then, final two blocks later; the dApp has made value 0.
    async fn new() -> Self {
        let config = AnvilConfig::default();
        let anvil = spawn(&find_anvil(&root()).unwrap(), &config).unwrap();
        let url = anvil.endpoint_url();
        let signer = PrivateKeySigner::from_slice(&anvil.keys()[0].to_bytes()).unwrap();
        let owner = signer.address();
        let gateway = GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(9),
            input_verification: Address::repeat_byte(10),
        };
        let plan = DeployPlan {
            kms_signers: (1..=4).map(|party| address_of(&node_key(party))).collect(),
            kms_threshold: 3,
            coprocessor_signers: vec![address_of(&coprocessor_key())],
            coprocessor_threshold: 1,
            gateway,
            owner,
            pauser: owner,
        };
        let plain = tkms_eth::connect(&url).unwrap();
        let deployment = deploy(&plain, &root().join("solidity/out"), Deployer::LocalAnvil, &plan).await.unwrap();
        let setup = Setup::with(
            |mut cluster| {
                let chain = &mut cluster.chains[0];
                chain.contracts = deployment.contracts;
                chain.checkpoint_number = deployment.acl_block;
                chain.checkpoint_hash = deployment.acl_block_hash;
                chain.acl_code_hash = deployment.acl_code_hash;
                chain.executor_code_hash = deployment.executor_code_hash;
                // Blocks come faster than seconds here, and each has a time of its own.
                chain.clock_skew = 600;
                cluster.gateway = gateway;
                cluster
            },
            url.as_str(),
        )
        .await;
        let rpc = ProviderBuilder::new().wallet(EthereumWallet::from(signer)).connect_http(url).erased();
        rpc.client().set_poll_interval(Duration::from_millis(50));
        let oracle = deployment.contracts.decryption_oracle;
        let ticks = Arc::new(Mutex::new(()));
        tokio::spawn(tick(rpc.clone(), ticks.clone()));
        let mut chain = Self { setup, anvil, rpc, ticks, probe: Address::ZERO, oracle };
        chain.probe = chain.create("DecryptionProbe", (oracle, deployment.contracts.acl).abi_encode_params()).await;
        chain.send(chain.probe, &Probe::makeUint64Call { value: WORD }).await;
        chain
    }

    async fn create(&self, contract: &str, arguments: Vec<u8>) -> Address {
        let path = root().join(format!("solidity/out/{contract}.sol/{contract}.json"));
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let code: Bytes = json["bytecode"]["object"].as_str().unwrap().parse().unwrap();
        let creation = TransactionRequest::default().with_deploy_code([code.to_vec(), arguments].concat());
        self.mined(creation).await.contract_address.unwrap()
    }

    async fn mined(&self, transaction: TransactionRequest) -> TransactionReceipt {
        // Asked for each time: what the client remembers is wrong after a reorganisation.
        let nonce = self.rpc.get_transaction_count(self.anvil.addresses()[0]).await.unwrap();
        let receipt =
            self.rpc.send_transaction(transaction.with_nonce(nonce)).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
        receipt
    }

    async fn send<C: SolCall>(&self, to: Address, call: &C) -> TransactionReceipt {
        self.mined(TransactionRequest::default().with_to(to).with_input(call.abi_encode())).await
    }

    async fn ask(&self) -> U256 {
        let call = Probe::askCall { indices: vec![U256::ZERO], callbackGas: 300_000 };
        asked(&self.send(self.probe, &call).await)
    }

    /// Fulfilments of one request on chain: number and whether the last callback succeeded.
    async fn fulfilments(&self, id: U256) -> (usize, bool) {
        let filter = Filter::new().address(self.oracle).event_signature(DecryptionFulfilled::SIGNATURE_HASH);
        let logs = self.rpc.get_logs(&filter.topic1(B256::from(id)).from_block(0)).await.unwrap();
        let ok = logs.last().is_some_and(|log| DecryptionFulfilled::decode_log(&log.inner).unwrap().callbackOk);
        (logs.len(), ok)
    }

    async fn fulfilled(&self, id: U256) -> bool {
        self.setup
            .wait("the request is fulfilled", async || {
                let (count, ok) = self.fulfilments(id).await;
                (count > 0).then_some(ok)
            })
            .await
    }

    async fn deliveries(&self, id: U256) -> U256 {
        let call = Probe::deliveriesCall { requestId: id };
        let request = TransactionRequest::default().with_to(self.probe).with_input(call.abi_encode());
        Probe::deliveriesCall::abi_decode_returns(&self.rpc.call(request).await.unwrap()).unwrap()
    }

    fn handle(receipt: &TransactionReceipt) -> B256 {
        receipt.logs().iter().find_map(|log| Probe::Made::decode_log(&log.inner).ok()).unwrap().handle
    }
}

async fn tick(rpc: DynProvider, ticks: Arc<Mutex<()>>) {
    loop {
        tokio::time::sleep(TICK).await;
        let _turn = ticks.lock().await;
        if rpc.anvil_mine(Some(1), None).await.is_err() {
            return;
        }
    }
}

fn asked(receipt: &TransactionReceipt) -> U256 {
    receipt.logs().iter().find_map(|log| Probe::Asked::decode_log(&log.inner).ok()).unwrap().requestId
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oracle_does_not_start_over_contracts_that_differ_from_the_cluster_file() {
    type Change = fn(&mut Cluster);
    let mut chain = Chain::new().await;
    let honest = chain.setup.cluster.clone();
    let cases: [(&str, Change); 6] = [
        ("chains.checkpointHash", |cluster| cluster.chains[0].checkpoint_hash = B256::repeat_byte(1)),
        ("chains.executorCodeHash", |cluster| cluster.chains[0].executor_code_hash = B256::repeat_byte(1)),
        ("chains.contracts.acl", |cluster| {
            // Another contract with an owner and no links, with its code on record
            let chain = &mut cluster.chains[0];
            (chain.contracts.acl, chain.acl_code_hash) = (chain.contracts.executor, chain.executor_code_hash);
        }),
        ("committee.signer", |cluster| cluster.committee[0].signer = Address::repeat_byte(0x77)),
        ("gateway.decryption", |cluster| cluster.gateway.decryption = Address::repeat_byte(0x77)),
        ("chains.coprocessors.members", |cluster| {
            cluster.chains[0].coprocessors.members = vec![Address::repeat_byte(0x77)];
        }),
    ];
    for (field, change) in cases {
        chain.setup.change(change);
        // Runs until it is told to stop, unless it refuses
        let stop = tokio::time::sleep(Duration::from_secs(8));
        match chain.setup.run(stop).await {
            Err(tkms_oracle::Error::Contract(31337, differs)) => assert_eq!(differs.0.field, field),
            // What does not know the question has no answer that could differ
            Err(tkms_oracle::Error::Stranger(31337, _)) => assert_eq!(field, "chains.contracts.acl"),
            other => panic!("{field}: {other:?}"),
        }
        chain.setup.change(|cluster| *cluster = (*honest).clone());
    }
    chain.setup.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_in_one_block_are_each_fulfilled_once_over_a_restart() {
    let mut chain = Chain::new().await;
    chain.setup.start().await;
    let still = chain.ticks.clone().lock_owned().await;
    chain.rpc.anvil_set_auto_mine(false).await.unwrap();
    let call = Probe::askCall { indices: vec![U256::ZERO], callbackGas: 300_000 };
    let owner = chain.anvil.addresses()[0];
    let nonce = chain.rpc.get_transaction_count(owner).await.unwrap();
    let mut sent = Vec::new();
    for position in 0..50 {
        let request = TransactionRequest::default()
            .with_to(chain.probe)
            .with_nonce(nonce + position)
            .with_gas_limit(500_000)
            .with_input(call.abi_encode());
        sent.push(chain.rpc.send_transaction(request).await.unwrap());
    }
    chain.rpc.anvil_mine(Some(1), None).await.unwrap();
    let mut ids = Vec::new();
    let mut blocks = Vec::new();
    for pending in sent {
        let receipt = pending.get_receipt().await.unwrap();
        blocks.push(receipt.block_number);
        ids.push(asked(&receipt));
    }
    assert!(blocks.windows(2).all(|pair| pair[0] == pair[1]), "all in one block");

    // Some are on their way when the oracle dies, none is mined.
    tokio::time::sleep(Duration::from_millis(500)).await;
    chain.setup.stop().await;
    chain.setup.start().await;
    chain.rpc.anvil_set_auto_mine(true).await.unwrap();
    drop(still);
    for id in &ids {
        assert!(chain.fulfilled(*id).await);
        assert_eq!(chain.deliveries(*id).await, U256::ONE);
        assert_eq!(chain.fulfilments(*id).await.0, 1);
    }
    let id = B256::from(ids[0]).to_string();
    let status = chain.setup.wait("status knows the transaction", async || {
        let status = chain.setup.status(&id).await;
        (status["onChain"][0]["delivery"]["callback_ok"] == true).then_some(status)
    });
    let status = status.await;
    assert_eq!(
        (&status["state"], &status["onChain"][0]["delivery"]["delivery"]),
        (&json!("done"), &json!("fulfilled"))
    );
    assert!(status["onChain"][0]["delivery"]["transaction"].is_string());
    assert_eq!(chain.setup.json("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_made_while_the_oracle_was_away_is_answered() {
    let mut chain = Chain::new().await;
    let id = chain.ask().await;
    chain.setup.start().await;
    assert!(chain.fulfilled(id).await);
    assert_eq!(chain.deliveries(id).await, U256::ONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_that_reverts_or_burns_gas_is_still_fulfilled_and_others_go_on() {
    let mut chain = Chain::new().await;
    chain.setup.start().await;
    for mode in [1, 2] {
        let hostile = chain.create("HostileReceiver", (chain.oracle,).abi_encode_params()).await;
        chain.send(hostile, &Hostile::setModeCall { mode_: mode }).await;
        let request = TransactionRequest::default()
            .with_to(hostile)
            .with_gas_limit(GAS)
            .with_input(Hostile::askCall { value: 5, callbackGas: 200_000 }.abi_encode());
        let receipt = chain.mined(request).await;
        let id = receipt.logs().iter().find_map(|log| Hostile::Asked::decode_log(&log.inner).ok()).unwrap().requestId;
        assert!(!chain.fulfilled(id).await, "mode {mode}");
        let good = chain.ask().await;
        assert!(chain.fulfilled(good).await);
        assert_eq!(chain.fulfilments(id).await.0, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_somebody_else_fulfilled_is_done() {
    let mut chain = Chain::new().await;
    chain.setup.start().await;
    // Our own transactions stay unmined until the rival's is.
    let first = chain.ask().await;
    assert!(chain.fulfilled(first).await);
    chain.setup.nodes.iter().for_each(|node| node.act(Act::Silent));
    chain.setup.stop().await;
    let id = chain.ask().await;
    let filter = Filter::new().address(chain.oracle).event_signature(DecryptionFulfilled::SIGNATURE_HASH).from_block(0);
    let logs = chain.rpc.get_logs(&filter).await.unwrap();
    let event = DecryptionFulfilled::decode_log(&logs[0].inner).unwrap();
    let call = tkms_eth::bindings::IDecryptionOracle::fulfilCall {
        requestId: id,
        cleartexts: event.cleartexts.clone(),
        decryptionProof: event.decryptionProof.clone(),
    };
    let rival = TransactionRequest::default().with_to(chain.oracle).with_gas_limit(GAS).with_input(call.abi_encode());
    chain.mined(rival).await;
    chain.setup.start().await;
    let key = B256::from(id).to_string();
    chain
        .setup
        .wait("the fulfilment is known", async || {
            (chain.setup.status(&key).await["onChain"][0]["delivery"]["delivery"] == "fulfilled").then_some(())
        })
        .await;
    assert_eq!(chain.fulfilments(id).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_a_reorganisation_takes_away_is_forgotten_and_a_fulfilment_is_posted_again() {
    let mut chain = Chain::new().await;
    chain.setup.start().await;
    chain.rpc.anvil_mine(Some(3), None).await.unwrap();
    chain.setup.nodes.iter().for_each(|node| node.act(Act::Silent));
    // No block but its own until it is dropped, however slow the machine is
    let still = chain.ticks.clone().lock_owned().await;
    let gone = B256::from(chain.ask().await).to_string();
    chain
        .setup
        .wait("it is seen", async || (chain.setup.json(&format!("/v1/requests/{gone}")).await.0 == 200).then_some(()))
        .await;
    chain.rpc.anvil_reorg(ReorgOptions { depth: 1, tx_block_pairs: Vec::new() }).await.unwrap();
    chain.rpc.anvil_mine(Some(1), None).await.unwrap();
    drop(still);
    chain
        .setup
        .wait("it is forgotten", async || {
            (chain.setup.json(&format!("/v1/requests/{gone}")).await.0 == 404).then_some(())
        })
        .await;

    chain.setup.nodes.iter().for_each(|node| node.act(Act::Honest));
    let id = chain.ask().await;
    assert!(chain.fulfilled(id).await);
    let key = B256::from(id).to_string();
    let seen = async || (chain.setup.status(&key).await["onChain"][0]["delivery"]["callback_ok"] == true).then_some(());
    chain.setup.wait("the fulfilment is seen", seen).await;
    chain.rpc.anvil_reorg(ReorgOptions { depth: 1, tx_block_pairs: Vec::new() }).await.unwrap();
    chain.rpc.anvil_mine(Some(1), None).await.unwrap();
    assert!(chain.fulfilled(id).await);
    assert_eq!(chain.fulfilments(id).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_head_of_the_chain_does_not_grant_is_refused_without_asking_anybody() {
    let mut chain = Chain::new().await;
    chain.setup.start().await;
    let receipt = chain.send(chain.probe, &Probe::makeUint64Call { value: 9 }).await;
    let body = json!({ "ciphertextHandles": [Chain::handle(&receipt)], "extraData": "0x00" });
    let job = chain.setup.job("/v2/public-decrypt", &body).await;
    let (status, reply) = chain.setup.outcome("/v2/public-decrypt", &job).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (400, Some("not_allowed_on_host_acl")), "{reply}");
    assert_eq!(chain.setup.coprocessor.asked.load(std::sync::atomic::Ordering::Relaxed), 0);

    // Allowed now: the same request succeeds. And the squash was asked for before anybody asked for the value.
    chain.setup.coprocessor.mood(Mood::Computing);
    chain.send(chain.probe, &Probe::publishCall { indices: vec![U256::from(1)] }).await;
    let asked = &chain.setup.coprocessor.asked;
    chain.setup.wait("the squash", async || (asked.load(std::sync::atomic::Ordering::Relaxed) > 0).then_some(())).await;
    chain.setup.coprocessor.mood(Mood::Ready);
    assert_eq!(chain.setup.job("/v2/public-decrypt", &body).await, job);
    let (status, reply) = chain.setup.outcome("/v2/public-decrypt", &job).await;
    assert_eq!(status, 200, "{reply}");
    let value = hex::decode(reply["result"]["decryptedValue"].as_str().unwrap()).unwrap();
    assert_eq!(U256::from_be_slice(&value), U256::from(WORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn committee_that_the_chain_does_not_know_is_not_served() {
    let mut chain = Chain::new().await;
    let mut cluster = (*chain.setup.cluster).clone();
    cluster.committee[3].signer = Address::repeat_byte(0x77);
    chain.setup.cluster = Arc::new(cluster);
    let id = chain.ask().await;
    let refused = chain.setup.run(tokio::time::sleep(Duration::from_secs(8))).await.unwrap_err();
    assert!(matches!(&refused, tkms_oracle::Error::Contract(31337, differs) if differs.0.field == "committee.signer"));
    assert_eq!(chain.fulfilments(id).await.0, 0);
}
