//! Key store of one node: identity and key shares, each an age file, never overwritten.
//!
//! ```text
//! identity.age                     signing key, TLS key, age identity; under the operator's passphrase
//! shares/<key id>-<epoch id>.age   key shares, one per protocol; to the identity's age recipient
//! ```
//! A file appears under its name complete and on disk, or not at all: it is written beside, synced, and linked; a
//! link never replaces what is there.

mod file;
mod identity;
mod lifecycle;
mod masks;
pub(crate) mod share;

pub use identity::{NodeIdentity, NodeRecord, tls_name};
pub use lifecycle::KeyState;
pub use masks::{HeldMasks, MaskNames};
pub use share::{KeyShares, ShareNames};

use age::secrecy::SecretString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of the longest passphrase file read.
const PASSPHRASE_BYTES: u64 = 4096;

/// The key store's directory.
#[derive(Clone, Debug)]
pub struct Keystore {
    dir: PathBuf,
}

impl Keystore {
    /// The key store in a node's data directory; nothing is read yet.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.to_path_buf() }
    }

    /// Path of the identity file.
    #[must_use]
    pub fn identity_path(&self) -> PathBuf {
        self.dir.join("identity.age")
    }

    /// Path of a share file.
    #[must_use]
    pub fn share_path(&self, names: &ShareNames) -> PathBuf {
        self.dir.join("shares").join(format!("{:x}-{:x}.age", names.key.bytes(), names.epoch.bytes()))
    }

    /// Writes the identity under a passphrase.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] if there is one; nothing is changed then.
    pub fn create_identity(&self, identity: &NodeIdentity, passphrase: &SecretString) -> Result<(), KeystoreError> {
        let path = self.identity_path();
        file::refuse_existing(&path)?;
        let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
        recipient.set_work_factor(crate::limits::SCRYPT_LOG_N);
        let sealed = age::encrypt(&recipient, &identity.to_secret_bytes()?)
            .map_err(|error| KeystoreError::Encrypt(error.to_string()))?;
        file::create(&path, &sealed)
    }

    /// Reads the identity.
    ///
    /// # Errors
    /// [`KeystoreError::Passphrase`] for a wrong passphrase, [`KeystoreError::Damaged`] for a torn or altered file.
    pub fn identity(&self, passphrase: &SecretString) -> Result<NodeIdentity, KeystoreError> {
        let path = self.identity_path();
        let sealed = file::read(&path)?;
        let mut key = age::scrypt::Identity::new(passphrase.clone());
        key.set_max_work_factor(crate::limits::SCRYPT_LOG_N);
        let bytes = age::decrypt(&key, &sealed).map(Zeroizing::new).map_err(|error| opening(&path, &error))?;
        NodeIdentity::from_secret_bytes(&bytes).map_err(|why| KeystoreError::Damaged { path, why })
    }

    /// Puts a share package, as the dealer encrypted it to this node, into the store.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] if a share of that key and epoch is there.
    pub fn store_share(&self, names: &ShareNames, package: &[u8]) -> Result<(), KeystoreError> {
        if package.len() as u64 > crate::limits::KEY_FILE_BYTES {
            return Err(KeystoreError::TooLong { path: self.share_path(names), bytes: package.len() as u64 });
        }
        file::create(&self.share_path(names), package)
    }

    /// Opens the shares of a key in an epoch and checks the names inside it.
    ///
    /// # Errors
    /// [`KeystoreError::Missing`] if there is none, [`KeystoreError::Damaged`] if it is torn, not for this node or
    /// carries other names.
    pub fn share(&self, names: &ShareNames, identity: &NodeIdentity) -> Result<KeyShares, KeystoreError> {
        let path = self.share_path(names);
        let sealed = file::read(&path)?;
        let bytes = identity.open_package(&sealed).map_err(|error| opening(&path, &error))?;
        share::from_secret_bytes(&bytes, names).map_err(|why| KeystoreError::Damaged { path, why })
    }
}

fn opening(path: &Path, error: &age::DecryptError) -> KeystoreError {
    let path = path.to_path_buf();
    match error {
        age::DecryptError::DecryptionFailed => KeystoreError::Passphrase { path },
        age::DecryptError::NoMatchingKeys | age::DecryptError::KeyDecryptionFailed => {
            KeystoreError::Passphrase { path }
        }
        other => KeystoreError::Damaged { path, why: other.to_string() },
    }
}

/// Reads a passphrase file: its content without the line's end.
///
/// # Errors
/// [`KeystoreError`] if it cannot be read or is empty.
pub fn read_passphrase(path: &Path) -> Result<SecretString, KeystoreError> {
    let read = |error| KeystoreError::Io { path: path.to_path_buf(), error };
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes > PASSPHRASE_BYTES {
        return Err(KeystoreError::TooLong { path: path.to_path_buf(), bytes });
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(read)?);
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(KeystoreError::EmptyPassphrase(path.to_path_buf()));
    }
    Ok(SecretString::from(line.to_owned()))
}

/// A key store that cannot be read or must not be written. Never says a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// A file operation.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Nothing there.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// Key files are never overwritten.
    #[error("{0} exists and is never overwritten; move it away by hand if that is what you want")]
    Exists(PathBuf),
    /// Over the bound.
    #[error("{path} has {bytes} bytes, more than any such file")]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The passphrase, or another node's file.
    #[error("{path} does not open: wrong passphrase, or a file of another node, or its header is damaged")]
    Passphrase {
        /// Which file.
        path: PathBuf,
    },
    /// Torn, altered or something else.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        why: String,
    },
    /// A passphrase file without a passphrase.
    #[error("{0} holds no passphrase")]
    EmptyPassphrase(PathBuf),
    /// Encryption failed.
    #[error("cannot encrypt: {0}")]
    Encrypt(String),
    /// Making keys failed.
    #[error("cannot make keys: {0}")]
    Generate(String),
}

#[cfg(test)]
mod tests;
