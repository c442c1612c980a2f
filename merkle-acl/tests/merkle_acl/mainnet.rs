//! Evidence of the size a large chain gives, from attestations to facts, sent in its compact form.

use crate::common::mainnet::{ACCOUNT_NODES, RULES, STORAGE_NODES, TIME, grant, host, levels, range, state, trust};
use alloy_primitives::Bytes;
use merkle_acl::{
    AclBlock, AclProof, Fact, MAX_NODE_BYTES, SlotProof,
    compact::{compress, expand, pool, unpool},
    leaf_hash,
    trust::{AnchorHistory, Finality, accept},
};

#[test]
fn ten_grants_are_proven_from_attestations_down() {
    let range = range();
    let indices = [3, 999_999, 1_048_575, 1_048_576, 1_200_000, 1_234_566, 77, 78, 500_000, 1_234_560];
    let sent = state(&range, &levels(&indices), 0);
    assert_eq!(sent.account.len(), ACCOUNT_NODES);
    assert!(sent.slots.iter().all(|proof| proof.nodes.len() == STORAGE_NODES));
    assert!(
        sent.account
            .iter()
            .chain(sent.slots.iter().flat_map(|proof| &proof.nodes))
            .all(|node| node.len() <= MAX_NODE_BYTES)
    );

    // Over the wire and out again.
    let proofs: Vec<&[Bytes]> =
        std::iter::once(sent.account.as_slice()).chain(sent.slots.iter().map(|proof| proof.nodes.as_slice())).collect();
    let mut nodes = unpool(&pool(proofs).unwrap()).unwrap().into_iter();
    let account = nodes.next().unwrap();
    let slots: Vec<_> =
        sent.slots.iter().zip(nodes).map(|(proof, nodes)| SlotProof { slot: proof.slot, nodes }).collect();
    let paths: Vec<_> = indices.iter().map(|i| (leaf_hash(&grant(*i)), range.prove(*i).unwrap())).collect();
    let hashes = compress(&paths, range.count()).unwrap();
    let leaves: Vec<_> = indices.iter().map(|i| (*i, leaf_hash(&grant(*i)))).collect();

    let history = AnchorHistory::default();
    let trusted = accept(&sent.header, &trust(), &RULES, &history, Finality::Finalized, TIME + 9).unwrap();
    let block = AclBlock::under(*trusted.anchor(), &account, &slots, &host()).unwrap();
    let paths = expand(&leaves, block.range_count().unwrap(), &hashes).unwrap();
    let proofs: Vec<_> = indices.iter().zip(paths).map(|(i, path)| AclProof::Path { grant: grant(*i), path }).collect();
    let wanted: Vec<_> = indices.iter().map(|i| Fact::Granted(grant(*i))).collect();
    assert_eq!(block.facts(&proofs, &wanted).unwrap().facts(), wanted);
}
