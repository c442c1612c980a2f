//! A user's values out of the answers of nodes: check, group, open, correct, name the liars.
//!
//! Better than the official client with the same bytes: e wrong and s missing answers are corrected while 2e + s ≤ 2t,
//! an answer that cannot be opened costs only itself, and answers of different sessions are never mixed.

use crate::Trust;
use crate::error::{Error, Result};
use crate::permit::Permit;
use alloy_primitives::{B256, U256};
use std::collections::BTreeMap;
use std::fmt;
use tkms_mpc::fault::Evidence;
use tkms_mpc::ring::Gr128;
use tkms_mpc::user::{Assurance, combine_user_shares};
use tkms_types::transcript::user_request_id;
use tkms_types::typed_data::{recover, user_answer_digest, user_link};
use tkms_types::{ExtraData, FheType, Handle, HandlePair, PartyId, Plaintext, RequestId, SessionId, UserRequest};
use tkms_wire::answer::envelope_digest;
use tkms_wire::relayer::UserShare;
use tkms_wire::seal::{Expected, OpenFault, open};
use tkms_wire::user_payload::Body;
use zeroize::Zeroize;

/// An answer that was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Whose it was: proven by its signature, or, for a bad signature, only what the relayer says.
    pub party: Option<PartyId>,
    /// What was wrong.
    pub fault: AnswerFault,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.party {
            Some(party) => write!(f, "{party}: {}", self.fault),
            None => write!(f, "unknown sender: {}", self.fault),
        }
    }
}

/// What was wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// No committee member signed it: made up or changed on the way, perhaps not by the party named.
    #[error("not signed by a member of the committee")]
    OuterSignature,
    /// The sessions are not signed by the party that signed the payload: changed on the way, or by the party.
    #[error("the envelope around its payload is not signed by it")]
    Envelope,
    /// Signed by the party, and yet not an answer.
    #[error("{0}")]
    Open(OpenFault),
    /// Signed by the party, and not on the polynomial the others agree on.
    #[error("wrong share of value {value}: {evidence:?}")]
    Share {
        /// Position of the value.
        value: usize,
        /// What shows it.
        evidence: Evidence,
    },
}

/// A user's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDecryption {
    /// One a handle, in order.
    pub values: Vec<Plaintext>,
    /// Answers that were of no use.
    pub blamed: Vec<Blame>,
    /// Whether the values are right whatever t nodes do, or only if fewer lie.
    pub assurance: Assurance,
}

type Group = BTreeMap<PartyId, Vec<Body>>;

/// One value out of the shares of one group.
struct Combined {
    value: Plaintext,
    liars: Vec<(PartyId, Evidence)>,
    assurance: Assurance,
}

/// Answers to one request, collected until they suffice.
pub struct Answers<'a> {
    trust: &'a Trust,
    permit: &'a Permit,
    handles: Vec<Handle>,
    words: Vec<B256>,
    link: B256,
    request_id: RequestId,
    extra_data: Vec<u8>,
    /// By the sessions the answers belong to: shares of different ones do not fit together.
    groups: BTreeMap<Vec<SessionId>, Group>,
    blamed: Vec<Blame>,
}

impl<'a> Answers<'a> {
    /// No answer yet to the request for these values under the permit.
    ///
    /// # Errors
    /// [`Error::Count`], [`Error::Handle`], [`Error::OtherChain`].
    pub fn new(trust: &'a Trust, permit: &'a Permit, pairs: &[HandlePair]) -> Result<Self> {
        let request: UserRequest = permit.request(pairs);
        let handles: Vec<_> = pairs.iter().map(|pair| pair.handle).collect();
        trust.check_handles(&handles)?;
        let words: Vec<_> = handles.iter().map(|handle| handle.0).collect();
        Ok(Self {
            link: user_link(&request.public_key, &words, request.user, &trust.gateway),
            request_id: user_request_id(trust.host.host_id(), trust.context, &request),
            extra_data: ExtraData::parse(&request.extra_data)?.normalised(),
            groups: BTreeMap::new(),
            blamed: Vec::new(),
            trust,
            permit,
            handles,
            words,
        })
    }

    /// Takes one answer in. A bad one is remembered with its sender and changes nothing else; of two of one party for
    /// the same sessions the first counts.
    pub fn add(&mut self, share: &UserShare) {
        if let Err(blame) = self.take(share)
            && !self.blamed.contains(&blame)
        {
            self.blamed.push(blame);
        }
    }

    fn take(&mut self, share: &UserShare) -> std::result::Result<(), Blame> {
        let public_key = &self.permit.request.public_key;
        let payload = share.payload.0.as_ref();
        let digest = user_answer_digest(public_key, &self.words, payload, &self.extra_data, &self.trust.gateway);
        let signer = recover(digest, &share.signature.0);
        let found = signer.and_then(|signer| Some((signer, self.trust.party_of(signer)?)));
        let claimed = share.party.and_then(|number| self.trust.committee.party(number).ok());
        let (signer, party) = found.ok_or(Blame { party: claimed, fault: AnswerFault::OuterSignature })?;
        let blame = |fault| Blame { party: Some(party), fault };
        // A relayer that is not ours sends no envelope: its answers form one group
        if let Some(envelope) = &share.envelope_signature {
            let digest = envelope_digest(self.request_id, &share.sessions, payload);
            if share.sessions.len() != self.handles.len() || recover(digest, &envelope.0) != Some(signer) {
                return Err(blame(AnswerFault::Envelope));
            }
        } else if !share.sessions.is_empty() {
            return Err(blame(AnswerFault::Envelope));
        }
        let expected = Expected {
            party,
            signer,
            committee: self.trust.committee,
            user: self.permit.request.user,
            link: self.link,
            handles: &self.handles,
        };
        let bodies =
            open(payload, &self.permit.keys, &expected).map_err(|error| blame(AnswerFault::Open(error.fault)))?;
        self.groups.entry(share.sessions.clone()).or_default().entry(party).or_insert(bodies);
        Ok(())
    }

    /// The values, from the largest group of answers that proves them, else from the largest that makes them.
    ///
    /// # Errors
    /// [`Error::NotEnough`] if more answers are needed.
    pub fn combine(&self) -> Result<UserDecryption> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let mut found = groups.iter().filter_map(|group| self.combine_group(group)).collect::<Vec<_>>();
        found.sort_by_key(|found| found.assurance != Assurance::Proven);
        found.into_iter().next().ok_or_else(|| Error::NotEnough {
            usable: groups.first().map_or(0, |group| group.len()),
            quorum: self.trust.committee.threshold().quorum(),
            blamed: self.blamed.clone(),
        })
    }

    fn combine_group(&self, group: &Group) -> Option<UserDecryption> {
        let mut whole =
            UserDecryption { values: Vec::new(), blamed: self.blamed.clone(), assurance: Assurance::Proven };
        for (position, handle) in self.handles.iter().enumerate() {
            let kind = handle.check().ok()?;
            let bodies = group.iter().filter_map(|(party, bodies)| Some((*party, bodies.get(position)?)));
            let Combined { value, liars, assurance } = self.combine_value(kind, bodies)?;
            whole.values.push(value);
            whole.assurance = weaker(whole.assurance, assurance);
            let blame = |(party, evidence)| Blame {
                party: Some(party),
                fault: AnswerFault::Share { value: position, evidence },
            };
            whole.blamed.extend(liars.into_iter().map(blame));
        }
        Some(whole)
    }

    fn combine_value<'b>(&self, kind: FheType, bodies: impl Iterator<Item = (PartyId, &'b Body)>) -> Option<Combined> {
        let mut shares: Vec<(PartyId, Vec<Gr128>)> = Vec::new();
        for (party, body) in bodies {
            match body {
                // The one signer of a committee of one: its word is the value
                Body::Central(bytes) => {
                    let value = Plaintext::new(kind, U256::from_le_slice(bytes)).ok()?;
                    return Some(Combined { value, liars: Vec::new(), assurance: Assurance::Proven });
                }
                Body::Threshold(elements) => {
                    shares.push((party, elements.iter().map(|element| Gr128::new(*element)).collect()));
                }
            }
        }
        let combined = combine_user_shares(self.trust.committee, kind.squashed_blocks(), &shares);
        shares.iter_mut().for_each(|(_, shares)| shares.zeroize());
        let combined = combined.ok()?;
        let mut digits = combined.opened.digits().ok()?;
        let value = Plaintext::from_digits(kind, &digits).ok();
        digits.zeroize();
        let liars = combined.faults.into_iter().map(|fault| (fault.culprit, fault.evidence)).collect();
        Some(Combined { value: value?, liars, assurance: combined.assurance })
    }
}

fn weaker(a: Assurance, b: Assurance) -> Assurance {
    match (a, b) {
        (Assurance::Proven, other) | (other, Assurance::Proven) => other,
        (Assurance::IfLiarsAtMost(a), Assurance::IfLiarsAtMost(b)) => Assurance::IfLiarsAtMost(a.min(b)),
    }
}
