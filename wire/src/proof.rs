//! What goes into a transaction beside the values: handles of encrypted inputs and proof bytes (fhevm-compat §2.1, §2.2, §3.4).

use crate::signature::SIGNATURE_BYTES;
use alloy_primitives::{Address, B256, Keccak256, U256};
use tkms_types::{FheType, Handle};

const LIST_TAG: &[u8; 8] = b"ZK-w_rct";
const HANDLE_TAG: &[u8; 8] = b"ZK-w_hdl";

/// Handles of the values of a proven list, in order: client, coprocessor and official client compute the same.
/// Values past the 255th have none.
#[must_use]
pub fn input_handles(list: &[u8], kinds: &[FheType], acl: Address, chain_id: u64) -> Vec<Handle> {
    let mut hash = Keccak256::new();
    hash.update(LIST_TAG);
    hash.update(list);
    let list = hash.finalize();
    let handle = |(index, kind): (u8, &FheType)| {
        let mut hash = Keccak256::new();
        hash.update(HANDLE_TAG);
        hash.update(list);
        hash.update([index]);
        hash.update(acl);
        hash.update(U256::from(chain_id).to_be_bytes::<32>());
        Handle::new(hash.finalize(), index, chain_id, *kind)
    };
    (0..Handle::COMPUTED).zip(kinds).map(handle).collect()
}

/// Proof of an encrypted input for `InputVerifier`: counts of handles and signatures, both lists, `extraData`.
/// `None` if a count does not fit its byte.
#[must_use]
pub fn input_proof(handles: &[Handle], signatures: &[[u8; SIGNATURE_BYTES]], extra_data: &[u8]) -> Option<Vec<u8>> {
    let counts = [u8::try_from(handles.len()).ok()?, u8::try_from(signatures.len()).ok()?];
    let handles: Vec<B256> = handles.iter().map(|handle| handle.0).collect();
    Some([counts.as_slice(), &handles.concat(), &signatures.concat(), extra_data].concat())
}

/// Proof of a public decryption for `KMSVerifier`: count of signatures, the signatures, `extraData`.
/// `None` if the count does not fit its byte.
#[must_use]
pub fn decryption_proof(signatures: &[[u8; SIGNATURE_BYTES]], extra_data: &[u8]) -> Option<Vec<u8>> {
    let count = u8::try_from(signatures.len()).ok()?;
    Some([&[count], signatures.concat().as_slice(), extra_data].concat())
}
