//! One HTTP JSON-RPC endpoint, and errors that say which call failed.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, Bytes},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
    transports::{TransportError, http::reqwest},
};
use url::Url;

/// Longest wait for one answer of the endpoint.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to one endpoint; cheap to clone.
pub type Rpc = DynProvider;

/// A call to the endpoint failed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The endpoint refused the call or could not be reached.
    #[error("{call}: {source}")]
    Call {
        /// JSON-RPC method or contract function.
        call: &'static str,
        /// The transport's reason.
        source: TransportError,
    },
    /// A contract answered with bytes that are not its function's return values: another contract stands there, or none.
    #[error("{call} at {contract} answered {len} bytes that do not decode")]
    Answer {
        /// The contract function.
        call: &'static str,
        /// Whom we asked.
        contract: Address,
        /// Length of the answer.
        len: usize,
    },
    /// The HTTP client could not be made.
    #[error("http client: {0}")]
    Client(String),
}

impl RpcError {
    /// Return data of the contract, if this is a revert.
    pub fn revert_data(&self) -> Option<Bytes> {
        match self {
            Self::Call { source, .. } => source.as_error_resp()?.as_revert_data(),
            Self::Answer { .. } | Self::Client(_) => None,
        }
    }

    /// Whether a contract answered that does not know the question: it reverted, or what it said does not decode.
    pub fn is_from_a_stranger(&self) -> bool {
        matches!(self, Self::Answer { .. }) || self.revert_data().is_some()
    }

    /// Whether the endpoint answered, and its answer was an error.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Call { source, .. } if source.is_error_resp())
    }

    /// The endpoint's own words, lower case, if it answered.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Call { source, .. } => Some(source.as_error_resp()?.message.to_lowercase()),
            Self::Answer { .. } | Self::Client(_) => None,
        }
    }
}

/// Names the call a transport error belongs to.
pub(crate) fn during(call: &'static str) -> impl Fn(TransportError) -> RpcError {
    move |source| RpcError::Call { call, source }
}

/// A client for the endpoint. Does not speak to it yet; every later call ends within half a minute.
///
/// # Errors
/// [`RpcError::Client`].
pub fn connect(url: &Url) -> Result<Rpc, RpcError> {
    let client = reqwest::Client::builder()
        .timeout(CALL_TIMEOUT)
        .build()
        .map_err(|error| RpcError::Client(error.to_string()))?;
    // No fillers: nonces and fees have one owner, `submit`.
    let provider = ProviderBuilder::new().disable_recommended_fillers().connect_reqwest(client, url.clone());
    Ok(provider.erased())
}

/// Calls a view function in the state of one block.
///
/// # Errors
/// [`RpcError`]; a revert has its data in [`RpcError::revert_data`].
pub async fn view<C: SolCall>(rpc: &Rpc, contract: Address, call: &C, block: BlockId) -> Result<C::Return, RpcError> {
    let request = TransactionRequest::default().with_to(contract).with_input(call.abi_encode());
    let bytes = rpc.call(request).block(block).await.map_err(during(C::SIGNATURE))?;
    C::abi_decode_returns(&bytes).map_err(|_| RpcError::Answer { call: C::SIGNATURE, contract, len: bytes.len() })
}
