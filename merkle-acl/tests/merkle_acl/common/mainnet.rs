//! Evidence of the size a large chain gives: proofs of eight account nodes and six storage nodes, full branches but for the last
//! one above the leaf, as a trie of random keys has them. Built along the paths only: the rest of the state is hashes.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::encode;
use alloy_trie::{Nibbles, TrieAccount};
use merkle_acl::{
    AclHost, AclLayout, Grant, SlotProof,
    compact::{compress, pool},
    keys, leaf_hash,
    range::{MountainRange, covering_level},
    trust::{
        AnchorRules, Attestation, AttesterQuorum, AttesterSet, Finality, HeaderEvidence, HeaderStatement, Witness,
    },
};

use super::{address, addresses, list, sign};

pub const ACCOUNT_NODES: usize = 8;
pub const STORAGE_NODES: usize = 6;
/// Attesters, and how many of them sign.
pub const ATTESTERS: u8 = 7;
pub const QUORUM: usize = 5;
/// Grants of a chain in use: seven mountains, the largest of 2^20.
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

/// Block number `i` with the range's first word and the peaks of these levels.
pub fn state(range: &MountainRange, levels: &[u8], i: u64) -> State {
    let peaks =
        levels.iter().map(|level| (keys::range_peak(*level), U256::from_be_bytes(range.peak(*level).unwrap().0)));
    let words: Vec<_> = [(keys::RANGE_NAMESPACE, U256::from(range.count()))].into_iter().chain(peaks).collect();
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

/// Bytes of the compact evidence of these grants under a block with the peaks they need: header, signatures (each with class and
/// place of its signer), trie nodes once with their places, slots, and for each grant its index beside the hashes.
#[allow(dead_code, reason = "the bench measures it")]
pub fn compact_bytes(state: &State, range: &MountainRange, indices: &[u64]) -> usize {
    let Witness::Attestations { attestations, .. } = &state.header.witness else { panic!("attestations") };
    let signatures = 32 + attestations.iter().map(|attestation| attestation.signature.len() + 6).sum::<usize>();
    let slots = state.slots.iter().map(|proof| proof.nodes.as_slice());
    let pooled = pool([state.account.as_slice()].into_iter().chain(slots)).unwrap();
    let nodes = pooled.nodes.iter().map(|node| node.len() + 2).sum::<usize>();
    let places = pooled.proofs.iter().map(|proof| 1 + 2 * proof.len()).sum::<usize>();
    let paths: Vec<_> = indices.iter().map(|i| (leaf_hash(&grant(*i)), range.prove(*i).unwrap())).collect();
    let hashes = compress(&paths, range.count()).unwrap();
    state.header.header.len()
        + signatures
        + nodes
        + places
        + 32 * state.slots.len()
        + 8 * indices.len()
        + 32 * hashes.len()
}
