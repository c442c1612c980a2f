//! The node's state on disk: one redb file, one writer, commits shared by whoever is waiting.
//!
//! Nothing in it is secret in the clear: shares and identity are in the key store, preprocessed items are encrypted. A node's own messages of public sessions were
//! sent to all peers, answers are public or sealed.

mod opened;

pub use opened::OpenedRows;

use crate::keystore::KeyState;
use crate::limits::{STORE_BATCH, STORE_GATHER, STORE_QUEUE};
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    WriteTransaction,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_types::{EpochId, KeyId, RequestId, SessionId};
use tokio::sync::{mpsc, oneshot};

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const KEY_STATES: TableDefinition<&[u8; 64], u8> = TableDefinition::new("key-states");
pub(crate) const HALTS: TableDefinition<u64, &str> = TableDefinition::new("halts");
pub(crate) const ANCHORS: TableDefinition<u64, (u64, &[u8; 32], u64, u64)> = TableDefinition::new("anchors");
/// Evidence of a halt by chain: statement of the block known before (may be empty), statement of the one that contradicts it.
pub(crate) const HALT_EVIDENCE: TableDefinition<u64, (&[u8], &[u8])> = TableDefinition::new("halt-evidence");
/// Statement of the newest anchor by chain.
pub(crate) const STATEMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("anchor-statements");
/// Hash of the cluster file under which the executor's code was proven, by chain.
pub(crate) const EXECUTORS: TableDefinition<u64, &[u8; 32]> = TableDefinition::new("executors");
pub(crate) const PINS: TableDefinition<&[u8; 32], &[u8; 32]> = TableDefinition::new("pins");
type SessionRow<'a> = (u64, &'a [u8], &'a [u8], &'a [u8]);
/// Stored at, own message, public request or its name ([`opened`]), opened digits (none until the end).
const SESSIONS: TableDefinition<&[u8; 32], SessionRow<'_>> = TableDefinition::new("sessions");
/// Kept until, reply.
const ANSWERS: TableDefinition<&[u8; 32], (u64, &[u8])> = TableDefinition::new("answers");
pub(crate) const JOURNAL: TableDefinition<u64, (&[u8; 32], &[u8])> = TableDefinition::new("journal");
pub(crate) const JOURNAL_HEADS: TableDefinition<u64, &[u8]> = TableDefinition::new("journal-heads");

/// Version of the tables. A newer one is refused.
const SCHEMA: u64 = 3;
/// Pages kept in memory.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// How long a start waits for a predecessor to let go of the file.
const OPENING: Duration = Duration::from_secs(5);

type AfterCommit = Box<dyn FnOnce() + Send>;
type Work = Box<dyn FnOnce(&WriteTransaction) -> Result<AfterCommit, StoreError> + Send>;

/// Handle to the store; cheap to clone. The file closes with the last one.
#[derive(Clone)]
pub struct Store {
    db: Arc<Database>,
    writes: mpsc::Sender<Work>,
}

/// A session as it stands on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// The node's own message, as it was sent.
    pub message: Vec<u8>,
    /// The public request it belongs to, encoded, or what [`Store::request`] finds it by.
    pub request: Vec<u8>,
    /// The opened digits, if the session ended.
    pub digits: Option<Vec<u8>>,
}

impl Store {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process holds it, [`StoreError::Newer`] for a newer schema.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|error| StoreError::Directory { path: dir.into(), error })?;
        }
        let db = Arc::new(open_patiently(path)?);
        let tx = db.begin_write()?;
        let found = {
            let mut meta = tx.open_table(META)?;
            let found = meta.get("schema")?.map(|value| value.value());
            meta.insert("schema", SCHEMA)?;
            found
        };
        if let Some(found) = found.filter(|found| *found > SCHEMA) {
            return Err(StoreError::Newer { path: path.into(), found });
        }
        // Readers find every table
        tx.open_table(KEY_STATES)?;
        tx.open_table(HALTS)?;
        tx.open_table(ANCHORS)?;
        tx.open_table(HALT_EVIDENCE)?;
        tx.open_table(STATEMENTS)?;
        tx.open_table(EXECUTORS)?;
        tx.open_table(PINS)?;
        tx.open_table(SESSIONS)?;
        tx.open_table(opened::REQUESTS)?;
        tx.open_table(ANSWERS)?;
        tx.open_table(JOURNAL)?;
        tx.open_table(JOURNAL_HEADS)?;
        tx.open_table(crate::exhibits::EXHIBITS)?;
        crate::stock::tables::create(&tx)?;
        tx.commit()?;
        let (writes, queue) = mpsc::channel(STORE_QUEUE);
        let writer = Arc::clone(&db);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_batches(&writer, queue))
            .map_err(|error| StoreError::Directory { path: path.into(), error })?;
        Ok(Self { db, writes })
    }

    /// Runs `work` in a transaction and returns when it is on disk.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is stored then.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            let value = work(tx)?;
            // Whoever waited may have gone: the write stands all the same
            Ok(Box::new(move || drop(done.send(value))))
        });
        self.writes.send(work).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)
    }

    /// Reads in one snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read<T>(&self, look: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        look(&self.db.begin_read()?)
    }

    /// State of a key in an epoch, if one was ever recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn key_state(&self, key: KeyId, epoch: EpochId) -> Result<Option<KeyState>, StoreError> {
        self.read(|tx| {
            let found = tx.open_table(KEY_STATES)?.get(&key_name(key, epoch))?.map(|state| state.value());
            Ok(found.and_then(KeyState::from_number))
        })
    }

    /// Moves a key to another state; `false` if it may not go there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_key_state(&self, key: KeyId, epoch: EpochId, next: KeyState) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let mut table = tx.open_table(KEY_STATES)?;
            let name = key_name(key, epoch);
            let now = table.get(&name)?.and_then(|state| KeyState::from_number(state.value()));
            let allowed = now.unwrap_or(KeyState::PreActivation).may_become(next);
            if allowed {
                table.insert(&name, next as u8)?;
            }
            Ok(allowed)
        })
        .await
    }

    /// Keeps the node's own message of a session and the request it belongs to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_session(&self, id: SessionId, now: u64, session: StoredSession) -> Result<(), StoreError> {
        self.write(move |tx| {
            let digits = session.digits.as_deref().unwrap_or_default();
            let row = (now, session.message.as_slice(), session.request.as_slice(), digits);
            tx.open_table(SESSIONS)?.insert(&id.0.0, row)?;
            Ok(())
        })
        .await
    }

    /// A session, running or ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn session(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        self.read(|tx| {
            let table = tx.open_table(SESSIONS)?;
            let Some(row) = table.get(&id.0.0)? else { return Ok(None) };
            let (_, message, request, digits) = row.value();
            let digits = (!digits.is_empty()).then(|| digits.to_vec());
            Ok(Some(StoredSession { message: message.to_vec(), request: request.to_vec(), digits }))
        })
    }

    /// Keeps an answer until a time (Unix seconds).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_answer(&self, id: RequestId, until: u64, reply: Vec<u8>) -> Result<(), StoreError> {
        self.write(move |tx| put_answer_in(tx, id, until, &reply)).await
    }

    /// An answer that still counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn answer(&self, id: RequestId, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|tx| {
            let table = tx.open_table(ANSWERS)?;
            let row = table.get(&id.0.0)?;
            Ok(row.and_then(|row| {
                let (until, reply) = row.value();
                (until > now).then(|| reply.to_vec())
            }))
        })
    }

    /// Forgets sessions stored before a time, and answers whose time is over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune(&self, sessions_before: u64, now: u64) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.open_table(SESSIONS)?.retain(|_, (stored, ..)| stored >= sessions_before)?;
            opened::prune(tx, sessions_before)?;
            tx.open_table(ANSWERS)?.retain(|_, (until, _)| until > now)?;
            Ok(())
        })
        .await
    }
}

/// [`Store::put_answer`] in a transaction that has more to do.
pub(crate) fn put_answer_in(tx: &WriteTransaction, id: RequestId, until: u64, reply: &[u8]) -> Result<(), StoreError> {
    tx.open_table(ANSWERS)?.insert(&id.0.0, (until, reply))?;
    Ok(())
}

fn key_name(key: KeyId, epoch: EpochId) -> [u8; 64] {
    let mut name = [0; 64];
    let (first, second) = name.split_at_mut(32);
    first.copy_from_slice(key.bytes().as_slice());
    second.copy_from_slice(epoch.bytes().as_slice());
    name
}

fn open_patiently(path: &Path) -> Result<Database, StoreError> {
    let started = Instant::now();
    loop {
        match Database::builder().set_cache_size(CACHE_BYTES).create(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) if started.elapsed() < OPENING => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse(path.into())),
            other => return Ok(other.map_err(redb::Error::from)?),
        }
    }
}

/// One transaction for everybody who is waiting; whoever is in a failed one learns so by the dropped answer.
fn write_batches(db: &Database, mut queue: mpsc::Receiver<Work>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        std::thread::sleep(STORE_GATHER);
        while batch.len() < STORE_BATCH {
            let Ok(next) = queue.try_recv() else { break };
            batch.push(next);
        }
        match commit(db, batch) {
            Ok(after) => after.into_iter().for_each(|done| done()),
            Err(error) => tracing::error!(%error, "the node's store does not take writes"),
        }
    }
}

fn commit(db: &Database, batch: Vec<Work>) -> Result<Vec<AfterCommit>, StoreError> {
    let tx = db.begin_write()?;
    let after = batch.into_iter().map(|work| work(&tx)).collect::<Result<_, _>>()?;
    tx.commit()?;
    Ok(after)
}

/// A store that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the writer.
    #[error("{path}: {error}")]
    Directory {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Two nodes with one data directory would be one identity twice.
    #[error("{0} is in use by another process: two nodes must not share a data directory")]
    InUse(PathBuf),
    /// Made by a newer version.
    #[error("{path} has schema {found}, this build knows {SCHEMA}: use the newer version")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u64,
    },
    /// The database.
    #[error("store: {0}")]
    Database(Box<redb::Error>),
    /// The writer ended or refused; its log says why.
    #[error("the store does not take writes")]
    Closed,
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

#[cfg(test)]
mod tests;
