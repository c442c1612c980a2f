//! Against a real Anvil: which blocks are signed, what hinders, what halts for good, and what is served.

use alloy::eips::BlockNumberOrTag;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::anvil::ReorgOptions;
use alloy_primitives::{Address, B256, keccak256};
use merkle_acl::trust::{
    AnchorHistory, AnchorRules, Attestation, AttesterQuorum, AttesterSet, Finality, HeaderEvidence, Witness, accept,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tkms_attester::ledger::Ledger;
use tkms_attester::watch::{Health, Hindrance, Watcher, digest};
use tkms_eth::anvil::{AnvilConfig, AnvilInstance, LOCAL_CHAIN_ID, find_anvil, spawn};
use tkms_eth::proofs::header_by_number;
use tkms_eth::{DigestSigner as _, LocalKey, Rpc, connect};
use tkms_types::{Contracts, CoprocessorSet, HeaderTrustKind, HostChain, MinFinality};
use tkms_wire::attestation::SignedHeader;

const ACL: Address = Address::repeat_byte(0xac);
const CODE: [u8; 3] = [0x60, 0x00, 0xf3];

/// A chain with an ACL, and four attesters of it that are asked one at a time.
struct World {
    _anvil: AnvilInstance,
    _dir: tempfile::TempDir,
    rpc: Rpc,
    host: HostChain,
    attesters: Vec<Watcher>,
}

impl World {
    /// `slots`: half the distance to finality.
    async fn new(slots: u64, min_finality: MinFinality) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let config = AnvilConfig { slots_in_an_epoch: slots, ..AnvilConfig::default() };
        let anvil = spawn(&find_anvil(root).unwrap(), &config).unwrap();
        let rpc = connect(&anvil.endpoint_url()).unwrap();
        rpc.anvil_set_code(ACL, CODE.into()).await.unwrap();
        rpc.anvil_mine(Some(1), None).await.unwrap();
        let checkpoint = header_by_number(&rpc, BlockNumberOrTag::Latest).await.unwrap();
        let mut keys: Vec<_> = (1..=4u8).map(|byte| LocalKey::from_bytes(&[byte; 32]).unwrap()).collect();
        keys.sort_by_key(|key| key.address());
        let members: Vec<_> = keys.iter().map(|key| key.address()).collect();
        let [acl, executor, kms_verifier, input_verifier, decryption_oracle] = [ACL; 5];
        let host = HostChain {
            chain_id: LOCAL_CHAIN_ID,
            contracts: Contracts { acl, executor, kms_verifier, input_verifier, decryption_oracle },
            acl_code_hash: keccak256(CODE),
            executor_code_hash: B256::ZERO,
            checkpoint_number: checkpoint.number,
            checkpoint_hash: checkpoint.hash,
            trust: HeaderTrustKind::Attesters,
            attesters: tkms_types::AttesterSet { version: 1, quorum: 3, members },
            min_finality,
            max_anchor_age: 600,
            max_anchor_lag: 256,
            clock_skew: 30,
            former_attesters: None,
            deny_blocks_user_decryption: false,
            coprocessors: CoprocessorSet { version: 1, quorum: 1, members: vec![ACL], profiles: vec![] },
        };
        let dir = tempfile::tempdir().unwrap();
        let attester = |signer: LocalKey| Watcher {
            ledger: Arc::new(
                Ledger::open(&dir.path().join(signer.address().to_string()), host.host_id(), signer.address()).unwrap(),
            ),
            rpc: rpc.clone(),
            host: host.clone(),
            signer,
            health: Health::default(),
            poll: Duration::from_millis(10),
            cadence: 1,
            max_head_age: 120,
        };
        let attesters = keys.into_iter().map(attester).collect();
        Self { _anvil: anvil, _dir: dir, rpc, host, attesters }
    }

    async fn mine(&self, blocks: u64) {
        self.rpc.anvil_mine(Some(blocks), None).await.unwrap();
    }

    async fn reorg(&self, depth: u64) {
        self.rpc.anvil_reorg(ReorgOptions { depth, tx_block_pairs: vec![] }).await.unwrap();
    }

    fn evidence(&self, number: u64) -> HeaderEvidence {
        let vouched: Vec<_> = self
            .attesters
            .iter()
            .map(|each| (each.signer.address(), each.ledger.vouched(number).unwrap().unwrap()))
            .collect();
        let attestation = |(signer, vouched): &(Address, tkms_attester::ledger::Vouched)| Attestation {
            signer: *signer,
            finality: vouched.finality,
            signature: vouched.signature.clone(),
        };
        HeaderEvidence {
            header: vouched[0].1.header.clone(),
            witness: Witness::Attestations {
                set: self.host.attester_set_id(),
                attestations: vouched.iter().map(attestation).collect(),
            },
        }
    }
}

#[tokio::test]
async fn nodes_accept_what_a_quorum_signed_and_only_final_blocks_are_signed() {
    let world = World::new(1, MinFinality::Finalized).await;
    world.mine(10).await;
    for attester in &world.attesters {
        attester.round().await.unwrap();
    }
    let latest = header_by_number(&world.rpc, BlockNumberOrTag::Latest).await.unwrap();
    let newest = world.attesters[0].ledger.newest(Finality::Finalized).unwrap().unwrap();
    assert_eq!(newest, latest.number - 2, "Anvil's finality at one slot an epoch");
    assert_eq!(
        world.attesters[0].ledger.vouched(world.host.checkpoint_number).unwrap(),
        None,
        "nothing at the checkpoint"
    );
    let host = world.host.clone();
    let set = AttesterSet::new(host.attester_set_id(), host.attesters.members.clone(), 3).unwrap();
    let trust = AttesterQuorum::new(vec![set], move |statement: &_| digest(statement, &host));
    let rules = AnchorRules {
        checkpoint_number: world.host.checkpoint_number,
        min_finality: Finality::Finalized,
        max_age: 600,
        max_lag: 256,
        clock_skew: 30,
    };
    let evidence = world.evidence(newest);
    let now = latest.timestamp;
    let accepted = accept(&evidence, &trust, &rules, &AnchorHistory::default(), Finality::Finalized, now).unwrap();
    assert_eq!(accepted.anchor().number(), newest);
    let mut forged = evidence;
    forged.header = world.evidence(newest - 1).header;
    assert!(accept(&forged, &trust, &rules, &AnchorHistory::default(), Finality::Finalized, now).is_err());
}

#[tokio::test]
async fn a_block_is_signed_at_the_hosts_floor_first_and_as_final_later() {
    let world = World::new(2, MinFinality::Depth(1)).await;
    world.mine(6).await;
    let attester = &world.attesters[0];
    attester.round().await.unwrap();
    let top = attester.ledger.newest(Finality::Depth(1)).unwrap().unwrap();
    assert_eq!(attester.ledger.vouched(top).unwrap().unwrap().finality, Finality::Depth(1));
    world.mine(6).await;
    attester.round().await.unwrap();
    assert_eq!(attester.ledger.vouched(top).unwrap().unwrap().finality, Finality::Finalized);
}

#[tokio::test]
async fn a_reorganisation_above_finality_hinders_nobody() {
    let world = World::new(4, MinFinality::Finalized).await;
    world.mine(20).await;
    world.attesters[0].round().await.unwrap();
    world.reorg(7).await;
    world.mine(20).await;
    world.attesters[0].round().await.unwrap();
}

#[tokio::test]
async fn a_reorganisation_below_finality_halts_for_good() {
    let world = World::new(1, MinFinality::Finalized).await;
    world.mine(20).await;
    let attester = &world.attesters[0];
    attester.round().await.unwrap();
    let (number, hash) = attester.ledger.highest().unwrap().unwrap();
    world.reorg(10).await;
    let halted = attester.round().await.unwrap_err();
    assert!(matches!(halted, Hindrance::Halted(_)), "{halted}");
    attester.ledger.halt(&halted.to_string()).unwrap();
    world.mine(20).await;
    assert!(matches!(attester.round().await, Err(Hindrance::Halted(_))), "also when new blocks are final");
    assert_eq!(attester.ledger.highest().unwrap(), Some((number, hash)), "nothing of the second history was signed");
}

#[tokio::test]
async fn another_chain_a_stale_node_a_foreign_checkpoint_and_changed_code_are_not_signed() {
    let mut world = World::new(1, MinFinality::Finalized).await;
    world.mine(5).await;
    let attester = &mut world.attesters[0];
    attester.host.chain_id += 1;
    assert!(matches!(attester.round().await, Err(Hindrance::OtherChain { found: LOCAL_CHAIN_ID, .. })));
    attester.host.chain_id -= 1;
    attester.host.checkpoint_hash = B256::repeat_byte(1);
    assert!(matches!(attester.round().await, Err(Hindrance::Checkpoint { .. })));
    attester.host.checkpoint_hash = world.host.checkpoint_hash;
    attester.host.acl_code_hash = B256::repeat_byte(1);
    assert!(matches!(attester.round().await, Err(Hindrance::Acl { .. })));
    attester.host.acl_code_hash = world.host.acl_code_hash;
    attester.max_head_age = 0;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(matches!(attester.round().await, Err(Hindrance::NotSynced { .. })));
    assert_eq!(attester.ledger.highest().unwrap(), None, "nothing of all that was signed");
}

#[tokio::test]
async fn only_every_so_many_blocks_are_signed_where_the_cadence_says_so() {
    let mut world = World::new(1, MinFinality::Finalized).await;
    world.mine(20).await;
    world.attesters[0].cadence = 5;
    world.attesters[0].round().await.unwrap();
    let signed: Vec<_> =
        (1..=20).filter(|number| world.attesters[0].ledger.vouched(*number).unwrap().is_some()).collect();
    assert_eq!(signed, [5, 10, 15]);
}

#[tokio::test]
async fn what_was_signed_is_served_and_nothing_else() {
    let world = World::new(1, MinFinality::Finalized).await;
    let attester = &world.attesters[0];
    let api = tkms_attester::serve::Api {
        ledger: Arc::clone(&attester.ledger),
        health: attester.health.clone(),
        set: world.host.attester_set_id(),
        signer: attester.signer.address(),
        floor: Finality::Finalized,
        metrics: None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, tkms_attester::serve::router(api, 8)).into_future());
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/readyz").await.0, 503);
    assert_eq!(get("/v1/attestations/latest").await.0, 503, "nothing yet");
    world.mine(10).await;
    attester.round().await.unwrap();
    let newest = attester.ledger.newest(Finality::Finalized).unwrap().unwrap();
    let (status, body) = get("/v1/attestations/latest").await;
    assert_eq!(status, 200, "{body}");
    let served = SignedHeader::from_json(body.as_bytes()).unwrap();
    let header = served.header.0.clone();
    assert_eq!((served.number, served.hash, served.signer), (newest, keccak256(header), attester.signer.address()));
    assert_eq!(get(&format!("/v1/attestations/{newest}")).await.1, body);
    assert_eq!(get("/readyz").await.0, 200);
    for (path, wanted) in [
        (format!("/v1/attestations/{}", newest + 1), 404),
        (format!("/v1/attestations/{}", world.host.checkpoint_number), 404),
        ("/v1/attestations/-1".to_owned(), 400),
        ("/v1/attestations/latest?finality=soon".to_owned(), 400),
        ("/v1/attestations/latest?depth=1".to_owned(), 400),
        ("/v1/sign".to_owned(), 404),
    ] {
        assert_eq!(get(&path).await.0, wanted, "{path}");
    }
    server.abort();
}
