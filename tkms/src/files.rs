//! Small files: JSON read within a bound, and files that are never overwritten.

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Bytes of the largest JSON file read.
const JSON_BYTES: u64 = 1024 * 1024;

/// Reads a JSON file.
///
/// # Errors
/// Naming the file and what is wrong with it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let name = || path.display().to_string();
    let length = std::fs::metadata(path).with_context(name)?.len();
    ensure!(length <= JSON_BYTES, "{} has {length} bytes, at most {JSON_BYTES} are read", name());
    serde_json::from_slice(&std::fs::read(path).with_context(name)?).with_context(name)
}

/// Writes a JSON file, complete or not at all. An existing one is replaced.
///
/// # Errors
/// Naming the file.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    replace(path, &serde_json::to_vec_pretty(value)?)
}

/// Writes a file, complete or not at all. An existing one is replaced.
///
/// # Errors
/// Naming the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = || path.display().to_string();
    let beside = path.with_extension("part");
    std::fs::write(&beside, bytes).with_context(name)?;
    std::fs::rename(&beside, path).with_context(name)
}

/// Writes a file that must not exist.
///
/// # Errors
/// Naming the file, also if it exists.
pub fn create_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = || path.display().to_string();
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(name)?;
    file.write_all(bytes).with_context(name)?;
    file.sync_all().with_context(name)
}

/// Writes a file that must not exist and that only its owner may read.
///
/// # Errors
/// Naming the file, also if it exists.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = || path.display().to_string();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(name)?;
    file.write_all(bytes).with_context(name)?;
    file.sync_all().with_context(name)
}
