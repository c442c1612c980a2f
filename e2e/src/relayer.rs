//! The relayer's API as a dApp sees it, one exchange at a time.

use crate::devnet::Devnet;
use serde_json::Value;
use tkms_types::{Handle, PublicRequest};
use tkms_wire::relayer::PublicDecryptRequest;

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not done.
    Queued,
    /// Done; the plaintext words in hex.
    Succeeded(String),
    /// Refused, with the label the official client knows.
    Failed(String),
}

/// Asks for public plaintexts; the job's id.
pub async fn ask_public(devnet: &Devnet, handles: &[Handle]) -> String {
    let request = PublicRequest { handles: handles.to_vec(), extra_data: vec![0].into() };
    let url = format!("{}/public-decrypt", devnet.deployment.relayer_url);
    let answer = reqwest::Client::new().post(url).json(&PublicDecryptRequest::from(&request)).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    body["result"]["jobId"].as_str().unwrap_or_else(|| panic!("no job: {body}")).to_owned()
}

/// Looks at a job.
pub async fn look(devnet: &Devnet, job: &str) -> Standing {
    let url = format!("{}/public-decrypt/{job}", devnet.deployment.relayer_url);
    let body: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    match body["status"].as_str() {
        Some("queued") => Standing::Queued,
        Some("succeeded") => Standing::Succeeded(body["result"]["decryptedValue"].to_string()),
        Some("failed") => Standing::Failed(body["error"]["label"].as_str().unwrap_or_default().to_owned()),
        _ => panic!("neither queued nor done: {body}"),
    }
}
