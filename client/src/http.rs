//! The relayer's job protocol: POST, then look until the job is done.

use crate::error::{Error, Result};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use tkms_wire::relayer::{Job, Reply};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

/// Longest wait for one exchange.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Wait between looks if the relayer names none.
const DEFAULT_WAIT: Duration = Duration::from_millis(2500);
/// Longest wait between looks, whatever the relayer says.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Exchanges that may fail on the network, one after the other, before a call fails.
const NETWORK_FAILURES: u32 = 4;
/// Bytes of a JSON answer: a user's, of 13 nodes, each payload twice its size in hex.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Where relayers of the official client's kind look for a key.
const API_KEY_HEADER: &str = "x-api-key";
/// Characters of a job's id.
const JOB_CHARS: usize = 128;

/// How to speak to a relayer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Base of the API, ending in `/v2`.
    pub relayer: Url,
    /// Shortest wait between two looks at a job, even if the relayer allows less.
    pub shortest_wait: Duration,
    /// Longest time for one job.
    pub timeout: Duration,
    /// How often a user decryption is asked again for other shares, if those received do not prove the values.
    pub attempts: u32,
    /// For relayers that want to know their callers; goes to the relayer's own address only.
    pub api_key: Option<ApiKey>,
}

/// A key given out by a relayer's operator. Not shown in `Debug`, erased when dropped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// As the operator gave it.
    #[must_use]
    pub fn new(key: String) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl Config {
    /// One second between looks, ten minutes for a job, four attempts.
    #[must_use]
    pub const fn new(relayer: Url) -> Self {
        let (shortest_wait, timeout) = (Duration::from_secs(1), Duration::from_secs(600));
        Self { relayer, shortest_wait, timeout, attempts: 4, api_key: None }
    }
}

pub(crate) struct Relayer {
    client: reqwest::Client,
    config: Config,
}

impl Relayer {
    pub(crate) fn new(config: Config) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(EXCHANGE).build();
        let client = client.map_err(|source| Error::Http { url: config.relayer.to_string(), source })?;
        Ok(Self { client, config })
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.config.relayer.as_str().trim_end_matches('/'))
    }

    /// Asks for something under the API's base.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = self.url(path);
        let bytes = self.file(&url, ANSWER_BYTES).await?;
        parse(&url, &bytes)
    }

    /// Fetches a file of at most `limit` bytes.
    pub(crate) async fn file(&self, url: &str, limit: usize) -> Result<Vec<u8>> {
        let (response, status) = self.exchange(url, || self.client.get(url)).await?;
        let bytes = body(url, response, limit).await?;
        if status == StatusCode::OK { Ok(bytes) } else { Err(protocol(url, format!("status {status}"))) }
    }

    /// Starts a job and waits for its result.
    pub(crate) async fn job<T: DeserializeOwned>(&self, path: &str, request: &impl Serialize) -> Result<T> {
        let deadline = Instant::now() + self.config.timeout;
        let url = self.url(path);
        let job = loop {
            let (response, status) = self.exchange(&url, || self.post(&url).json(request)).await?;
            let wait = self.wait(&response);
            match parse::<Reply<T>>(&url, &body(&url, response, ANSWER_BYTES).await?)? {
                Reply::Queued { result: Some(job), .. } => break job,
                Reply::Failed { .. } if status == StatusCode::TOO_MANY_REQUESTS => {}
                Reply::Failed { error, .. } => return Err(error.into()),
                _ => return Err(protocol(&url, "a POST is answered with a job".to_owned())),
            }
            self.pause(&url, wait, deadline).await?;
        };
        self.result(path, &job, deadline).await
    }

    fn post(&self, url: &str) -> RequestBuilder {
        let post = self.client.post(url);
        match &self.config.api_key {
            Some(key) => post.header(API_KEY_HEADER, key.0.as_str()),
            None => post,
        }
    }

    async fn result<T: DeserializeOwned>(&self, path: &str, job: &Job, deadline: Instant) -> Result<T> {
        // It becomes part of a path: a relayer must not choose another one with it
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if job.job_id.is_empty() || job.job_id.len() > JOB_CHARS || !job.job_id.chars().all(plain) {
            return Err(protocol(
                &self.url(path),
                "a job's id has other characters than letters and digits".to_owned(),
            ));
        }
        let url = self.url(&format!("{path}/{}", job.job_id));
        loop {
            let (response, status) = self.exchange(&url, || self.client.get(&url)).await?;
            let wait = self.wait(&response);
            match parse::<Reply<T>>(&url, &body(&url, response, ANSWER_BYTES).await?)? {
                Reply::Succeeded { result, .. } => return Ok(result),
                Reply::Failed { .. } if status == StatusCode::TOO_MANY_REQUESTS => {}
                Reply::Failed { error, .. } => return Err(error.into()),
                Reply::Queued { .. } => {}
            }
            self.pause(&url, wait, deadline).await?;
        }
    }

    /// One exchange, again a few times if the network fails. All requests are idempotent by content.
    async fn exchange(&self, url: &str, request: impl Fn() -> RequestBuilder) -> Result<(Response, StatusCode)> {
        let mut failures = 0;
        loop {
            match request().send().await {
                Ok(response) => {
                    let status = response.status();
                    return Ok((response, status));
                }
                Err(source) => {
                    failures += 1;
                    if failures >= NETWORK_FAILURES {
                        return Err(Error::Http { url: url.to_owned(), source });
                    }
                    tokio::time::sleep(self.config.shortest_wait * failures).await;
                }
            }
        }
    }

    fn wait(&self, response: &Response) -> Duration {
        let named = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        named.map_or(DEFAULT_WAIT, Duration::from_secs).min(LONGEST_WAIT).max(self.config.shortest_wait)
    }

    async fn pause(&self, url: &str, wait: Duration, deadline: Instant) -> Result<()> {
        if Instant::now() + wait >= deadline {
            return Err(Error::Timeout { url: url.to_owned(), limit: self.config.timeout });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Reads a body piece by piece, so that an endless one costs no more than the limit.
async fn body(url: &str, mut response: Response, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|source| Error::Http { url: url.to_owned(), source })? {
        if bytes.len() + piece.len() > limit {
            return Err(protocol(url, format!("an answer of more than {limit} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(url: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| protocol(url, error.to_string()))
}

fn protocol(url: &str, what: String) -> Error {
    Error::Protocol { url: url.to_owned(), what }
}
