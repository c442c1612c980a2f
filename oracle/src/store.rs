//! The oracle's state on disk: one redb file. A request is written before anybody is told of it.

mod chain;
mod halts;
mod range;

pub use chain::{ChainStep, Fulfilled};
pub use range::{Granted, RangeStep, RangeView};

use crate::record::Record;
use alloy_primitives::B256;
use chain::{ONCHAIN, TRANSACTIONS, UNDELIVERED, prefix};
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;
use tkms_types::RequestId;

type Bytes = &'static [u8];

const META: TableDefinition<&str, Bytes> = TableDefinition::new("meta");
/// Request id → [`Record`].
const REQUESTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("requests");
/// Request id ‖ chain id ‖ id on chain: who on chain waits for a request.
const WAITERS: TableDefinition<Bytes, ()> = TableDefinition::new("waiters");
/// Job id → input job.
const INPUTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("inputs");
/// Unix seconds ‖ kind ‖ id: what may be forgotten when.
const EXPIRY: TableDefinition<Bytes, ()> = TableDefinition::new("expiry");

const SCHEMA_KEY: &str = "schema";
const SCHEMA: &[u8] = b"1";
/// Memory redb may use for its cache.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// What an entry of the expiry index names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A [`Record`].
    Request = 1,
    /// An input job.
    Input = 2,
    /// A request on chain that is fulfilled, or can never be.
    OnChain = 3,
}

/// How soon a write must survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Before the call returns.
    Durable,
    /// With the next durable write: progress that a restart finds out again.
    Eventual,
}

/// The store.
pub struct Store {
    db: Database,
}

impl Store {
    /// Opens or creates the store.
    ///
    /// # Errors
    /// [`StoreError::Schema`] for a store of another version; [`StoreError::Db`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self { db: Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(db)? };
        store.write(Need::Durable, |txn| {
            let mut meta = txn.open_table(META).map_err(db)?;
            let found = meta.get(SCHEMA_KEY).map_err(db)?.map(|value| value.value().to_vec());
            match found.as_deref() {
                None => {
                    meta.insert(SCHEMA_KEY, SCHEMA).map_err(db)?;
                }
                Some(SCHEMA) => {}
                Some(other) => return Err(StoreError::Schema(String::from_utf8_lossy(other).into_owned())),
            }
            // Read transactions cannot create tables.
            txn.open_table(REQUESTS).map_err(db)?;
            txn.open_table(ONCHAIN).map_err(db)?;
            txn.open_table(WAITERS).map_err(db)?;
            txn.open_table(UNDELIVERED).map_err(db)?;
            txn.open_table(INPUTS).map_err(db)?;
            txn.open_table(EXPIRY).map_err(db)?;
            txn.open_table(TRANSACTIONS).map_err(db)?;
            txn.open_table(range::GRANTS).map_err(db)?;
            txn.open_table(range::INDICES).map_err(db)?;
            txn.open_table(range::NODES).map_err(db)?;
            Ok(())
        })?;
        Ok(store)
    }

    fn write<T>(
        &self,
        need: Need,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut txn = self.db.begin_write().map_err(db)?;
        if need == Need::Eventual {
            txn.set_durability(Durability::None).map_err(db)?;
        }
        let result = work(&txn)?;
        txn.commit().map_err(db)?;
        Ok(result)
    }

    fn get<T: DeserializeOwned>(
        &self,
        table: TableDefinition<Bytes, Bytes>,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(table).map_err(db)?;
        table.get(key).map_err(db)?.map(|value| decode(value.value())).transpose()
    }

    /// A request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn request(&self, id: RequestId) -> Result<Option<Record>, StoreError> {
        self.get(REQUESTS, id.0.as_slice())
    }

    /// Writes a new request, before anybody is told of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_request(&self, id: RequestId, record: &Record) -> Result<(), StoreError> {
        self.write(Need::Durable, |txn| put_record(txn, id, record))
    }

    /// Changes a request in one transaction; `None` if it is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn update_request(
        &self,
        id: RequestId,
        need: Need,
        change: impl FnOnce(&mut Record),
    ) -> Result<Option<Record>, StoreError> {
        self.write(need, |txn| {
            let Some(mut record) = read::<Record>(txn, REQUESTS, id.0.as_slice())? else { return Ok(None) };
            change(&mut record);
            put_record(txn, id, &record)?;
            Ok(Some(record))
        })
    }

    /// How many requests are held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn request_count(&self) -> Result<u64, StoreError> {
        self.db.begin_read().map_err(db)?.open_table(REQUESTS).map_err(db)?.len().map_err(db)
    }

    /// Ids of requests that are neither done nor refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unfinished(&self) -> Result<Vec<RequestId>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(REQUESTS).map_err(db)?;
        let mut found = Vec::new();
        for entry in table.iter().map_err(db)? {
            let (key, value) = entry.map_err(db)?;
            let record: Record = decode(value.value())?;
            if !record.state.is_final() {
                found.push(RequestId(word(key.value())?));
            }
        }
        Ok(found)
    }

    /// An input job.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn input<T: DeserializeOwned>(&self, id: B256) -> Result<Option<T>, StoreError> {
        self.get(INPUTS, id.as_slice())
    }

    /// Writes an input job; its field `expires` must say the same Unix second.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_input<T: Serialize>(&self, id: B256, job: &T, expires: u64) -> Result<(), StoreError> {
        self.write(Need::Durable, |txn| {
            put(txn, INPUTS, id.as_slice(), job)?;
            put_expiry(txn, expires, Kind::Input, id.as_slice())
        })
    }

    /// All input jobs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inputs<T: DeserializeOwned>(&self) -> Result<Vec<(B256, T)>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(INPUTS).map_err(db)?;
        let mut found = Vec::new();
        for entry in table.iter().map_err(db)? {
            let (key, value) = entry.map_err(db)?;
            found.push((word(key.value())?, decode(value.value())?));
        }
        Ok(found)
    }

    /// Forgets what expired before `now`, at most `limit` entries, and returns the ids of forgotten requests.
    /// A request that somebody on chain still waits for stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&self, now: u64, limit: usize) -> Result<Vec<RequestId>, StoreError> {
        self.write(Need::Durable, |txn| {
            let mut due = Vec::new();
            let mut expiry = txn.open_table(EXPIRY).map_err(db)?;
            for entry in expiry.range(..now.to_be_bytes().as_slice()).map_err(db)?.take(limit) {
                due.push(entry.map_err(db)?.0.value().to_vec());
            }
            let mut forgotten = Vec::new();
            for key in &due {
                expiry.remove(key.as_slice()).map_err(db)?;
                let (kind, id) = (key.get(8).copied(), key.get(9..).unwrap_or_default());
                if kind == Some(Kind::OnChain as u8) {
                    forgotten.extend(chain::forget(txn, id, now)?);
                } else if kind == Some(Kind::Input as u8) {
                    if expired(txn, INPUTS, id, now)? {
                        txn.open_table(INPUTS).map_err(db)?.remove(id).map_err(db)?;
                    }
                } else if expired(txn, REQUESTS, id, now)? {
                    forgotten.extend(forget_request(txn, RequestId(word(id)?))?);
                }
            }
            Ok(forgotten)
        })
    }

    /// Forgets a request nobody waits for any more: no caller over HTTP and nobody on chain. True if it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_orphan(&self, id: RequestId) -> Result<bool, StoreError> {
        self.write(Need::Durable, |txn| {
            let record = read::<Record>(txn, REQUESTS, id.0.as_slice())?;
            if record.is_none_or(|record| record.web) {
                return Ok(false);
            }
            Ok(forget_request(txn, id)?.is_some())
        })
    }
}

/// What every entry that can expire says about itself.
#[derive(serde::Deserialize)]
struct Expires {
    expires: Option<u64>,
}

/// Whether the entry has expired. If it was renewed after the index entry at hand was written, a later one stands in
/// the index. Requests that nobody asked for over HTTP carry no time and go with the last who waits for them.
fn expired(
    txn: &WriteTransaction,
    table: TableDefinition<Bytes, Bytes>,
    id: &[u8],
    now: u64,
) -> Result<bool, StoreError> {
    let entry = read::<Expires>(txn, table, id)?;
    Ok(entry.is_some_and(|entry| entry.expires.is_none_or(|at| at < now)))
}

/// Forgets a request unless somebody on chain waits for it.
fn forget_request(txn: &WriteTransaction, id: RequestId) -> Result<Option<RequestId>, StoreError> {
    let (low, high) = prefix(id);
    let waiters = txn.open_table(WAITERS).map_err(db)?;
    if waiters.range(low.as_slice()..=high.as_slice()).map_err(db)?.next().is_some() {
        return Ok(None);
    }
    txn.open_table(REQUESTS).map_err(db)?.remove(id.0.as_slice()).map_err(db)?;
    Ok(Some(id))
}

/// With its entry in the expiry index, if it is one that expires.
fn put_record(txn: &WriteTransaction, id: RequestId, record: &Record) -> Result<(), StoreError> {
    put(txn, REQUESTS, id.0.as_slice(), record)?;
    record.expires.map_or(Ok(()), |at| put_expiry(txn, at, Kind::Request, id.0.as_slice()))
}

fn put<T: Serialize>(
    txn: &WriteTransaction,
    table: TableDefinition<Bytes, Bytes>,
    key: &[u8],
    value: &T,
) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(value)?;
    txn.open_table(table).map_err(db)?.insert(key, bytes.as_slice()).map_err(db)?;
    Ok(())
}

fn read<T: DeserializeOwned>(
    txn: &WriteTransaction,
    table: TableDefinition<Bytes, Bytes>,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    let table = txn.open_table(table).map_err(db)?;
    table.get(key).map_err(db)?.map(|value| decode(value.value())).transpose()
}

fn put_expiry(txn: &WriteTransaction, at: u64, kind: Kind, id: &[u8]) -> Result<(), StoreError> {
    let key = [&at.to_be_bytes()[..], &[kind as u8], id].concat();
    txn.open_table(EXPIRY).map_err(db)?.insert(key.as_slice(), ()).map_err(db)?;
    Ok(())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    Ok(serde_json::from_slice(bytes)?)
}

fn word(bytes: &[u8]) -> Result<B256, StoreError> {
    B256::try_from(bytes).map_err(|_| StoreError::Key(bytes.len()))
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by another version of the program.
    #[error("the store has schema {0}, this build reads 1")]
    Schema(String),
    /// The database or the disk.
    #[error("store: {0}")]
    Db(#[from] Box<redb::Error>),
    /// An entry that this version cannot read.
    #[error("store, entry: {0}")]
    Entry(#[from] serde_json::Error),
    /// The process is ending.
    #[error("store: the process is ending")]
    Stopped,
    /// A key of the wrong length.
    #[error("store: a key has {0} bytes")]
    Key(usize),
    /// The mirror of a grant range lacks what must be there.
    #[error("store: the grant range has a hole at grant {0}")]
    Mirror(u64),
}

fn db<E: Into<redb::Error>>(error: E) -> StoreError {
    StoreError::Db(Box::new(error.into()))
}
