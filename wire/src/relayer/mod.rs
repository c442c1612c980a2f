//! JSON of the relayer's HTTP API as the official client speaks it (fhevm-compat §3.3), versions 2 and 1.
//!
//! In version 2 a POST is answered with 202 and a job; `GET <path>/<job>` with 202 until it is done. Requests are read strictly,
//! unknown fields included: a field that is silently left out of a signed request would be worse than a refusal.
//! Answers may carry more than the official client knows, which ignores it.

mod error;
mod reply;
mod request;
mod v1;

pub use crate::{Hex, PlainHex, Quantity};
pub use error::{ApiError, Detail, Label};
pub use reply::{
    FheKeyInfo, InputProofResult, Job, KeyData, KeyUrl, KeyUrls, PublicDecryptResult, Reply, UserDecryptResult,
    UserShare,
};
pub use request::{
    DelegatedUserDecryptRequest, InputProofRequest, Pair, PublicDecryptRequest, UserDecryptRequest, Validity,
    contracts_chain,
};
pub use v1::{V1FheKeyInfo, V1InputProof, V1KeyData, V1KeyUrls, V1PublicDecrypt, V1Reply};

use serde::de::DeserializeOwned;
use tkms_types::limits;

/// `GET`: where key and CRS lie.
pub const KEY_URL: &str = "keyurl";
/// `POST`, `GET <path>/<job>`: verify an encrypted input.
pub const INPUT_PROOF: &str = "input-proof";
/// `POST`, `GET <path>/<job>`: decrypt for everybody.
pub const PUBLIC_DECRYPT: &str = "public-decrypt";
/// `POST`, `GET <path>/<job>`: decrypt for a user.
pub const USER_DECRYPT: &str = "user-decrypt";
/// `POST`, `GET <path>/<job>`: decrypt for a delegate.
pub const DELEGATED_USER_DECRYPT: &str = "delegated-user-decrypt";

/// Bytes of the body of an input: the list in hex, and little else.
pub const INPUT_BODY_BYTES: usize = 2 * limits::INPUT_BYTES + 4096;
/// Bytes of the body of a decryption request: at most 1024 pairs of some 170 bytes.
pub const DECRYPT_BODY_BYTES: usize = 256 * 1024;

/// Reads a request's body.
///
/// # Errors
/// The error to answer with: `malformed_json`, `missing_fields`, `validation_failed`, or `request_error` for a body over the limit.
pub fn parse<T: DeserializeOwned>(body: &[u8], limit: usize) -> Result<T, ApiError> {
    if body.len() > limit {
        let message = format!("the body has {} bytes, at most {limit} are taken", body.len());
        return Err(ApiError::new(Label::RequestError, message));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::from_json(&error))
}
