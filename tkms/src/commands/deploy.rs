//! `tkms deploy`: contracts on a chain, and the cluster file that names them.

use crate::cli::DeployArgs;
use crate::commands::keygen::{DealtKey, PublicNode, read_nodes};
use crate::files::{read_json, replace};
use alloy::providers::Provider as _;
use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail, ensure};
use tkms_eth::anvil::LOCAL_CHAIN_ID;
use tkms_eth::deploy::{DeployPlan, Deployer, Deployment};
use tkms_eth::{DigestSigner as _, LocalKey};
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{
    AttesterSet, Cluster, Committee, CoprocessorSet, GatewayDomain, HeaderTrustKind, HostChain, MinFinality, Node,
    Thresholds,
};

/// Oldest header a node accepts on a local chain (trust-rules §3) and elsewhere, in seconds.
const LOCAL_ANCHOR_AGE: u64 = 600;
const ANCHOR_AGE: u64 = 2_400;
/// How many blocks an anchor may lie behind the newest one a node has seen.
const MAX_ANCHOR_LAG: u64 = 600;
/// How far a header may lie ahead of a node's clock, in seconds.
const CLOCK_SKEW: u64 = 30;

/// `tkms deploy`.
///
/// # Errors
/// If a record cannot be read, the chain refuses, or the cluster file cannot be written.
pub async fn run(args: &DeployArgs) -> Result<()> {
    let nodes = read_nodes(&args.nodes)?;
    let key: DealtKey = read_json(&args.key)?;
    ensure!(
        key.committee.size() == nodes.len(),
        "the key is shared among {} nodes, but {} records are given",
        key.committee.size(),
        nodes.len()
    );
    let rpc = tkms_eth::connect(&args.rpc)?;
    let chain_id = rpc.get_chain_id().await.with_context(|| format!("host chain at {}", args.rpc))?;
    let operator = args.deployer_key_file.as_deref().map(LocalKey::read).transpose()?;
    let (deployer, owner) = match &operator {
        Some(key) => (Deployer::Operator(key), key.address()),
        None if chain_id == LOCAL_CHAIN_ID => (Deployer::LocalAnvil, tkms_eth::deploy::LOCAL_DEPLOYER),
        None => bail!("chain {chain_id} is not a local Anvil: --deployer-key-file is needed"),
    };
    let (coprocessors, attesters) = (sorted(&args.coprocessors), sorted(&args.attesters));
    let gateway = gateway(args.gateway_chain_id, &args.gateway_salt);
    let plan = DeployPlan {
        kms_signers: nodes.iter().map(|node| node.keys.signer).collect(),
        kms_threshold: key.committee.threshold().quorum(),
        coprocessor_threshold: quorum(coprocessors.len()),
        coprocessor_signers: coprocessors,
        gateway,
        owner,
        pauser: owner,
    };
    let deployed = tkms_eth::deploy::deploy(&rpc, &args.artifacts, deployer, &plan).await?;
    let cluster = cluster(chain_id, &deployed, &plan, attesters, nodes, key)?;
    replace(&args.out, cluster.to_json()?.as_bytes())?;
    println!("contracts on chain {chain_id}:");
    let contracts = deployed.contracts;
    for (name, address) in [
        ("ACL", contracts.acl),
        ("FHEVMExecutor", contracts.executor),
        ("KMSVerifier", contracts.kms_verifier),
        ("InputVerifier", contracts.input_verifier),
        ("DecryptionOracle", contracts.decryption_oracle),
    ] {
        println!("  {name:<17} {address}");
    }
    println!("cluster file {} (hash {})", args.out.display(), cluster.hash()?);
    Ok(())
}

/// Names for the EIP-712 domains of a coordination chain that does not exist yet, unique for the salt.
fn gateway(chain_id: u64, salt: &str) -> GatewayDomain {
    let name = |contract: &str| {
        let hash = Transcript::new(tags::GATEWAY).u64(chain_id).bytes(salt.as_bytes()).bytes(contract.as_bytes());
        Address::from_word(hash.finish())
    };
    GatewayDomain { chain_id, decryption: name("Decryption"), input_verification: name("InputVerification") }
}

/// Signers as a set is written: sorted, each once.
fn sorted(signers: &[Address]) -> Vec<Address> {
    let mut signers = signers.to_vec();
    signers.sort_unstable();
    signers.dedup();
    signers
}

/// 2f + 1 of 3f + 1, rounded up for other sizes.
const fn quorum(members: usize) -> usize {
    members - members.saturating_sub(1) / 3
}

fn cluster(
    chain_id: u64,
    deployed: &Deployment,
    plan: &DeployPlan,
    attesters: Vec<Address>,
    nodes: Vec<PublicNode>,
    key: DealtKey,
) -> Result<Cluster> {
    let threshold = Committee::new(nodes.len())?.threshold();
    let node = |node: PublicNode| Node {
        party_id: node.party_id,
        signer: node.keys.signer,
        tls_certificate: node.keys.tls_certificate,
        peer_address: node.peer_address,
        api_url: node.api_url.to_string(),
    };
    let local = chain_id == LOCAL_CHAIN_ID;
    Ok(Cluster {
        version: 1,
        chains: vec![HostChain {
            chain_id,
            contracts: deployed.contracts,
            acl_code_hash: deployed.acl_code_hash,
            executor_code_hash: deployed.executor_code_hash,
            checkpoint_number: deployed.acl_block,
            checkpoint_hash: deployed.acl_block_hash,
            trust: HeaderTrustKind::Attesters,
            attesters: AttesterSet { version: 1, quorum: u16::try_from(quorum(attesters.len()))?, members: attesters },
            former_attesters: None,
            min_finality: MinFinality::Finalized,
            max_anchor_age: if local { LOCAL_ANCHOR_AGE } else { ANCHOR_AGE },
            max_anchor_lag: MAX_ANCHOR_LAG,
            clock_skew: CLOCK_SKEW,
            deny_blocks_user_decryption: false,
            coprocessors: CoprocessorSet {
                version: 1,
                quorum: u16::try_from(plan.coprocessor_threshold)?,
                members: plan.coprocessor_signers.clone(),
                profiles: key
                    .material
                    .decryption
                    .iter()
                    .map(|protocol| tkms_coprocessor::local_profile(*protocol))
                    .collect(),
            },
        }],
        gateway: plan.gateway,
        committee: nodes.into_iter().map(node).collect(),
        thresholds: Thresholds { faults: threshold.faults(), quorum: threshold.quorum() },
        context: key.context,
        epoch: key.epoch,
        key: key.material,
    })
}
