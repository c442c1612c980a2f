//! Signatures under the public messages of a run, by the keys that sign answers.
//!
//! 64 bytes as in ERC-2098: r, then s with the parity of the nonce's point in its top bit, which a low s leaves free. The
//! signed hash is a tagged one (`tkms_mpc::statement`): no typed data has it.

use crate::recover::recover_short;
use alloy_primitives::{Address, Signature};
use k256::ecdsa::SigningKey;
use std::collections::BTreeMap;
use tkms_mpc::statement::{SIGNATURE_BYTES, Seal};
use tkms_types::{Cluster, PartyId};

/// Our key and the signers of the cluster file.
#[derive(Clone)]
pub struct CommitteeSeal {
    key: SigningKey,
    signers: BTreeMap<PartyId, Address>,
}

impl CommitteeSeal {
    /// Our key among those of the cluster file.
    #[must_use]
    pub fn new(key: SigningKey, cluster: &Cluster) -> Self {
        let signers = cluster.committee.iter().map(|node| (node.party_id, node.signer)).collect();
        Self { key, signers }
    }
}

#[cfg(test)]
impl CommitteeSeal {
    /// The seals of parties 1 to n, with keys that are no secret.
    pub(super) fn insecure(n: u8) -> Vec<Self> {
        let keys: Vec<_> = (1..=n).map(|byte| SigningKey::from_slice(&[byte; 32]).unwrap()).collect();
        let address = |key: &SigningKey| tkms_wire::signature::address(key.verifying_key());
        let signers: BTreeMap<_, _> =
            (1..).map(|number| PartyId::new(number).unwrap()).zip(keys.iter().map(address)).collect();
        keys.into_iter().map(|key| Self { key, signers: signers.clone() }).collect()
    }
}

impl Seal for CommitteeSeal {
    fn sign(&self, hash: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        let signed = self.key.sign_prehash_recoverable(hash);
        // it fails for a broken hash function only; peers then refuse the message and name us, as they should
        signed.map_or([0; SIGNATURE_BYTES], |signed| Signature::from(signed).as_erc2098())
    }

    fn verify(&self, party: PartyId, hash: &[u8; 32], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        recover_short(hash, signature).is_some_and(|signer| self.signers.get(&party) == Some(&signer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tkms_types::PartyId;

    #[test]
    fn only_the_party_itself_signs_for_it_and_in_one_form() {
        let parties = [1u8, 2].map(|number| PartyId::new(number).unwrap());
        let [one, two] = CommitteeSeal::insecure(2).try_into().map_err(drop).unwrap();
        let hash = [7; 32];
        let signature = one.sign(&hash);
        assert!(two.verify(parties[0], &hash, &signature));
        assert!(!two.verify(parties[1], &hash, &signature), "another's name");
        assert!(!two.verify(PartyId::new(3).unwrap(), &hash, &signature), "no member");
        assert!(!two.verify(parties[0], &[8; 32], &signature), "another hash");
        for place in [0, 31, 32, 63] {
            let mut altered = signature;
            altered[place] ^= 0x81;
            assert!(!two.verify(parties[0], &hash, &altered), "byte {place}");
        }
        assert!(!two.verify(parties[0], &hash, &[0; 64]) && !two.verify(parties[0], &hash, &[0xff; 64]));
    }
}
