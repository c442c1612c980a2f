//! The attesters of one host chain over HTTP. Up to f of them lie and as many are dead: a block counts once a quorum has signed
//! it, and every signature is checked here before it goes into evidence.

use crate::metrics;
use crate::record::foreign;
use alloy_primitives::{Address, B256};
use futures::stream::{FuturesUnordered, StreamExt};
use merkle_acl::Anchor;
use merkle_acl::trust::Finality;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tkms_types::{HostChain, MinFinality};
use tkms_wire::attestation::{JSON_BYTES, LATEST_PATH, PATH, SignedHeader};
use tkms_wire::evidence::{Attestation, Attested};
use tokio::time::{Instant, timeout_at};
use url::Url;

/// How much longer the others are waited for once a quorum has answered: one silent attester costs this and no more.
const GRACE: Duration = Duration::from_millis(150);
/// Heights tried in one look.
const HEIGHTS: usize = 8;
/// Faults kept, and signatures remembered to find two of one signer that contradict each other.
const FAULTS: usize = 64;
const REMEMBERED: usize = 1_024;

/// A block that a quorum vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedBlock {
    /// Parsed from the header.
    pub anchor: Anchor,
    /// RLP of the header.
    pub header: alloy_primitives::Bytes,
    /// As many signatures as the quorum, sorted by signer.
    pub attested: Attested,
}

/// What one look at all attesters gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The newest block with a quorum, if it is newer than the one known.
    pub block: Option<AttestedBlock>,
    /// Distinct members that answered with a signature of theirs.
    pub answering: usize,
    /// Whether the quorum stands behind what is known, and only time is wanting.
    pub enough: bool,
    /// Why there is no more, for people.
    pub why: String,
    /// What the last attester that was of no use said, for operators: it may name addresses.
    pub last: String,
}

/// An attester that lied, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttesterFault {
    /// Its place in the configuration, from 1.
    pub attester: usize,
    /// Where it answers; for operators only.
    #[serde(skip)]
    pub url: Url,
    /// Whose signature it is, if it is one.
    pub signer: Option<Address>,
    /// What is wrong.
    pub reason: String,
}

/// A checked answer.
#[derive(Clone, Debug)]
struct Vote {
    url: Url,
    anchor: Anchor,
    header: alloy_primitives::Bytes,
    attestation: Attestation,
}

/// The attesters of one host chain.
pub struct Attesters {
    http: reqwest::Client,
    urls: Vec<Url>,
    chain: HostChain,
    timeout: Duration,
    faults: Mutex<Vec<AttesterFault>>,
    /// (number, signer) → hash.
    signed: Mutex<BTreeMap<(u64, Address), B256>>,
}

impl Attesters {
    /// Prepares the client; asks nobody yet.
    ///
    /// # Errors
    /// The HTTP client's.
    pub fn new(urls: Vec<Url>, chain: HostChain, timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().connect_timeout(timeout).timeout(timeout).build()?;
        Ok(Self { http, urls, chain, timeout, faults: Mutex::default(), signed: Mutex::default() })
    }

    /// Looks for the newest block above `known` that a quorum vouches for.
    pub async fn newest(&self, known: u64) -> Look {
        let quorum = usize::from(self.chain.attesters.quorum);
        let mut last = String::new();
        let latest = self.ask(&self.urls, None, quorum, &mut last).await;
        let answering = latest.len();
        metrics::attesters_answering(self.chain.chain_id, answering);
        if answering < quorum {
            let why = format!("{answering} of {quorum} attesters needed answer");
            return Look { block: None, answering, enough: false, why, last: foreign(&last) };
        }
        // A height can have a quorum only if as many have come so far; liars may claim to be anywhere.
        let mut heights: Vec<u64> = latest.values().map(|vote| vote.anchor.number()).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let mut heights: Vec<u64> = heights.into_iter().skip(quorum - 1).filter(|height| *height > known).collect();
        heights.dedup();
        let (mut enough, mut why) = (true, String::from("nothing newer is attested"));
        for height in heights.into_iter().take(HEIGHTS) {
            let votes = self.at(height, &latest, quorum).await;
            match self.quorum(votes, quorum) {
                Some(block) => {
                    let (why, last) = (String::new(), String::new());
                    return Look { block: Some(block), answering, enough: true, why, last };
                }
                None => (enough, why) = (false, format!("no quorum of attesters agrees on block {height}")),
            }
        }
        Look { block: None, answering, enough, why, last: foreign(&last) }
    }

    /// Who lied lately.
    #[must_use]
    pub fn faults(&self) -> Vec<AttesterFault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Votes for one height: those there are, and what the ones further on signed for it.
    async fn at(&self, height: u64, latest: &BTreeMap<Address, Vote>, quorum: usize) -> Vec<Vote> {
        let (there, elsewhere): (Vec<&Vote>, Vec<&Vote>) =
            latest.values().partition(|vote| vote.anchor.number() == height);
        let mut votes: Vec<Vote> = there.into_iter().cloned().collect();
        let ahead: Vec<Url> =
            elsewhere.into_iter().filter(|v| v.anchor.number() > height).map(|v| v.url.clone()).collect();
        if !ahead.is_empty() {
            let needed = quorum.saturating_sub(votes.len());
            votes.extend(self.ask(&ahead, Some(height), needed, &mut String::new()).await.into_values());
        }
        votes
    }

    fn quorum(&self, votes: Vec<Vote>, quorum: usize) -> Option<AttestedBlock> {
        let mut by_hash: BTreeMap<B256, BTreeMap<Address, Vote>> = BTreeMap::new();
        for vote in votes {
            by_hash.entry(vote.anchor.hash()).or_default().insert(vote.attestation.signer, vote);
        }
        let hash = *by_hash.iter().find(|(_, votes)| votes.len() >= quorum)?.0;
        let agreed = by_hash.remove(&hash)?;
        for vote in by_hash.into_values().flat_map(BTreeMap::into_values) {
            let (number, other) = (vote.anchor.number(), vote.anchor.hash());
            let reason = format!("signed {other} as block {number}, the quorum signed {hash}");
            self.fault(&vote.url, Some(vote.attestation.signer), reason);
        }
        let first = agreed.values().next()?;
        let (anchor, header) = (first.anchor, first.header.clone());
        let attestations = agreed.into_values().take(quorum).map(|vote| vote.attestation).collect();
        let attested = Attested { set: self.chain.attester_set_id(), attestations };
        Some(AttestedBlock { anchor, header, attested })
    }

    /// Asks for one height (none: the newest), stops a little after `enough` have answered. One vote a member.
    async fn ask(&self, urls: &[Url], height: Option<u64>, enough: usize, why: &mut String) -> BTreeMap<Address, Vote> {
        let mut calls: FuturesUnordered<_> =
            urls.iter().map(|url| async move { (url, self.one(url, height).await) }).collect();
        let (mut votes, mut deadline) = (BTreeMap::new(), Instant::now() + self.timeout);
        while let Ok(Some((url, answer))) = timeout_at(deadline, calls.next()).await {
            match answer {
                Ok(Some(vote)) => {
                    votes.insert(vote.attestation.signer, vote);
                }
                Ok(None) => *why = format!("{url} has no block that is final enough"),
                Err(reason) => *why = reason,
            }
            if votes.len() >= enough {
                deadline = deadline.min(Instant::now() + GRACE);
            }
        }
        votes
    }

    /// One answer, checked. `None`: honest, and of no use.
    async fn one(&self, base: &Url, height: Option<u64>) -> Result<Option<Vote>, String> {
        let path = height.map_or_else(|| LATEST_PATH.to_owned(), |height| format!("{PATH}{height}"));
        let url = format!("{}{path}", base.as_str().trim_end_matches('/'));
        let failed = |error: reqwest::Error| format!("{base}: {}", without_url(error));
        let mut response = self.http.get(url).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("{base}: status {}", response.status()));
        }
        let mut json = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if json.len() + chunk.len() > JSON_BYTES {
                return self.blame(base, None, format!("more than {JSON_BYTES} bytes"));
            }
            json.extend_from_slice(&chunk);
        }
        match SignedHeader::from_json(&json) {
            Ok(signed) => self.judge(base, height, signed),
            Err(error) => self.blame(base, None, error.to_string()),
        }
    }

    fn judge(&self, url: &Url, asked: Option<u64>, signed: SignedHeader) -> Result<Option<Vote>, String> {
        if !self.chain.attesters.members.contains(&signed.signer) || !signed.is_signed(&self.chain) {
            return self.blame(url, None, "no signature of a member of the set in force".to_owned());
        }
        let signer = Some(signed.signer);
        let header = signed.header.0.clone();
        let anchor = match Anchor::from_header_rlp(&header) {
            Ok(anchor) => anchor,
            Err(error) => return self.blame(url, signer, error.to_string()),
        };
        let says = (signed.number, signed.hash, signed.state_root, signed.timestamp);
        if says != (anchor.number(), anchor.hash(), anchor.state_root(), anchor.timestamp()) {
            return self.blame(url, signer, "the header is not the one that is signed".to_owned());
        }
        if asked.is_some_and(|number| number != anchor.number()) {
            return self.blame(url, signer, "answered another block than asked".to_owned());
        }
        if let Some(other) = self.remember(&anchor, signed.signer) {
            let number = anchor.number();
            return self.blame(url, signer, format!("signed {other} and {} as block {number}", anchor.hash()));
        }
        let attestation = signed.attestation().map_err(|error| error.to_string())?;
        let enough = finality(attestation.finality).satisfies(finality(self.chain.min_finality));
        let above = anchor.number() > self.chain.checkpoint_number;
        Ok((enough && above).then(|| Vote { url: url.clone(), anchor, header, attestation }))
    }

    /// The other hash this signer gave the block before, if there is one.
    fn remember(&self, anchor: &Anchor, signer: Address) -> Option<B256> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *signed.entry((anchor.number(), signer)).or_insert_with(|| anchor.hash());
        while signed.len() > REMEMBERED {
            signed.pop_first();
        }
        (first != anchor.hash()).then_some(first)
    }

    fn blame<T>(&self, url: &Url, signer: Option<Address>, reason: String) -> Result<T, String> {
        let text = format!("{url}: {reason}");
        self.fault(url, signer, reason);
        Err(text)
    }

    fn fault(&self, url: &Url, signer: Option<Address>, reason: String) {
        let attester = self.urls.iter().position(|other| other == url).map_or(0, |position| position + 1);
        let fault = AttesterFault { attester, url: url.clone(), signer, reason: foreign(&reason) };
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.contains(&fault) {
            return;
        }
        tracing::warn!(chain = self.chain.chain_id, %url, ?signer, reason = fault.reason, "attester lied");
        metrics::attester_lied(self.chain.chain_id, url);
        if faults.len() >= FAULTS {
            faults.remove(0);
        }
        faults.push(fault);
    }
}

/// The class in the words of `merkle-acl`.
pub(super) const fn finality(class: MinFinality) -> Finality {
    match class {
        MinFinality::Finalized => Finality::Finalized,
        MinFinality::Safe => Finality::Safe,
        MinFinality::Depth(depth) => Finality::Depth(depth),
    }
}

fn without_url(error: reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        error.without_url().to_string()
    }
}
