//! The state that a smart account's answer to a permit depends on (ERC-1271): accounts with code and slots, all under the state
//! root of the evidence this is part of; and the call that is answered.
//!
//! Shapes only: counts, widths, places inside the pool. What the bytes prove, and what the account says, is for each node to find out.

use crate::field::{FieldError, Problem, bounded, fixed, nested};
use crate::kms;
use alloy_primitives::{Address, B256, U256, b256, hex};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of all of it as it is sent: a Safe with its singleton, handler and a signer contract takes some 90 KiB.
pub const WITNESS_BYTES: usize = 256 * 1024;
/// Accounts one answer may depend on.
pub const ACCOUNTS: usize = 16;
/// Slots of all accounts together.
pub const SLOTS: usize = 256;
/// Bytes of one account's code: more than any chain in use deploys (24 KiB on Ethereum).
pub const CODE_BYTES: usize = 64 * 1024;
/// Distinct trie nodes.
pub const NODES: usize = 4 * 1024;
/// Bytes of a trie node: a full branch has 532.
const NODE_BYTES: usize = 600;
/// Nodes of one proof: a path has 64 nibbles.
const PROOF_NODES: usize = 64;

/// `isValidSignature(bytes32,bytes)`.
const SELECTOR: [u8; 4] = hex!("1626ba7e");
/// All a contract that accepts returns: the selector, as an ABI word.
pub const ACCEPTS: B256 = b256!("1626ba7e00000000000000000000000000000000000000000000000000000000");
/// Last word of a signature for an account that is not deployed (ERC-6492).
const UNDEPLOYED: B256 = b256!("6492649264926492649264926492649264926492649264926492649264926492");

/// A well-formed witness; nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountWitness {
    /// Distinct trie nodes of all proofs.
    pub nodes: Vec<Bytes>,
    /// The accounts, each once, the smart account among them.
    pub accounts: Vec<WitnessedAccount>,
}

/// One account, there or not, with what is read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedAccount {
    /// Its address.
    pub address: Address,
    /// Its proof under the header's state root: places in [`AccountWitness::nodes`], root first.
    pub nodes: Vec<u16>,
    /// Its code; none if it has none.
    pub code: Bytes,
    /// Slots of its storage, each once.
    pub slots: Vec<WitnessedSlot>,
}

/// One slot with its proof under the account's storage root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedSlot {
    /// The slot as the contract numbers it, not hashed.
    pub slot: B256,
    /// Places in [`AccountWitness::nodes`], root first.
    pub nodes: Vec<u16>,
}

/// Calldata of `isValidSignature(digest, signature)`.
#[must_use]
pub fn signature_call(digest: B256, signature: &[u8]) -> Vec<u8> {
    let word = |number: usize| U256::from(number).to_be_bytes::<32>();
    let padding = vec![0; signature.len().next_multiple_of(32) - signature.len()];
    [SELECTOR.as_slice(), digest.as_slice(), &word(64), &word(signature.len()), signature, &padding].concat()
}

/// Every node of the proofs once, and each proof as places among them. A witness in its limits has fewer nodes than `u16` counts.
#[must_use]
pub fn pool(proofs: &[Vec<Bytes>]) -> (Vec<Bytes>, Vec<Vec<u16>>) {
    let (mut nodes, mut known) = (Vec::new(), BTreeMap::new());
    let mut place = |node: &Bytes| {
        let next = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
        *known.entry(node.clone()).or_insert_with(|| {
            nodes.push(node.clone());
            next
        })
    };
    let places = proofs.iter().map(|proof| proof.iter().map(&mut place).collect()).collect();
    (nodes, places)
}

/// Whether the signature is wrapped for an account that is not deployed.
#[must_use]
pub fn is_for_undeployed(signature: &[u8]) -> bool {
    signature.ends_with(UNDEPLOYED.as_slice())
}

impl TryFrom<kms::AccountWitness> for AccountWitness {
    type Error = FieldError;
    fn try_from(message: kms::AccountWitness) -> Result<Self, FieldError> {
        let size = prost::Message::encoded_len(&message);
        if size > WITNESS_BYTES {
            return Err(FieldError::new("", Problem::TooLong { found: size, limit: WITNESS_BYTES }));
        }
        let nodes = nested("nodes", &message.nodes, NODES, |node| bounded("", node.clone(), NODE_BYTES))?;
        let slots: usize = message.accounts.iter().map(|account| account.slots.len()).sum();
        if slots > SLOTS {
            return Err(FieldError::new("accounts", Problem::TooMany { found: slots, limit: SLOTS }));
        }
        let count = nodes.len();
        let accounts = nested("accounts", &message.accounts, ACCOUNTS, |account| read_account(account, count))?;
        let witness = Self { nodes, accounts };
        witness.check()?;
        Ok(witness)
    }
}

impl AccountWitness {
    /// Everything is there once, and every node is part of a proof.
    fn check(&self) -> Result<(), FieldError> {
        let mut used = vec![false; self.nodes.len()];
        let slots = self.accounts.iter().flat_map(|account| &account.slots).map(|slot| &slot.nodes);
        for place in self.accounts.iter().map(|account| &account.nodes).chain(slots).flatten() {
            if let Some(used) = used.get_mut(usize::from(*place)) {
                *used = true;
            }
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            return Err(FieldError { path: format!("nodes[{unused}]"), problem: Problem::Unused });
        }
        let distinct: BTreeSet<&Bytes> = self.nodes.iter().collect();
        if distinct.len() < self.nodes.len() {
            return Err(FieldError::new("nodes", Problem::Repeated));
        }
        let addresses: BTreeSet<&Address> = self.accounts.iter().map(|account| &account.address).collect();
        if addresses.len() < self.accounts.len() {
            return Err(FieldError::new("accounts", Problem::Repeated));
        }
        Ok(())
    }
}

impl From<&AccountWitness> for kms::AccountWitness {
    fn from(witness: &AccountWitness) -> Self {
        let places = |places: &[u16]| places.iter().map(|place| u32::from(*place)).collect();
        let slot = |slot: &WitnessedSlot| kms::WitnessedSlot {
            slot: Bytes::copy_from_slice(slot.slot.as_slice()),
            nodes: places(&slot.nodes),
        };
        let account = |account: &WitnessedAccount| kms::WitnessedAccount {
            address: Bytes::copy_from_slice(account.address.as_slice()),
            nodes: places(&account.nodes),
            code: account.code.clone(),
            slots: account.slots.iter().map(slot).collect(),
        };
        Self { nodes: witness.nodes.clone(), accounts: witness.accounts.iter().map(account).collect() }
    }
}

fn read_account(message: &kms::WitnessedAccount, nodes: usize) -> Result<WitnessedAccount, FieldError> {
    let slots = nested("slots", &message.slots, SLOTS, |slot| read_slot(slot, nodes))?;
    let distinct: BTreeSet<&B256> = slots.iter().map(|slot| &slot.slot).collect();
    if distinct.len() < slots.len() {
        return Err(FieldError::new("slots", Problem::Repeated));
    }
    Ok(WitnessedAccount {
        address: Address::new(fixed("address", &message.address)?),
        nodes: read_places(&message.nodes, nodes)?,
        code: bounded("code", message.code.clone(), CODE_BYTES)?,
        slots,
    })
}

fn read_slot(message: &kms::WitnessedSlot, nodes: usize) -> Result<WitnessedSlot, FieldError> {
    Ok(WitnessedSlot { slot: fixed::<32>("slot", &message.slot)?.into(), nodes: read_places(&message.nodes, nodes)? })
}

fn read_places(places: &[u32], nodes: usize) -> Result<Vec<u16>, FieldError> {
    let inside = |place: &u32| u16::try_from(*place).ok().filter(|place| usize::from(*place) < nodes);
    nested("nodes", places, PROOF_NODES, |place| inside(place).ok_or(FieldError::new("", Problem::Number)))
}
