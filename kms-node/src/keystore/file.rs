//! Files that appear whole or not at all, and never in the place of another.

use super::KeystoreError;
use crate::limits::KEY_FILE_BYTES;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

pub(super) fn refuse_existing(path: &Path) -> Result<(), KeystoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(KeystoreError::Exists(path.to_path_buf())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(KeystoreError::Io { path: path.to_path_buf(), error }),
    }
}

/// Writes beside, syncs, links to the name (which fails if the name is taken), and syncs the directory.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
    refuse_existing(path)?;
    let failed = |error| KeystoreError::Io { path: path.to_path_buf(), error };
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(failed)?;
    // Unfinished files carry the process's number: two writers do not meet in one
    let beside = path.with_extension(format!("unfinished-{}", std::process::id()));
    let written = write_synced(&beside, bytes).and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(KeystoreError::Exists(path.to_path_buf())),
        Err(error) => Err(failed(error)),
        Ok(()) => removed.and_then(|()| File::open(dir)?.sync_all()).map_err(failed),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), KeystoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(KeystoreError::Io { path: path.to_path_buf(), error }),
        _ => Ok(()),
    }
}

/// Reads a file of bounded size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeystoreError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => KeystoreError::Missing(path.to_path_buf()),
        _ => KeystoreError::Io { path: path.to_path_buf(), error },
    };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > KEY_FILE_BYTES {
        return Err(KeystoreError::TooLong { path: path.to_path_buf(), bytes });
    }
    fs::read(path).map_err(failed)
}
