//! One host chain as the cluster file has it, and who is believed about it (trust-rules §1, §3).

use crate::transcript::{SetRole, host_id, set_id};
use crate::{ClusterError, limits};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// The chain id that single signers are accepted on: a developer's own.
const LOCAL_CHAIN: u64 = 31337;

/// One host chain and what nodes require of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostChain {
    /// EIP-155 id; bytes 22 … 29 of the chain's handles.
    pub chain_id: u64,
    /// Addresses of the contracts.
    pub contracts: Contracts,
    /// Runtime code hash of the ACL, checked in every account proof.
    pub acl_code_hash: B256,
    /// Runtime code hash of the executor, checked once per cluster file.
    pub executor_code_hash: B256,
    /// Number of a block of this very chain, at least 1: the ACL's deployment.
    pub checkpoint_number: u64,
    /// Hash of that block.
    pub checkpoint_hash: B256,
    /// How a node knows that a block is final.
    pub trust: HeaderTrustKind,
    /// Who says so.
    pub attesters: AttesterSet,
    /// The set before, while the last headers it signed are young enough; `None` without a change. The hash of a file without one is what
    /// it was before there was this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_attesters: Option<FormerAttesters>,
    /// Least finality of a block that a request is judged in; a request may ask for more, never for less.
    pub min_finality: MinFinality,
    /// Oldest header a node accepts, in seconds.
    pub max_anchor_age: u64,
    /// How many blocks a header may lie below the newest one accepted.
    pub max_anchor_lag: u64,
    /// How far a header's time may lie ahead of a node's clock, in seconds.
    pub clock_skew: u64,
    /// Whether the deny list also stops user decryptions.
    pub deny_blocks_user_decryption: bool,
    /// Who attests ciphertexts of this chain.
    pub coprocessors: CoprocessorSet,
}

/// Contract addresses on a host chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Contracts {
    pub acl: Address,
    pub executor: Address,
    pub kms_verifier: Address,
    pub input_verifier: Address,
    pub decryption_oracle: Address,
}

/// How a node knows that a block is final (DESIGN.md D5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderTrustKind {
    /// Host validators, each with a node of its own, sign it: EIP-712 `HeaderAttestation`.
    Attesters,
    /// The block carries the QBFT seals of the validators, which are pinned here.
    Qbft,
    /// The same with the seals of IBFT 2.0.
    Ibft2,
    /// The node's own endpoint and others name one hash.
    Rpc,
}

/// A versioned set of those who are believed about blocks.
///
/// | trust | `members` | `quorum` |
/// | --- | --- | --- |
/// | `attesters` | their addresses | distinct signatures needed |
/// | `qbft`, `ibft2` | the validators | ⌈2m/3⌉, that of the protocol |
/// | `rpc` | none | k: endpoints besides the node's own that must agree with it |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttesterSet {
    /// Counts up at each change.
    pub version: u32,
    /// How many must agree.
    pub quorum: u16,
    /// Sorted, distinct, non-zero.
    pub members: Vec<Address>,
}

/// A set of attesters that another one took over from (trust-rules §3): it counts for headers of an earlier time than `until`, and until
/// `until` + `maxAnchorAge` on the clock. Its signatures and those of the set in force are never added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormerAttesters {
    /// The set as it was in the cluster file before.
    pub set: AttesterSet,
    /// When its successor took over, Unix seconds.
    pub until: u64,
}

/// How sure a block must at least be: the host chain's own finality, its `safe` block, or so many blocks on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MinFinality {
    /// The chain's own finality. It serves every need.
    Finalized,
    /// The chain's `safe` block. It serves `safe`.
    Safe,
    /// At least one block on top. It serves needs of no more blocks.
    Depth(u32),
}

impl MinFinality {
    /// Class and depth as attesters sign them.
    #[must_use]
    pub const fn signed(self) -> (u8, u32) {
        match self {
            Self::Finalized => (1, 0),
            Self::Safe => (2, 0),
            Self::Depth(depth) => (3, depth),
        }
    }

    /// The one with this class and depth, if there is one. A depth of 0 is none: any block has it.
    #[must_use]
    pub const fn from_signed(class: u8, depth: u32) -> Option<Self> {
        match (class, depth) {
            (1, 0) => Some(Self::Finalized),
            (2, 0) => Some(Self::Safe),
            (3, 1..) => Some(Self::Depth(depth)),
            _ => None,
        }
    }
}

/// A versioned set of coprocessor signers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoprocessorSet {
    /// Counts up at each change.
    pub version: u32,
    /// Distinct signatures an attestation needs.
    pub quorum: u16,
    /// Sorted, distinct, non-zero.
    pub members: Vec<Address>,
    /// Arithmetic profiles in force: only equal profiles yield equal bytes.
    pub profiles: Vec<B256>,
}

impl HostChain {
    /// Identity of the chain in ids and signatures (trust-rules §1).
    #[must_use]
    pub fn host_id(&self) -> B256 {
        let checkpoint = (self.checkpoint_number, self.checkpoint_hash);
        host_id(self.chain_id, self.contracts.acl, self.acl_code_hash, checkpoint)
    }

    /// Identity of its attester set: what an attestation counts for.
    #[must_use]
    pub fn attester_set_id(&self) -> B256 {
        self.set_id_of(&self.attesters)
    }

    /// Identity of an attester set of this chain, the one in force or a former one.
    #[must_use]
    pub fn set_id_of(&self, set: &AttesterSet) -> B256 {
        set_id(self.host_id(), SetRole::Attester, set.version, set.quorum, &set.members)
    }

    /// Identity of its coprocessor set.
    #[must_use]
    pub fn coprocessor_set_id(&self) -> B256 {
        let set = &self.coprocessors;
        set_id(self.host_id(), SetRole::Coprocessor, set.version, set.quorum, &set.members)
    }

    /// Whether one liar, or one endpoint, can make nodes believe any state of this chain: for developers only, and to be
    /// said at every start.
    #[must_use]
    pub const fn trusts_one(&self) -> bool {
        match self.trust {
            HeaderTrustKind::Rpc => self.attesters.quorum == 0,
            _ => self.attesters.members.len() == 1,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ClusterError> {
        if self.checkpoint_number == 0 {
            return field("chains.checkpointNumber", "genesis is never an anchor");
        }
        if matches!(self.min_finality, MinFinality::Depth(0)) {
            return field("chains.minFinality", "at least one block deep");
        }
        if self.max_anchor_lag == 0 {
            return field("chains.maxAnchorLag", "at least one block");
        }
        self.check_attesters()?;
        self.check_former()?;
        let set = &self.coprocessors;
        let names = SetFields {
            set: "chains.coprocessors",
            quorum: "chains.coprocessors.quorum",
            members: "chains.coprocessors.members",
        };
        self.check_set(set.quorum, &set.members, &names)?;
        if set.profiles.is_empty() || set.profiles.len() > 2 {
            return field("chains.coprocessors.profiles", "one or two profiles");
        }
        Ok(())
    }

    fn check_attesters(&self) -> Result<(), ClusterError> {
        let AttesterSet { quorum, members, .. } = &self.attesters;
        let names = SetFields {
            set: "chains.attesters",
            quorum: "chains.attesters.quorum",
            members: "chains.attesters.members",
        };
        if self.trust == HeaderTrustKind::Rpc {
            if !members.is_empty() {
                return field(names.members, "endpoints have no addresses: none with rpc");
            }
            if usize::from(*quorum) > limits::ENDPOINTS {
                return field(names.quorum, "more endpoints than a node asks");
            }
            return Ok(());
        }
        self.check_set(*quorum, members, &names)?;
        let sealed = matches!(self.trust, HeaderTrustKind::Qbft | HeaderTrustKind::Ibft2);
        if sealed && usize::from(*quorum) != (2 * members.len()).div_ceil(3) {
            return field(names.quorum, "two thirds of the validators, rounded up");
        }
        Ok(())
    }

    fn check_former(&self) -> Result<(), ClusterError> {
        let Some(FormerAttesters { set, until }) = &self.former_attesters else { return Ok(()) };
        if self.trust != HeaderTrustKind::Attesters {
            return field("chains.formerAttesters", "for chains that are trusted by attesters");
        }
        if set.version >= self.attesters.version {
            return field("chains.formerAttesters.set.version", "lower than that of the set in force");
        }
        if *until == 0 {
            return field("chains.formerAttesters.until", "the time at which its successor took over");
        }
        let names = SetFields {
            set: "chains.formerAttesters",
            quorum: "chains.formerAttesters.set.quorum",
            members: "chains.formerAttesters.set.members",
        };
        self.check_set(set.quorum, &set.members, &names)
    }

    /// Two quorums share an honest member, and the honest ones alone are a quorum (trust-rules §1).
    fn check_set(&self, quorum: u16, members: &[Address], names: &SetFields) -> Result<(), ClusterError> {
        let (quorum, count) = (usize::from(quorum), members.len());
        if count > limits::SET_MEMBERS {
            return field(names.members, "at most 64 members");
        }
        let faults = count.saturating_sub(1) / 3;
        if quorum == 0 || 2 * quorum <= count + faults || quorum > count - faults {
            return field(names.quorum, "2q > m + f and q <= m - f, f = (m - 1) / 3");
        }
        if count == 1 && self.chain_id != LOCAL_CHAIN {
            return field(names.set, "a single member is for chain 31337 only");
        }
        let ascending = members.is_sorted_by(|a, b| a < b);
        if !ascending || members.first().is_some_and(|member| member.is_zero()) {
            return field(names.members, "sorted, distinct and not zero");
        }
        Ok(())
    }
}

/// How the fields of a set are called in errors.
struct SetFields {
    set: &'static str,
    quorum: &'static str,
    members: &'static str,
}

const fn field(name: &'static str, rule: &'static str) -> Result<(), ClusterError> {
    Err(ClusterError::Field(name, rule))
}
