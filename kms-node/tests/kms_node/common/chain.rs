//! A host chain in memory: real headers, tries and proofs over it, but blocks by decree.

use super::evidence::Parts;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::Header;
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use merkle_acl::range::{MountainRange, covering_level};
use merkle_acl::{Fact, Grant, SlotProof, fact_slots, keys, leaf_hash};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

pub const ACL: Address = Address::repeat_byte(0xa1);
pub const EXECUTOR: Address = Address::repeat_byte(0xa2);
/// Blocks on top of a final one.
const LAG: usize = 2;

pub fn acl_code() -> B256 {
    keccak256("the ACL's code")
}

pub fn executor_code() -> B256 {
    keccak256("the executor's code")
}

type Storage = BTreeMap<B256, U256>;

#[derive(Clone)]
struct Block {
    hash: B256,
    header: Bytes,
    storage: Storage,
    grants: usize,
}

struct State {
    blocks: Vec<Block>,
    pending: Storage,
    range: MountainRange,
    grants: Vec<Grant>,
    first_time: u64,
}

/// Cheap to clone; all clones are one chain.
#[derive(Clone)]
pub struct InMemoryChain(Arc<Mutex<State>>);

impl InMemoryChain {
    /// Block 0 at `first_time`, one second a block, four blocks.
    pub fn new(first_time: u64) -> Self {
        // The range's word and something else, so that no trie is trivial
        let pending = BTreeMap::from([(B256::repeat_byte(3), U256::from(9))]);
        let (range, grants) = (MountainRange::default(), Vec::new());
        let chain = Self(Arc::new(Mutex::new(State { blocks: Vec::new(), pending, range, grants, first_time })));
        chain.mine(5);
        chain
    }

    pub fn mine(&self, blocks: usize) {
        let mut state = self.0.lock().unwrap();
        for _ in 0..blocks {
            let number = state.blocks.len() as u64;
            let parent = state.blocks.last().map_or(B256::ZERO, |block| block.hash);
            let (state_root, _) = accounts(&state.pending, ACL);
            let header = Bytes::from(header(parent, state_root, number, state.first_time + number));
            let (storage, grants) = (state.pending.clone(), state.grants.len());
            state.blocks.push(Block { hash: keccak256(&header), header, storage, grants });
        }
    }

    pub fn set(&self, slot: B256, word: U256) {
        self.0.lock().unwrap().pending.insert(slot, word);
    }

    /// Does what the contract does for a new grant: mapping, peak and count.
    pub fn grant(&self, grant: Grant) {
        let mut state = self.0.lock().unwrap();
        let before = state.range.count();
        state.range.append(leaf_hash(&grant));
        state.grants.push(grant);
        let level = u8::try_from(before.trailing_ones()).unwrap();
        let peak = state.range.peak(level).unwrap();
        state.pending.insert(keys::range_peak(level), peak.into());
        state.pending.insert(keys::RANGE_NAMESPACE, U256::from(before + 1));
        state.pending.insert(grant.slot(), U256::ONE);
    }

    pub fn pause(&self) {
        let mut state = self.0.lock().unwrap();
        *state.pending.entry(keys::RANGE_NAMESPACE).or_default() += U256::ONE << 64;
    }

    pub fn block_hash(&self, number: usize) -> B256 {
        self.0.lock().unwrap().blocks[number].hash
    }

    /// Number of the newest final block.
    pub fn final_number(&self) -> usize {
        self.0.lock().unwrap().blocks.len() - 1 - LAG
    }

    pub fn header(&self, number: usize) -> Bytes {
        self.0.lock().unwrap().blocks[number].header.clone()
    }

    /// The proof of one slot.
    pub fn slot(&self, number: usize, slot: B256) -> SlotProof {
        let state = self.0.lock().unwrap();
        let (_, mut proofs) = trie(&words(&state.blocks[number].storage), &[slot.to_vec()]);
        SlotProof { slot, nodes: proofs.remove(0) }
    }

    /// What an honest oracle collects for these facts in one block: grants that were given by their paths, all else by slots.
    pub fn parts(&self, number: usize, facts: &[Fact]) -> Parts {
        let state = self.0.lock().unwrap();
        let block = &state.blocks[number];
        let count = block.grants as u64;
        let mut grants = Vec::new();
        let mut by_slot = Vec::new();
        for fact in facts {
            let Fact::Granted(grant) = fact else {
                by_slot.push(*fact);
                continue;
            };
            let index = state.grants[..block.grants].iter().position(|given| given == grant);
            let path = index.map(|index| state.range.prove_at(index as u64, count).unwrap());
            if path.is_none() {
                by_slot.push(*fact);
            }
            grants.push((*grant, path));
        }
        let paths = grants.iter().filter_map(|(_, path)| path.as_ref());
        let levels: BTreeSet<u8> = paths.map(|path| covering_level(path.index, count).unwrap()).collect();
        let mut slots = vec![keys::RANGE_NAMESPACE];
        slots.extend(levels.into_iter().map(keys::range_peak));
        slots.extend(fact_slots(&by_slot));
        let wanted: Vec<_> = slots.iter().map(|slot| slot.to_vec()).collect();
        let (_, proofs) = trie(&words(&block.storage), &wanted);
        Parts {
            contracts: [ACL, EXECUTOR],
            header: block.header.clone(),
            account: accounts(&block.storage, ACL).1,
            executor: accounts(&block.storage, EXECUTOR).1,
            slots: slots.into_iter().zip(proofs).map(|(slot, nodes)| SlotProof { slot, nodes }).collect(),
            grants,
            count,
        }
    }
}

fn words(storage: &Storage) -> Vec<(Vec<u8>, Vec<u8>)> {
    let set = storage.iter().filter(|(_, word)| !word.is_zero());
    set.map(|(slot, word)| (slot.to_vec(), alloy_rlp::encode(word))).collect()
}

fn accounts(storage: &Storage, wanted: Address) -> (B256, Vec<Bytes>) {
    let (storage_root, _) = trie(&words(storage), &[]);
    let acl = TrieAccount { nonce: 1, storage_root, code_hash: acl_code(), ..TrieAccount::default() };
    let executor = TrieAccount { nonce: 1, code_hash: executor_code(), ..TrieAccount::default() };
    let mut pairs = vec![(ACL.to_vec(), alloy_rlp::encode(acl)), (EXECUTOR.to_vec(), alloy_rlp::encode(executor))];
    pairs.extend((1..20u8).map(|number| {
        let account = TrieAccount { balance: U256::from(number), ..TrieAccount::default() };
        (Address::repeat_byte(number).to_vec(), alloy_rlp::encode(account))
    }));
    let (root, mut proofs) = trie(&pairs, &[wanted.to_vec()]);
    (root, proofs.remove(0))
}

/// Root over (key, RLP value) pairs and the proof of each wanted key, present or not.
pub fn trie(pairs: &[(Vec<u8>, Vec<u8>)], wanted: &[Vec<u8>]) -> (B256, Vec<Vec<Bytes>>) {
    let targets: Vec<Nibbles> = wanted.iter().map(|key| Nibbles::unpack(keccak256(key))).collect();
    let hashed: BTreeMap<B256, &Vec<u8>> = pairs.iter().map(|(key, value)| (keccak256(key), value)).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.clone()));
    hashed.into_iter().for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let of = |key: &Nibbles| nodes.matching_nodes_sorted(key).into_iter().map(|(_, node)| node).collect();
    (root, targets.iter().map(of).collect())
}

fn header(parent: B256, state_root: B256, number: u64, time: u64) -> Vec<u8> {
    let other = alloy_rlp::encode(B256::repeat_byte(0x5a));
    let fields = [
        alloy_rlp::encode(parent),
        other.clone(),
        alloy_rlp::encode(Address::ZERO),
        alloy_rlp::encode(state_root),
        other.clone(),
        other.clone(),
        alloy_rlp::encode(Bloom::ZERO),
        alloy_rlp::encode(0u64),
        alloy_rlp::encode(number),
        alloy_rlp::encode(30_000_000u64),
        alloy_rlp::encode(0u64),
        alloy_rlp::encode(time),
        alloy_rlp::encode(b"".as_slice()),
        other,
        alloy_rlp::encode(B64::ZERO),
    ]
    .concat();
    let mut out = Vec::new();
    Header { list: true, payload_length: fields.len() }.encode(&mut out);
    out.extend(fields);
    out
}
