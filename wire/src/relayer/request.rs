//! Requests of the relayer's API and what they become.

use super::{ApiError, Hex, PlainHex, Quantity};
use crate::hex::decimal;
use crate::request::{EXTRA_DATA_BYTES, PERMIT_SIGNATURE_BYTES};
use alloy_primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};
use tkms_types::{Handle, HandlePair, PublicRequest, UserRequest, limits};

/// Body of `input-proof`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputProofRequest {
    /// The contract the input is for.
    pub contract_address: Address,
    /// Who will send it.
    pub user_address: Address,
    /// The proven list.
    pub ciphertext_with_input_verification: PlainHex,
    /// Host chain.
    pub contract_chain_id: Quantity,
    /// Signed as it stands.
    pub extra_data: Hex,
}

/// Body of `public-decrypt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicDecryptRequest {
    /// In the order of the answer.
    pub ciphertext_handles: Vec<Handle>,
    /// Names the context.
    pub extra_data: Hex,
}

/// A handle and the contract through which the user may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pair {
    /// The ciphertext.
    pub handle: Handle,
    /// The contract.
    pub contract_address: Address,
}

/// When a permit is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validity {
    /// Unix seconds.
    #[serde(with = "decimal")]
    pub start_timestamp: u64,
    /// Days from then on.
    #[serde(with = "decimal")]
    pub duration_days: u16,
}

/// Body of `user-decrypt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserDecryptRequest {
    /// In the order of the answer.
    pub handle_contract_pairs: Vec<Pair>,
    /// Of the permit.
    pub request_validity: Validity,
    /// Host chain.
    #[serde(with = "decimal")]
    pub contracts_chain_id: u64,
    /// Of the permit.
    pub contract_addresses: Vec<Address>,
    /// Signer of the permit.
    pub user_address: Address,
    /// Of the permit.
    pub signature: PlainHex,
    /// The user's encapsulation key, 869 bytes.
    pub public_key: PlainHex,
    /// Of the permit.
    pub extra_data: Hex,
}

/// Body of `delegated-user-decrypt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelegatedUserDecryptRequest {
    /// In the order of the answer.
    pub handle_contract_pairs: Vec<Pair>,
    /// Host chain.
    #[serde(with = "decimal")]
    pub contracts_chain_id: u64,
    /// Of the permit.
    pub contract_addresses: Vec<Address>,
    /// Whose right is used.
    pub delegator_address: Address,
    /// Signer of the permit.
    pub delegate_address: Address,
    /// Of the permit, Unix seconds.
    #[serde(with = "decimal")]
    pub start_timestamp: u64,
    /// Of the permit.
    #[serde(with = "decimal")]
    pub duration_days: u16,
    /// Of the permit.
    pub signature: PlainHex,
    /// The delegate's encapsulation key, 869 bytes.
    pub public_key: PlainHex,
    /// Of the permit.
    pub extra_data: Hex,
}

impl TryFrom<PublicDecryptRequest> for PublicRequest {
    type Error = ApiError;
    fn try_from(body: PublicDecryptRequest) -> Result<Self, ApiError> {
        count("ciphertextHandles", body.ciphertext_handles.len())?;
        Ok(Self { handles: body.ciphertext_handles, extra_data: extra_data(body.extra_data)? })
    }
}

impl From<&PublicRequest> for PublicDecryptRequest {
    fn from(request: &PublicRequest) -> Self {
        Self { ciphertext_handles: request.handles.clone(), extra_data: Hex(request.extra_data.clone()) }
    }
}

impl TryFrom<UserDecryptRequest> for UserRequest {
    type Error = ApiError;
    fn try_from(body: UserDecryptRequest) -> Result<Self, ApiError> {
        Ok(Self {
            pairs: pairs(&body.handle_contract_pairs, body.contracts_chain_id)?,
            user: body.user_address,
            delegator: None,
            contracts: contracts(body.contract_addresses)?,
            start: body.request_validity.start_timestamp,
            days: body.request_validity.duration_days,
            public_key: public_key(body.public_key)?,
            extra_data: extra_data(body.extra_data)?,
            signature: signature(body.signature)?,
        })
    }
}

impl TryFrom<DelegatedUserDecryptRequest> for UserRequest {
    type Error = ApiError;
    fn try_from(body: DelegatedUserDecryptRequest) -> Result<Self, ApiError> {
        Ok(Self {
            pairs: pairs(&body.handle_contract_pairs, body.contracts_chain_id)?,
            user: body.delegate_address,
            delegator: Some(body.delegator_address),
            contracts: contracts(body.contract_addresses)?,
            start: body.start_timestamp,
            days: body.duration_days,
            public_key: public_key(body.public_key)?,
            extra_data: extra_data(body.extra_data)?,
            signature: signature(body.signature)?,
        })
    }
}

impl UserDecryptRequest {
    /// The body for a user's own request; its delegator, if any, is left out: see [`DelegatedUserDecryptRequest::new`].
    #[must_use]
    pub fn new(request: &UserRequest) -> Self {
        Self {
            handle_contract_pairs: request.pairs.iter().map(Pair::from).collect(),
            request_validity: Validity { start_timestamp: request.start, duration_days: request.days },
            contracts_chain_id: contracts_chain(request),
            contract_addresses: request.contracts.clone(),
            user_address: request.user,
            signature: PlainHex(request.signature.clone()),
            public_key: PlainHex(request.public_key.clone()),
            extra_data: Hex(request.extra_data.clone()),
        }
    }
}

impl DelegatedUserDecryptRequest {
    /// The body for a delegate's request.
    #[must_use]
    pub fn new(request: &UserRequest, delegator: Address) -> Self {
        Self {
            handle_contract_pairs: request.pairs.iter().map(Pair::from).collect(),
            contracts_chain_id: contracts_chain(request),
            contract_addresses: request.contracts.clone(),
            delegator_address: delegator,
            delegate_address: request.user,
            start_timestamp: request.start,
            duration_days: request.days,
            signature: PlainHex(request.signature.clone()),
            public_key: PlainHex(request.public_key.clone()),
            extra_data: Hex(request.extra_data.clone()),
        }
    }
}

/// The host chain of a request: that of its first handle, 0 for none.
#[must_use]
pub fn contracts_chain(request: &UserRequest) -> u64 {
    request.pairs.first().map_or(0, |pair| pair.handle.chain_id())
}

impl From<&HandlePair> for Pair {
    fn from(pair: &HandlePair) -> Self {
        Self { handle: pair.handle, contract_address: pair.contract }
    }
}

fn count(field: &'static str, found: usize) -> Result<(), ApiError> {
    let limit = limits::REQUEST_HANDLES;
    if found == 0 || found > limit {
        return Err(ApiError::invalid(field, format!("{found} elements, expected 1 to {limit}")));
    }
    Ok(())
}

fn pairs(list: &[Pair], chain_id: u64) -> Result<Vec<HandlePair>, ApiError> {
    count("handleContractPairs", list.len())?;
    let read = |pair: &Pair| {
        let chain = pair.handle.chain_id();
        if chain != chain_id {
            let issue = format!("is {chain_id}, but {} is of chain {chain}", pair.handle);
            return Err(ApiError::invalid("contractsChainId", issue));
        }
        Ok(HandlePair { handle: pair.handle, contract: pair.contract_address })
    };
    list.iter().map(read).collect()
}

fn contracts(list: Vec<Address>) -> Result<Vec<Address>, ApiError> {
    let (found, limit) = (list.len(), limits::PERMIT_CONTRACTS);
    if found == 0 || found > limit {
        return Err(ApiError::invalid("contractAddresses", format!("{found} elements, expected 1 to {limit}")));
    }
    Ok(list)
}

fn public_key(PlainHex(bytes): PlainHex) -> Result<Bytes, ApiError> {
    if bytes.len() != limits::USER_KEY_BYTES {
        let issue = format!("{} bytes, expected {}", bytes.len(), limits::USER_KEY_BYTES);
        return Err(ApiError::invalid("publicKey", issue));
    }
    Ok(bytes)
}

fn extra_data(Hex(bytes): Hex) -> Result<Bytes, ApiError> {
    bounded("extraData", bytes, EXTRA_DATA_BYTES)
}

fn signature(PlainHex(bytes): PlainHex) -> Result<Bytes, ApiError> {
    bounded("signature", bytes, PERMIT_SIGNATURE_BYTES)
}

fn bounded(field: &'static str, bytes: Bytes, limit: usize) -> Result<Bytes, ApiError> {
    if bytes.len() > limit {
        return Err(ApiError::invalid(field, format!("{} bytes, at most {limit} are taken", bytes.len())));
    }
    Ok(bytes)
}
