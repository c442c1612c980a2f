//! Content-addressed store of public bytes: ciphertexts and sample lists under their BLAKE3 digest.

use crate::config::S3;
use alloy_primitives::B256;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// Time for one request to a bucket: the largest sample list has 4.2 MB.
const S3_REQUEST: Duration = Duration::from_secs(60);
/// Repetitions of a request to a bucket and time for all of them; then the task is postponed.
const S3_RETRIES: (usize, Duration) = (3, Duration::from_secs(60));
/// Bytes of a secret key file.
const SECRET_BYTES: u64 = 1024;

/// Names stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// BLAKE3-256 of the bytes.
    pub digest: B256,
    /// Their number.
    pub size: u64,
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: StorePath,
}

/// Bytes that cannot be stored or are not there.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The directory of a local store cannot be made.
    #[error("object directory {path}: {error}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A `file:` URL that names no path.
    #[error("store URL {0} names no local path")]
    Url(Url),
    /// A bucket without access to it, or the reverse.
    #[error("store_url {0}: the configuration's section s3 belongs to an s3:// URL, one is not without the other")]
    S3Section(String),
    /// The file with the bucket's secret key. Says nothing about its content.
    #[error("secret key file {path}: {error}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        error: std::io::Error,
    },
    /// The prefix in a URL is no path of an object store.
    #[error("store_url: {0}")]
    Prefix(#[from] object_store::path::Error),
    /// Nothing is stored under the digest.
    #[error("no object has digest {0}")]
    Missing(B256),
    /// What is stored under the digest is something else.
    #[error("the store holds other bytes under digest {digest}: {found}")]
    Corrupt {
        /// The digest asked for.
        digest: B256,
        /// Digest or size of what is there.
        found: String,
    },
    /// The store failed.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
}

/// Bytes on their way out.
pub type ObjectStream = BoxStream<'static, object_store::Result<Bytes>>;

impl Objects {
    /// Opens the store at `url`, or a local directory where there is none. Local files are synced to disk before a
    /// write counts, because the database that names them is.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn open(url: Option<&Url>, s3: Option<&S3>, directory: &Path) -> Result<Self, ObjectError> {
        match (url, s3) {
            (None, None) => Self::local(directory),
            (Some(url), Some(s3)) if url.scheme() == "s3" => {
                let prefix = StorePath::from_url_path(url.path())?;
                Ok(Self { store: Arc::new(bucket(url, s3)?), prefix })
            }
            (url, Some(_)) => Err(ObjectError::S3Section(url.map_or_else(|| "(none)".into(), Url::to_string))),
            (Some(url), None) if url.scheme() == "s3" => Err(ObjectError::S3Section(url.to_string())),
            (Some(url), None) if url.scheme() == "file" => {
                Self::local(&url.to_file_path().map_err(|()| ObjectError::Url(url.clone()))?)
            }
            (Some(url), None) => {
                let (store, prefix) = object_store::parse_url(url)?;
                Ok(Self { store: store.into(), prefix })
            }
        }
    }

    fn local(directory: &Path) -> Result<Self, ObjectError> {
        std::fs::create_dir_all(directory).map_err(|error| ObjectError::Directory { path: directory.into(), error })?;
        let store = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), prefix: StorePath::default() })
    }

    /// Stores bytes under their digest.
    ///
    /// # Errors
    /// [`ObjectError::Store`].
    pub async fn put(&self, bytes: Vec<u8>) -> Result<Object, ObjectError> {
        let object = Object { digest: tkms_wire::samples::digest(&bytes), size: bytes.len() as u64 };
        self.store.put(&self.path(object.digest), PutPayload::from(bytes)).await?;
        Ok(object)
    }

    /// Reads an object back and checks it: the size before anything is read, then the digest.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn get(&self, object: Object) -> Result<Bytes, ObjectError> {
        let digest = object.digest;
        let found = self.look_up(digest).await?;
        if found.meta.size != object.size {
            return Err(ObjectError::Corrupt { digest, found: format!("{} bytes", found.meta.size) });
        }
        let bytes = found.bytes().await?;
        match tkms_wire::samples::digest(&bytes) {
            same if same == digest => Ok(bytes),
            other => Err(ObjectError::Corrupt { digest, found: other.to_string() }),
        }
    }

    /// Size and bytes of an object, unchecked: whoever asked checks the digest it asked for.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn stream(&self, digest: B256) -> Result<(u64, ObjectStream), ObjectError> {
        let found = self.look_up(digest).await?;
        Ok((found.meta.size, found.into_stream()))
    }

    async fn look_up(&self, digest: B256) -> Result<object_store::GetResult, ObjectError> {
        self.store.get(&self.path(digest)).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => ObjectError::Missing(digest),
            error => ObjectError::Store(error),
        })
    }

    fn path(&self, digest: B256) -> StorePath {
        self.prefix.clone().join(format!("{digest:x}"))
    }
}

/// The bucket of an `s3:` URL.
fn bucket(url: &Url, s3: &S3) -> Result<AmazonS3, ObjectError> {
    let (max_retries, retry_timeout) = S3_RETRIES;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(url.host_str().unwrap_or_default())
        .with_region(&s3.region)
        .with_client_options(ClientOptions::new().with_timeout(S3_REQUEST))
        .with_retry(RetryConfig { max_retries, retry_timeout, ..RetryConfig::default() });
    if let Some(endpoint) = &s3.endpoint {
        // Who writes `http:` means it; what is stored is public and checked by digest.
        let plain = endpoint.scheme() == "http";
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/')).with_allow_http(plain);
    }
    if let Some(credentials) = &s3.credentials {
        let secret = secret(&credentials.secret_key_file)?;
        builder = builder.with_access_key_id(&credentials.access_key_id).with_secret_access_key(secret.trim());
    }
    Ok(builder.build()?)
}

fn secret(path: &Path) -> Result<Zeroizing<String>, ObjectError> {
    let unusable = |error| ObjectError::Secret { path: path.into(), error };
    if std::fs::metadata(path).map_err(unusable)?.len() > SECRET_BYTES {
        return Err(unusable(std::io::Error::other("longer than any secret key")));
    }
    Ok(Zeroizing::new(std::fs::read_to_string(path).map_err(unusable)?))
}
