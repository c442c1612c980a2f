//! The only state a run can see: accounts, code and slots of a witness, each proven before the first instruction.

use crate::refusal::Refusal;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, TrieAccount};
use merkle_acl::{TrieError, prove_account, prove_slot};
use revm::bytecode::Bytecode;
use revm::database_interface::DBErrorMarker;
use revm::precompile::{PrecompileSpecId, Precompiles};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use std::collections::BTreeMap;
use tkms_wire::account_witness::{AccountWitness, WitnessedAccount};

/// Accounts of a witness under one state root.
pub(super) struct ProvenState {
    accounts: BTreeMap<Address, Proven>,
    /// Addresses whose calls the EVM itself answers. What else stands there does not matter to a call, and is nothing unless proven.
    precompiles: &'static Precompiles,
}

struct Proven {
    /// `None`: proven not to be there.
    info: Option<AccountInfo>,
    /// Nothing is stored at all, so every slot is proven to be 0.
    empty: bool,
    slots: BTreeMap<B256, U256>,
}

/// What a run needed and the witness does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    #[error("the account {0}")]
    Account(Address),
    #[error("slot {1} of {0}")]
    Slot(Address, B256),
    #[error("the hash of block {0}")]
    BlockHash(u64),
    #[error("code with hash {0}")]
    Code(B256),
}

impl DBErrorMarker for Unproven {}

impl ProvenState {
    /// Checks every proof of the witness.
    pub(super) fn verify(witness: &AccountWitness, state_root: B256, spec: SpecId) -> Result<Self, Refusal> {
        let mut accounts = BTreeMap::new();
        for account in &witness.accounts {
            accounts.insert(account.address, prove(account, witness, state_root)?);
        }
        Ok(Self { accounts, precompiles: Precompiles::new(PrecompileSpecId::from_spec_id(spec)) })
    }

    /// Hash of the code of the account that is to answer.
    pub(super) fn contract(&self, account: Address) -> Result<B256, Refusal> {
        let Some(proven) = self.accounts.get(&account) else {
            return Err(Refusal::SmartAccountUnproven { account, what: Unproven::Account(account).to_string() });
        };
        let deployed = proven.info.as_ref().filter(|info| info.code_hash != KECCAK_EMPTY);
        deployed.map(|info| info.code_hash).ok_or(Refusal::SmartAccountUndeployed(account))
    }
}

fn prove(account: &WitnessedAccount, witness: &AccountWitness, state_root: B256) -> Result<Proven, Refusal> {
    let address = account.address;
    let invalid = |reason: &dyn std::fmt::Display| Refusal::AccountProofInvalid(format!("account {address}: {reason}"));
    let found = match prove_account(state_root, address, &nodes(witness, &account.nodes)?) {
        Ok(found) => Some(found),
        Err(TrieError::NoAccount) => None,
        Err(error) => return Err(invalid(&error)),
    };
    let TrieAccount { nonce, balance, storage_root, code_hash } = found.unwrap_or_default();
    if keccak256(&account.code) != code_hash {
        return Err(invalid(&format!("the code is not the one with hash {code_hash}")));
    }
    let mut slots = BTreeMap::new();
    for slot in &account.slots {
        let word = prove_slot(storage_root, slot.slot, &nodes(witness, &slot.nodes)?).map_err(|reason| {
            Refusal::SlotProofInvalid(format!("proof of slot {} of {address}: {reason}", slot.slot))
        })?;
        slots.insert(slot.slot, word);
    }
    let code = Bytecode::new_raw_checked(account.code.clone().into()).map_err(|error| invalid(&error))?;
    let info = found.map(|_| AccountInfo::new(balance, nonce, code_hash, code));
    Ok(Proven { info, empty: storage_root == EMPTY_ROOT_HASH, slots })
}

fn nodes(witness: &AccountWitness, places: &[u16]) -> Result<Vec<Bytes>, Refusal> {
    let node = |place: &u16| witness.nodes.get(usize::from(*place)).cloned().map(Bytes::from);
    let nodes: Option<Vec<Bytes>> = places.iter().map(node).collect();
    nodes.ok_or_else(|| Refusal::Malformed("evidence: a proof names a node that is not there".to_owned()))
}

impl revm::Database for ProvenState {
    type Error = Unproven;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unproven> {
        match self.accounts.get(&address) {
            Some(proven) => Ok(proven.info.clone()),
            None if self.precompiles.contains(&address) => Ok(None),
            None => Err(Unproven::Account(address)),
        }
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Unproven> {
        // Every account comes with its code
        Err(Unproven::Code(code_hash))
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Unproven> {
        let slot = B256::from(index);
        let proven = self.accounts.get(&address).ok_or(Unproven::Account(address))?;
        match proven.slots.get(&slot) {
            Some(word) => Ok(*word),
            None if proven.empty => Ok(U256::ZERO),
            None => Err(Unproven::Slot(address, slot)),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Unproven> {
        Err(Unproven::BlockHash(number))
    }
}
