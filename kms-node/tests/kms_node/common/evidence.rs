//! Evidence as an honest oracle sends it, from the parts a chain gave, under signatures of the test's attesters.

use super::{address_of, signing_key};
use alloy_primitives::{Address, Bytes};
use k256::ecdsa::SigningKey;
use merkle_acl::compact::{compress, pool};
use merkle_acl::range::RangeProof;
use merkle_acl::{Anchor, Grant, SlotProof, leaf_hash};
use tkms_types::typed_data::{HeaderAttestation, header_digest};
use tkms_types::{HostChain, MinFinality};
use tkms_wire::evidence::{self as wire, Attestation, Attested, Evidence, GrantPath};
use tkms_wire::signature::sign;

/// What was collected in one block.
pub struct Parts {
    pub header: Bytes,
    pub account: Vec<Bytes>,
    pub executor: Vec<Bytes>,
    pub slots: Vec<SlotProof>,
    pub paths: Vec<(Grant, RangeProof)>,
    pub count: u64,
}

impl Parts {
    pub fn compact(&self, attested: Option<Attested>) -> Evidence {
        let proofs = [&self.account, &self.executor].into_iter().chain(self.slots.iter().map(|slot| &slot.nodes));
        let pool = pool(proofs.map(Vec::as_slice)).unwrap();
        let mut places = pool.proofs.into_iter();
        let (account, executor) = (places.next().unwrap(), places.next().unwrap());
        let leaves: Vec<_> = self.paths.iter().map(|(grant, path)| (leaf_hash(grant), path.clone())).collect();
        let place = |(grant, path): &(Grant, RangeProof)| GrantPath {
            kind: grant.kind() as u8,
            handle: grant.handle(),
            subject: grant.subject(),
            index: path.index,
        };
        Evidence {
            header: self.header.clone().into(),
            attested,
            nodes: pool.nodes.into_iter().map(Into::into).collect(),
            account,
            executor,
            slots: self
                .slots
                .iter()
                .zip(places)
                .map(|(proof, nodes)| wire::SlotProof { slot: proof.slot, nodes })
                .collect(),
            paths: self.paths.iter().map(place).collect(),
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
