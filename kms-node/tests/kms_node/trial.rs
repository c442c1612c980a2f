//! One request, one chain, one block: judged by policy alone, without a node.

use crate::common::chain::InMemoryChain;
use crate::common::evidence::{Parts, attested};
use alloy_primitives::{Address, B256};
use merkle_acl::{Fact, Grant};
use tkms_kms_node::evidence::Evidence as Opened;
use tkms_kms_node::policy::anchor::{self, Case, KnownBlock, OwnView};
use tkms_kms_node::policy::{HostState, facts};
use tkms_kms_node::refusal::{Refusal, RefusalClass};
use tkms_kms_node::request::Request;
use tkms_types::{HostChain, MinFinality};
use tkms_wire::evidence::Evidence;

pub const NOW: u64 = 1_800_000_000;

pub struct Trial {
    pub chain: InMemoryChain,
    pub host: HostChain,
    pub request: Request,
    pub state: HostState,
    pub known: Option<KnownBlock>,
    pub asked: Option<MinFinality>,
    pub own: Option<OwnView>,
    pub now: u64,
    pub at: usize,
}

impl Trial {
    /// Judged in block 5, one second after [`NOW`], of whose state `change` is part.
    pub fn new(request: Request, change: impl Fn(&InMemoryChain)) -> Self {
        let chain = InMemoryChain::new(NOW - 4);
        change(&chain);
        chain.mine(1);
        let (host, state) = (crate::common::host(), HostState::default());
        Self { chain, host, request, state, known: None, asked: None, own: None, now: NOW, at: 5 }
    }

    pub fn wanted(&self) -> Vec<Fact> {
        facts(&self.request, &self.host, self.now)
    }

    /// As an honest oracle sends it.
    pub fn evidence(&self) -> Evidence {
        let parts = self.chain.parts(self.at, &self.wanted());
        parts.compact(Some(attested(&self.host, &parts.header, MinFinality::Finalized)))
    }

    /// The same of other parts.
    pub fn with(&self, change: impl FnOnce(&mut Parts)) -> Evidence {
        let mut parts = self.chain.parts(self.at, &self.wanted());
        change(&mut parts);
        parts.compact(Some(attested(&self.host, &parts.header, MinFinality::Finalized)))
    }

    /// Checks 11 to 17.
    pub fn judge(&self, evidence: &Evidence) -> Result<KnownBlock, Refusal> {
        let evidence = Opened::open(evidence, &self.host, &self.wanted())?;
        let case = Case {
            host: &self.host,
            state: &self.state,
            known: self.known.as_ref(),
            asked: self.asked,
            own: self.own.as_ref(),
            now: self.now,
        };
        let accepted = anchor::judge(&evidence, &case)?;
        anchor::facts(&evidence, &accepted.known.block, &self.wanted())?;
        Ok(accepted.known)
    }
}

/// A request for a handle that everybody may see.
pub fn public_trial() -> Trial {
    Trial::new(crate::policy::public(&[crate::policy::a_handle()]), grant_public)
}

pub fn grant_public(chain: &InMemoryChain) {
    // Not alone in the range, so that its path has a hash
    chain.grant(Grant::Persistent { handle: B256::repeat_byte(0x77), account: Address::repeat_byte(0x77) });
    chain.grant(Grant::Public { handle: crate::policy::a_handle().0 });
}

#[track_caller]
pub fn says<T: std::fmt::Debug>(outcome: Result<T, Refusal>, code: &str, class: RefusalClass) {
    let refusal = outcome.unwrap_err();
    assert_eq!((refusal.code(), refusal.class()), (code, class), "{refusal}");
}
