//! Proofs that an fhEVM permission stands in a block's state.
//!
//! A threshold KMS node may not take anybody's word for "this user may decrypt that ciphertext". This crate is the check it makes
//! alone, from bytes anyone may hand it: a block header, the ACL contract's account under the header's state root, and storage slots under
//! that account. [`verify`] answers with the facts, or with the first reason against them. What it does not decide is whether the block
//! itself is final on its chain: [`trust::accept`] does, or compare [`Anchor::hash`] with what you trust.
//!
//! [`AclBlock`] is the same check in two steps: the block once, then any number of requests under it, whose grants may also be proven by
//! their path in the Merkle mountain range of all grants ([`range`]).
//!
//! Pure: no I/O, no clock, no logs, no serialisation format.
//!
//! ```
//! use alloy_primitives::{Address, B64, B256, Bloom, U256, keccak256};
//! use alloy_rlp::{Encodable, Header, encode};
//! use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
//! use merkle_acl::{AclError, AclEvidence, AclHost, AclLayout, Fact, Grant, SlotProof, slots_for, verify};
//!
//! // A trie of sorted (hashed key, RLP value) pairs: its root, and the proof of each wanted key.
//! fn trie(mut pairs: Vec<(B256, Vec<u8>)>, wanted: &[B256]) -> (B256, Vec<Vec<alloy_primitives::Bytes>>) {
//!     pairs.sort();
//!     let targets = wanted.iter().map(Nibbles::unpack).collect::<Vec<_>>();
//!     let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.clone()));
//!     pairs.iter().for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
//!     let root = builder.root();
//!     let nodes = builder.take_proof_nodes();
//!     let proof = |key| nodes.matching_nodes_sorted(key).into_iter().map(|(_, node)| node).collect();
//!     (root, targets.iter().map(proof).collect())
//! }
//!
//! // A chain whose ACL made one ciphertext public.
//! let acl = AclHost { address: Address::repeat_byte(0xac), code_hash: keccak256("code"), layout: AclLayout::Range };
//! let public = Fact::Granted(Grant::Public { handle: B256::repeat_byte(0x11) });
//! let other = Fact::Granted(Grant::Public { handle: B256::repeat_byte(0x22) });
//! let Fact::Granted(grant) = public else { unreachable!() };
//! let storage = vec![(keccak256(grant.slot()), encode(U256::from(1)))];
//!
//! // What an oracle collects for it: exactly the slots the facts depend on.
//! let collect = |facts: &[Fact]| {
//!     let slots = slots_for(acl.layout, facts);
//!     let hashed = slots.iter().map(keccak256).collect::<Vec<_>>();
//!     let (storage_root, slot_nodes) = trie(storage.clone(), &hashed);
//!     let account = TrieAccount { storage_root, code_hash: acl.code_hash, ..Default::default() };
//!     let key = keccak256(acl.address);
//!     let (state_root, mut account_nodes) = trie(vec![(key, encode(account))], &[key]);
//!     let mut fields = Vec::new();
//!     let hash = B256::ZERO;
//!     hash.encode(&mut fields); // parent
//!     hash.encode(&mut fields); // ommers
//!     Address::ZERO.encode(&mut fields);
//!     state_root.encode(&mut fields);
//!     hash.encode(&mut fields); // transactions
//!     hash.encode(&mut fields); // receipts
//!     Bloom::ZERO.encode(&mut fields);
//!     0u64.encode(&mut fields); // difficulty
//!     7u64.encode(&mut fields); // number
//!     (30_000_000u64, 0u64, 1_700_000_000u64).encode_into(&mut fields); // gas limit, gas used, timestamp
//!     "".encode(&mut fields); // extra data
//!     hash.encode(&mut fields); // mix hash
//!     B64::ZERO.encode(&mut fields);
//!     let mut header = Vec::new();
//!     Header { list: true, payload_length: fields.len() }.encode(&mut header);
//!     header.extend(fields);
//!     let slots = slots.into_iter().zip(slot_nodes).map(|(slot, nodes)| SlotProof { slot, nodes }).collect();
//!     AclEvidence { header: header.into(), account: account_nodes.remove(0), slots }
//! };
//! # trait EncodeInto { fn encode_into(&self, out: &mut Vec<u8>); }
//! # impl EncodeInto for (u64, u64, u64) {
//! #     fn encode_into(&self, out: &mut Vec<u8>) { self.0.encode(out); self.1.encode(out); self.2.encode(out); }
//! # }
//!
//! // What a node does with it.
//! let verified = verify(&collect(&[public]), &acl, &[public])?;
//! assert_eq!(verified.anchor().number(), 7);
//! // The absence of another grant is proven just as well, and refused by its name.
//! assert!(matches!(verify(&collect(&[other]), &acl, &[other]), Err(AclError::GrantMissing { .. })));
//! # Ok::<(), AclError>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

mod anchor;
mod block;
pub mod compact;
mod error;
mod facts;
pub mod keys;
mod leaf;
pub mod pack;
mod proof;
pub mod range;
mod slot;
pub mod trust;

pub use anchor::{Anchor, MAX_HEADER_BYTES, MAX_HEADER_FIELDS};
pub use block::{AclBlock, AclProof, range_slots};
pub use error::{AclError, HeaderError, ProofError, TrieError};
pub use facts::{ANY_CONTRACT, Fact, Grant, GrantKind, fact_slots, grants, slots_for};
pub use keys::AclLayout;
pub use leaf::{leaf_hash, node_hash};
pub use proof::{AclEvidence, AclHost, MAX_FACTS, SlotProof, VerifiedFacts, verify};
pub use slot::{MAX_NODE_BYTES, MAX_PROOF_NODES, prove_account, prove_slot};
