//! What must be proven of the ACL for one request (trust-rules §6, checks 14 to 17), and in whose words it is missing.

use crate::record::{Ask, Refused};
use merkle_acl::{AclError, AclHost, AclLayout, Fact, Grant};
use std::collections::BTreeSet;
use tkms_types::HostChain;

/// The ACL of a chain as proofs about it are checked.
#[must_use]
pub const fn acl_host(chain: &HostChain) -> AclHost {
    AclHost { address: chain.contracts.acl, code_hash: chain.acl_code_hash, layout: AclLayout::Range }
}

/// Every fact a request depends on, each once. `now`: unix seconds, which a delegation must outlive.
#[must_use]
pub fn facts(ask: &Ask, chain: &HostChain, now: u64) -> Vec<Fact> {
    let mut facts = BTreeSet::new();
    match ask {
        Ask::Public(request) => {
            facts.extend(request.handles.iter().map(|handle| Fact::Granted(Grant::Public { handle: handle.0 })));
        }
        Ask::User(request) => {
            let owner = request.delegator.unwrap_or(request.user);
            for pair in &request.pairs {
                let granted = |account| Fact::Granted(Grant::Persistent { handle: pair.handle.0, account });
                facts.extend([granted(owner), granted(pair.contract)]);
                if let Some(delegator) = request.delegator {
                    let (delegate, contract) = (request.user, pair.contract);
                    facts.insert(Fact::Delegated { delegator, delegate, contract, now });
                }
            }
            facts.insert(Fact::PermitStands { account: request.user, start: request.start });
            if chain.deny_blocks_user_decryption {
                facts.extend([request.user, owner].map(Fact::NotDenied));
            }
        }
    }
    facts.into_iter().collect()
}

/// The refusal for a fact that is proven not to hold but may come to hold with a later block: worth waiting for.
#[must_use]
pub fn missing(error: &AclError) -> Option<Refused> {
    let code = match error {
        AclError::GrantMissing { .. } => "GrantMissing",
        AclError::DelegationMissing { .. } => "DelegationMissing",
        AclError::DelegationExpired { .. } => "DelegationExpired",
        _ => return None,
    };
    Some(Refused { code: code.to_owned(), message: error.to_string() })
}

/// Whether the proofs were good and the fact itself is what fails: then nodes give the refusal, in their own words.
#[must_use]
pub const fn denies(error: &AclError) -> bool {
    matches!(error, AclError::PermitInvalidated { .. } | AclError::AccountDenied(_))
}
