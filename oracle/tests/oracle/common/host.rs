//! A host chain in memory behind real JSON-RPC: headers, tries and logs as a chain has them, and an endpoint that lies when told.

use alloy::consensus::Header as Consensus;
use alloy::primitives::{Address, B256, Bytes, Log as Content, LogData, U256, keccak256};
use alloy::rpc::types::{
    Block as RpcBlock, EIP1186AccountProofResponse, EIP1186StorageProof, Header, Log, Transaction,
};
use alloy::sol_types::{SolCall, SolEvent};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use axum::extract::State as Shared;
use axum::routing::post;
use axum::{Json, Router};
use k256::ecdsa::SigningKey;
use merkle_acl::range::MountainRange;
use merkle_acl::{Grant, keys, leaf_hash};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tkms_eth::bindings::IACL;
use url::Url;

pub const ACL: Address = Address::repeat_byte(1);
pub const EXECUTOR: Address = Address::repeat_byte(2);
pub const ACL_CODE: B256 = B256::repeat_byte(6);
pub const EXECUTOR_CODE: B256 = B256::repeat_byte(7);
/// Blocks between the head and what is final.
pub const LAG: u64 = 2;

/// How the endpoint at `/` lies; the one at `/honest` never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Not at all.
    None,
    /// Headers with another state root under the right hash.
    Header,
    /// Proofs with a changed node.
    Proof,
    /// Proofs of a state with one grant more.
    Count,
    /// The log lacks the first grant.
    Log,
    /// Nothing is answered.
    Dead,
    /// Proofs of the last blocks only, as clients without an archive.
    Forgets,
}

#[derive(Clone)]
struct Block {
    header: Consensus,
    hash: B256,
    storage: BTreeMap<B256, U256>,
    range: MountainRange,
    known: BTreeSet<Grant>,
    logs: Vec<LogData>,
}

struct State {
    blocks: Vec<Block>,
    lie: Lie,
    branch: u64,
    calls: BTreeMap<String, usize>,
    /// Who seals the blocks; nobody on most chains.
    validators: Vec<SigningKey>,
}

#[derive(Clone)]
pub struct FakeChain {
    state: Arc<Mutex<State>>,
    pub url: Url,
}

/// Root of the trie over these pairs, and the proof of each wanted key.
fn trie(pairs: &[(B256, Vec<u8>)], wanted: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    let targets: Vec<Nibbles> = wanted.iter().map(|key| Nibbles::unpack(keccak256(key))).collect();
    let sorted: BTreeMap<B256, &Vec<u8>> = pairs.iter().map(|(key, value)| (keccak256(key), value)).collect();
    state_trie(&sorted, &targets)
}

fn state_trie(sorted: &BTreeMap<B256, &Vec<u8>>, targets: &[Nibbles]) -> (B256, Vec<Vec<Bytes>>) {
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.to_vec()));
    sorted.iter().for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let proof = |key| nodes.matching_nodes_sorted(key).into_iter().map(|(_, node)| node).collect();
    (root, targets.iter().map(proof).collect())
}

/// Puts QBFT seals into the header, over what stood in the extra data; its hash.
fn seal(header: &mut Consensus, validators: &[SigningKey]) -> B256 {
    let list = |items: &[Vec<u8>]| {
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: items.iter().map(Vec::len).sum() }.encode(&mut out);
        out.extend(items.concat());
        out
    };
    let vanity = B256::right_padding_from(&header.extra_data);
    let mut named: Vec<Address> = validators.iter().map(super::address_of).collect();
    named.sort_unstable();
    let named: Vec<Vec<u8>> = named.iter().map(alloy_rlp::encode).collect();
    let extra = |seals: &[Vec<u8>]| {
        let seals: Vec<Vec<u8>> = seals.iter().map(|seal| alloy_rlp::encode(seal.as_slice())).collect();
        Bytes::from(list(&[alloy_rlp::encode(vanity), list(&named), vec![0xc0], vec![0x80], list(&seals)]))
    };
    // Round 0: what is signed is what is hashed
    header.extra_data = extra(&[]);
    let hash = header.hash_slow();
    let sealed = |key: &SigningKey| {
        let mut seal = tkms_wire::signature::sign(key, hash).unwrap().to_vec();
        seal[64] -= 27;
        seal
    };
    header.extra_data = extra(&validators.iter().map(sealed).collect::<Vec<_>>());
    hash
}

impl Block {
    fn storage_trie(&self, slots: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
        let words = self.storage.iter().filter(|(_, word)| !word.is_zero());
        let pairs: Vec<_> = words.map(|(slot, word)| (*slot, alloy_rlp::encode(word))).collect();
        trie(&pairs, slots)
    }

    /// The state's root, and the proof of one account.
    fn accounts(&self, of: Address) -> (B256, Vec<Bytes>) {
        let account = |storage_root, code_hash| TrieAccount { storage_root, code_hash, ..Default::default() };
        let mut accounts = vec![
            (ACL, account(self.storage_trie(&[]).0, ACL_CODE)),
            (EXECUTOR, account(alloy_trie::EMPTY_ROOT_HASH, EXECUTOR_CODE)),
        ];
        accounts.extend((20..90).map(|byte| (Address::repeat_byte(byte), TrieAccount::default())));
        let leaves: Vec<(B256, Vec<u8>)> =
            accounts.iter().map(|(address, account)| (keccak256(address), alloy_rlp::encode(account))).collect();
        let sorted = leaves.iter().map(|(key, leaf)| (*key, leaf)).collect();
        let (root, mut proofs) = state_trie(&sorted, &[Nibbles::unpack(keccak256(of))]);
        (root, proofs.remove(0))
    }

    fn grant(&mut self, grant: Grant) {
        let caller = Address::repeat_byte(0xca);
        self.logs.push(match grant {
            Grant::Persistent { handle, account } => IACL::Allowed { caller, account, handle }.encode_log_data(),
            Grant::Public { handle } => {
                IACL::AllowedForDecryption { caller, handlesList: vec![handle] }.encode_log_data()
            }
        });
        if !self.known.insert(grant) {
            return;
        }
        let before = self.range.count();
        self.range.append(leaf_hash(&grant));
        let level = u8::try_from(before.trailing_ones()).unwrap();
        self.storage.insert(keys::range_peak(level), self.range.peak(level).unwrap().into());
        self.storage.insert(keys::RANGE_NAMESPACE, U256::from(before + 1));
        self.storage.insert(grant.slot(), U256::ONE);
    }
}

impl FakeChain {
    /// Genesis and a first block, in which the ACL appears. Listens.
    pub async fn start() -> Self {
        let start = super::now() - 300;
        let header = Consensus { timestamp: start, ..Consensus::default() };
        let hash = header.hash_slow();
        let (storage, range) = (BTreeMap::new(), MountainRange::default());
        let genesis = Block { header, hash, storage, range, known: BTreeSet::new(), logs: Vec::new() };
        let chain = Self::listening(vec![genesis], 0).await;
        chain.mine(1);
        chain
    }

    /// A chain of its own that shares so many blocks with this one.
    pub async fn fork(&self, shared: usize) -> Self {
        let blocks = self.state.lock().unwrap().blocks[..shared].to_vec();
        let fork = Self::listening(blocks, 1).await;
        if shared == 1 {
            fork.mine(1);
        }
        fork.mine(1);
        fork
    }

    async fn listening(blocks: Vec<Block>, branch: u64) -> Self {
        let state = State { blocks, lie: Lie::None, branch, calls: BTreeMap::new(), validators: Vec::new() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let chain = Self { state: Arc::new(Mutex::new(state)), url };
        let routes = Router::new().route("/", post(lying)).route("/honest", post(honest)).with_state(chain.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        chain
    }

    pub fn honest(&self) -> Url {
        self.url.join("honest").unwrap()
    }

    fn block_with(&self, change: impl FnOnce(&mut Block)) -> u64 {
        let mut state = self.state.lock().unwrap();
        let mut block = state.blocks.last().unwrap().clone();
        let (parent, number, time) = (block.hash, block.header.number + 1, block.header.timestamp + 1);
        block.logs.clear();
        change(&mut block);
        let state_root = block.accounts(ACL).0;
        let extra_data = Bytes::copy_from_slice(&state.branch.to_be_bytes());
        block.header =
            Consensus { parent_hash: parent, number, timestamp: time, state_root, extra_data, ..Consensus::default() };
        block.hash = if state.validators.is_empty() {
            block.header.hash_slow()
        } else {
            seal(&mut block.header, &state.validators)
        };
        state.blocks.push(block);
        number
    }

    /// From the next block on these seal, as QBFT has it.
    pub fn sealed_by(&self, validators: Vec<SigningKey>) {
        self.state.lock().unwrap().validators = validators;
    }

    /// Empty blocks.
    pub fn mine(&self, count: u64) {
        for _ in 0..count {
            self.block_with(|_| {});
        }
    }

    /// One block with these grants; its number.
    pub fn grant(&self, grants: &[Grant]) -> u64 {
        self.block_with(|block| grants.iter().for_each(|grant| block.grant(*grant)))
    }

    /// One block that writes a word.
    pub fn set(&self, slot: B256, word: U256) {
        self.block_with(|block| {
            block.storage.insert(slot, word);
        });
    }

    /// Drops the newest blocks; what is mined next has other hashes.
    pub fn rewind(&self, depth: usize) {
        let mut state = self.state.lock().unwrap();
        let kept = state.blocks.len() - depth;
        state.blocks.truncate(kept);
        state.branch += 1;
    }

    /// Makes everything there is final.
    pub fn settle(&self) {
        self.mine(LAG);
    }

    pub fn head(&self) -> u64 {
        self.state.lock().unwrap().blocks.last().unwrap().header.number
    }

    pub fn hash(&self, number: u64) -> B256 {
        self.state.lock().unwrap().blocks[usize::try_from(number).unwrap()].hash
    }

    pub fn lie(&self, lie: Lie) {
        self.state.lock().unwrap().lie = lie;
    }

    pub fn calls(&self, method: &str) -> usize {
        self.state.lock().unwrap().calls.get(method).copied().unwrap_or_default()
    }

    fn answer(&self, request: &Value, lies: bool) -> Result<Value, String> {
        let mut state = self.state.lock().unwrap();
        let lie = if lies { state.lie } else { Lie::None };
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        *state.calls.entry(method.clone()).or_default() += 1;
        if lie == Lie::Dead {
            return Err("the endpoint is down".into());
        }
        let params = &request["params"];
        match method.as_str() {
            "eth_chainId" => Ok(json!("0x7a69")),
            "eth_getBlockByNumber" => Ok(block(state.by_number(&params[0]), lie)),
            "eth_getBlockByHash" => Ok(block(state.by_hash(&params[0]), lie)),
            "eth_getProof" => state.proof(params, lie),
            "eth_getLogs" => Ok(state.logs(&params[0], lie)),
            "eth_call" => state.call(&params[0]),
            other => Err(format!("{other} is not served")),
        }
    }
}

impl State {
    fn by_number(&self, tag: &Value) -> Option<&Block> {
        let head = self.blocks.last()?.header.number;
        let number = match tag.as_str()? {
            "latest" => head,
            "finalized" | "safe" => head.saturating_sub(LAG),
            hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok()?,
        };
        self.blocks.get(usize::try_from(number).ok()?)
    }

    fn by_hash(&self, hash: &Value) -> Option<&Block> {
        self.blocks.iter().find(|block| hash.as_str() == Some(block.hash.to_string().as_str()))
    }

    fn proof(&self, params: &Value, lie: Lie) -> Result<Value, String> {
        let mut block = self.by_hash(&params[2]["blockHash"]).ok_or("no such block")?.clone();
        if lie == Lie::Forgets && block.header.number + 3 < self.blocks.last().unwrap().header.number {
            return Err("missing trie node".into());
        }
        if lie == Lie::Count {
            block.grant(Grant::Public { handle: B256::repeat_byte(0xfa) });
        }
        let address: Address = serde_json::from_value(params[0].clone()).unwrap();
        let slots: Vec<B256> = serde_json::from_value(params[1].clone()).unwrap();
        let (storage_hash, mut proofs) = block.storage_trie(&slots);
        if lie == Lie::Proof
            && let Some(node) = proofs.iter_mut().flat_map(|proof| proof.iter_mut()).next()
        {
            *node = [node.as_ref(), &[0]].concat().into();
        }
        let word = |slot: &B256| block.storage.get(slot).copied().unwrap_or_default();
        let proven = slots.iter().zip(proofs);
        let storage_proof =
            proven.map(|(slot, proof)| EIP1186StorageProof { key: (*slot).into(), value: word(slot), proof }).collect();
        let account_proof = block.accounts(address).1;
        let answer =
            EIP1186AccountProofResponse { address, storage_hash, account_proof, storage_proof, ..Default::default() };
        Ok(serde_json::to_value(answer).unwrap())
    }

    fn logs(&self, filter: &Value, lie: Lie) -> Value {
        let range = match filter["blockHash"].is_string() {
            true => self.by_hash(&filter["blockHash"]).map(|block| (block.header.number, block.header.number)),
            false => self
                .by_number(&filter["fromBlock"])
                .zip(self.by_number(&filter["toBlock"]))
                .map(|(from, to)| (from.header.number, to.header.number)),
        };
        let Some((from, to)) = range else { return json!([]) };
        let mut logs = Vec::new();
        for block in self.blocks.iter().filter(|block| (from..=to).contains(&block.header.number)) {
            for (index, data) in (0u64..).zip(&block.logs) {
                logs.push(Log {
                    inner: Content { address: ACL, data: data.clone() },
                    block_hash: Some(block.hash),
                    block_number: Some(block.header.number),
                    transaction_hash: Some(B256::repeat_byte(9)),
                    transaction_index: Some(0),
                    log_index: Some(index),
                    ..Log::default()
                });
            }
        }
        if lie == Lie::Log {
            let first = self.blocks.iter().find(|block| !block.logs.is_empty()).unwrap().hash;
            logs.retain(|log| log.block_hash != Some(first) || log.log_index != Some(0));
        }
        serde_json::to_value(logs).unwrap()
    }

    fn call(&self, call: &Value) -> Result<Value, String> {
        let data = call["input"].as_str().or(call["data"].as_str()).unwrap_or_default();
        let data: Bytes = data.parse().unwrap();
        let storage = &self.blocks.last().unwrap().storage;
        let word = |slot: B256| storage.get(&slot).copied().unwrap_or_default();
        let answer = if let Ok(call) = IACL::isAllowedForDecryptionCall::abi_decode(&data) {
            word(keys::public(call.handle))
        } else if let Ok(call) = IACL::persistAllowedCall::abi_decode(&data) {
            word(keys::persistent(call.handle, call.account))
        } else if let Ok(call) = IACL::getUserDecryptionDelegationExpirationDateCall::abi_decode(&data) {
            word(keys::delegation(call.delegator, call.delegate, call.contractAddress))
        } else {
            return Err("execution reverted".into());
        };
        Ok(json!(B256::from(answer)))
    }
}

fn block(block: Option<&Block>, lie: Lie) -> Value {
    let Some(block) = block else { return Value::Null };
    let mut header = Header { hash: block.hash, ..Header::new(block.header.clone()) };
    if lie == Lie::Header {
        header.inner.state_root = B256::repeat_byte(0xbb);
    }
    serde_json::to_value(RpcBlock::<Transaction>::empty(header)).unwrap()
}

async fn lying(Shared(chain): Shared<FakeChain>, Json(request): Json<Value>) -> Json<Value> {
    reply(&chain, &request, true)
}

async fn honest(Shared(chain): Shared<FakeChain>, Json(request): Json<Value>) -> Json<Value> {
    reply(&chain, &request, false)
}

fn reply(chain: &FakeChain, request: &Value, lies: bool) -> Json<Value> {
    Json(match chain.answer(request, lies) {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }),
        Err(message) => {
            json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": -32000, "message": message } })
        }
    })
}
