//! RPC mode: which block the node's own endpoint and others have at a number. Their word is taken for a block's hash and
//! class and for nothing else; everything in the block is proven by the request's evidence.

use crate::limits::HOST_CALL;
use crate::policy::anchor::OwnView;
use crate::refusal::Refusal;
use alloy::eips::BlockNumberOrTag;
use alloy_primitives::B256;
use futures::future::join_all;
use merkle_acl::trust::{BlockClaim, EndpointAnswers, Finality, Need};
use std::sync::Arc;
use tkms_eth::Rpc;
use tkms_eth::proofs::{self, ProofError};
use url::Url;

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// What the endpoint calls finalized.
    Finalized,
    /// What it calls safe.
    Safe,
    /// The newest.
    Latest,
    /// The one with this number.
    Number(u64),
}

/// An endpoint of a host chain. One implementation speaks JSON-RPC; tests have another.
#[tonic::async_trait]
pub trait Endpoint: Send + Sync + 'static {
    /// Number and hash of a block; `None` if the chain has no such block.
    async fn block(&self, at: At) -> Result<Option<(u64, B256)>, EndpointError>;
}

/// The endpoint failed or has not answered in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndpointError(pub String);

/// An endpoint over HTTP.
pub struct RpcEndpoint(Rpc);

impl RpcEndpoint {
    /// Does not speak to it yet.
    ///
    /// # Errors
    /// [`EndpointError`] if no HTTP client can be made.
    pub fn new(url: &Url) -> Result<Self, EndpointError> {
        tkms_eth::connect(url).map(Self).map_err(|error| EndpointError(error.to_string()))
    }
}

#[tonic::async_trait]
impl Endpoint for RpcEndpoint {
    async fn block(&self, at: At) -> Result<Option<(u64, B256)>, EndpointError> {
        let tag = match at {
            At::Finalized => BlockNumberOrTag::Finalized,
            At::Safe => BlockNumberOrTag::Safe,
            At::Latest => BlockNumberOrTag::Latest,
            At::Number(number) => BlockNumberOrTag::Number(number),
        };
        match tokio::time::timeout(HOST_CALL, proofs::header_by_number(&self.0, tag)).await {
            Ok(Ok(header)) => Ok(Some((header.number, header.hash))),
            Ok(Err(ProofError::NoBlock(_))) => Ok(None),
            Ok(Err(error)) => Err(EndpointError(error.to_string())),
            Err(_) => Err(EndpointError(format!("no answer within {HOST_CALL:?}"))),
        }
    }
}

/// The endpoints of one host chain.
#[derive(Clone)]
pub struct Endpoints {
    /// The node's own.
    pub own: Arc<dyn Endpoint>,
    /// Independent ones.
    pub others: Vec<Arc<dyn Endpoint>>,
}

impl Endpoints {
    /// What they have at a number, as far as it is as final there as needed. A block that is not yet that final at one of
    /// the others is not that one's answer: endpoints may differ about blocks that can still change.
    ///
    /// # Errors
    /// [`Refusal::HeaderUnavailable`] and [`Refusal::NotFinal`], both about the own endpoint.
    pub async fn answers(&self, number: u64, need: Need) -> Result<OwnView, Refusal> {
        let others = self.others.iter().map(|other| claim(other.as_ref(), number, need));
        let (own, others) = tokio::join!(claim(self.own.as_ref(), number, need), join_all(others));
        let own = own.map_err(|error| Refusal::HeaderUnavailable(error.0))?;
        let own = own.ok_or_else(|| {
            Refusal::NotFinal(format!("the node's own endpoint does not have block {number} as final as needed"))
        })?;
        let answered = |(position, claim): (usize, Result<Option<BlockClaim>, EndpointError>)| match claim {
            Ok(claim) => claim.map(|claim| (position, claim)),
            Err(error) => {
                tracing::warn!(endpoint = position, %error, "an endpoint of a host chain does not answer");
                None
            }
        };
        let others = others.into_iter().enumerate().filter_map(answered).collect();
        Ok(OwnView { endpoints: self.others.len(), answers: EndpointAnswers { own, others } })
    }
}

/// The block there, if its class meets the need.
async fn claim(endpoint: &dyn Endpoint, number: u64, need: Need) -> Result<Option<BlockClaim>, EndpointError> {
    let class = async |at| Ok::<_, EndpointError>(endpoint.block(at).await?.map_or(0, |(number, _)| number));
    let finality = if number <= class(At::Finalized).await? {
        Finality::Finalized
    } else if need.met_by(Finality::Safe) && number <= class(At::Safe).await? {
        Finality::Safe
    } else {
        let deep = class(At::Latest).await?.saturating_sub(number);
        Finality::Depth(u32::try_from(deep).unwrap_or(u32::MAX))
    };
    if !need.met_by(finality) {
        return Ok(None);
    }
    let found = endpoint.block(At::Number(number)).await?;
    Ok(found.map(|(_, hash)| BlockClaim { hash, finality }))
}
