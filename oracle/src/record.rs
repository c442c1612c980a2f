//! What the oracle knows about one decryption request, as it stands on disk and in the status page.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use tkms_types::{
    Cluster, ContextId, ExtraData, ExtraDataError, Handle, HostChain, PartyId, PublicRequest, RequestId, UserRequest,
    transcript::{public_request_id, user_request_id},
};

/// Entries kept about nodes that lied or failed in one request.
pub const BLAMED_ENTRIES: usize = 64;
/// Bytes kept of a text that a node or coprocessor sent.
pub const FOREIGN_TEXT: usize = 300;

/// What is asked of the committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// Plaintexts for everybody.
    Public(PublicRequest),
    /// Shares sealed to one user.
    User(UserRequest),
}

impl Ask {
    /// The handles in the order of the answer.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        match self {
            Self::Public(request) => request.handles.clone(),
            Self::User(request) => request.pairs.iter().map(|pair| pair.handle).collect(),
        }
    }

    /// `extraData` as sent.
    #[must_use]
    pub fn extra_data(&self) -> &Bytes {
        match self {
            Self::Public(request) => &request.extra_data,
            Self::User(request) => &request.extra_data,
        }
    }

    /// The content-derived id (trust-rules §5) every node computes too.
    ///
    /// # Errors
    /// [`AskError`] if the host or the context cannot be told.
    pub fn id(&self, cluster: &Cluster) -> Result<RequestId, AskError> {
        let host = self.host(cluster)?.host_id();
        let extra = ExtraData::parse(self.extra_data())?;
        let context = resolve(extra, cluster)?;
        Ok(match self {
            Self::Public(request) => public_request_id(host, context, &extra, &request.handles),
            Self::User(request) => user_request_id(host, context, request),
        })
    }

    /// The one host chain of all handles.
    ///
    /// # Errors
    /// [`AskError::Empty`], [`AskError::HostUnknown`], [`AskError::HostsMixed`].
    pub fn host<'a>(&self, cluster: &'a Cluster) -> Result<&'a HostChain, AskError> {
        let handles = self.handles();
        let first = handles.first().ok_or(AskError::Empty)?;
        if handles.iter().any(|handle| handle.chain_id() != first.chain_id()) {
            return Err(AskError::HostsMixed);
        }
        cluster.chain_of(*first).ok_or_else(|| AskError::HostUnknown(first.chain_id()))
    }

    /// The bytes of `extraData` that nodes sign and echo.
    ///
    /// # Errors
    /// [`AskError::ExtraData`].
    pub fn signed_extra_data(&self) -> Result<Vec<u8>, AskError> {
        Ok(ExtraData::parse(self.extra_data())?.normalised())
    }
}

/// This build knows the context in force and no other (DESIGN.md D7).
fn resolve(extra: ExtraData, cluster: &Cluster) -> Result<ContextId, AskError> {
    match extra {
        ExtraData::Current => Ok(cluster.context),
        ExtraData::Context(id) if id == cluster.context => Ok(id),
        ExtraData::Context(id) => Err(AskError::ContextUnknown(id)),
    }
}

/// A request that has no id because part of it names nothing we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No handle.
    #[error("the request names no handle")]
    Empty,
    /// Handles of several chains.
    #[error("the handles belong to different host chains")]
    HostsMixed,
    /// A chain outside the cluster file.
    #[error("chain {0} is not a host of this cluster")]
    HostUnknown(u64),
    /// See [`ExtraDataError`].
    #[error(transparent)]
    ExtraData(#[from] ExtraDataError),
    /// A context that is not in force.
    #[error("context {0} is not in force")]
    ContextUnknown(ContextId),
}

/// Where a request stands (DESIGN.md §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Allowed at the head of the chain, not final yet.
    WaitingFinality,
    /// The ciphertext is not computed, squashed or fetched yet.
    WaitingCiphertext,
    /// Nodes work on it.
    Running,
    /// Answered by a quorum.
    Done,
    /// More nodes refused than a quorum can miss, or the permission does not exist.
    Refused(Refused),
}

impl State {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Refused(_))
    }

    /// The name users see.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WaitingFinality => "waiting-finality",
            Self::WaitingCiphertext => "waiting-ciphertext",
            Self::Running => "running",
            Self::Done => "done",
            Self::Refused(_) => "refused",
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Name of the refusal as in trust-rules §6.
    pub code: String,
    /// For people.
    pub message: String,
}

/// How a node stands to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Which node.
    pub party: PartyId,
    /// `silent`, `waiting-finality`, `waiting-ciphertext`, `running`, `answered`, `refused`, `unreachable`, `lied`.
    pub state: String,
    /// For people; bounded.
    pub detail: String,
}

/// A node that lied or failed, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blamed {
    /// The culprit.
    pub party: PartyId,
    /// The node that reported it; none: the oracle saw it itself.
    pub reported_by: Option<PartyId>,
    /// What went wrong.
    pub step: String,
    /// MPC session, if one is known.
    pub session: Option<B256>,
    /// What the culprit signed, if it signed it: anyone can check.
    pub evidence: Option<Bytes>,
}

/// A node's share for a user, ready to be served. `sessions` and `envelope` let a client group answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserItem {
    /// Which node.
    pub party: PartyId,
    /// fhevm-compat §3.6.
    pub payload: Bytes,
    /// EIP-712 signature over the payload.
    pub signature: Bytes,
    /// MPC sessions, one a handle.
    pub sessions: Vec<B256>,
    /// Signature over request id, sessions and payload.
    pub envelope_signature: Bytes,
}

/// What a quorum agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Plaintext words with signatures.
    Public(PublicAnswer),
    /// All valid shares of one group of sessions, in party order.
    User(Vec<UserItem>),
}

/// Plaintexts with the quorum's signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicAnswer {
    /// 32 bytes a handle.
    pub words: Bytes,
    /// As signed: empty or version 1.
    pub extra_data: Bytes,
    /// In party order.
    pub signatures: Vec<(PartyId, Bytes)>,
}

impl PublicAnswer {
    /// The proof a contract checks: count, signatures in party order, `extraData` (fhevm-compat §2.1).
    /// A committee has at most 13 members, so the count fits its byte.
    #[must_use]
    pub fn proof(&self) -> Bytes {
        let mut proof = vec![u8::try_from(self.signatures.len()).unwrap_or(u8::MAX)];
        for (_, signature) in &self.signatures {
            proof.extend_from_slice(signature);
        }
        proof.extend_from_slice(&self.extra_data);
        proof.into()
    }
}

/// One request on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What was asked.
    pub ask: Ask,
    /// Where it stands.
    pub state: State,
    /// Unix seconds of its first acceptance.
    pub created: u64,
    /// Unix seconds of its last change of state.
    pub updated: u64,
    /// Whether somebody asked for it over HTTP.
    pub web: bool,
    /// Unix second after which it may be forgotten, unless somebody on chain waits for it. Absent: never.
    pub expires: Option<u64>,
    /// How often it was asked again after it was done: chooses the subset of shares that is served.
    pub asked_again: u32,
    /// What the quorum agreed on.
    pub answer: Option<Answer>,
    /// The nodes, in party order.
    pub nodes: Vec<NodeStatus>,
    /// Who lied or failed; bounded.
    pub blamed: Vec<Blamed>,
}

impl Record {
    /// A request just accepted.
    #[must_use]
    pub fn new(ask: Ask, web: bool, now: u64) -> Self {
        Self {
            ask,
            state: State::WaitingCiphertext,
            created: now,
            updated: now,
            web,
            expires: None,
            asked_again: 0,
            answer: None,
            nodes: Vec::new(),
            blamed: Vec::new(),
        }
    }
}

/// A request on chain and how far its fulfilment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnChain {
    /// Host chain.
    pub chain_id: u64,
    /// Id given by the contract.
    pub id: U256,
    /// What it asks; none if nodes cannot be asked so (then `delivery` says why).
    pub request: Option<RequestId>,
    /// Who asked.
    pub requester: Address,
    /// Gas its callback wants.
    pub callback_gas: u32,
    /// Block of the event.
    pub block: u64,
    /// How far its fulfilment is.
    pub delivery: Delivery,
}

/// How far the fulfilment of a request on chain is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "delivery", rename_all = "kebab-case")]
pub enum Delivery {
    /// No transaction is mined yet.
    Pending,
    /// On chain; by us if the transaction is known.
    Fulfilled {
        /// Our transaction.
        transaction: Option<B256>,
        /// What the receiver's callback did, where known. A failed one is the contract's matter.
        callback_ok: Option<bool>,
        /// Its block, where known: a reorganisation below takes it back.
        block: Option<u64>,
    },
    /// Cannot be fulfilled.
    Impossible {
        /// Why.
        reason: String,
    },
}

/// Cuts a text of foreign origin to its bound and drops what could break a log line.
#[must_use]
pub fn foreign(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(FOREIGN_TEXT).collect()
}
