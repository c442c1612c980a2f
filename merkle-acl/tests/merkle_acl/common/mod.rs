//! A chain's state built from scratch: storage and account tries with their proofs, and a header over them.

pub mod mainnet;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::Header;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use k256::ecdsa::SigningKey;
use merkle_acl::{
    AclEvidence, AclHost, AclLayout, AclProof, Fact, Grant, SlotProof, keys, leaf_hash, range::MountainRange,
    range_slots, slots_for,
};

/// Root of the trie over these (unhashed key, RLP value) pairs, and the proof of each wanted key, present or not.
pub fn trie(pairs: &[(Vec<u8>, Vec<u8>)], wanted: &[Vec<u8>]) -> (B256, Vec<Vec<Bytes>>) {
    let targets: Vec<Nibbles> = wanted.iter().map(|key| Nibbles::unpack(keccak256(key))).collect();
    let sorted: BTreeMap<B256, &Vec<u8>> = pairs.iter().map(|(key, value)| (keccak256(key), value)).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.clone()));
    for (key, value) in sorted {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let proof = |key| nodes.matching_nodes_sorted(key).into_iter().map(|(_, node)| node).collect();
    (root, targets.iter().map(proof).collect())
}

/// Fields 0 to 14 of a header, each as RLP.
pub fn header_fields(state_root: B256, number: u64, timestamp: u64) -> Vec<Vec<u8>> {
    let hash = alloy_rlp::encode(B256::repeat_byte(0x5a));
    vec![
        hash.clone(),
        hash.clone(),
        alloy_rlp::encode(Address::repeat_byte(0xbe)),
        alloy_rlp::encode(state_root),
        hash.clone(),
        hash.clone(),
        alloy_rlp::encode(Bloom::ZERO),
        alloy_rlp::encode(U256::ZERO),
        alloy_rlp::encode(number),
        alloy_rlp::encode(30_000_000u64),
        alloy_rlp::encode(21_000u64),
        alloy_rlp::encode(timestamp),
        alloy_rlp::encode(b"extra".as_slice()),
        hash,
        alloy_rlp::encode(B64::ZERO),
    ]
}

/// One RLP list of already encoded items.
pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

pub const NUMBER: u64 = 77;
pub const TIME: u64 = 1_700_000_000;

/// A host chain with one ACL among other accounts.
pub struct Chain {
    pub acl: AclHost,
    pub storage: BTreeMap<B256, U256>,
    pub neighbours: u8,
    pub range: MountainRange,
    pub grants: Vec<Grant>,
}

impl Chain {
    pub fn new(layout: AclLayout) -> Self {
        let acl = AclHost { address: Address::repeat_byte(0xac), code_hash: keccak256("the ACL's code"), layout };
        Self { acl, storage: BTreeMap::new(), neighbours: 40, range: MountainRange::default(), grants: Vec::new() }
    }

    /// A chain whose storage also holds many words nobody asks for, so that proofs have depth.
    pub fn busy(layout: AclLayout) -> Self {
        let mut chain = Self::new(layout);
        chain.storage.extend((0..200u64).map(|i| (keccak256(i.to_be_bytes()), U256::from(i + 1))));
        chain
    }

    pub fn set(&mut self, slot: B256, word: U256) -> &mut Self {
        self.storage.insert(slot, word);
        self
    }

    pub fn grant(&mut self, fact: Fact) -> &mut Self {
        let Fact::Granted(grant) = fact else { panic!("only grants are set like this") };
        self.set(grant.slot(), U256::ONE)
    }

    /// Does what the contract does for a new permanent grant: mapping, peaks (stale ones stay) and count.
    pub fn append(&mut self, grant: Grant) -> &mut Self {
        let before = self.range.count();
        self.range.append(leaf_hash(&grant));
        self.grants.push(grant);
        let level = u8::try_from(before.trailing_ones()).unwrap();
        self.set(keys::range_peak(level), self.range.peak(level).unwrap().into());
        self.set(keys::RANGE_NAMESPACE, U256::from(before + 1));
        self.set(grant.slot(), U256::ONE)
    }

    /// A path for a grant that was appended.
    pub fn path(&self, grant: Grant) -> AclProof {
        let index = self.grants.iter().position(|other| *other == grant).unwrap();
        AclProof::Path { grant, path: self.range.prove(index as u64).unwrap() }
    }

    /// A proof of one slot.
    pub fn slot(&self, slot: B256) -> AclProof {
        AclProof::Slot(self.evidence_for(&[slot]).slots.remove(0))
    }

    /// Honest evidence for the block itself: the first word and every live peak.
    pub fn block(&self) -> AclEvidence {
        self.evidence_for(&range_slots(self.acl.layout, self.range.count()))
    }

    /// Honest evidence for these facts.
    pub fn evidence(&self, facts: &[Fact]) -> AclEvidence {
        self.evidence_for(&slots_for(self.acl.layout, facts))
    }

    pub fn evidence_for(&self, slots: &[B256]) -> AclEvidence {
        let storage: Vec<_> = self
            .storage
            .iter()
            .filter(|(_, word)| !word.is_zero())
            .map(|(slot, word)| (slot.to_vec(), alloy_rlp::encode(word)))
            .collect();
        let wanted: Vec<_> = slots.iter().map(|slot| slot.to_vec()).collect();
        let (storage_root, proofs) = trie(&storage, &wanted);
        let (state_root, account) = self.accounts(storage_root, self.acl.address);
        let slots = slots.iter().zip(proofs).map(|(slot, nodes)| SlotProof { slot: *slot, nodes }).collect();
        AclEvidence { header: list(&header_fields(state_root, NUMBER, TIME)).into(), account, slots }
    }

    /// State root with the ACL at its storage root, and the proof of one account.
    pub fn accounts(&self, storage_root: B256, wanted: Address) -> (B256, Vec<Bytes>) {
        let acl = TrieAccount { nonce: 1, storage_root, code_hash: self.acl.code_hash, ..Default::default() };
        let mut pairs = vec![(self.acl.address.to_vec(), alloy_rlp::encode(acl))];
        pairs.extend((0..self.neighbours).map(|i| {
            let account = TrieAccount { balance: U256::from(i) + U256::ONE, ..Default::default() };
            (Address::repeat_byte(i).to_vec(), alloy_rlp::encode(account))
        }));
        let (root, mut proofs) = trie(&pairs, &[wanted.to_vec()]);
        (root, proofs.remove(0))
    }
}

/// The key of signer number `i`.
pub fn key(i: u8) -> SigningKey {
    SigningKey::from_slice(keccak256([i]).as_slice()).unwrap()
}

/// The address of signer number `i`.
pub fn address(i: u8) -> Address {
    Address::from_public_key(key(i).verifying_key())
}

/// Addresses of signers 1 to `n`, sorted.
pub fn addresses(n: u8) -> Vec<Address> {
    let mut all: Vec<_> = (1..=n).map(address).collect();
    all.sort_unstable();
    all
}

/// r ‖ s ‖ (base + parity) of signer number `i`.
pub fn sign(i: u8, digest: B256, base: u8) -> Vec<u8> {
    let (signature, parity) = key(i).sign_prehash_recoverable(digest.as_slice()).unwrap();
    [signature.to_bytes().to_vec(), vec![base + parity.to_byte()]].concat()
}

/// SplitMix64: the same numbers everywhere.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
