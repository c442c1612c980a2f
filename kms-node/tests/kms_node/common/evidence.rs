//! Evidence as an honest oracle sends it, from the parts a chain gave, under signatures of the test's attesters.

use super::{address_of, signing_key};
use alloy_primitives::{Address, Bytes, keccak256};
use k256::ecdsa::SigningKey;
use merkle_acl::compact::compress;
use merkle_acl::pack::pack;
use merkle_acl::range::RangeProof;
use merkle_acl::{Anchor, Grant, SlotProof, leaf_hash};
use tkms_types::typed_data::{HeaderAttestation, header_digest};
use tkms_types::{HostChain, MinFinality};
use tkms_wire::evidence::{Attestation, Attested, Evidence};
use tkms_wire::signature::sign;

/// What was collected in one block.
pub struct Parts {
    /// Addresses of ACL and executor.
    pub contracts: [Address; 2],
    pub header: Bytes,
    pub account: Vec<Bytes>,
    pub executor: Vec<Bytes>,
    pub slots: Vec<SlotProof>,
    /// Of all grants that are needed, the path where there is one.
    pub grants: Vec<(Grant, Option<RangeProof>)>,
    pub count: u64,
}

impl Parts {
    pub fn compact(&self, attested: Option<Attested>) -> Evidence {
        let with_executor = !self.executor.is_empty();
        let [acl, executor] = self.contracts.map(keccak256);
        let accounts = [(acl, self.account.as_slice()), (executor, self.executor.as_slice())];
        let slots: Vec<_> = self.slots.iter().map(|proof| (keccak256(proof.slot), proof.nodes.as_slice())).collect();
        let paths = || self.grants.iter().filter_map(|(grant, path)| Some((grant, path.as_ref()?)));
        let leaves: Vec<_> = paths().map(|(grant, path)| (leaf_hash(grant), path.clone())).collect();
        let place = |(_, path): &(Grant, Option<RangeProof>)| path.as_ref().map_or(0, |path| path.index + 1);
        Evidence {
            header: self.header.clone().into(),
            attested,
            accounts: pack(&accounts[..1 + usize::from(with_executor)]).unwrap().into(),
            executor: with_executor,
            storage: pack(&slots).unwrap().into(),
            slots: self.slots.iter().map(|proof| proof.slot).collect(),
            places: if leaves.is_empty() { Vec::new() } else { self.grants.iter().map(place).collect() },
            hashes: compress(&leaves, self.count).unwrap(),
            witness: None,
        }
    }
}

/// Attester number 1 to 4.
pub fn attester(number: u8) -> SigningKey {
    signing_key(0xe0 + number)
}

/// All four, sorted.
pub fn attesters() -> Vec<Address> {
    let mut all: Vec<_> = (1..=4).map(|number| address_of(&attester(number))).collect();
    all.sort_unstable();
    all
}

/// One attester's word for a header.
pub fn attest(host: &HostChain, header: &[u8], number: u8, finality: MinFinality) -> Attestation {
    let anchor = Anchor::from_header_rlp(header).unwrap();
    let (class, depth) = finality.signed();
    let statement = HeaderAttestation {
        attesterSetId: host.attester_set_id(),
        number: anchor.number(),
        blockHash: anchor.hash(),
        stateRoot: anchor.state_root(),
        timestamp: anchor.timestamp(),
        finality: class,
        depth,
    };
    let signature = sign(&attester(number), header_digest(&statement, host)).unwrap();
    Attestation { signer: address_of(&attester(number)), finality, signature }
}

/// The word of attesters 1 to 3: a quorum.
pub fn attested(host: &HostChain, header: &[u8], finality: MinFinality) -> Attested {
    let attestations = (1..=3).map(|number| attest(host, header, number, finality)).collect();
    Attested { set: host.attester_set_id(), attestations }
}
