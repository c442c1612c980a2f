//! Evidence of the size a large chain gives, from attestations to facts, as an oracle sends it.

use crate::common::mainnet::{
    ACCOUNT_NODES, NUMBER, RULES, SET, STORAGE_NODES, TIME, batch, grant, host, levels, range, sent, state, trust,
};
use alloy_primitives::{B256, keccak256};
use merkle_acl::trust::{AnchorHistory, Attestation, Finality, HeaderEvidence, Witness, accept};
use merkle_acl::{
    AclBlock, AclProof, Fact, MAX_NODE_BYTES, SlotProof, VerifiedFacts, compact::expand, leaf_hash, pack::unpack,
};
use prost::Message as _;
use tkms_wire::evidence::Evidence;
use tkms_wire::kms;

/// Evidence of ten permissions is not longer.
const TEN_BYTES: usize = 16_000;

/// What a node does with it.
fn judge(sent: &Evidence, indices: &[u64]) -> VerifiedFacts {
    let attested = sent.attested.as_ref().unwrap();
    let attestations = attested.attestations.iter().map(|one| Attestation {
        signer: one.signer,
        finality: Finality::Finalized,
        signature: one.signature.to_vec().into(),
    });
    let witness = Witness::Attestations { set: SET, attestations: attestations.collect() };
    let header = HeaderEvidence { header: sent.header.clone().into(), witness };
    let trusted = accept(&header, &trust(), &RULES, &AnchorHistory::default(), Finality::Finalized, TIME + 9).unwrap();
    let account = unpack(&sent.accounts, &[keccak256(host().address)]).unwrap().remove(0);
    let keys: Vec<B256> = sent.slots.iter().map(keccak256).collect();
    let proofs = unpack(&sent.storage, &keys).unwrap();
    let slots = sent.slots.iter().zip(proofs).map(|(slot, nodes)| SlotProof { slot: *slot, nodes });
    let (shared, facts): (Vec<_>, Vec<_>) = slots.partition(|proof| AclBlock::is_block_slot(host().layout, proof.slot));
    let block = AclBlock::under(*trusted.anchor(), &account, &shared, &host()).unwrap();
    let by_path: Vec<u64> = sent.places.iter().filter_map(|place| place.checked_sub(1)).collect();
    let leaves: Vec<_> = by_path.iter().map(|i| (*i, leaf_hash(&grant(*i)))).collect();
    let paths = expand(&leaves, block.range_count().unwrap(), &sent.hashes).unwrap();
    let paths = by_path.iter().zip(paths).map(|(i, path)| AclProof::Path { grant: grant(*i), path });
    let proofs: Vec<_> = paths.chain(facts.into_iter().map(AclProof::Slot)).collect();
    let wanted: Vec<_> = indices.iter().map(|i| Fact::Granted(grant(*i))).collect();
    block.facts(&proofs, &wanted).unwrap()
}

#[test]
fn the_state_has_the_depth_of_a_large_chain() {
    let state = state(&range(), &levels(&[3, 1_048_576]), &[], 0);
    assert_eq!(state.account.len(), ACCOUNT_NODES);
    assert!(state.slots.iter().all(|proof| proof.nodes.len() == STORAGE_NODES));
    let nodes = state.account.iter().chain(state.slots.iter().flat_map(|proof| &proof.nodes));
    assert!(nodes.map(|node| node.len()).all(|length| length <= MAX_NODE_BYTES));
}

#[test]
fn ten_grants_are_proven_from_attestations_down() {
    let range = range();
    let many_peaks = vec![3, 77, 78, 500_000, 999_999, 1_048_575, 1_048_576, 1_200_000, 1_234_560, 1_234_566];
    for indices in [many_peaks, batch(0), batch(7)] {
        let facts = judge(&sent(&range, &indices, 5), &indices);
        assert_eq!((facts.facts().len(), facts.anchor().number()), (10, NUMBER + 5));
    }
}

#[test]
fn the_evidence_of_every_batch_of_ten_fits_into_sixteen_kilobytes() {
    let range = range();
    let bytes = |number| kms::Evidence::from(&sent(&range, &batch(number), number)).encoded_len();
    let all: Vec<usize> = (0..1_001).map(bytes).collect();
    let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
    assert!(*most <= TEN_BYTES, "{least} to {most} bytes");
}
