//! Sample lists by digest from the configured stores; wrong bytes name their store and the next one is tried.

use crate::limits::{FETCH, SAMPLE_CACHE_BYTES};
use crate::refusal::Refusal;
use alloy_primitives::B256;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tkms_types::{FheType, KeyId};
use tkms_wire::material::Format;
use tkms_wire::samples::{SampleList, SamplesError, digest};
use tkms_wire::switched::SwitchedList;
use tokio::sync::Semaphore;
use url::Url;

/// Lists being fetched, checked and parsed at once: 4 MiB each at most.
const FETCHES: usize = 8;

/// One place where sample lists lie.
#[derive(Clone)]
pub struct ObjectSource {
    name: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ObjectSource {
    /// A store and the prefix under which it keeps objects, named for logs and refusals.
    #[must_use]
    pub fn new(name: String, store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { name, store, prefix }
    }

    /// `http(s)://…/` or `file:///…/`.
    ///
    /// # Errors
    /// [`object_store::Error`] for anything else.
    pub fn from_url(url: &Url) -> Result<Self, object_store::Error> {
        let (store, prefix) = object_store::parse_url_opts(url, [("allow_http", "true")])?;
        Ok(Self { name: url.to_string(), store: store.into(), prefix })
    }

    /// The object, if it is there and has this size.
    async fn get(&self, digest: B256, size: usize) -> Result<Bytes, String> {
        let path = self.prefix.clone().join(format!("{digest:x}"));
        let found = self.store.get(&path).await.map_err(|error| error.to_string())?;
        if found.meta.size != size as u64 {
            return Err(format!("{} bytes instead of {size}", found.meta.size));
        }
        found.bytes().await.map_err(|error| error.to_string())
    }
}

/// Fetches, checks, parses and keeps some sample lists.
pub struct Samples {
    sources: Vec<ObjectSource>,
    fetches: Semaphore,
    cache: Mutex<Cache>,
}

/// The newest lists, oldest first.
#[derive(Default)]
struct Cache {
    lists: VecDeque<(B256, List)>,
    bytes: usize,
}

/// Samples of one ciphertext. Cheap to clone.
#[derive(Clone, Debug)]
pub enum List {
    /// For `flood`.
    Squashed(Arc<SampleList>),
    /// For `exact`.
    Switched(Arc<SwitchedList>),
}

impl List {
    fn parse(format: Format, bytes: &[u8]) -> Result<Self, SamplesError> {
        match format {
            Format::Exact => SwitchedList::parse(bytes).map(Arc::new).map(Self::Switched),
            Format::Flood | Format::Ciphertext => SampleList::parse(bytes).map(Arc::new).map(Self::Squashed),
        }
    }

    fn names(&self) -> (KeyId, FheType) {
        match self {
            Self::Squashed(list) => (list.key_id, list.kind),
            Self::Switched(list) => (list.key_id, list.kind),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Squashed(list) => SampleList::encoded_len(list.kind),
            Self::Switched(list) => SwitchedList::encoded_len(list.kind),
        }
    }

    /// Samples for `flood`.
    #[must_use]
    pub fn squashed(self) -> Option<Arc<SampleList>> {
        match self {
            Self::Squashed(list) => Some(list),
            Self::Switched(_) => None,
        }
    }

    /// Samples for `exact`.
    #[must_use]
    pub fn switched(self) -> Option<Arc<SwitchedList>> {
        match self {
            Self::Switched(list) => Some(list),
            Self::Squashed(_) => None,
        }
    }
}

/// What a list must be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// BLAKE3-256 of its bytes.
    pub digest: B256,
    /// Under which key.
    pub key: KeyId,
    /// Of which type.
    pub kind: FheType,
    /// For which protocol.
    pub format: Format,
}

impl Samples {
    /// From these sources, tried in order.
    #[must_use]
    pub fn new(sources: Vec<ObjectSource>) -> Self {
        Self { sources, fetches: Semaphore::new(FETCHES), cache: Mutex::new(Cache::default()) }
    }

    /// Checks 20 and 21.
    ///
    /// # Errors
    /// [`Refusal::MaterialUnavailable`], [`Refusal::DigestMismatch`], [`Refusal::SamplesMalformed`].
    pub async fn get(&self, wanted: Wanted) -> Result<List, Refusal> {
        if let Some(list) = self.cached(wanted) {
            return Ok(list);
        }
        let closed = |_| Refusal::Internal("it is stopping");
        let _one_of_few = self.fetches.acquire().await.map_err(closed)?;
        if let Some(list) = self.cached(wanted) {
            return Ok(list);
        }
        let mut mismatch = None;
        for source in &self.sources {
            let size = wanted.format.encoded_len(wanted.kind).unwrap_or_default();
            let bytes = match tokio::time::timeout(FETCH, source.get(wanted.digest, size)).await {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(reason)) => {
                    tracing::debug!(store = %source.name, digest = %wanted.digest, %reason, "not fetched");
                    continue;
                }
                Err(_) => {
                    tracing::warn!(store = %source.name, digest = %wanted.digest, "store is too slow");
                    continue;
                }
            };
            let checked = tokio::task::spawn_blocking(move || check(&bytes, wanted)).await;
            match checked.map_err(|_| Refusal::Internal("a worker ended early"))? {
                Checked::List(list) => {
                    self.keep(wanted, list.clone());
                    return Ok(list);
                }
                Checked::Malformed(reason) => {
                    return Err(Refusal::SamplesMalformed { digest: wanted.digest, reason });
                }
                Checked::OtherBytes => {
                    tracing::warn!(store = %source.name, digest = %wanted.digest, "store returned other bytes");
                    crate::metrics::store_mismatch();
                    mismatch.get_or_insert_with(|| source.name.clone());
                }
            }
        }
        let digest = wanted.digest;
        Err(mismatch.map_or(Refusal::MaterialUnavailable(digest), |store| Refusal::DigestMismatch { store, digest }))
    }

    fn cached(&self, wanted: Wanted) -> Option<List> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cache.lists.iter().find(|(digest, _)| *digest == wanted.digest);
        found.map(|(_, list)| list.clone()).filter(|list| list.names() == (wanted.key, wanted.kind))
    }

    fn keep(&self, wanted: Wanted, list: List) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.bytes += list.bytes();
        cache.lists.push_back((wanted.digest, list));
        while cache.bytes > SAMPLE_CACHE_BYTES {
            let Some((_, oldest)) = cache.lists.pop_front() else { break };
            cache.bytes = cache.bytes.saturating_sub(oldest.bytes());
        }
    }
}

enum Checked {
    List(List),
    OtherBytes,
    Malformed(String),
}

fn check(bytes: &[u8], wanted: Wanted) -> Checked {
    if digest(bytes) != wanted.digest {
        return Checked::OtherBytes;
    }
    match List::parse(wanted.format, bytes) {
        Ok(list) => match list.names() {
            (key, _) if key != wanted.key => Checked::Malformed(format!("it is under key {key}")),
            (_, kind) if kind != wanted.kind => Checked::Malformed(format!("it is of type {kind:?}")),
            _ => Checked::List(list),
        },
        Err(error) => Checked::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
