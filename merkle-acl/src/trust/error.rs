//! Why a header is not built on. The names of [`TrustError`] are those of the node policy's check 11.

use alloy_primitives::{Address, B256};

use super::Finality;
use crate::error::HeaderError;

/// The first check a header failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The bytes are no header of this chain.
    #[error("header malformed: {0}")]
    HeaderMalformed(#[from] HeaderError),
    /// Nobody who counts, or too few, vouch for it.
    #[error("header unattested: {0}")]
    HeaderUnattested(#[from] Unattested),
    /// The attestations are for a set that is not, or no longer, in force.
    #[error("attester set {0} is not in force")]
    AttesterSetUnknown(B256),
    /// At or below the checkpoint.
    #[error("block {number} is not above the checkpoint {checkpoint}")]
    AnchorBeforeCheckpoint {
        /// Of the block.
        number: u64,
        /// Of the checkpoint.
        checkpoint: u64,
    },
    /// Too long ago, or too far behind.
    #[error("anchor too old: {0}")]
    AnchorTooOld(Staleness),
    /// Ahead of the clock.
    #[error("block of time {time} is in the future, it is {now}")]
    AnchorFromFuture {
        /// Of the block, unix seconds.
        time: u64,
        /// The clock, unix seconds.
        now: u64,
    },
    /// Believed, but not yet as final as needed: worth waiting for.
    #[error("{found} of {needed} witnesses call the block {need:?} or better")]
    NotFinal {
        /// Witnesses whose class is good enough.
        found: usize,
        /// How many are needed.
        needed: usize,
        /// The class shown if they were enough.
        need: Finality,
    },
    /// Two things that cannot both be true on one chain.
    #[error("anchors in conflict: {0}")]
    AnchorConflict(#[from] Conflict),
}

impl TrustError {
    /// Whether this is evidence that the chain or those who vouch for it cannot be relied on: stop, and wait for an operator.
    pub const fn halts(&self) -> bool {
        matches!(self, Self::AnchorConflict(_))
    }
}

/// Why nobody vouches for a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unattested {
    /// Another kind of witness than this chain's.
    #[error("the witness is not of the kind this chain is trusted by")]
    WrongWitness,
    /// More signatures or answers than there can be.
    #[error("{len} signatures or answers, at most {max} are read")]
    TooMany {
        /// Given.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Too few distinct members.
    #[error("{found} of {needed} members vouch for the block")]
    Quorum {
        /// Distinct members with a good signature or answer.
        found: usize,
        /// The quorum.
        needed: usize,
    },
    /// The header names other validators than the pinned ones.
    #[error("the header's validators are not the ones on record")]
    OtherValidators,
    /// The node's own endpoint has another block there, or none.
    #[error("the node's own endpoint names {0}")]
    OwnEndpoint(B256),
}

/// How an anchor is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Staleness {
    /// Too many seconds ago.
    #[error("block of time {time}, it is {now}, {limit} seconds are allowed")]
    Age {
        /// Of the block, unix seconds.
        time: u64,
        /// The clock, unix seconds.
        now: u64,
        /// The bound.
        limit: u64,
    },
    /// Too many blocks below the newest.
    #[error("block {number}, the newest is {newest}, {limit} blocks are allowed")]
    Lag {
        /// Of the block.
        number: u64,
        /// Of the newest accepted.
        newest: u64,
        /// The bound.
        limit: u64,
    },
}

/// What cannot be true on one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Two final blocks at one height.
    #[error("block {number} is {known} and {found}")]
    TwoHashes {
        /// The height.
        number: u64,
        /// Accepted before, or seen by the node itself.
        known: B256,
        /// Vouched for now.
        found: B256,
    },
    /// A later block is earlier.
    #[error("block {number} has time {time}, block {newest} before it has {newest_time}")]
    TimeRunsBack {
        /// Of the block vouched for now.
        number: u64,
        /// Its time.
        time: u64,
        /// Of the newest accepted.
        newest: u64,
        /// Its time.
        newest_time: u64,
    },
    /// A later block has fewer grants.
    #[error("block {number} has {count} grants, block {newest} before it has {newest_count}")]
    CountFalls {
        /// Of the block vouched for now.
        number: u64,
        /// Its count.
        count: u64,
        /// Of the newest accepted.
        newest: u64,
        /// Its count.
        newest_count: u64,
    },
    /// As many other endpoints as are needed name another block than the node's own.
    #[error("block {number} is {own} to the node's own endpoint, {others} others name {other}")]
    EndpointsDisagree {
        /// The height.
        number: u64,
        /// The node's own.
        own: B256,
        /// The others'.
        other: B256,
        /// How many of them.
        others: usize,
    },
}

/// What is wrong with a set of signers or endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// None, or more than [`super::MAX_SIGNERS`].
    #[error("{0} members")]
    Size(usize),
    /// Not sorted, not distinct, or the zero address.
    #[error("member {0} is out of order, repeated or zero")]
    Member(Address),
    /// Two quorums could share no honest member, or the honest ones alone are none (2q > m + f, q ≤ m − f, f = (m − 1)/3).
    #[error("a quorum of {quorum} does not fit {members} members")]
    Quorum {
        /// The quorum.
        quorum: usize,
        /// The members.
        members: usize,
    },
}
