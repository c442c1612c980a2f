//! The host chain changes its mind: above finality nothing has been released, below it everything stops.
//!
//! A devnet of its own with Anvil's default distance to finality, 64 blocks.

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder as _;
use alloy::providers::Provider as _;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::anvil::ReorgOptions;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy_primitives::{Address, U256};
use std::time::Duration;
use tkms_e2e::actors::{Actor, send};
use tkms_e2e::devnet::Devnet;
use tkms_e2e::evidence::{attestations, evidence_under, facts_of, host, sign};
use tkms_e2e::relayer::{Standing, ask_public, look};
use tkms_e2e::{nodes, wait_until};
use tkms_eth::proofs::header_by_number;
use tkms_kms_node::request::Ask;
use tkms_types::{Handle, MinFinality, PublicRequest};
use tkms_wire::attestation::SignedHeader;
use tkms_wire::kms::reply::Outcome;
use tkms_wire::relayer::Hex;
use tkms_wire::request::Call;

const PORT_BASE: u16 = 26_100;
/// Blocks from the newest to the final one.
const TO_FINALITY: u64 = 64;
/// Reorganisations of one run, shallow and deep: each drops the block that published a value.
const DEPTHS: [u64; 6] = [1, 2, 7, 20, 45, 64];

/// A fresh value of the probe: its handle, not yet public.
async fn fresh(alice: &Actor) -> (U256, Handle) {
    let receipt = on_this_branch(alice, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    let (index, handle) = Actor::made(&receipt)[0];
    (index, Handle(handle))
}

async fn publish(alice: &Actor, index: U256) -> u64 {
    on_this_branch(alice, alice.probe.publish(vec![index]).into_transaction_request()).await.block_number.unwrap()
}

/// Sends with the nonce of the branch that stands: the provider remembers those of dropped transactions.
async fn on_this_branch(alice: &Actor, transaction: TransactionRequest) -> TransactionReceipt {
    let nonce = alice.provider.get_transaction_count(alice.address()).await.unwrap();
    send(&alice.provider, transaction.with_nonce(nonce)).await
}

async fn mine(alice: &Actor, blocks: u64) {
    alice.provider.anvil_mine(Some(blocks), None).await.unwrap();
}

/// Drops the newest blocks, as many as it takes to lose block `number`, and mines empty ones in their place.
async fn drop_from(alice: &Actor, number: u64) {
    let newest = alice.provider.get_block_number().await.unwrap();
    let depth = newest + 1 - number;
    alice.provider.anvil_reorg(ReorgOptions { depth, tx_block_pairs: vec![] }).await.unwrap();
}

async fn done(devnet: &Devnet, job: &str) -> Standing {
    wait_until("the job is done", || async { look(devnet, job).await != Standing::Queued }).await;
    look(devnet, job).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganisations_release_nothing_and_one_below_finality_halts_everybody() {
    // The shared devnet first: it made the keys that this one takes over.
    let keys = crate::devnet().await.keys();
    let start = move || {
        Devnet::take_keys(&keys, "reorgs");
        Devnet::start_with("reorgs", PORT_BASE, 4, &["--slots-in-an-epoch", "32"])
    };
    let devnet = tokio::task::spawn_blocking(start).await.expect("the devnet starts");
    let alice = Actor::new(&devnet, 1).await;
    mine(&alice, TO_FINALITY + 6).await;
    nodes::all_ready(&devnet).await;

    dropped_grants_release_nothing(&devnet, &alice).await;
    forged_history_halts_the_nodes(&devnet, &alice).await;
    deep_reorganisation_halts_the_attesters(&devnet, &alice).await;
}

/// Each value is published, asked for, and its publication dropped by a reorganisation; one that stays is answered.
async fn dropped_grants_release_nothing(devnet: &Devnet, alice: &Actor) {
    let mut values = Vec::new();
    for _ in 0..=DEPTHS.len() {
        values.push(fresh(alice).await);
    }
    let (kept, kept_handle) = values.pop().unwrap();
    let kept_block = publish(alice, kept).await;
    let kept_job = ask_public(devnet, &[kept_handle]).await;
    let before = nodes::computed(devnet).await;
    let mut jobs = Vec::new();
    for ((index, handle), depth) in values.iter().zip(DEPTHS) {
        let block = publish(alice, *index).await;
        jobs.push(ask_public(devnet, &[*handle]).await);
        mine(alice, depth - 1).await;
        assert!(block > kept_block, "the kept grant lies below");
        for job in &jobs {
            let standing = look(devnet, job).await;
            assert!(!matches!(standing, Standing::Succeeded(_)), "depth {depth}: not final, and released");
        }
        drop_from(alice, block).await;
    }
    mine(alice, TO_FINALITY + 2).await;
    assert!(matches!(done(devnet, &kept_job).await, Standing::Succeeded(_)), "the grant that stayed is served");
    let after = nodes::computed(devnet).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (job, depth) in jobs.iter().zip(DEPTHS) {
        let standing = look(devnet, job).await;
        assert!(!matches!(standing, Standing::Succeeded(_)), "depth {depth}: a dropped grant was served");
    }
    assert_eq!(nodes::computed(devnet).await, after, "nothing was computed for a dropped grant");
    assert!(after <= before + 4, "each node computed the value that stayed, and nothing else");
    // On the new branch the same value may be published again, and then it is answered.
    let (index, handle) = values[0];
    publish(alice, index).await;
    mine(alice, TO_FINALITY + 2).await;
    let job = ask_public(devnet, &[handle]).await;
    assert!(matches!(done(devnet, &job).await, Standing::Succeeded(_)), "granted again on the branch that stayed");
}

/// A quorum of attesters that lies: it signs a second header at a height whose first one nodes have seen.
async fn forged_history_halts_the_nodes(devnet: &Devnet, alice: &Actor) {
    let (index, handle) = fresh(alice).await;
    publish(alice, index).await;
    let material = nodes::material(devnet, handle).await;
    let call = |evidence| Call {
        request: PublicRequest { handles: vec![handle], extra_data: vec![0].into() },
        materials: vec![material.clone()],
        evidence: Some(evidence),
        finality: None,
        wait: Duration::from_secs(2),
        label: String::new(),
    };
    let facts = facts_of(devnet, Ask::Public(PublicRequest { handles: vec![handle], extra_data: vec![0].into() }));
    // The truth first: attested, and the grant is not in it.
    let honest = attestations(devnet).await;
    let replies = nodes::public_decrypt(devnet, &(&call(evidence_under(devnet, &honest, &facts).await)).into()).await;
    nodes::assert_all_refused(&replies, "GrantMissing");
    // The newest block, not final, signed by one attester as if it were: t liars move nobody.
    let rpc = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    let newest = header_by_number(&rpc, BlockNumberOrTag::Latest).await.unwrap();
    let one = signed_by(devnet, &newest, 1);
    let replies = nodes::public_decrypt(devnet, &(&call(evidence_under(devnet, &one, &facts).await)).into()).await;
    nodes::assert_all_refused(&replies, "HeaderUnattested");
    // Four of them are believed: that is what a quorum is. But not if it contradicts what nodes know.
    let mut header = honest[0].clone();
    header.header = Hex(changed(&header.header.0));
    let forged: Vec<SignedHeader> = resigned(devnet, &header);
    let evidence = tkms_wire::evidence::Evidence {
        header: forged[0].header.0.clone().into(),
        attested: Some(tkms_wire::evidence::Attested {
            set: forged[0].set,
            attestations: forged.iter().map(|signed| signed.attestation().unwrap()).collect(),
        }),
        ..evidence_under(devnet, &honest, &facts).await
    };
    let replies = nodes::public_decrypt(devnet, &(&call(evidence)).into()).await;
    nodes::assert_all_refused(&replies, "AnchorConflict");
    for reply in nodes::public_decrypt(devnet, &(&call(evidence_under(devnet, &honest, &facts).await)).into()).await {
        let Some(Outcome::Refusal(refusal)) = reply.outcome else { panic!("a halted node answered: {reply:?}") };
        assert_eq!(refusal.code, "HostHalted", "{refusal:?}");
    }
    for info in nodes::infos(devnet).await {
        assert!(!info.ready && info.not_ready_reasons.iter().any(|reason| reason.contains("halted")), "{info:?}");
    }
}

/// The chain itself goes back below what it called final.
async fn deep_reorganisation_halts_the_attesters(devnet: &Devnet, alice: &Actor) {
    // No more blocks by themselves: what is final now is the last of the first history that may ever be signed.
    alice.provider.anvil_set_interval_mining(0).await.unwrap();
    let rpc = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    let signed = header_by_number(&rpc, BlockNumberOrTag::Finalized).await.unwrap().number;
    wait_until("all of the first history is signed", || async { attestations(devnet).await[0].number == signed }).await;
    // Empty blocks mined again would be the same ones.
    alice.provider.anvil_set_coinbase(Address::repeat_byte(0x66)).await.unwrap();
    drop_from(alice, signed - 3).await;
    wait_until("every attester halts and says why", || async {
        for url in tkms_e2e::evidence::attesters(devnet) {
            let answer = reqwest::get(url.join("/readyz").unwrap()).await.unwrap();
            if answer.status() != 503 || !answer.text().await.unwrap().contains("halted") {
                return false;
            }
        }
        true
    })
    .await;
    mine(alice, 8).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(attestations(devnet).await[0].number, signed, "nothing of the second history is signed");
}

/// A header's bytes with another extra-data byte: another hash, the same state.
fn changed(rlp: &[u8]) -> alloy_primitives::Bytes {
    let mut header: alloy::consensus::Header = alloy::rlp::Decodable::decode(&mut &*rlp).unwrap();
    header.extra_data = vec![0x66].into();
    alloy::rlp::encode(&header).into()
}

/// One attester's signature over a block, as a liar gives it: with the real key, about a block that is not final.
fn signed_by(devnet: &Devnet, header: &tkms_eth::proofs::BlockHeader, number: u16) -> Vec<SignedHeader> {
    let read: alloy::consensus::Header = alloy::rlp::Decodable::decode(&mut header.rlp.as_ref()).unwrap();
    let (class, depth) = MinFinality::Finalized.signed();
    let unsigned = SignedHeader {
        number: header.number,
        hash: header.hash,
        state_root: read.state_root,
        timestamp: header.timestamp,
        set: host(devnet).attester_set_id(),
        signer: Address::ZERO,
        class,
        depth,
        signature: Hex(vec![0; 65].into()),
        header: Hex(header.rlp.clone()),
    };
    vec![sign(devnet, &unsigned, number)]
}

/// All four attesters' signatures over a header.
fn resigned(devnet: &Devnet, template: &SignedHeader) -> Vec<SignedHeader> {
    let hash = alloy_primitives::keccak256(&template.header.0);
    let unsigned = SignedHeader { hash, ..template.clone() };
    (1..=4).map(|number| sign(devnet, &unsigned, number)).collect()
}
