//! Smart accounts in a state in memory, with headers over it and proofs in it. The contracts come from `forge build`.

use super::chain::trie;
use super::{CHAIN_ID, signing_key};
use alloy::consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{KECCAK_EMPTY, TrieAccount};
use k256::ecdsa::SigningKey;
use merkle_acl::Anchor;
use std::collections::BTreeMap;
use std::path::Path;
use tkms_kms_node::policy::smart_account::{Accepted, Claim, ask};
use tkms_kms_node::refusal::Refusal;
use tkms_wire::account_witness::{AccountWitness, WitnessedAccount, WitnessedSlot, pool};
use tkms_wire::signature::sign;

pub const WALLET: Address = Address::repeat_byte(0x3a);
pub const LIBRARY: Address = Address::repeat_byte(0x3b);
pub const BYSTANDER: Address = Address::repeat_byte(0x3c);
pub const NOBODY: Address = Address::repeat_byte(0x3d);
pub const DIGEST: B256 = B256::repeat_byte(0xd1);
/// Where ERC-1967 has the implementation of a proxy.
pub const IMPLEMENTATION: B256 =
    alloy_primitives::b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");

pub fn owner() -> SigningKey {
    signing_key(0x0a)
}

/// Runtime code of a contract in `solidity/test/wallets`.
pub fn code(contract: &str) -> Bytes {
    let file = format!("../solidity/out/Wallets.sol/{contract}.json");
    let json = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("run `forge build` first");
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    json["deployedBytecode"]["object"].as_str().unwrap().parse().unwrap()
}

pub fn slot(number: u64) -> B256 {
    U256::from(number).into()
}

#[derive(Clone, Default)]
pub struct Account {
    pub code: Bytes,
    pub storage: BTreeMap<B256, U256>,
}

/// A state and the block on top of it.
#[derive(Clone)]
pub struct World {
    pub accounts: BTreeMap<Address, Account>,
    pub header: Header,
}

impl World {
    /// A wallet with this code and these words, and other accounts around it.
    pub fn with(code: Bytes, storage: impl IntoIterator<Item = (B256, U256)>) -> Self {
        let storage = storage.into_iter().chain([(B256::repeat_byte(0x77), U256::from(7))]).collect();
        let mut accounts = BTreeMap::from([(WALLET, Account { code, storage })]);
        accounts.insert(BYSTANDER, Account::default());
        accounts.extend((1..40).map(|number| (Address::repeat_byte(number), Account::default())));
        let header = Header {
            number: 77,
            timestamp: 1_800_000_000,
            gas_limit: 36_000_000,
            beneficiary: Address::repeat_byte(0xcb),
            mix_hash: B256::repeat_byte(0x5d),
            base_fee_per_gas: Some(9),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            ..Header::default()
        };
        Self { accounts, header }
    }

    /// A wallet that [`owner`] owns.
    pub fn owned() -> Self {
        Self::with(code("OwnerWallet"), [(slot(0), owned_by(&owner()))])
    }

    /// The same behind a proxy.
    pub fn proxied() -> Self {
        let words = [(slot(0), owned_by(&owner())), (IMPLEMENTATION, U256::from_be_bytes(LIBRARY.into_word().0))];
        let mut world = Self::with(code("WalletProxy"), words);
        world.accounts.insert(LIBRARY, Account { code: code("OwnerWallet"), ..Account::default() });
        world
    }

    /// A wallet that does as told.
    pub fn odd(mode: u64, argument: U256) -> Self {
        Self::with(code("OddWallet"), [(slot(0), U256::from(mode)), (slot(1), argument)])
    }

    fn storage(account: &Account, wanted: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
        let words = account.storage.iter().filter(|(_, word)| !word.is_zero());
        let pairs: Vec<_> = words.map(|(slot, word)| (slot.to_vec(), alloy_rlp::encode(word))).collect();
        trie(&pairs, &wanted.iter().map(|slot| slot.to_vec()).collect::<Vec<_>>())
    }

    fn state(&self, wanted: &[Address]) -> (B256, Vec<Vec<Bytes>>) {
        let leaf = |account: &Account| TrieAccount {
            balance: U256::from(5),
            nonce: 1,
            storage_root: Self::storage(account, &[]).0,
            code_hash: if account.code.is_empty() { KECCAK_EMPTY } else { keccak256(&account.code) },
        };
        let pairs: Vec<_> = self
            .accounts
            .iter()
            .map(|(address, account)| (address.to_vec(), alloy_rlp::encode(leaf(account))))
            .collect();
        trie(&pairs, &wanted.iter().map(|address| address.to_vec()).collect::<Vec<_>>())
    }

    /// Proofs of accounts and slots, present or not.
    pub fn witness(&self, wanted: &[(Address, &[B256])]) -> AccountWitness {
        let addresses: Vec<Address> = wanted.iter().map(|(address, _)| *address).collect();
        let (_, accounts) = self.state(&addresses);
        let absent = Account::default();
        let account = |address: &Address| self.accounts.get(address).unwrap_or(&absent);
        let mut proofs = Vec::new();
        for ((address, slots), proof) in wanted.iter().zip(accounts) {
            proofs.push(proof);
            proofs.extend(Self::storage(account(address), slots).1);
        }
        let raw = |proof: Vec<Bytes>| proof.into_iter().map(|node| node.0).collect();
        let (nodes, places) = pool(&proofs.into_iter().map(raw).collect::<Vec<_>>());
        let mut places = places.into_iter();
        let accounts = wanted.iter().map(|(address, slots)| WitnessedAccount {
            address: *address,
            nodes: places.next().unwrap(),
            code: account(address).code.0.clone(),
            slots: slots.iter().map(|slot| WitnessedSlot { slot: *slot, nodes: places.next().unwrap() }).collect(),
        });
        let accounts = accounts.collect();
        AccountWitness { nodes, accounts }
    }

    /// The block's header over the state.
    pub fn block(&self) -> Bytes {
        alloy_rlp::encode(Header { state_root: self.state(&[]).0, ..self.header.clone() }).into()
    }

    /// What the wallet says to a signature of its owner.
    pub fn says(&self, witness: &AccountWitness) -> Result<Accepted, Refusal> {
        self.says_to(witness, &sign(&owner(), DIGEST).unwrap())
    }

    pub fn says_to(&self, witness: &AccountWitness, signature: &[u8]) -> Result<Accepted, Refusal> {
        let header = self.block();
        let claim = Claim::new(WALLET, DIGEST, signature.to_vec().into())?;
        ask(&claim, witness, &Anchor::from_header_rlp(&header).unwrap(), &header, CHAIN_ID)
    }

    /// What it says with slots 0 and 1 proven.
    pub fn answer(&self) -> Result<Accepted, Refusal> {
        self.says(&self.witness(&[(WALLET, &[slot(0), slot(1)])]))
    }
}

pub fn owned_by(key: &SigningKey) -> U256 {
    U256::from_be_bytes(super::address_of(key).into_word().0)
}
