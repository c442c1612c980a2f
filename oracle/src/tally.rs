//! Counts what nodes answered to one request. Pure: replies in, outcome out.
//!
//! Nobody is believed: an answer counts only with the signature of that very node over exactly what was asked, and
//! only answers that agree are added up. A node that contradicts itself or the quorum is named, with what it signed.

use crate::check::{Lie, PublicVote, UserVote, check_public, check_user};
use crate::record::{Answer, Ask, BLAMED_ENTRIES, Blamed, NodeStatus, PublicAnswer, Refused, State, UserItem, foreign};
use alloy_primitives::B256;
use std::sync::Arc;
use tkms_types::{Cluster, ClusterError, Committee, PartyId, RequestId};
use tkms_wire::answer::Blame;
use tkms_wire::kms::{RefusalClass, Reply, State as NodeState, reply};

/// What the replies so far amount to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A quorum agrees.
    Answered(Answer),
    /// More nodes refused for good than a quorum can miss.
    Refused(Refused),
    /// More nodes than a quorum can miss find no permission in the state they hold final.
    Ungranted(Refused),
    /// More nodes than a quorum can miss want other evidence about the ciphertexts.
    Materials(String),
    /// Every node has spoken its last word and no quorum agrees: more nodes lie than the committee tolerates.
    Disagreement,
}

/// Refusals about the evidence itself: better or newer evidence may be accepted.
const EVIDENCE_CODES: [&str; 19] = [
    "EvidenceMissing",
    "EvidenceStale",
    "HeaderUnavailable",
    "HeaderMalformed",
    "HeaderUnattested",
    "AttesterSetUnknown",
    "AnchorBeforeCheckpoint",
    "AnchorTooOld",
    "AnchorFromFuture",
    "NotFinal",
    "AnchorConflict",
    "AccountProofInvalid",
    "SlotProofInvalid",
    "GrantProofInvalid",
    "ExecutorUnproven",
    "AclPaused",
    "SmartAccountUndeployed",
    "SmartAccountUnproven",
    "SmartAccountRejected",
];
/// Refusals for what a later block may grant.
const UNGRANTED_CODES: [&str; 3] = ["GrantMissing", "DelegationMissing", "DelegationExpired"];
/// The refusal of a node that wants the executor's account proven, once.
const EXECUTOR_CODE: &str = "ExecutorUnproven";

/// How nodes find the evidence they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceVerdict {
    /// Some node refused it.
    pub refused: bool,
    /// Some node wants the executor's account in it.
    pub executor: bool,
    /// What more nodes say than a quorum can miss, if they do.
    pub by_all: Option<Refused>,
}

#[derive(Clone, Debug)]
enum Vote {
    Silent(String),
    Pending(NodeState, String),
    Refused { class: RefusalClass, code: String, message: String },
    Public(PublicVote),
    User(UserVote),
    Lied(String),
}

/// The count.
pub struct Tally {
    cluster: Arc<Cluster>,
    committee: Committee,
    id: RequestId,
    ask: Ask,
    votes: Vec<Vote>,
    blamed: Vec<Blamed>,
}

impl Tally {
    /// No reply yet.
    ///
    /// # Errors
    /// [`ClusterError`]; not for a cluster file that was read.
    pub fn new(cluster: Arc<Cluster>, id: RequestId, ask: Ask) -> Result<Self, ClusterError> {
        let committee = cluster.size()?;
        let votes = vec![Vote::Silent("not heard of yet".into()); committee.size()];
        Ok(Self { cluster, committee, id, ask, votes, blamed: Vec::new() })
    }

    /// Takes the reply of a node. `party` is who we called, whatever the reply claims.
    /// True: the node has said its last word in this round.
    pub fn receive(&mut self, party: PartyId, reply: Reply) -> bool {
        let vote = match reply.outcome {
            None => Vote::Silent("an empty reply".into()),
            Some(reply::Outcome::Pending(pending)) => Vote::Pending(pending.state(), foreign(&pending.detail)),
            Some(reply::Outcome::Refusal(refusal)) => Vote::Refused {
                class: refusal.class(),
                code: foreign(&refusal.code),
                message: foreign(&refusal.message),
            },
            Some(reply::Outcome::PublicAnswer(answer)) => match check_public(&self.cluster, &self.ask, party, answer) {
                Ok(vote) => {
                    self.reported(party, &vote.blamed);
                    Vote::Public(vote)
                }
                Err(lie) => self.lied(party, &lie),
            },
            Some(reply::Outcome::UserAnswer(answer)) => {
                match check_user(&self.cluster, self.id, &self.ask, party, answer) {
                    Ok(vote) => Vote::User(vote),
                    Err(lie) => self.lied(party, &lie),
                }
            }
        };
        self.set(party, vote)
    }

    /// Notes that a node could not be reached. What it said before still counts.
    pub fn unreachable(&mut self, party: PartyId, why: &str) {
        if let Some(vote) = self.votes.get_mut(party.index())
            && !settled(vote)
        {
            *vote = Vote::Silent(foreign(why));
        }
    }

    fn set(&mut self, party: PartyId, new: Vote) -> bool {
        let last = settled(&new);
        // A node that answered has answered; a later refusal or silence takes nothing back.
        match self.votes.get_mut(party.index()) {
            Some(vote) if !settled(vote) => *vote = new,
            _ => {}
        }
        last
    }

    fn lied(&mut self, party: PartyId, lie: &Lie) -> Vote {
        let step = lie.to_string();
        self.blame(Blamed { party, reported_by: None, step: step.clone(), session: None, evidence: lie.evidence() });
        Vote::Lied(step)
    }

    /// A node's word about its peers, kept as such: it proves nothing about them.
    fn reported(&mut self, by: PartyId, blames: &[Blame]) {
        let committee = self.committee;
        for blame in blames.iter().filter(|blame| blame.party != by && committee.contains(blame.party)) {
            let (step, session) = (foreign(&blame.step), Some(blame.session.0));
            self.blame(Blamed { party: blame.party, reported_by: Some(by), step, session, evidence: None });
        }
    }

    fn blame(&mut self, entry: Blamed) {
        if self.blamed.len() < BLAMED_ENTRIES && !self.blamed.contains(&entry) {
            self.blamed.push(entry);
        }
    }

    /// What the replies so far amount to; `None`: go on asking.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let quorum = self.committee.threshold().quorum();
        if let Some(answer) = self.answer(quorum) {
            return Some(Outcome::Answered(answer));
        }
        let missable = self.committee.size() - quorum;
        if let Some(refused) = self.refused(missable, |class, _| class == RefusalClass::Permanent) {
            return Some(Outcome::Refused(refused));
        }
        if self.votes.iter().all(settled) {
            return Some(Outcome::Disagreement);
        }
        if let Some(refused) = self.refused(missable, |_, code| UNGRANTED_CODES.contains(&code)) {
            return Some(Outcome::Ungranted(refused));
        }
        let materials = |_, code: &str| matches!(code, "MaterialMissing" | "MaterialQuorum");
        self.refused(missable, materials).map(|refused| Outcome::Materials(refused.message))
    }

    /// How the evidence was found so far.
    #[must_use]
    pub fn evidence(&self) -> EvidenceVerdict {
        let refused = |wanted: &[&str]| {
            self.votes.iter().any(|vote| matches!(vote, Vote::Refused { code, .. } if wanted.contains(&code.as_str())))
        };
        let missable = self.committee.size() - self.committee.threshold().quorum();
        EvidenceVerdict {
            refused: refused(&EVIDENCE_CODES),
            executor: refused(&[EXECUTOR_CODE]),
            // What is not final is worth waiting for, however long.
            by_all: self.refused(missable, |class, code| class != RefusalClass::Wait && EVIDENCE_CODES.contains(&code)),
        }
    }

    /// Nodes are asked with other evidence: what they said of the former counts no more.
    pub fn renewed(&mut self) {
        for vote in &mut self.votes {
            if matches!(vote, Vote::Refused { code, .. } if EVIDENCE_CODES.contains(&code.as_str())) {
                *vote = Vote::Silent("asked with newer evidence".into());
            }
        }
    }

    fn refused(&self, missable: usize, wanted: impl Fn(RefusalClass, &str) -> bool) -> Option<Refused> {
        let found: Vec<(&String, &String)> = self
            .votes
            .iter()
            .filter_map(|vote| match vote {
                Vote::Refused { class, code, message } if wanted(*class, code) => Some((code, message)),
                _ => None,
            })
            .collect();
        if found.len() <= missable {
            return None;
        }
        // The code most nodes gave, the first of equals: up to t of them may have invented one.
        let count = |code: &String| found.iter().filter(|(other, _)| *other == code).count();
        let (code, message) = found.iter().rev().max_by_key(|(code, _)| count(code))?;
        Some(Refused { code: (*code).clone(), message: (*message).clone() })
    }

    fn answer(&mut self, quorum: usize) -> Option<Answer> {
        match self.ask {
            Ask::Public(_) => self.public_answer(quorum),
            Ask::User(_) => self.user_answer(quorum),
        }
    }

    fn public_answer(&mut self, quorum: usize) -> Option<Answer> {
        let votes: Vec<(PartyId, PublicVote)> = self.voted(|vote| match vote {
            Vote::Public(vote) => Some(vote.clone()),
            _ => None,
        });
        let agreed = |words: &[B256]| votes.iter().filter(|(_, vote)| vote.words == words).count();
        let words = votes.iter().find(|(_, vote)| agreed(&vote.words) >= quorum).map(|(_, vote)| vote.words.clone())?;
        for (party, vote) in votes.iter().filter(|(_, vote)| vote.words != words) {
            let step = "signed another plaintext than the quorum".to_owned();
            // The plaintext of a public request is public; word and signature together convict.
            let evidence = Some([vote.words.concat().as_slice(), vote.signature.as_ref()].concat().into());
            self.blame(Blamed { party: *party, reported_by: None, step, session: None, evidence });
        }
        let extra_data = votes.first().map(|(_, vote)| vote.extra_data.clone()).unwrap_or_default();
        let signatures =
            votes.into_iter().filter(|(_, vote)| vote.words == words).map(|(party, vote)| (party, vote.signature));
        Some(Answer::Public(PublicAnswer {
            signatures: signatures.take(quorum).collect(),
            words: words.concat().into(),
            extra_data,
        }))
    }

    fn user_answer(&self, quorum: usize) -> Option<Answer> {
        let votes = self.voted(|vote| match vote {
            Vote::User(vote) => Some(vote.clone()),
            _ => None,
        });
        // Answers of different epochs or ciphertext bytes must never be combined: count inside one group.
        let agreed = |vote: &UserVote| votes.iter().filter(|(_, other)| other.sessions == vote.sessions).count();
        let sessions = votes.iter().find(|(_, vote)| agreed(vote) >= quorum).map(|(_, vote)| vote.sessions.clone())?;
        let items = votes.into_iter().filter(|(_, vote)| vote.sessions == sessions).map(|(party, vote)| UserItem {
            party,
            payload: vote.payload,
            signature: vote.signature,
            sessions: vote.sessions.iter().map(|session| session.0).collect(),
            envelope_signature: vote.envelope_signature,
        });
        Some(Answer::User(items.collect()))
    }

    fn voted<T>(&self, pick: impl Fn(&Vote) -> Option<T>) -> Vec<(PartyId, T)> {
        self.committee.parties().zip(&self.votes).filter_map(|(party, vote)| Some((party, pick(vote)?))).collect()
    }

    /// Who lied or failed so far.
    #[must_use]
    pub fn blamed(&self) -> &[Blamed] {
        &self.blamed
    }

    /// How each node stands, in party order.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let status = |(party, vote): (PartyId, &Vote)| {
            let (state, detail) = match vote {
                Vote::Silent(why) => ("silent", why.clone()),
                Vote::Pending(state, detail) => (pending_name(*state), detail.clone()),
                Vote::Refused { code, message, .. } => ("refused", format!("{code}: {message}")),
                Vote::Public(_) | Vote::User(_) => ("answered", String::new()),
                Vote::Lied(why) => ("lied", why.clone()),
            };
            NodeStatus { party, state: state.to_owned(), detail }
        };
        self.committee.parties().zip(&self.votes).map(status).collect()
    }

    /// The state to show while no outcome is there: the furthest that any node has come.
    #[must_use]
    pub fn state(&self) -> State {
        let any = |wanted| self.votes.iter().any(|vote| matches!(vote, Vote::Pending(state, _) if *state == wanted));
        let code = |codes: &[&str]| {
            self.votes.iter().any(|vote| matches!(vote, Vote::Refused { code, .. } if codes.contains(&code.as_str())))
        };
        if any(NodeState::Running) || self.votes.iter().any(|vote| matches!(vote, Vote::Public(_) | Vote::User(_))) {
            State::Running
        } else if any(NodeState::WaitingCiphertext) || code(&["MaterialMissing", "MaterialUnavailable"]) {
            State::WaitingCiphertext
        } else if any(NodeState::WaitingFinality) || code(&["NotFinal"]) || code(&UNGRANTED_CODES) {
            State::WaitingFinality
        } else {
            State::Running
        }
    }
}

fn settled(vote: &Vote) -> bool {
    match vote {
        Vote::Public(_) | Vote::User(_) | Vote::Lied(_) => true,
        Vote::Refused { class, .. } => *class == RefusalClass::Permanent,
        Vote::Silent(_) | Vote::Pending(..) => false,
    }
}

const fn pending_name(state: NodeState) -> &'static str {
    match state {
        NodeState::WaitingFinality => "waiting-finality",
        NodeState::WaitingCiphertext => "waiting-ciphertext",
        NodeState::Running | NodeState::Unspecified => "running",
    }
}
