//! A host chain in memory: real headers, tries and proofs over it, but blocks by decree.

use super::CHAIN_ID;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::Header;
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use merkle_acl::{Grant, SlotProof};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tkms_kms_node::evidence::{At, HostError, HostReader, RawHeader, RawProof, VerifierView};

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
    header: RawHeader,
    storage: Storage,
}

struct State {
    blocks: Vec<Block>,
    pending: Storage,
    verifier: Option<VerifierView>,
    down: bool,
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
        let state = State { blocks: Vec::new(), pending, verifier: None, down: false, first_time };
        let chain = Self(Arc::new(Mutex::new(state)));
        chain.mine(5);
        chain
    }

    pub fn mine(&self, blocks: usize) {
        let mut state = self.0.lock().unwrap();
        for _ in 0..blocks {
            let number = state.blocks.len() as u64;
            let parent = state.blocks.last().map_or(B256::ZERO, |block| block.header.hash);
            let (state_root, _) = accounts(&state.pending, ACL);
            let rlp = Bytes::from(header(parent, state_root, number, state.first_time + number));
            let header = RawHeader { hash: keccak256(&rlp), number, rlp };
            let storage = state.pending.clone();
            state.blocks.push(Block { header, storage });
        }
    }

    /// Replaces the newest blocks by as many others, final ones included: what no honest chain does.
    pub fn rewrite(&self, blocks: usize) {
        {
            let mut state = self.0.lock().unwrap();
            let kept = state.blocks.len() - blocks;
            state.blocks.truncate(kept);
        }
        self.set(B256::repeat_byte(4), U256::from(10));
        self.mine(blocks);
    }

    pub fn set(&self, slot: B256, word: U256) {
        self.0.lock().unwrap().pending.insert(slot, word);
    }

    pub fn grant(&self, grant: Grant) {
        self.set(grant.slot(), U256::ONE);
    }

    pub fn set_verifier(&self, view: VerifierView) {
        self.0.lock().unwrap().verifier = Some(view);
    }

    pub fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    pub fn block_hash(&self, number: usize) -> B256 {
        self.0.lock().unwrap().blocks[number].header.hash
    }

    /// Evidence for slots in one block, as an honest endpoint gives it.
    pub fn evidence(&self, number: usize, slots: &[B256]) -> merkle_acl::AclEvidence {
        let block = self.0.lock().unwrap().blocks[number].clone();
        let proof = proof(&block, ACL, slots);
        merkle_acl::AclEvidence { header: block.header.rlp, account: proof.account, slots: proof.slots }
    }

    fn up(&self) -> Result<std::sync::MutexGuard<'_, State>, HostError> {
        let state = self.0.lock().unwrap();
        if state.down { Err(HostError("the endpoint is down".to_owned())) } else { Ok(state) }
    }
}

#[tonic::async_trait]
impl HostReader for InMemoryChain {
    async fn chain_id(&self) -> Result<u64, HostError> {
        self.up().map(|_| CHAIN_ID)
    }

    async fn header(&self, at: At) -> Result<Option<RawHeader>, HostError> {
        let state = self.up()?;
        let found = match at {
            At::Final => state.blocks.len().checked_sub(1 + LAG).and_then(|at| state.blocks.get(at)),
            At::Latest => state.blocks.last(),
            At::Hash(hash) => state.blocks.iter().find(|block| block.header.hash == hash),
        };
        Ok(found.map(|block| block.header.clone()))
    }

    async fn proof(&self, block: B256, account: Address, slots: &[B256]) -> Result<RawProof, HostError> {
        let state = self.up()?;
        let found = state.blocks.iter().find(|known| known.header.hash == block);
        Ok(proof(found.ok_or(HostError("Resource not found".to_owned()))?, account, slots))
    }

    async fn verifier(&self, _: B256, _: Address) -> Result<VerifierView, HostError> {
        self.up()?.verifier.clone().ok_or(HostError("no contract there".to_owned()))
    }
}

fn proof(block: &Block, account: Address, slots: &[B256]) -> RawProof {
    let (_, account) = accounts(&block.storage, account);
    let wanted: Vec<_> = slots.iter().map(|slot| slot.to_vec()).collect();
    let (_, proofs) = trie(&words(&block.storage), &wanted);
    let slots = slots.iter().zip(proofs).map(|(slot, nodes)| SlotProof { slot: *slot, nodes }).collect();
    RawProof { account, slots }
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
fn trie(pairs: &[(Vec<u8>, Vec<u8>)], wanted: &[Vec<u8>]) -> (B256, Vec<Vec<Bytes>>) {
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
