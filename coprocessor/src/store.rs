//! The database: what is to be computed, what was, and how far the chain was read.
//!
//! Everything the scheduler knows is here and nothing is in memory: events and cursor are written in one transaction,
//! a task leaves the queue in the transaction that writes its result, so a restart goes on where the last commit
//! stopped. A task that a crash interrupts is run again and gives the same bytes.

mod tables;
mod tasks;

use crate::objects::Object;
use crate::operation::Operation;
use alloy_primitives::{B256, Bytes};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tables::{Names, Tables};
use tasks::Class;
use tkms_types::{Handle, KeyId};
use tkms_wire::material::Format;

/// Version of the tables below. A newer database is refused.
const SCHEMA: u32 = 1;

/// What the chain says, translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A handle got its meaning.
    Announce(Operation),
    /// A handle whose meaning this program does not know; what is built on it fails too.
    Refuse {
        /// The handle.
        handle: Handle,
        /// Why.
        reason: String,
    },
    /// A handle may be decrypted by everybody: squash it.
    Decrypt(Handle),
}

/// The attested sample list of a handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// The encoded sample list.
    pub object: Object,
    /// EIP-712 signature of its `CiphertextAttestation`.
    pub signature: Bytes,
}

/// Why a handle has no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The handle that failed first: the handle asked for or one it is computed from.
    pub root: Handle,
    /// Why.
    pub reason: String,
}

/// What is known of a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleState {
    /// Never announced on this chain.
    Unknown,
    /// Announced as an input whose ciphertext was not sent here.
    WaitingInput,
    /// Waits for operands or for its turn; how many operands are missing.
    Computing {
        /// Operands without a value.
        missing: usize,
    },
    /// Has a value that nobody asked to decrypt.
    Computed,
    /// Is being squashed or waits for its turn.
    Squashing,
    /// Ready for decryption.
    Ready(Material),
    /// Never will have a value.
    Failed(Failure),
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Compute an operation from its operands' ciphertexts, in their order.
    Compute {
        /// The operation.
        operation: Operation,
        /// Ciphertexts of its operands.
        operands: Vec<Object>,
    },
    /// Squash a ciphertext.
    Squash {
        /// The handle.
        handle: Handle,
        /// Its ciphertext.
        ciphertext: Object,
    },
}

impl Task {
    /// Whose value or samples it makes.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        match self {
            Self::Compute { operation, .. } => operation.result,
            Self::Squash { handle, .. } => *handle,
        }
    }
}

/// How full the database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handles announced.
    pub handles: u64,
    /// Tasks that could run now, those under way included.
    pub runnable: u64,
    /// Squashes among them.
    pub squashes: u64,
    /// Those among them that met an error of the store.
    pub postponed: u64,
    /// Pairs of an operation and an operand it waits for.
    pub waits: u64,
}

/// Which deployment a database belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Host id of the chain: differs between forks and restarted development chains.
    pub host: B256,
    /// The key ciphertexts are under.
    pub key: KeyId,
}

/// The database.
#[derive(Debug)]
pub struct Store {
    database: Database,
    names: Names,
}

/// The database cannot be used, or says something impossible.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made.
    #[error("data directory {path}: {error}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// redb failed.
    #[error("database: {0}")]
    Database(#[source] Box<redb::Error>),
    /// A record is not what this version writes.
    #[error("database: a record of {table} cannot be read: {error}")]
    Record {
        /// The table.
        table: &'static str,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// Written by a newer program.
    #[error("the database has schema {found}, this program knows up to {SCHEMA}")]
    Newer {
        /// Its version.
        found: String,
    },
    /// Of another chain, fork or key.
    #[error("the database belongs to another deployment: {found}, this is {expected}")]
    OtherDeployment {
        /// What the database says.
        found: String,
        /// What the cluster file says.
        expected: String,
    },
    /// Two digests for one name would be two signatures on contradicting statements.
    #[error(
        "handle {handle} was attested with digest {signed}, now {computed} came out: the arithmetic is not deterministic"
    )]
    Conflict {
        /// The handle.
        handle: Handle,
        /// Digest signed before.
        signed: B256,
        /// Digest computed now.
        computed: B256,
    },
    /// A change of the database panicked.
    #[error("database: a change did not end: {0}")]
    Panicked(String),
    /// Tables contradict each other.
    #[error("database: the record of handle {0} is missing or contradicts the queue")]
    Inconsistent(Handle),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// What came of asking for a handle's samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Its state now.
    State(HandleState),
    /// Too many handles are waiting already.
    Busy,
}

impl Store {
    /// Opens or makes the database in `directory`. Samples are attested under `format` and `profile`; those of others stay
    /// but do not count.
    ///
    /// # Errors
    /// [`StoreError`], also if the database is newer or of another deployment.
    pub fn open(directory: &Path, identity: Identity, format: Format, profile: B256) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|error| StoreError::Directory { path: directory.into(), error })?;
        let database = Database::create(directory.join("coprocessor.redb"))?;
        let store = Self { database, names: Names { key: identity.key, format, profile } };
        store.write(|tables| tables.adopt(identity))?;
        Ok(store)
    }

    /// One transaction: all of it or nothing.
    fn write<T>(&self, change: impl FnOnce(&mut Tables<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let transaction = self.database.begin_write()?;
        let value = change(&mut Tables::open(&transaction, self.names)?)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs a change on a thread that may wait for the disk.
    ///
    /// # Errors
    /// Those of the change, and [`StoreError::Panicked`].
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || change(&store)).await;
        done.map_err(|error| StoreError::Panicked(error.to_string()))?
    }

    /// The cursor as it was last given to [`Store::apply`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::META)?;
        Ok(table.get(tables::CURSOR)?.map(|value| value.value().to_vec()))
    }

    /// Takes in what the chain said, in its order, and how far it was read. Repeating an action changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn apply(&self, actions: &[Action], cursor: &[u8]) -> Result<(), StoreError> {
        self.write(|tables| {
            for action in actions {
                match action {
                    Action::Announce(operation) => tables.announce(operation)?,
                    Action::Refuse { handle, reason } => tables.refuse(*handle, reason)?,
                    Action::Decrypt(handle) => tables.decrypt(*handle)?,
                }
            }
            tables.set_cursor(cursor)
        })
    }

    /// Asks on behalf of a caller that a handle be squashed; `most` bounds how many such wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ask(&self, handle: Handle, most: usize) -> Result<Asked, StoreError> {
        match self.state(handle)? {
            HandleState::WaitingInput | HandleState::Computing { .. } | HandleState::Computed => {
                self.write(|tables| tables.ask(handle, most))
            }
            settled => Ok(Asked::State(settled)),
        }
    }

    /// What is known of a handle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn state(&self, handle: Handle) -> Result<HandleState, StoreError> {
        let transaction = self.database.begin_read()?;
        let operations = transaction.open_table(tables::OPERATIONS)?;
        let materials = transaction.open_table(tables::MATERIALS)?;
        tables::state(&operations, &materials, self.names, handle)
    }

    /// The most urgent task on a handle that is not in `busy`. It stays in the queue until it is settled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next(&self, busy: &[Handle]) -> Result<Option<Task>, StoreError> {
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(tables::QUEUE)?.iter()? {
            let (handle, job) = tasks::queued(entry?.1.value())?;
            if !busy.contains(&handle) {
                let operations = transaction.open_table(tables::OPERATIONS)?;
                return tasks::task(&operations, handle, job).map(Some);
            }
        }
        Ok(None)
    }

    /// Records the ciphertext of a handle and wakes what waits for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn computed(&self, handle: Handle, object: Object) -> Result<(), StoreError> {
        self.write(|tables| tables.settle(handle, object))
    }

    /// Records that a handle never will have a value, and so nothing computed from it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn failed(&self, handle: Handle, reason: &str) -> Result<(), StoreError> {
        self.write(|tables| tables.fail(handle, reason))
    }

    /// Records attested samples: before this returns, the signature leaves nobody's hands.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another digest was signed before.
    pub fn squashed(&self, handle: Handle, material: &Material) -> Result<(), StoreError> {
        self.write(|tables| tables.attest(handle, material))
    }

    /// Records that a ciphertext cannot be squashed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn squash_failed(&self, handle: Handle, reason: &str) -> Result<(), StoreError> {
        self.write(|tables| tables.squash_failed(handle, reason))
    }

    /// Puts a task behind all others: its turn comes again, but it holds up nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn postpone(&self, task: &Task) -> Result<(), StoreError> {
        self.write(|tables| tables.postpone(task))
    }

    /// Handles of an input list that was verified before in the same context, by the hash of both.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn input_list(&self, id: B256) -> Result<Option<Vec<Handle>>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::LISTS)?;
        table.get(&id.0)?.map(|value| tables::read("lists", value.value())).transpose()
    }

    /// Records a verified input list with the ciphertext of each handle, and wakes what waits for them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn input(&self, id: B256, values: &[(Handle, Object)]) -> Result<(), StoreError> {
        self.write(|tables| tables.input(id, values))
    }

    /// How full the database is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let transaction = self.database.begin_read()?;
        let queue = transaction.open_table(tables::QUEUE)?;
        let count = |first: Class, last: Class| -> Result<u64, StoreError> {
            Ok(queue.range((first as u8, 0)..=(last as u8, u64::MAX))?.count() as u64)
        };
        Ok(Counts {
            handles: transaction.open_table(tables::OPERATIONS)?.len()?,
            runnable: queue.len()?,
            squashes: count(Class::Squash, Class::AskedSquash)?,
            postponed: count(Class::Postponed, Class::Postponed)?,
            waits: transaction.open_multimap_table(tables::WAITERS)?.len()?,
        })
    }
}
