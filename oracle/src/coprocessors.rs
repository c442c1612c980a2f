//! The coprocessors of one host chain over HTTP. Their word counts by signature and quorum only (trust-rules §4);
//! nodes check it again, so a mistake here costs time and nothing else.

use crate::record::foreign;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolStruct;
use futures::future::join_all;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::time::Duration;
use tkms_types::{
    Cluster, GatewayDomain, Handle, HostChain,
    typed_data::{CiphertextVerification, input_domain, recover},
};
use tkms_wire::coprocessor::{Failure, InputAnswer, InputRequest, MaterialReply};
use tkms_wire::material::{Format, Material, material_digest};
use tokio::sync::Semaphore;
use url::Url;

/// Longest wait for an answer about material.
const LOOK: Duration = Duration::from_secs(10);
/// Longest wait for the check of an input's proof, a queue in front of it included.
const INPUT: Duration = Duration::from_secs(120);
/// Bytes of the largest JSON answer read: 255 handles and little else.
const ANSWER_BYTES: usize = 256 * 1024;
/// Status of an answer that a handle will never have a value.
const COMPUTATION_FAILED: u16 = 422;
/// Calls at once, all coprocessors of the chain together.
const CALLS_IN_FLIGHT: usize = 64;

/// The coprocessors of one host chain.
pub struct Coprocessors {
    http: reqwest::Client,
    urls: Vec<Url>,
    chain: HostChain,
    gateway: GatewayDomain,
    /// What the protocol in force decrypts.
    format: Format,
    calls: Semaphore,
}

/// What a look for material gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Attested by a quorum.
    Ready(Box<Material>),
    /// Not yet; why, for people.
    NotYet(String),
    /// Never: so many coprocessors say that its computation failed that the others are no quorum. Their reason.
    Failed(String),
}

/// An input that a quorum verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedInput {
    /// One a value, in order.
    pub handles: Vec<Handle>,
    /// In the order of the set's members.
    pub signatures: Vec<Bytes>,
}

/// Why an input is not verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// More coprocessors refused it than a quorum can miss.
    #[error("{0}")]
    Refused(Failure),
    /// No quorum answered; later may be better.
    #[error("{found} of {needed} coprocessors verified the input: {reason}")]
    NoQuorum {
        /// Agreeing answers.
        found: usize,
        /// The quorum.
        needed: usize,
        /// The last other answer.
        reason: String,
    },
}

/// A call that gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// An answer with an error status and the API's body.
    #[error("{status}: {failure}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The coprocessor's reason.
        failure: Failure,
    },
    /// Anything else.
    #[error("{url}: {reason}")]
    Failed {
        /// Whom we asked.
        url: Url,
        /// What happened.
        reason: String,
    },
}

impl Coprocessors {
    /// Prepares the client.
    ///
    /// # Errors
    /// The HTTP client's.
    pub fn new(urls: Vec<Url>, chain: HostChain, cluster: &Cluster) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(3)).build()?;
        let (gateway, format) = (cluster.gateway, cluster.protocol().into());
        Ok(Self { http, urls, chain, gateway, format, calls: Semaphore::new(CALLS_IN_FLIGHT) })
    }

    /// Asks every coprocessor for the samples that the protocol in force decrypts and looks what is there. Idempotent.
    pub async fn ask_material(&self, handle: Handle) -> Look {
        let path = format!("v1/materials/{}", handle.0);
        let replies =
            join_all(self.urls.iter().map(|url| self.call::<(), MaterialReply>(url, &path, None, LOOK))).await;
        let mut found: Vec<(Material, BTreeSet<Address>)> = Vec::new();
        let (mut why, mut failures) = (String::from("no coprocessor is configured"), 0);
        for reply in replies {
            match reply {
                Ok(MaterialReply::Ready { material }) if material.format != self.format => {
                    why = format!(
                        "material of format {}, in force is {}",
                        u8::from(material.format),
                        u8::from(self.format)
                    );
                }
                Ok(MaterialReply::Ready { material }) => match self.attested(handle, material.to_material()) {
                    Some((material, signer)) => merge(&mut found, material, signer),
                    None => why = "material without a valid signature of a coprocessor of the set".into(),
                },
                Ok(MaterialReply::Unknown) => why = "no coprocessor has seen this handle yet".into(),
                Ok(MaterialReply::Computing) => why = "the ciphertext is being computed".into(),
                Ok(MaterialReply::Squashing) => why = "the samples of the ciphertext are being made".into(),
                Err(CallError::Refused { status: COMPUTATION_FAILED, failure }) => {
                    (why, failures) = (failure.message, failures + 1);
                }
                Err(error) => why = error.to_string(),
            }
        }
        let set = &self.chain.coprocessors;
        let quorum = usize::from(set.quorum);
        match found.into_iter().find(|(_, signers)| signers.len() >= quorum) {
            Some((material, _)) => Look::Ready(Box::new(material)),
            None if failures > set.members.len().saturating_sub(quorum) => Look::Failed(foreign(&why)),
            None => Look::NotYet(foreign(&why)),
        }
    }

    fn attested(&self, handle: Handle, material: Option<Material>) -> Option<(Material, Address)> {
        let material = material.filter(|material| material.handle == handle)?;
        let signer = recover(material_digest(&material, &self.chain), material.signatures.first()?)?;
        let set = &self.chain.coprocessors;
        (set.members.contains(&signer) && set.profiles.contains(&material.profile)).then_some((material, signer))
    }

    /// Has an encrypted input verified and signed by a quorum.
    ///
    /// # Errors
    /// [`InputError`].
    pub async fn verify_input(&self, request: &InputRequest) -> Result<VerifiedInput, InputError> {
        let calls = self.urls.iter().map(|url| self.call::<_, InputAnswer>(url, "v1/inputs", Some(request), INPUT));
        let mut groups: Vec<InputGroup> = Vec::new();
        let (mut refusals, mut reason) = (Vec::new(), String::from("no coprocessor is configured"));
        for reply in join_all(calls).await {
            match reply {
                Ok(answer) => match self.signed_input(request, &answer) {
                    Some(signer) => group(&mut groups, answer, signer),
                    None => reason = "an answer without a valid signature of a coprocessor of the set".into(),
                },
                Err(CallError::Refused { status: 400 | 413 | 422, failure }) => refusals.push(failure),
                Err(error) => reason = foreign(&error.to_string()),
            }
        }
        let (needed, members) = (usize::from(self.chain.coprocessors.quorum), self.chain.coprocessors.members.len());
        let found = groups.iter().map(|(_, signed)| signed.len()).max().unwrap_or_default();
        if let Some((handles, mut signed)) = groups.into_iter().find(|(_, signed)| signed.len() >= needed) {
            signed.sort_by_key(|(signer, _)| *signer);
            return Ok(VerifiedInput { handles, signatures: signed.into_iter().map(|(_, bytes)| bytes).collect() });
        }
        if refusals.len() > members.saturating_sub(needed)
            && let Some(failure) = refusals.pop()
        {
            return Err(InputError::Refused(Failure {
                code: foreign(&failure.code),
                message: foreign(&failure.message),
            }));
        }
        Err(InputError::NoQuorum { found, needed, reason })
    }

    fn signed_input(&self, request: &InputRequest, answer: &InputAnswer) -> Option<Address> {
        let well_formed = |(index, handle): (usize, &Handle)| {
            usize::from(handle.index()) == index && handle.chain_id() == self.chain.chain_id && handle.check().is_ok()
        };
        if answer.extra_data != request.extra_data || !answer.handles.iter().enumerate().all(well_formed) {
            return None;
        }
        let digest = CiphertextVerification {
            ctHandles: answer.handles.iter().map(|handle| handle.0).collect(),
            userAddress: request.user_address,
            contractAddress: request.contract_address,
            contractChainId: U256::from(request.contract_chain_id),
            extraData: request.extra_data.0.clone(),
        }
        .eip712_signing_hash(&input_domain(&self.gateway));
        let signer: Address = recover(digest, &answer.signature.0)?;
        self.chain.coprocessors.members.contains(&signer).then_some(signer)
    }

    /// Fetches a public key file and checks it against the cluster file; any coprocessor will do.
    ///
    /// # Errors
    /// [`CallError`] of the last one asked.
    pub async fn key_file(&self, name: &str, limit: usize, digest: B256) -> Result<Vec<u8>, CallError> {
        let mut last = self.failed_none();
        for url in &self.urls {
            match self.fetch(url, &format!("v1/keys/{name}"), limit).await {
                Ok(bytes) if *blake3::hash(&bytes).as_bytes() == digest.0 => return Ok(bytes),
                Ok(_) => last = CallError::Failed { url: url.clone(), reason: format!("{name} is not {digest}") },
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn failed_none(&self) -> CallError {
        let url = self.urls.first().cloned();
        match url {
            Some(url) => CallError::Failed { url, reason: "not asked yet".into() },
            None => CallError::Refused {
                status: 0,
                failure: Failure { code: "none".into(), message: "no coprocessor is configured".into() },
            },
        }
    }

    async fn fetch(&self, base: &Url, path: &str, limit: usize) -> Result<Vec<u8>, CallError> {
        let url = join(base, path)?;
        let request = self.http.get(url.clone()).timeout(INPUT);
        let response = request.send().await.map_err(|error| failed(&url, &error))?;
        if !response.status().is_success() {
            return Err(CallError::Failed { url, reason: format!("status {}", response.status()) });
        }
        body(response, &url, limit).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        base: &Url,
        path: &str,
        json: Option<&B>,
        wait: Duration,
    ) -> Result<T, CallError> {
        let url = join(base, path)?;
        let closed = |_| CallError::Failed { url: url.clone(), reason: "shutting down".into() };
        let _permit = self.calls.acquire().await.map_err(closed)?;
        let mut request = self.http.post(url.clone()).timeout(wait);
        if let Some(json) = json {
            request = request.json(json);
        }
        let response = request.send().await.map_err(|error| failed(&url, &error))?;
        let status = response.status();
        let bytes = body(response, &url, ANSWER_BYTES).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| CallError::Failed { url, reason: format!("answer: {error}") });
        }
        match serde_json::from_slice(&bytes) {
            Ok(failure) => Err(CallError::Refused { status: status.as_u16(), failure }),
            Err(_) => Err(CallError::Failed { url, reason: format!("status {status}") }),
        }
    }
}

/// Handles, and who signed them.
type InputGroup = (Vec<Handle>, Vec<(Address, Bytes)>);

fn merge(found: &mut Vec<(Material, BTreeSet<Address>)>, material: Material, signer: Address) {
    let same = |other: &Material| {
        (other.key_id, other.profile, other.digest, other.size)
            == (material.key_id, material.profile, material.digest, material.size)
    };
    match found.iter_mut().find(|(other, _)| same(other)) {
        Some((other, signers)) => {
            if signers.insert(signer) {
                other.signatures.extend(material.signatures);
            }
        }
        None => found.push((material, BTreeSet::from([signer]))),
    }
}

fn group(groups: &mut Vec<InputGroup>, answer: InputAnswer, signer: Address) {
    match groups.iter_mut().find(|(handles, _)| *handles == answer.handles) {
        Some((_, signed)) if signed.iter().any(|(other, _)| *other == signer) => {}
        Some((_, signed)) => signed.push((signer, answer.signature.0)),
        None => groups.push((answer.handles, vec![(signer, answer.signature.0)])),
    }
}

/// Base URLs may or may not end in a slash.
fn join(base: &Url, path: &str) -> Result<Url, CallError> {
    let text = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).map_err(|error| CallError::Failed { url: base.clone(), reason: error.to_string() })
}

fn failed(url: &Url, error: &reqwest::Error) -> CallError {
    let reason = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        error.to_string()
    };
    CallError::Failed { url: url.clone(), reason }
}

/// Reads a body of at most `limit` bytes, whatever its header announces.
async fn body(mut response: reqwest::Response, url: &Url, limit: usize) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, &error))? {
        if bytes.len() + chunk.len() > limit {
            return Err(CallError::Failed { url: url.clone(), reason: format!("more than {limit} bytes") });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
