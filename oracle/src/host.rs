//! One host chain as the oracle uses it: its endpoint, its contracts, its coprocessors, its proofs.

use crate::clock::unix_now;
use crate::coprocessors::Coprocessors;
use crate::prove::Prover;
use crate::prove::facts::facts;
use crate::record::{Ask, Refused};
use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use futures::{StreamExt, stream};
use merkle_acl::{ANY_CONTRACT, AclError, Fact, Grant};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tkms_eth::bindings::IDecryptionOracle::Request as OracleRequest;
use tkms_eth::bindings::{IACL, IDecryptionOracle};
use tkms_eth::{Rpc, RpcError, view};
use tkms_types::HostChain;
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
    /// Makes evidence about its ACL.
    pub prover: Arc<Prover>,
    /// Rung when one of its requests is answered: somebody on chain may wait for it.
    pub answered: Notify,
    /// Set when blocks came off the chain: what the submitter believes of its nonces may be wrong.
    pub reorganised: AtomicBool,
}

impl Host {
    /// Whether the newest block grants what is asked; if not, what is missing. Only a cost control and a quick answer
    /// for people: nodes are shown the final state, and check it themselves.
    ///
    /// # Errors
    /// [`RpcError`], when nothing can be said.
    pub async fn missing_grant(&self, ask: &Ask) -> Result<Option<Refused>, RpcError> {
        let facts = facts(ask, &self.chain, unix_now());
        let mut checks = stream::iter(facts.into_iter().map(|fact| self.check(fact))).buffer_unordered(CALLS_AT_ONCE);
        while let Some(missing) = checks.next().await {
            if let Some(refused) = missing? {
                return Ok(Some(refused));
            }
        }
        drop(checks);
        match self.prover.question(ask) {
            Some(question) if !question.accepted(&self.rpc, Default::default()).await? => Ok(Some(question.rejected())),
            _ => Ok(None),
        }
    }

    async fn check(&self, fact: Fact) -> Result<Option<Refused>, RpcError> {
        let (holds, code, message) = match fact {
            Fact::Granted(Grant::Public { handle }) => {
                let call = IACL::isAllowedForDecryptionCall { handle };
                let message = format!("handle {handle} is not allowed for public decryption");
                (self.view(&call).await?, "GrantMissing", message)
            }
            Fact::Granted(Grant::Persistent { handle, account }) => {
                let call = IACL::persistAllowedCall { handle, account };
                (self.view(&call).await?, "GrantMissing", format!("{account} is not allowed on handle {handle}"))
            }
            Fact::Delegated { delegator, delegate, contract, now } => {
                let mut expiry = 0;
                for of in [contract, ANY_CONTRACT] {
                    let call = IACL::getUserDecryptionDelegationExpirationDateCall {
                        delegator,
                        delegate,
                        contractAddress: of,
                    };
                    expiry = self.view(&call).await?.max(expiry);
                }
                let (code, error) = match expiry {
                    0 => ("DelegationMissing", AclError::DelegationMissing { delegator, delegate, contract }),
                    _ => ("DelegationExpired", AclError::DelegationExpired { delegator, delegate, contract, expiry }),
                };
                (expiry > now, code, error.to_string())
            }
            // Nothing to wait for: nodes refuse these in their own words.
            Fact::PermitStands { .. } | Fact::NotDenied(_) => return Ok(None),
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
