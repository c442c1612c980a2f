//! Words shared by every part of the threshold KMS: ids, the committee, named limits, EIP-712 structs,
//! tagged hashing, typed plaintexts and the cluster file. No I/O, no async.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

mod cluster;
mod committee;
mod host_chain;
mod ids;
pub mod limits;
mod plaintext;
mod request;
pub mod transcript;
pub mod typed_data;

pub use cluster::{Cluster, ClusterError, GatewayDomain, KeyMaterial, Node, Thresholds};
pub use committee::{Committee, CommitteeError, PartyId, Threshold};
pub use host_chain::{
    AttesterSet, Contracts, CoprocessorSet, FormerAttesters, HeaderTrustKind, HostChain, MinFinality,
};
pub use ids::{ContextId, EpochId, FheType, Handle, HandleError, Id, IdError, IdTag, KeyId, RequestId, SessionId};
pub use plaintext::{Plaintext, PlaintextError};
pub use request::{ExtraData, ExtraDataError, HandlePair, PublicRequest, RequestKind, UserRequest};
