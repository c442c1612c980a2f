//! What a contract answers to a call in one block, and which state the answer depends on.

use crate::rpc::{Rpc, RpcError, during};
use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes},
    providers::Provider,
    rpc::types::TransactionRequest,
};

/// A call that nobody pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeCall {
    /// Whom to call.
    pub to: Address,
    /// Calldata.
    pub data: Bytes,
    /// Gas, that of a transaction's own bytes included.
    pub gas: u64,
}

impl From<&FreeCall> for TransactionRequest {
    fn from(call: &FreeCall) -> Self {
        Self::default().with_to(call.to).with_input(call.data.clone()).with_gas_limit(call.gas)
    }
}

/// What the contract returns, nothing where none stands; `None` if it reverts or the endpoint refuses to run it.
///
/// # Errors
/// [`RpcError`] if the endpoint does not answer.
pub async fn answer(rpc: &Rpc, call: &FreeCall, block: BlockId) -> Result<Option<Bytes>, RpcError> {
    let answer = rpc.call(call.into()).block(block).await.map_err(during("eth_call"));
    unless_refused(answer)
}

/// Accounts and slots that the call looks at in the block with this hash, but for the called account itself, whose slots only are sure
/// to be named; `None` as in [`answer`].
///
/// # Errors
/// [`RpcError`] if the endpoint does not answer.
pub async fn touched(rpc: &Rpc, call: &FreeCall, block: B256) -> Result<Option<Vec<(Address, Vec<B256>)>>, RpcError> {
    let request = call.into();
    let list = rpc.create_access_list(&request).hash(block).await.map_err(during("eth_createAccessList"));
    let Some(list) = unless_refused(list)?.filter(|list| list.error.is_none()) else { return Ok(None) };
    Ok(Some(list.access_list.0.into_iter().map(|item| (item.address, item.storage_keys)).collect()))
}

/// The code of an account in the block with this hash.
///
/// # Errors
/// [`RpcError`].
pub async fn code(rpc: &Rpc, account: Address, block: B256) -> Result<Bytes, RpcError> {
    rpc.get_code_at(account).hash(block).await.map_err(during("eth_getCode"))
}

fn unless_refused<T>(answer: Result<T, RpcError>) -> Result<Option<T>, RpcError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_refusal() => Ok(None),
        Err(error) => Err(error),
    }
}
