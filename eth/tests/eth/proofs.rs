//! Headers hash to their block, and proofs collected here satisfy the verifier.

use crate::common::Chain;
use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U256, keccak256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::anvil::ReorgOptions,
};
use merkle_acl::{AclError, AclEvidence, AclHost, AclLayout, Anchor, Fact, Grant, SlotProof, keys, slots_for, verify};
use serde_json::Value;
use tkms_eth::{
    RpcError, connect,
    proofs::{BlockHeader, ProofError, header_by_hash, header_by_number, state_proof},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const ACL: Address = Address::repeat_byte(0xac);
/// Writes 1 into the slot its input names.
const CODE: [u8; 6] = [0x60, 0x01, 0x5f, 0x35, 0x55, 0x00];

fn host() -> AclHost {
    AclHost { address: ACL, code_hash: keccak256(CODE), layout: AclLayout::Range }
}

fn grants(n: u64) -> Vec<Fact> {
    (0..n).map(|i| Fact::Granted(Grant::Public { handle: keccak256(i.to_be_bytes()) })).collect()
}

/// Writes the ACL's storage by force, as its code would.
async fn grant(chain: &Chain, facts: &[Fact]) {
    chain.rpc.anvil_set_code(ACL, CODE.into()).await.unwrap();
    for fact in facts {
        let Fact::Granted(grant) = fact else { panic!("grants only") };
        chain.rpc.anvil_set_storage_at(ACL, grant.slot().into(), U256::ONE.into()).await.unwrap();
    }
    chain.mine(1).await;
}

async fn collect(chain: &Chain, header: &BlockHeader, facts: &[Fact]) -> Result<AclEvidence, ProofError> {
    let slots = slots_for(AclLayout::Range, facts);
    let proof = state_proof(&chain.rpc, header.hash, ACL, &slots).await?;
    let slots = proof.slots.into_iter().map(|(slot, nodes)| SlotProof { slot, nodes }).collect();
    Ok(AclEvidence { header: header.rlp.clone(), account: proof.account, slots })
}

async fn latest(chain: &Chain) -> BlockHeader {
    header_by_number(&chain.rpc, BlockNumberOrTag::Latest).await.unwrap()
}

#[tokio::test]
async fn every_header_is_encoded_to_the_bytes_of_its_hash() {
    let chain = Chain::quiet().await;
    chain.mine(5).await;
    for number in 1..=5u64 {
        let header = header_by_number(&chain.rpc, number.into()).await.unwrap();
        let anchor = Anchor::from_header_rlp(&header.rlp).unwrap();
        assert_eq!((anchor.hash(), anchor.number(), anchor.timestamp()), (header.hash, number, header.timestamp));
        assert_eq!(header_by_hash(&chain.rpc, header.hash).await.unwrap(), header);
    }
}

#[tokio::test]
async fn a_block_that_is_not_there_is_named() {
    let chain = Chain::quiet().await;
    let missing = header_by_number(&chain.rpc, 99.into()).await;
    assert!(matches!(missing, Err(ProofError::NoBlock(_))), "{missing:?}");
    let missing = header_by_hash(&chain.rpc, B256::repeat_byte(7)).await;
    assert!(matches!(missing, Err(ProofError::NoBlock(_))), "{missing:?}");
}

#[tokio::test]
async fn evidence_from_the_chain_satisfies_the_verifier() {
    let chain = Chain::quiet().await;
    // More than one call's worth of slots.
    let (granted, missing) = (grants(300), Fact::Granted(Grant::Public { handle: B256::repeat_byte(0xee) }));
    grant(&chain, &granted).await;
    let header = latest(&chain).await;
    let evidence = collect(&chain, &header, &granted).await.unwrap();
    assert_eq!(verify(&evidence, &host(), &granted).unwrap().anchor().hash(), header.hash);
    let evidence = collect(&chain, &header, &[missing, Fact::NotDenied(ACL)]).await.unwrap();
    let refused = verify(&evidence, &host(), &[missing, Fact::NotDenied(ACL)]);
    assert!(matches!(refused, Err(AclError::GrantMissing { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_acl_with_empty_storage_proves_absence() {
    let chain = Chain::quiet().await;
    grant(&chain, &[]).await;
    let facts = [Fact::NotDenied(ACL)];
    let evidence = collect(&chain, &latest(&chain).await, &facts).await.unwrap();
    assert!(verify(&evidence, &host(), &facts).is_ok());
}

#[tokio::test]
async fn a_proof_belongs_to_the_block_asked_for() {
    let chain = Chain::quiet().await;
    let facts = grants(2);
    grant(&chain, &facts[..1]).await;
    let before = latest(&chain).await;
    // By a transaction: storage written by force shows in the block before, too.
    let Fact::Granted(second) = facts[1] else { panic!("grants only") };
    chain.send_input(0, ACL, second.slot().0.into(), 0).await;
    chain.mine(1).await;
    let evidence = collect(&chain, &before, &facts).await.unwrap();
    let refused = verify(&evidence, &host(), &facts);
    assert!(matches!(refused, Err(AclError::GrantMissing { .. })), "{refused:?}");
    let mut mixed = collect(&chain, &latest(&chain).await, &facts).await.unwrap();
    assert!(verify(&mixed, &host(), &facts).is_ok());
    mixed.header = before.rlp;
    assert!(matches!(verify(&mixed, &host(), &facts), Err(AclError::AccountProofInvalid { .. })));
}

#[tokio::test]
async fn other_code_and_a_pause_show_in_the_evidence() {
    let chain = Chain::quiet().await;
    let facts = grants(1);
    grant(&chain, &facts).await;
    let paused = U256::from(1u128 << 64);
    chain.rpc.anvil_set_storage_at(ACL, keys::RANGE_NAMESPACE.into(), paused.into()).await.unwrap();
    chain.mine(1).await;
    let evidence = collect(&chain, &latest(&chain).await, &facts).await.unwrap();
    assert_eq!(verify(&evidence, &host(), &facts), Err(AclError::AclPaused));
    chain.rpc.anvil_set_code(ACL, vec![0].into()).await.unwrap();
    chain.mine(1).await;
    let evidence = collect(&chain, &latest(&chain).await, &facts).await.unwrap();
    assert!(matches!(verify(&evidence, &host(), &facts), Err(AclError::AclCodeChanged { .. })));
}

#[tokio::test]
async fn a_block_that_was_reorganised_away_gives_no_proof() {
    let chain = Chain::quiet().await;
    grant(&chain, &grants(1)).await;
    chain.mine(3).await;
    let gone = latest(&chain).await;
    chain.rpc.anvil_reorg(ReorgOptions { depth: 2, tx_block_pairs: Vec::new() }).await.unwrap();
    assert_ne!(latest(&chain).await.hash, gone.hash);
    let refused = state_proof(&chain.rpc, gone.hash, ACL, &[B256::ZERO]).await;
    assert!(matches!(refused, Err(ProofError::Rpc(RpcError::Call { call: "eth_getProof", .. }))), "{refused:?}");
}

/// An endpoint that gives one answer to everything.
async fn endpoint(answer: Value) -> tkms_eth::Rpc {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 65536];
            let mut length = 0;
            let body: Value = loop {
                length += socket.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let body = text.split_once("\r\n\r\n").map(|(_, body)| serde_json::from_str(body));
                if let Some(Ok(body)) = body {
                    break body;
                }
            };
            let answer = serde_json::json!({ "jsonrpc": "2.0", "id": body["id"], "result": answer }).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            socket.write_all((head + &answer).as_bytes()).await.unwrap();
        }
    });
    connect(&url).unwrap()
}

#[tokio::test]
async fn a_header_that_does_not_hash_to_its_name_is_refused() {
    let chain = Chain::quiet().await;
    chain.mine(2).await;
    let parameters = ("0x2", false);
    let mut block: Value = chain.rpc.raw_request("eth_getBlockByNumber".into(), parameters).await.unwrap();
    let honest = endpoint(block.clone()).await;
    let header = header_by_number(&honest, 2.into()).await.unwrap();
    let other = header_by_hash(&honest, B256::repeat_byte(1)).await;
    assert!(matches!(other, Err(ProofError::HashDiffers { number: 2, .. })), "{other:?}");
    block["gasUsed"] = "0x1".into();
    let refused = header_by_number(&endpoint(block).await, 2.into()).await;
    assert!(matches!(refused, Err(ProofError::HashDiffers { named, .. }) if named == header.hash), "{refused:?}");
}

#[tokio::test]
async fn a_proof_about_something_else_is_refused() {
    let chain = Chain::quiet().await;
    grant(&chain, &grants(1)).await;
    let hash = latest(&chain).await.hash;
    let parameters = (ACL, [B256::ZERO], serde_json::json!({ "blockHash": hash }));
    let answer: Value = chain.rpc.raw_request("eth_getProof".into(), parameters).await.unwrap();
    let liar = endpoint(answer).await;
    assert!(state_proof(&liar, hash, ACL, &[B256::ZERO]).await.is_ok());
    for (account, slots) in
        [(ACL, vec![B256::repeat_byte(1)]), (ACL, vec![B256::ZERO; 2]), (Address::ZERO, vec![B256::ZERO])]
    {
        let refused = state_proof(&liar, hash, account, &slots).await;
        assert!(matches!(refused, Err(ProofError::OtherAnswer { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_an_error_of_the_call() {
    let rpc = connect(&"http://127.0.0.1:1".parse().unwrap()).unwrap();
    let failed = header_by_number(&rpc, BlockNumberOrTag::Latest).await;
    assert!(matches!(failed, Err(ProofError::Rpc(RpcError::Call { call: "eth_getBlockByNumber", .. }))), "{failed:?}");
}
