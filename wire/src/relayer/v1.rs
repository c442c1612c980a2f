//! Version 1 of the API: one exchange a request, names in snake case, the outcome under `response` (fhevm-compat §3.3).
//! Requests have the bodies of version 2; a failure has the body of version 2 too, of which old clients read the status.

use super::reply::{InputProofResult, KeyData, KeyUrl, PublicDecryptResult};
use super::{Hex, PlainHex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tkms_types::Handle;

/// Body of every success. Of `user-decrypt` it holds a list of [`super::UserShare`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1Reply<T> {
    /// The only field.
    pub response: T,
}

/// Outcome of `input-proof`. An input that is not accepted is an error here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1InputProof {
    /// One a value, in order.
    pub handles: Vec<Handle>,
    /// 65 bytes each.
    pub signatures: Vec<Hex>,
}

impl From<InputProofResult> for V1InputProof {
    fn from(result: InputProofResult) -> Self {
        Self { handles: result.handles, signatures: result.signatures }
    }
}

/// Outcome of `public-decrypt`, the one element of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1PublicDecrypt {
    /// 65 bytes each.
    pub signatures: Vec<PlainHex>,
    /// One 32-byte word a handle.
    pub decrypted_value: PlainHex,
}

impl From<PublicDecryptResult> for V1PublicDecrypt {
    fn from(result: PublicDecryptResult) -> Self {
        Self { signatures: result.signatures, decrypted_value: result.decrypted_value }
    }
}

/// Where key and CRS lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1KeyUrls {
    /// Public keys; clients take the first.
    pub fhe_key_info: Vec<V1FheKeyInfo>,
    /// Common reference strings by capacity in bits: `"2048"`.
    pub crs: BTreeMap<String, V1KeyData>,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1FheKeyInfo {
    /// The key's file.
    pub fhe_public_key: V1KeyData,
}

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1KeyData {
    /// Its id.
    pub data_id: String,
    /// Where it lies; clients take the first.
    pub urls: Vec<String>,
}

impl From<KeyData> for V1KeyData {
    fn from(KeyData { data_id, urls }: KeyData) -> Self {
        Self { data_id, urls }
    }
}

impl From<KeyUrl> for V1Reply<V1KeyUrls> {
    fn from(KeyUrl { response }: KeyUrl) -> Self {
        let key = |info: super::FheKeyInfo| V1FheKeyInfo { fhe_public_key: info.fhe_public_key.into() };
        let fhe_key_info = response.fhe_key_info.into_iter().map(key).collect();
        let crs = response.crs.into_iter().map(|(bits, data)| (bits, data.into())).collect();
        Self { response: V1KeyUrls { fhe_key_info, crs } }
    }
}
