//! A node with nothing replaced, in RPC mode: real contracts on a real Anvil, real proofs, a store on disk.
//! Needs the artifacts of `forge build` and the pinned Anvil.

use crate::common::cluster::{World, code, words};
use crate::common::evidence::Parts;
use crate::common::{address_of, coprocessor, handle, lwe, material};
use alloy::eips::BlockNumberOrTag;
use alloy::providers::ext::AnvilApi as _;
use alloy_primitives::{Address, B256, U256};
use merkle_acl::{Grant, SlotProof, keys};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tkms_eth::anvil::{AnvilConfig, AnvilInstance, find_anvil, spawn};
use tkms_eth::deploy::{DeployPlan, Deployer, deploy};
use tkms_eth::proofs::{header_by_number, state_proof};
use tkms_eth::{Rpc, connect};
use tkms_kms_node::Node;
use tkms_kms_node::config::RpcUrls;
use tkms_types::{AttesterSet, FheType, Handle, HeaderTrustKind};
use tkms_wire::evidence::Evidence;
use tkms_wire::samples::digest;

const WAIT: Duration = Duration::from_secs(20);

/// Contracts on a fresh Anvil, and a world whose cluster file says so.
async fn deployed() -> (AnvilInstance, Rpc, World) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let anvil = spawn(&find_anvil(root).unwrap(), &AnvilConfig::default()).unwrap();
    let rpc = connect(&anvil.endpoint_url()).unwrap();
    let mut world = World::new(1);
    let plan = DeployPlan {
        kms_signers: vec![world.signer(1)],
        kms_threshold: 1,
        coprocessor_signers: vec![address_of(&coprocessor())],
        coprocessor_threshold: 1,
        gateway: world.cluster.gateway,
        owner: anvil.addresses()[0],
        pauser: Address::repeat_byte(0xaa),
    };
    let done = deploy(&rpc, &root.join("solidity/out"), Deployer::LocalAnvil, &plan).await.unwrap();
    let host = &mut world.cluster.chains[0];
    host.contracts = done.contracts;
    host.acl_code_hash = done.acl_code_hash;
    host.executor_code_hash = done.executor_code_hash;
    host.checkpoint_number = done.acl_block;
    host.checkpoint_hash = done.acl_block_hash;
    (anvil, rpc, world)
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn set(rpc: &Rpc, acl: Address, slot: B256, word: U256) {
    rpc.anvil_set_storage_at(acl, slot.into(), word.into()).await.unwrap();
}

/// What an oracle collects from the real chain about a public handle, in a block by its number.
async fn evidence(rpc: &Rpc, world: &World, handle: Handle, tag: BlockNumberOrTag) -> Evidence {
    let contracts = world.cluster.chains[0].contracts;
    let header = header_by_number(rpc, tag).await.unwrap();
    let slots = [keys::RANGE_NAMESPACE, Grant::Public { handle: handle.0 }.slot()];
    let acl = state_proof(rpc, header.hash, contracts.acl, &slots).await.unwrap();
    let executor = state_proof(rpc, header.hash, contracts.executor, &[]).await.unwrap();
    let parts = Parts {
        contracts: [contracts.acl, contracts.executor],
        header: header.rlp,
        account: acl.account,
        executor: executor.account,
        slots: acl.slots.into_iter().map(|(slot, nodes)| SlotProof { slot, nodes }).collect(),
        grants: Vec::new(),
        count: 0,
    };
    parts.compact(None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_on_a_real_chain_believes_its_own_endpoint_together_with_another() {
    use BlockNumberOrTag::{Finalized, Latest};
    let (anvil, rpc, mut world) = deployed().await;
    let host = &mut world.cluster.chains[0];
    host.trust = HeaderTrustKind::Rpc;
    host.attesters = AttesterSet { version: 1, quorum: 1, members: Vec::new() };
    let objects = tempfile::tempdir().unwrap();
    let mut config = world.config(1);
    let urls = RpcUrls { own: anvil.endpoint_url(), others: vec![anvil.endpoint_url()] };
    config.rpc.insert(crate::common::CHAIN_ID, urls);
    config.objects = vec![format!("file://{}/", objects.path().display()).parse().unwrap()];
    let node = Node::start(config, world.cluster.clone()).await.unwrap();
    let ops = node.addresses().ops;
    world.adopt(1, node);

    let handle = handle(1, FheType::Uint8);
    let bytes = lwe::encrypt(&world.lwe_key, FheType::Uint8, 99, 1);
    std::fs::write(objects.path().join(format!("{:x}", digest(&bytes))), &bytes).unwrap();
    let materials = [material(handle, digest(&bytes), &world.cluster.chains[0])];
    let acl = world.cluster.chains[0].contracts.acl;
    let ask = async |handles: &[Handle], tag| {
        let evidence = evidence(&rpc, &world, handle, tag).await;
        world.ask_public_with(1, handles, &materials, Some(evidence), WAIT).await
    };
    rpc.anvil_mine(Some(3), None).await.unwrap();
    assert_eq!(code(&ask(&[handle], Finalized).await), "GrantMissing");
    assert_eq!(code(&ask(&[handle], Latest).await), "NotFinal");

    set(&rpc, acl, Grant::Public { handle: handle.0 }.slot(), U256::ONE).await;
    rpc.anvil_mine(Some(3), None).await.unwrap();
    assert_eq!(words(&ask(&[handle], Finalized).await), [U256::from(99)]);

    assert!(get(ops, "/livez").contains("200 OK"));
    assert!(get(ops, "/readyz").contains("ready"));
    set(&rpc, acl, keys::RANGE_NAMESPACE, U256::ONE << 64).await;
    rpc.anvil_mine(Some(3), None).await.unwrap();
    let twice = [handle, handle];
    assert_eq!(code(&ask(&twice, Finalized).await), "AclPaused");

    let last = evidence(&rpc, &world, handle, Finalized).await;
    drop(anvil);
    let reply = world.ask_public_with(1, &twice, &materials, Some(last), WAIT).await;
    assert_eq!(code(&reply), "HeaderUnavailable", "a block that was refused is not remembered");
}
