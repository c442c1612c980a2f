//! Replies of the relayer: jobs and their results.

use super::{ApiError, Hex, PlainHex};
use crate::answer::UserAnswer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tkms_types::{Handle, SessionId};

/// Body of every answer to a POST or to a look at a job. POST is always answered `queued` with a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Reply<T> {
    /// 202: accepted, or still running.
    Queued {
        /// For people and logs.
        request_id: String,
        /// The job; only after a POST.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Job>,
    },
    /// 200.
    Succeeded {
        /// For people and logs.
        request_id: String,
        /// The outcome.
        result: T,
    },
    /// The status of the error's label.
    Failed {
        /// For people and logs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// What went wrong.
        error: ApiError,
    },
}

/// A job to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Opaque; stands in the path of the GET.
    pub job_id: String,
}

/// Outcome of `input-proof`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputProofResult {
    /// Whether the proof holds; else the lists are empty.
    pub accepted: bool,
    /// One a value, in order.
    #[serde(default)]
    pub handles: Vec<Handle>,
    /// EIP-712 `CiphertextVerification` of coprocessors, 65 bytes each.
    #[serde(default)]
    pub signatures: Vec<Hex>,
    /// As signed.
    pub extra_data: Hex,
}

/// Outcome of `public-decrypt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicDecryptResult {
    /// EIP-712 `PublicDecryptVerification` of nodes, 65 bytes each.
    pub signatures: Vec<PlainHex>,
    /// One 32-byte word a handle.
    pub decrypted_value: PlainHex,
    /// As signed.
    pub extra_data: Hex,
}

/// Outcome of `user-decrypt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDecryptResult {
    /// One a node.
    pub result: Vec<UserShare>,
}

/// One node's answer. The official client reads payload and signature and tolerates the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserShare {
    /// [`crate::user_payload::Payload`], encoded.
    pub payload: PlainHex,
    /// EIP-712 `UserDecryptResponseVerification`, 65 bytes.
    pub signature: PlainHex,
    /// Whose it is said to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<u8>,
    /// As signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_data: Option<Hex>,
    /// One a handle: only answers with equal ones belong together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
    /// Over [`crate::answer::envelope_digest`], 65 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_signature: Option<PlainHex>,
}

impl From<&UserAnswer> for UserShare {
    fn from(answer: &UserAnswer) -> Self {
        Self {
            payload: PlainHex(answer.payload.clone().into()),
            signature: PlainHex(answer.signature.into()),
            party: Some(answer.party.number()),
            extra_data: Some(Hex(answer.extra_data.clone().into())),
            sessions: answer.sessions.clone(),
            envelope_signature: Some(PlainHex(answer.envelope_signature.into())),
        }
    }
}

/// Body of `keyurl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUrl {
    /// The only field.
    pub response: KeyUrls,
}

/// Where key and CRS lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyUrls {
    /// Public keys; clients take the first.
    pub fhe_key_info: Vec<FheKeyInfo>,
    /// Common reference strings by capacity in bits: `"2048"`.
    pub crs: BTreeMap<String, KeyData>,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FheKeyInfo {
    /// The key's file.
    pub fhe_public_key: KeyData,
}

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyData {
    /// Its id.
    pub data_id: String,
    /// Where it lies; clients take the first.
    pub urls: Vec<String>,
}
