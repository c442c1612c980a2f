//! One host chain as the oracle uses it: its endpoint, its contracts, its coprocessors.

use crate::coprocessors::Coprocessors;
use crate::record::{Ask, Refused};
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use tkms_eth::bindings::IDecryptionOracle::Request as OracleRequest;
use tkms_eth::bindings::{IACL, IDecryptionOracle};
use tkms_eth::{Rpc, RpcError, view};
use tkms_types::{Handle, HandlePair, HostChain};
use tokio::sync::Notify;

/// Calls to the endpoint at once for one request.
const CALLS_AT_ONCE: usize = 8;

/// One host chain.
pub struct Host {
    /// Its record in the cluster file.
    pub chain: HostChain,
    /// Its endpoint.
    pub rpc: Rpc,
    /// Its coprocessors.
    pub coprocessors: Coprocessors,
    /// Rung when one of its requests is answered: somebody on chain may wait for it.
    pub answered: Notify,
    /// Set when blocks came off the chain: what the submitter believes of its nonces may be wrong.
    pub reorganised: AtomicBool,
}

/// One fact the ACL must hold.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Public(Handle),
    Allowed(Handle, Address),
    Delegated { delegator: Address, delegate: Address, contract: Address, handle: Handle },
}

impl Host {
    /// Whether the newest block grants what is asked; if not, what is missing. Only a cost control and a quick answer
    /// for people: nodes prove the final state themselves.
    ///
    /// # Errors
    /// [`RpcError`], when nothing can be said.
    pub async fn missing_grant(&self, ask: &Ask) -> Result<Option<Refused>, RpcError> {
        let facts = facts(ask);
        let mut checks = stream::iter(facts.into_iter().map(|fact| self.check(fact))).buffer_unordered(CALLS_AT_ONCE);
        while let Some(missing) = checks.next().await {
            if let Some(refused) = missing? {
                return Ok(Some(refused));
            }
        }
        Ok(None)
    }

    async fn check(&self, fact: Fact) -> Result<Option<Refused>, RpcError> {
        let (holds, code, message) = match fact {
            Fact::Public(handle) => {
                let call = IACL::isAllowedForDecryptionCall { handle: handle.0 };
                let message = format!("handle {handle} is not allowed for public decryption");
                (self.view(&call).await?, "GrantMissing", message)
            }
            Fact::Allowed(handle, account) => {
                let call = IACL::persistAllowedCall { handle: handle.0, account };
                (self.view(&call).await?, "GrantMissing", format!("{account} is not allowed on handle {handle}"))
            }
            Fact::Delegated { delegator, delegate, contract, handle } => {
                let call = IACL::isHandleDelegatedForUserDecryptionCall {
                    delegator,
                    delegate,
                    contractAddress: contract,
                    handle: handle.0,
                };
                let message = format!("{delegator} has not delegated handle {handle} of {contract} to {delegate}");
                (self.view(&call).await?, "DelegationMissing", message)
            }
        };
        Ok((!holds).then(|| Refused { code: code.into(), message }))
    }

    async fn view<C: SolCall>(&self, call: &C) -> Result<C::Return, RpcError> {
        view(&self.rpc, self.chain.contracts.acl, call, Default::default()).await
    }

    /// What the oracle contract says about a request, at the newest block.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn request(&self, id: U256) -> Result<OracleRequest, RpcError> {
        let call = IDecryptionOracle::getRequestCall { requestId: id };
        view(&self.rpc, self.chain.contracts.decryption_oracle, &call, Default::default()).await
    }
}

fn facts(ask: &Ask) -> BTreeSet<Fact> {
    match ask {
        Ask::Public(request) => request.handles.iter().map(|handle| Fact::Public(*handle)).collect(),
        Ask::User(request) => {
            let holder = request.delegator.unwrap_or(request.user);
            let of_pair = |pair: &HandlePair| {
                let (handle, contract, delegate) = (pair.handle, pair.contract, request.user);
                let delegated =
                    request.delegator.map(|delegator| Fact::Delegated { delegator, delegate, contract, handle });
                [Fact::Allowed(handle, holder), Fact::Allowed(handle, contract)].into_iter().chain(delegated)
            };
            request.pairs.iter().flat_map(of_pair).collect()
        }
    }
}
