//! Evidence of the size a large chain gives: proofs of eight account nodes and six storage nodes, full branches but for the last
//! one above the leaf, as a trie of random keys has them. Built along the paths only: the rest of the state is hashes.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::encode;
use alloy_trie::{Nibbles, TrieAccount};
use merkle_acl::{
    AclHost, AclLayout, Grant, SlotProof,
    compact::{compress, lone},
    keys, leaf_hash,
    pack::pack,
    range::{MountainRange, covering_level},
    trust::{
        AnchorRules, Attestation, AttesterQuorum, AttesterSet, Finality, HeaderEvidence, HeaderStatement, Witness,
    },
};
use tkms_types::MinFinality;
use tkms_wire::evidence::{self as wire, Attested, Evidence};

use super::{address, addresses, list, sign};

pub const ACCOUNT_NODES: usize = 8;
pub const STORAGE_NODES: usize = 6;
/// Attesters, and how many of them sign.
pub const ATTESTERS: u8 = 7;
pub const QUORUM: usize = 5;
/// Grants of a chain in use: eleven mountains, the largest of 2^20.
pub const GRANTS: u64 = 1_234_567;
pub const TIME: u64 = 1_800_000_000;
pub const NUMBER: u64 = 23_000_000;
pub const SET: B256 = B256::repeat_byte(0x5e);
pub const RULES: AnchorRules = AnchorRules {
    checkpoint_number: 1,
    min_finality: Finality::Finalized,
    max_age: 2_400,
    max_lag: 200,
    clock_skew: 15,
};

pub fn host() -> AclHost {
    AclHost { address: Address::repeat_byte(0xac), code_hash: keccak256("code"), layout: AclLayout::Range }
}

pub fn grant(i: u64) -> Grant {
    Grant::Persistent { handle: B256::from(U256::from(i)), account: Address::repeat_byte(0x22) }
}

/// Every grant of the chain.
pub fn range() -> MountainRange {
    let mut range = MountainRange::default();
    (0..GRANTS).for_each(|i| range.append(leaf_hash(&grant(i))));
    range
}

/// Stands in for the EIP-712 digest: as many bytes, hashed as often.
pub fn digest(statement: &HeaderStatement) -> B256 {
    let (class, _) = statement.finality.signed();
    let number = B256::from(U256::from(statement.number));
    let words = [statement.set, number, statement.hash, statement.state_root, B256::with_last_byte(class)].concat();
    keccak256([keccak256(words).as_slice(), &[0; 34]].concat())
}

pub fn trust() -> AttesterQuorum<fn(&HeaderStatement) -> B256> {
    AttesterQuorum::new(vec![AttesterSet::new(SET, addresses(ATTESTERS), QUORUM).unwrap()], digest)
}

/// What proves the ACL's state in one block.
pub struct State {
    pub header: HeaderEvidence,
    pub account: Vec<Bytes>,
    pub slots: Vec<SlotProof>,
}

/// Block number `i` with the range's first word, the peaks of these levels, and the slots of these grants.
pub fn state(range: &MountainRange, levels: &[u8], slots: &[u64], i: u64) -> State {
    let peaks =
        levels.iter().map(|level| (keys::range_peak(*level), U256::from_be_bytes(range.peak(*level).unwrap().0)));
    let granted = slots.iter().map(|index| (grant(*index).slot(), U256::ONE));
    let first = (keys::RANGE_NAMESPACE, U256::from(range.count()));
    let words: Vec<_> = [first].into_iter().chain(peaks).chain(granted).collect();
    let entries: Vec<_> = words.iter().map(|(slot, word)| (keccak256(slot), encode(word))).collect();
    let (storage_root, proofs) = along_paths(&entries, STORAGE_NODES, i);
    let account = TrieAccount { nonce: 1, storage_root, code_hash: host().code_hash, ..Default::default() };
    let (state_root, mut account) = along_paths(&[(keccak256(host().address), encode(account))], ACCOUNT_NODES, i);
    let slots = words.iter().zip(proofs).map(|((slot, _), nodes)| SlotProof { slot: *slot, nodes }).collect();
    State { header: attested(header(state_root, NUMBER + i).into()), account: account.remove(0), slots }
}

/// Levels of the peaks that cover these leaves.
pub fn levels(indices: &[u64]) -> Vec<u8> {
    let mut levels: Vec<_> = indices.iter().map(|index| covering_level(*index, GRANTS).unwrap()).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

/// A header with the twenty-one fields of Osaka.
fn header(state_root: B256, number: u64) -> Vec<u8> {
    let hash = || encode(B256::repeat_byte(0x5a));
    list(&[
        hash(),
        hash(),
        encode(Address::repeat_byte(0xbe)),
        encode(state_root),
        hash(),
        hash(),
        encode(Bloom::repeat_byte(0x11)),
        encode(U256::ZERO),
        encode(number),
        encode(45_000_000u64),
        encode(21_000_000u64),
        encode(TIME),
        encode(b"a builder of blocks".as_slice()),
        hash(),
        encode(B64::ZERO),
        encode(1_000_000_000u64),
        hash(),
        encode(786_432u64),
        encode(131_072u64),
        hash(),
        hash(),
    ])
}

fn attested(header: Bytes) -> HeaderEvidence {
    let anchor = merkle_acl::Anchor::from_header_rlp(&header).unwrap();
    let statement = HeaderStatement {
        set: SET,
        number: anchor.number(),
        hash: anchor.hash(),
        state_root: anchor.state_root(),
        timestamp: anchor.timestamp(),
        finality: Finality::Finalized,
    };
    let by = |i: u8| Attestation {
        signer: address(i),
        finality: Finality::Finalized,
        signature: sign(i, digest(&statement), 27).into(),
    };
    let attestations = (1..=ATTESTERS).take(QUORUM).map(by).collect();
    HeaderEvidence { header, witness: Witness::Attestations { set: SET, attestations } }
}

/// Root of a trie in which each of these (hashed key, value) lies under `nodes` nodes, leaf included, and the proofs.
fn along_paths(entries: &[(B256, Vec<u8>)], nodes: usize, seed: u64) -> (B256, Vec<Vec<Bytes>>) {
    let mut proofs = vec![Vec::new(); entries.len()];
    let paths: Vec<_> = entries.iter().map(|(key, value)| (Nibbles::unpack(key).to_vec(), value.clone())).collect();
    let all: Vec<usize> = (0..paths.len()).collect();
    let root = node(&paths, &all, 0, nodes, seed, &mut proofs);
    proofs.iter_mut().for_each(|proof| proof.reverse());
    (keccak256(root), proofs)
}

fn node(
    paths: &[(Vec<u8>, Vec<u8>)],
    here: &[usize],
    level: usize,
    nodes: usize,
    seed: u64,
    proofs: &mut [Vec<Bytes>],
) -> Vec<u8> {
    let rlp = if level + 1 == nodes {
        let [only] = here else { panic!("two keys share {level} nibbles") };
        let (path, value) = &paths[*only];
        list(&[encode(compact(&path[level..]).as_slice()), encode(value.as_slice())])
    } else {
        let mut children: Vec<Vec<u8>> = (0..16u8).map(|nibble| sibling(level, nodes, nibble, seed)).collect();
        for nibble in 0..16u8 {
            let below: Vec<usize> = here.iter().copied().filter(|i| paths[*i].0[level] == nibble).collect();
            if !below.is_empty() {
                let child = node(paths, &below, level + 1, nodes, seed, proofs);
                children[usize::from(nibble)] = encode(keccak256(child));
            }
        }
        children.push(vec![0x80]);
        list(&children)
    };
    here.iter().for_each(|i| proofs[*i].push(rlp.clone().into()));
    rlp
}

/// A child of a branch that is on no path: a hash, but in the last branch only nibbles 0 and 8 have one.
fn sibling(level: usize, nodes: usize, nibble: u8, seed: u64) -> Vec<u8> {
    if level + 2 == nodes && !matches!(nibble, 0 | 8) {
        return vec![0x80];
    }
    encode(keccak256([seed.to_be_bytes().as_slice(), &[u8::try_from(level).unwrap(), nibble]].concat()))
}

/// The rest of a leaf's path in its compact form.
fn compact(nibbles: &[u8]) -> Vec<u8> {
    let (first, rest) = if nibbles.len() % 2 == 1 { (0x30 | nibbles[0], &nibbles[1..]) } else { (0x20, nibbles) };
    [vec![first], rest.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()].concat()
}

/// The evidence of these grants as an oracle sends it.
pub fn sent(range: &MountainRange, indices: &[u64], i: u64) -> Evidence {
    let by_slot = lone(indices, range.count());
    let by_path: Vec<u64> = indices.iter().copied().filter(|index| !by_slot.contains(index)).collect();
    let state = state(range, &levels(&by_path), &by_slot, i);
    let Witness::Attestations { set, attestations } = &state.header.witness else { panic!("attestations") };
    let attestation = |one: &Attestation| wire::Attestation {
        signer: one.signer,
        finality: MinFinality::Finalized,
        signature: one.signature.as_ref().try_into().unwrap(),
    };
    let attested = Attested { set: *set, attestations: attestations.iter().map(attestation).collect() };
    let storage: Vec<_> = state.slots.iter().map(|proof| (keccak256(proof.slot), proof.nodes.as_slice())).collect();
    let paths: Vec<_> = by_path.iter().map(|i| (leaf_hash(&grant(*i)), range.prove(*i).unwrap())).collect();
    Evidence {
        header: state.header.header.0.clone(),
        attested: Some(attested),
        accounts: pack(&[(keccak256(host().address), state.account.as_slice())]).unwrap().into(),
        executor: false,
        storage: pack(&storage).unwrap().into(),
        slots: state.slots.iter().map(|proof| proof.slot).collect(),
        places: indices.iter().map(|index| if by_slot.contains(index) { 0 } else { index + 1 }).collect(),
        hashes: compress(&paths, range.count()).unwrap(),
        witness: None,
    }
}

/// A leaf anywhere in the range, another one for each `i`.
pub fn anywhere(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % GRANTS
}

/// Ten leaves anywhere in the range, sorted as their grants are.
pub fn batch(number: u64) -> Vec<u64> {
    let mut indices: Vec<u64> = (0..10).map(|i| anywhere(number * 10 + i)).collect();
    indices.sort_unstable();
    indices
}
