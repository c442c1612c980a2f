//! EIP-1186: an account under a state root, a storage slot under that account's storage root.
//!
//! The nodes are decoded by `alloy-trie`; the walk is ours because it must say yes, no, or "this proof shows neither",
//! must refuse nodes it did not need, and must not panic under a root that the sender of the proof chose
//! (`alloy_trie::proof::verify_proof` asserts that paths fit 64 nibbles). A test holds both to the same answers.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, EMPTY_STRING_CODE, decode_exact};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, nodes::TrieNode};

use crate::error::TrieError;

/// Most nodes of one proof: a path has 64 nibbles.
pub const MAX_PROOF_NODES: usize = 64;
/// Longest trie node, in bytes. A full branch has 532.
pub const MAX_NODE_BYTES: usize = 600;
/// A child shorter than its hash stands inside its parent.
const HASH_BYTES: usize = 32;

/// The account at `address` under `state_root`.
///
/// # Errors
/// [`TrieError`]; an account proven absent is [`TrieError::NoAccount`].
pub fn prove_account(state_root: B256, address: Address, nodes: &[Bytes]) -> Result<TrieAccount, TrieError> {
    let leaf = walk(state_root, keccak256(address), nodes)?.ok_or(TrieError::NoAccount)?;
    decode_exact(&leaf).map_err(TrieError::Value)
}

/// The word in `slot` under `storage_root`; zero if the slot is proven absent.
///
/// The trie stores a word as an RLP integer without leading zeros, so one word in 256 is short: the result is the number.
///
/// # Errors
/// [`TrieError`] if the proof shows neither a value nor its absence.
pub fn prove_slot(storage_root: B256, slot: B256, nodes: &[Bytes]) -> Result<U256, TrieError> {
    match walk(storage_root, keccak256(slot), nodes)? {
        Some(leaf) => decode_exact(&leaf).map_err(TrieError::Value),
        None => Ok(U256::ZERO),
    }
}

/// Where one node leads on the way to a key.
enum Step {
    /// To the node with this hash.
    Next(B256),
    /// To the value.
    Found(Vec<u8>),
    /// Nowhere: the key is not in the trie.
    Absent,
}

/// Follows `key` from `root` through `nodes`; `None` if they prove that the key is absent.
fn walk(root: B256, key: B256, nodes: &[Bytes]) -> Result<Option<Vec<u8>>, TrieError> {
    check_bounds(nodes)?;
    if root == EMPTY_ROOT_HASH {
        return empty_trie(nodes);
    }
    let path = Nibbles::unpack(key).to_vec();
    let mut rest = path.as_slice();
    let mut expected = root;
    for (index, bytes) in nodes.iter().enumerate() {
        if keccak256(bytes) != expected {
            return Err(TrieError::WrongNode { index });
        }
        let answer = match step(index, bytes, &mut rest)? {
            Step::Next(hash) => {
                expected = hash;
                continue;
            }
            Step::Found(value) => Some(value),
            Step::Absent => None,
        };
        return match nodes.len() - index - 1 {
            0 => Ok(answer),
            unused => Err(TrieError::UnusedNodes(unused)),
        };
    }
    Err(TrieError::Truncated)
}

fn check_bounds(nodes: &[Bytes]) -> Result<(), TrieError> {
    if nodes.len() > MAX_PROOF_NODES {
        return Err(TrieError::TooManyNodes { len: nodes.len(), max: MAX_PROOF_NODES });
    }
    match nodes.iter().enumerate().find(|(_, node)| node.len() > MAX_NODE_BYTES) {
        Some((index, node)) => Err(TrieError::NodeTooLong { index, len: node.len(), max: MAX_NODE_BYTES }),
        None => Ok(()),
    }
}

/// Some chains prove an empty trie by no node, some by the one empty node; anything else is not its proof.
fn empty_trie(nodes: &[Bytes]) -> Result<Option<Vec<u8>>, TrieError> {
    match nodes {
        [] => Ok(None),
        [only] if only.as_ref() == [EMPTY_STRING_CODE] => Ok(None),
        [only, ..] if only.as_ref() == [EMPTY_STRING_CODE] => Err(TrieError::UnusedNodes(nodes.len() - 1)),
        _ => Err(TrieError::WrongNode { index: 0 }),
    }
}

/// Goes through one hashed node and the nodes that stand inside it. Ends because each of those is shorter than its parent.
fn step(index: usize, bytes: &[u8], rest: &mut &[u8]) -> Result<Step, TrieError> {
    let mut node = decode_node(index, bytes)?;
    loop {
        let child = match node {
            TrieNode::EmptyRoot => return Err(TrieError::ImpossibleNode { index }),
            TrieNode::Leaf(leaf) => {
                let found = *rest == leaf.key.to_vec().as_slice();
                return Ok(if found { Step::Found(leaf.value) } else { Step::Absent });
            }
            TrieNode::Extension(extension) => match rest.strip_prefix(extension.key.to_vec().as_slice()) {
                Some(after) => {
                    *rest = after;
                    extension.child
                }
                None => return Ok(Step::Absent),
            },
            TrieNode::Branch(branch) => {
                let Some((nibble, after)) = rest.split_first() else {
                    return Err(TrieError::ImpossibleNode { index });
                };
                *rest = after;
                let before = branch.state_mask.get() & ((1u16 << nibble) - 1);
                let children = branch.state_mask.is_bit_set(*nibble).then_some(before.count_ones() as usize);
                match children.and_then(|position| branch.stack.get(position)) {
                    Some(child) => child.clone(),
                    None => return Ok(Step::Absent),
                }
            }
        };
        if let Some(hash) = child.as_hash() {
            return Ok(Step::Next(hash));
        }
        if child.len() >= HASH_BYTES {
            return Err(TrieError::ImpossibleNode { index });
        }
        node = decode_node(index, &child)?;
    }
}

fn decode_node(index: usize, mut bytes: &[u8]) -> Result<TrieNode, TrieError> {
    let node = TrieNode::decode(&mut bytes).map_err(|reason| TrieError::Node { index, reason })?;
    if bytes.is_empty() { Ok(node) } else { Err(TrieError::ImpossibleNode { index }) }
}
