//! The node's own endpoint and k of m independent ones name one block: for chains nobody attests.

use alloy_primitives::B256;

use super::{Conflict, Finality, HeaderEvidence, HeaderTrust, Need, SetError, TrustError, Unattested, Witness};
use crate::anchor::Anchor;

/// Most endpoints besides the node's own.
pub const MAX_ENDPOINTS: usize = 32;

/// Which block an endpoint has at the anchor's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockClaim {
    /// Its hash.
    pub hash: B256,
    /// Its class there.
    pub finality: Finality,
}

/// What was answered when the node asked for the block of the anchor's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointAnswers {
    /// The node's own endpoint.
    pub own: BlockClaim,
    /// Endpoint (position in the configuration, from 0) and answer; who did not answer is not here.
    pub others: Vec<(usize, BlockClaim)>,
}

/// Trust in the node's own endpoint together with `needed` of `endpoints` others. With none needed the own endpoint is believed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointQuorum {
    endpoints: usize,
    needed: usize,
}

impl EndpointQuorum {
    /// # Errors
    /// [`SetError`] for more endpoints than [`MAX_ENDPOINTS`] or more needed than there are.
    pub const fn new(endpoints: usize, needed: usize) -> Result<Self, SetError> {
        if endpoints > MAX_ENDPOINTS {
            Err(SetError::Size(endpoints))
        } else if needed > endpoints {
            Err(SetError::Quorum { quorum: needed, members: endpoints })
        } else {
            Ok(Self { endpoints, needed })
        }
    }

    /// Each endpoint's first answer.
    fn distinct(self, answers: &[(usize, BlockClaim)]) -> Vec<BlockClaim> {
        let mut seen = 0u64;
        let mut first = |endpoint: usize| {
            let new = endpoint < self.endpoints && seen & 1 << endpoint == 0;
            seen |= u64::from(new) << (endpoint % 64);
            new
        };
        answers.iter().filter(|(endpoint, _)| first(*endpoint)).map(|(_, claim)| *claim).collect()
    }

    /// Refuses, for good, when as many others as are needed agree on another block than the node's own.
    fn check_dissent(self, anchor: &Anchor, own: B256, others: &[BlockClaim]) -> Result<(), TrustError> {
        for claim in others.iter().filter(|claim| claim.hash != own) {
            let agreeing = others.iter().filter(|other| other.hash == claim.hash).count();
            if agreeing >= self.needed.max(1) {
                let (number, other) = (anchor.number(), claim.hash);
                return Err(Conflict::EndpointsDisagree { number, own, other, others: agreeing }.into());
            }
        }
        Ok(())
    }
}

impl HeaderTrust for EndpointQuorum {
    fn attested(&self, anchor: &Anchor, evidence: &HeaderEvidence, need: Need, _: u64) -> Result<Finality, TrustError> {
        let Witness::Endpoints(EndpointAnswers { own, others }) = &evidence.witness else {
            return Err(Unattested::WrongWitness.into());
        };
        if others.len() > self.endpoints {
            return Err(Unattested::TooMany { len: others.len(), max: self.endpoints }.into());
        }
        let others = self.distinct(others);
        self.check_dissent(anchor, own.hash, &others)?;
        if own.hash != anchor.hash() {
            return Err(Unattested::OwnEndpoint(own.hash).into());
        }
        let agreeing: Vec<_> = others.iter().filter(|claim| claim.hash == own.hash).collect();
        let good = agreeing.iter().filter(|claim| need.met_by(claim.finality)).count();
        if agreeing.len() < self.needed {
            Err(Unattested::Quorum { found: agreeing.len(), needed: self.needed }.into())
        } else if good < self.needed || !need.met_by(own.finality) {
            let found = good + usize::from(need.met_by(own.finality));
            Err(TrustError::NotFinal { found, needed: self.needed + 1, need: need.shown() })
        } else {
            Ok(need.shown())
        }
    }
}
