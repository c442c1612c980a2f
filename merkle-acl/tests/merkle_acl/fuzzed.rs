//! The bodies of the fuzz targets on seeded bytes: noise, and honest bytes with some of them changed. `MERKLE_ACL_MUTATIONS` and
//! `MERKLE_ACL_SEED` ask for more, or for the same again.

use crate::common::{Chain, Dice, setting};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use merkle_acl::{AclEvidence, AclLayout, Grant};

#[path = "../../fuzz/bodies.rs"]
mod bodies;

fn honest() -> AclEvidence {
    let mut chain = Chain::busy(AclLayout::Range);
    for i in 0..5u64 {
        chain.append(Grant::Persistent { handle: keccak256(i.to_be_bytes()), account: Address::repeat_byte(0x22) });
    }
    chain.block()
}

/// As the bodies take bytes apart.
fn joined<'a>(parts: impl IntoIterator<Item = &'a Bytes>) -> Vec<u8> {
    let one = |part: &Bytes| [&u16::try_from(part.len()).unwrap().to_be_bytes(), part.as_ref()].concat();
    parts.into_iter().flat_map(one).collect()
}

fn noise(dice: &mut Dice, longest: usize) -> Vec<u8> {
    let length = dice.roll(longest);
    (0..length).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect()
}

/// Some bytes changed, the end cut off, or something put in.
fn changed(dice: &mut Dice, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.roll(3) {
        let place = dice.roll(bytes.len().max(1));
        match dice.roll(4) {
            0 => bytes.truncate(place),
            1 => bytes.splice(place.min(bytes.len()).., noise(dice, 40)).for_each(drop),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= u8::try_from(dice.roll(255) + 1).unwrap();
                }
            }
        }
    }
    bytes
}

fn run(body: fn(&[u8]), seeds: &[Vec<u8>]) {
    let (count, mut dice) = (setting("MERKLE_ACL_MUTATIONS", 10_000) / 10, Dice(setting("MERKLE_ACL_SEED", 11)));
    seeds.iter().for_each(|seed| body(seed));
    body(&[]);
    for _ in 0..count {
        body(&noise(&mut dice, 700));
        if !seeds.is_empty() {
            let seed = dice.roll(seeds.len());
            body(&changed(&mut dice, &seeds[seed]));
        }
    }
}

#[test]
fn headers_with_and_without_seals() {
    let header = honest().header.to_vec();
    run(bodies::header, std::slice::from_ref(&header));
    run(bodies::seals, &[header]);
}

#[test]
fn trie_nodes() {
    let evidence = honest();
    let proofs = evidence.slots.iter().map(|proof| joined(&proof.nodes)).chain([joined(&evidence.account)]);
    run(bodies::trie, &proofs.collect::<Vec<_>>());
}

#[test]
fn packed_proofs() {
    // A branch with both own leaves; one under a common path; a leaf of another key; short children
    let hash = [7u8; 32];
    let seeds = [
        vec![2, 1, 1, 5],
        [[1u8, 4, 0x80, 0x01, 1, 1, 9].as_slice(), &hash].concat(),
        [[1u8, 3, 1, 0x05, 0].as_slice(), &hash].concat(),
        [[1u8, 2].as_slice(), &[5; 32], &[1, 9]].concat(),
        vec![2, 5, 0x80, 0x01, 1, 1, 9, 2, 0xc1, 0x80],
    ];
    run(bodies::packed, &seeds);
}

#[test]
fn paths_and_what_compresses_them() {
    let word = |number: u64| B256::from(alloy_primitives::U256::from(number));
    let path = [word(3), word(8), word(1), word(4), word(5)].concat();
    run(bodies::path, std::slice::from_ref(&path));
    run(bodies::compact, &[path, joined(&honest().account)]);
}

#[test]
fn attestations_and_whole_blocks() {
    let evidence = honest();
    let mut signed = evidence.header.to_vec();
    signed.extend(joined(&[Bytes::from(vec![27; 65])]).into_iter().cycle().take(signed.len()));
    run(bodies::attestation, &[signed]);
    let nodes = evidence.account.iter().chain(&evidence.slots[0].nodes);
    run(bodies::block, &[joined(std::iter::once(&evidence.header).chain(nodes))]);
}
