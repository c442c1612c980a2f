//! The contracts stand where they should and say what they were told. Needs the artifacts of `forge build`.

use crate::common::{Chain, root};
use alloy::{
    eips::BlockId,
    primitives::{Address, U256, address, keccak256},
    providers::{Provider, ext::AnvilApi},
    sol_types::{SolCall, SolEvent, SolEventInterface},
};
use tkms_eth::{
    DigestSigner,
    anvil::AnvilConfig,
    bindings::{FHEEvents, IACL, IDecryptionOracle, IKMSVerifier, Links},
    deploy::{DeployError, DeployPlan, Deployer, deploy, local_contracts},
    events::{Follow, LogFilter, LogReader},
    submit::Call,
    view,
};
use tkms_types::GatewayDomain;

fn plan(owner: Address) -> DeployPlan {
    DeployPlan {
        kms_signers: (1..=4).map(Address::repeat_byte).collect(),
        kms_threshold: 3,
        coprocessor_signers: (5..=8).map(Address::repeat_byte).collect(),
        coprocessor_threshold: 3,
        gateway: GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(0xd1),
            input_verification: Address::repeat_byte(0xd2),
        },
        owner,
        pauser: Address::repeat_byte(0xaa),
    }
}

fn artifacts() -> std::path::PathBuf {
    let artifacts = root().join("solidity/out");
    assert!(artifacts.join("ACL.sol/ACL.json").is_file(), "no artifacts: run `make build`");
    artifacts
}

#[test]
fn local_addresses_are_those_of_the_library() {
    let contracts = local_contracts();
    assert_eq!(contracts.acl, address!("50157CFfD6bBFA2DECe204a89ec419c23ef5755D"));
    assert_eq!(contracts.executor, address!("e3a9105a3a932253A70F126eb1E3b589C643dD24"));
    assert_eq!(contracts.kms_verifier, address!("901F8942346f7AB3a01F6D7613119Bca447Bb030"));
    assert_eq!(contracts.input_verifier, address!("36772142b74871f255CbD7A3e89B401d3e45825f"));
}

#[test]
fn events_have_the_topics_of_the_released_contracts() {
    let topic = |hex: &str| hex.parse::<alloy::primitives::B256>().unwrap();
    assert_eq!(
        FHEEvents::FheAdd::SIGNATURE_HASH,
        topic("0xdb9050d65240431621d61d6f94b970e63f53a67a5766614ee6e5c5bbd41c8e2e")
    );
    assert_eq!(
        FHEEvents::VerifyInput::SIGNATURE_HASH,
        topic("0xdc370db33589e73371dc3ee42c789c003d336eefcb7c3f56fe0f51ae5b1d9702")
    );
    assert_eq!(
        FHEEvents::FheRandBounded::SIGNATURE_HASH,
        topic("0x5222d96b836727a1d6fe1ee9aef27f9bb507bd41794defa376ff6c648aaf8ff1")
    );
    assert_eq!(
        IACL::Allowed::SIGNATURE_HASH,
        topic("0xe2e1decee6e05ee246cd7c7f1337d25cdfd41dcbdcf8c57b61630be56cc7366a")
    );
    assert_eq!(
        IACL::AllowedForDecryption::SIGNATURE_HASH,
        topic("0xd913ac93a959116526793ef772233273d5249597d33cddfdc34f29920541fd0a")
    );
    assert_eq!(IKMSVerifier::verifyDecryptionEIP712KMSSignaturesCall::SELECTOR, [0x78, 0x54, 0x2e, 0xad]);
}

#[tokio::test]
async fn a_local_chain_gets_the_contracts_at_their_known_places() {
    let chain = Chain::start(&AnvilConfig::default()).await;
    chain.rpc.anvil_set_interval_mining(1).await.unwrap();
    let owner = chain.anvil.addresses()[0];
    let deployment = deploy(&chain.rpc, &artifacts(), Deployer::LocalAnvil, &plan(owner)).await.unwrap();
    assert_eq!(deployment.contracts, local_contracts());
    let code = chain.rpc.get_code_at(deployment.contracts.acl).await.unwrap();
    assert_eq!(deployment.acl_code_hash, keccak256(&code));
    assert!(deployment.acl_block > 0);
    let again = deploy(&chain.rpc, &artifacts(), Deployer::LocalAnvil, &plan(owner)).await;
    assert!(matches!(again, Err(DeployError::Occupied { name: "ACL", .. })), "{again:?}");
}

#[tokio::test]
async fn an_operator_s_key_deploys_on_any_chain() {
    let chain = Chain::start(&AnvilConfig { chain_id: 4242, ..AnvilConfig::default() }).await;
    let key = chain.key(2);
    chain.send(2, Address::repeat_byte(5), 0, 0).await;
    let deployment = deploy(&chain.rpc, &artifacts(), Deployer::Operator(&key), &plan(key.address())).await.unwrap();
    assert_eq!(deployment.contracts.acl, key.address().create(1));
    assert_eq!(deployment.contracts.decryption_oracle, key.address().create(5));
    let at = BlockId::latest();
    let signers =
        view(&chain.rpc, deployment.contracts.kms_verifier, &IKMSVerifier::getKmsSignersCall {}, at).await.unwrap();
    assert_eq!(signers, plan(key.address()).kms_signers);
}

#[tokio::test]
async fn an_operation_of_the_executor_is_read_back_as_its_event() {
    let chain = Chain::start(&AnvilConfig::default()).await;
    let owner = chain.anvil.addresses()[0];
    let deployment = deploy(&chain.rpc, &artifacts(), Deployer::LocalAnvil, &plan(owner)).await.unwrap();
    let executor = deployment.contracts.executor;
    let call = Links::trivialEncryptCall { pt: U256::from(42), toType: 5 };
    let request = alloy::rpc::types::TransactionRequest {
        from: Some(owner),
        to: Some(executor.into()),
        input: call.abi_encode().into(),
        ..Default::default()
    };
    chain.rpc.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    let filter = LogFilter { contracts: vec![executor], topics: Vec::new() };
    let reader = LogReader::new(chain.rpc.clone(), filter, Follow::Latest, 100, std::time::Duration::ZERO);
    let mut cursor = reader.start_at(deployment.acl_block).await.unwrap();
    let mut logs = Vec::new();
    loop {
        let batch = reader.poll(&cursor).await.unwrap();
        logs.extend(batch.logs.clone());
        if batch.is_caught_up() {
            break;
        }
        cursor = batch.cursor;
    }
    let [log] = &logs[..] else { panic!("{logs:?}") };
    let event = FHEEvents::FHEEventsEvents::decode_log(&log.content).unwrap();
    let FHEEvents::FHEEventsEvents::TrivialEncrypt(event) = event.data else { panic!("another event") };
    assert_eq!((event.caller, event.pt, event.toType), (owner, U256::from(42), 5));
    assert_eq!(event.result.0[30], 5);
}

#[tokio::test]
async fn a_plan_the_contracts_refuse_names_the_contract() {
    let chain = Chain::start(&AnvilConfig::default()).await;
    let bad = DeployPlan { kms_threshold: 9, ..plan(chain.anvil.addresses()[0]) };
    let result = deploy(&chain.rpc, &artifacts(), Deployer::LocalAnvil, &bad).await;
    assert!(matches!(result, Err(DeployError::Creation { name: "KMSVerifier", .. })), "{result:?}");
}

#[tokio::test]
async fn a_missing_artifact_is_named() {
    let chain = Chain::start(&AnvilConfig::default()).await;
    let result = deploy(&chain.rpc, &root().join("eth"), Deployer::LocalAnvil, &plan(Address::repeat_byte(1))).await;
    assert!(matches!(&result, Err(DeployError::Artifact { file, .. }) if file == "ACL.sol/ACL.json"), "{result:?}");
}

#[test]
fn fulfilling_twice_is_recognised_by_its_error() {
    use alloy::sol_types::SolError;
    let call = Call {
        id: Default::default(),
        to: local_contracts().decryption_oracle,
        data: Default::default(),
        min_gas: 0,
        done_error: Some(IDecryptionOracle::RequestNotPending::SELECTOR),
    };
    assert_eq!(call.done_error, Some(keccak256("RequestNotPending(uint256,uint8)").0[..4].try_into().unwrap()));
}
