//! EIP-712 structs, expanded from the one Solidity file, their domains and digests.
//!
//! `vectors/eip712.json` holds digests that a Foundry test and a test of this crate both reproduce.

use crate::{GatewayDomain, HostChain, UserRequest};
use alloy_primitives::{Address, B256, Bytes, Signature, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};

#[allow(missing_docs, reason = "documented in TypedData.sol, which is the source")]
mod expanded {
    alloy_sol_types::sol!("../solidity/src/TypedData.sol");
}

pub use expanded::{
    CiphertextAttestation, CiphertextVerification, ContextChange, DelegatedUserDecryptRequestVerification,
    HeaderAttestation, PublicDecryptVerification, UserDecryptRequestVerification, UserDecryptResponseVerification,
    UserDecryptionLinker,
};

fn domain(name: &'static str, chain_id: u64, contract: Address, salt: Option<B256>) -> Eip712Domain {
    Eip712Domain::new(Some(name.into()), Some("1".into()), Some(U256::from(chain_id)), Some(contract), salt)
}

/// Domain of what nodes sign: answers to contracts and users, and the link inside a payload. Gateway chain id.
#[must_use]
pub fn decryption_domain(gateway: &GatewayDomain) -> Eip712Domain {
    domain("Decryption", gateway.chain_id, gateway.decryption, None)
}

/// Domain of what a user's wallet signs: the **host** chain id with the gateway's contract address.
#[must_use]
pub fn permit_domain(gateway: &GatewayDomain, host_chain_id: u64) -> Eip712Domain {
    domain("Decryption", host_chain_id, gateway.decryption, None)
}

/// Domain of what coprocessors sign about verified inputs. Gateway chain id.
#[must_use]
pub fn input_domain(gateway: &GatewayDomain) -> Eip712Domain {
    domain("InputVerification", gateway.chain_id, gateway.input_verification, None)
}

/// Domain of what coprocessors sign about stored bytes; the host id is its salt.
#[must_use]
pub fn ciphertext_domain(host: &HostChain) -> Eip712Domain {
    domain("tKMS Ciphertext", host.chain_id, host.contracts.acl, Some(host.host_id()))
}

/// Domain of what attesters sign about blocks; the host id is its salt.
#[must_use]
pub fn header_domain(host: &HostChain) -> Eip712Domain {
    domain("tKMS Header", host.chain_id, host.contracts.acl, Some(host.host_id()))
}

/// The digest an attester of this host signs. `finality`: 1 finalized, 2 safe, 3 so many blocks deep; `depth` is 0 but for 3.
#[must_use]
pub fn header_digest(attestation: &HeaderAttestation, host: &HostChain) -> B256 {
    attestation.eip712_signing_hash(&header_domain(host))
}

/// The digest a wallet signs for this request: the delegated struct if it names a delegator.
#[must_use]
pub fn permit_digest(request: &UserRequest, domain: &Eip712Domain) -> B256 {
    let (start, days) = (U256::from(request.start), U256::from(request.days));
    match request.delegator {
        None => UserDecryptRequestVerification {
            publicKey: request.public_key.clone(),
            contractAddresses: request.contracts.clone(),
            startTimestamp: start,
            durationDays: days,
            extraData: request.extra_data.clone(),
        }
        .eip712_signing_hash(domain),
        Some(delegator) => DelegatedUserDecryptRequestVerification {
            publicKey: request.public_key.clone(),
            contractAddresses: request.contracts.clone(),
            delegatorAddress: delegator,
            startTimestamp: start,
            durationDays: days,
            extraData: request.extra_data.clone(),
        }
        .eip712_signing_hash(domain),
    }
}

/// The digest nodes sign for a public answer. `words`: one 32-byte word a handle, in order.
#[must_use]
pub fn public_answer_digest(handles: &[B256], words: &[B256], extra_data: &[u8], gateway: &GatewayDomain) -> B256 {
    PublicDecryptVerification {
        ctHandles: handles.to_vec(),
        decryptedResult: Bytes::from(words.concat()),
        extraData: Bytes::copy_from_slice(extra_data),
    }
    .eip712_signing_hash(&decryption_domain(gateway))
}

/// The digest nodes sign for a user's answer.
#[must_use]
pub fn user_answer_digest(
    public_key: &Bytes,
    handles: &[B256],
    payload: &[u8],
    extra_data: &[u8],
    gateway: &GatewayDomain,
) -> B256 {
    UserDecryptResponseVerification {
        publicKey: public_key.clone(),
        ctHandles: handles.to_vec(),
        userDecryptedShare: Bytes::copy_from_slice(payload),
        extraData: Bytes::copy_from_slice(extra_data),
    }
    .eip712_signing_hash(&decryption_domain(gateway))
}

/// The link inside a user's payload: ties the shares of one answer to key, handles and user.
#[must_use]
pub fn user_link(public_key: &Bytes, handles: &[B256], user: Address, gateway: &GatewayDomain) -> B256 {
    UserDecryptionLinker { publicKey: public_key.clone(), handles: handles.to_vec(), userAddress: user }
        .eip712_signing_hash(&decryption_domain(gateway))
}

/// Recovers the signer of a digest from 65 bytes r ‖ s ‖ v with v 27 or 28 and low s.
/// `None`: not such a signature.
#[must_use]
pub fn recover(digest: B256, signature: &[u8]) -> Option<Address> {
    let bytes: &[u8; 65] = signature.try_into().ok()?;
    if !matches!(bytes[64], 27 | 28) {
        return None;
    }
    let signature = Signature::from_raw_array(bytes).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    signature.recover_address_from_prehash(&digest).ok()
}
