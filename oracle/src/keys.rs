//! The public key and the CRS that clients encrypt with: files checked against the cluster file before anybody gets them.

use crate::coprocessors::CallError;
use crate::host::Host;
use alloy_primitives::B256;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tkms_types::Cluster;
use tokio::sync::Mutex;

/// Bytes of the largest file taken: a CRS for 2048 bits has 4.6 MB.
const FILE_BYTES: usize = 32 * 1024 * 1024;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFile {
    /// Compact public key.
    PublicKey,
    /// Common reference string.
    Crs,
}

impl KeyFile {
    /// Name in the coprocessor's API and in ours.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "public-key",
            Self::Crs => "crs",
        }
    }

    const fn local_name(self) -> &'static str {
        match self {
            Self::PublicKey => "public-key.bin",
            Self::Crs => "crs.bin",
        }
    }

    /// BLAKE3-256 of the file, by the cluster file.
    #[must_use]
    pub const fn digest(self, cluster: &Cluster) -> B256 {
        match self {
            Self::PublicKey => cluster.key.public_key_digest,
            Self::Crs => cluster.key.crs_digest,
        }
    }
}

/// The files on disk.
pub struct Keys {
    cluster: Arc<Cluster>,
    hosts: Vec<Arc<Host>>,
    /// Where an operator put the files.
    given: Option<PathBuf>,
    /// Where we put what we fetched.
    cache: PathBuf,
    /// One download at a time; holds the files already checked.
    checked: Mutex<Vec<(KeyFile, PathBuf)>>,
}

/// No file to serve.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that is not the one of the cluster file.
    #[error("{path} is not the {name} of the cluster file, {digest}")]
    Digest {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        name: &'static str,
        /// Its digest.
        digest: B256,
    },
    /// No coprocessor has it.
    #[error(transparent)]
    Fetch(#[from] CallError),
    /// No host chain is configured.
    #[error("no host chain is configured")]
    NoHost,
}

impl Keys {
    /// Files from `given` if it is named, else fetched from coprocessors into `cache`.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, hosts: Vec<Arc<Host>>, given: Option<PathBuf>, cache: PathBuf) -> Self {
        Self { cluster, hosts, given, cache, checked: Mutex::default() }
    }

    /// Path of a checked file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn path(&self, file: KeyFile) -> Result<PathBuf, KeyError> {
        let mut checked = self.checked.lock().await;
        if let Some((_, path)) = checked.iter().find(|(known, _)| *known == file) {
            return Ok(path.clone());
        }
        let digest = file.digest(&self.cluster);
        let path = match &self.given {
            Some(dir) => dir.join(file.local_name()),
            None => self.cache.join(format!("{}-{digest}.bin", file.name())),
        };
        let good = match read(&path).await {
            Ok(bytes) => *blake3::hash(&bytes).as_bytes() == digest.0,
            Err(KeyError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !good {
            if self.given.is_some() {
                return Err(KeyError::Digest { path, name: file.name(), digest });
            }
            self.fetch(file, digest, &path).await?;
        }
        checked.push((file, path.clone()));
        Ok(path)
    }

    async fn fetch(&self, file: KeyFile, digest: B256, path: &Path) -> Result<(), KeyError> {
        let mut last = KeyError::NoHost;
        for host in &self.hosts {
            match host.coprocessors.key_file(file.name(), FILE_BYTES, digest).await {
                Ok(bytes) => return write(&self.cache, path, &bytes).await,
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let io = |error| KeyError::Io { path: path.to_path_buf(), error };
    let length = tokio::fs::metadata(path).await.map_err(io)?.len();
    if length > FILE_BYTES as u64 {
        return Err(io(std::io::Error::other(format!("{length} bytes, at most {FILE_BYTES} are taken"))));
    }
    tokio::fs::read(path).await.map_err(io)
}

/// Whole or not at all: a crash leaves a file of another name.
async fn write(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let io = |error| KeyError::Io { path: path.to_path_buf(), error };
    let partial = path.with_extension("partial");
    tokio::fs::create_dir_all(dir).await.map_err(io)?;
    tokio::fs::write(&partial, bytes).await.map_err(io)?;
    tokio::fs::rename(&partial, path).await.map_err(io)
}
