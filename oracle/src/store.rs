//! The oracle's state on disk: one redb file. A request is written before anybody is told of it.

use crate::record::{Delivery, OnChain, Record};
use alloy_primitives::{B256, U256};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;
use tkms_types::RequestId;

type Bytes = &'static [u8];

const META: TableDefinition<&str, Bytes> = TableDefinition::new("meta");
/// Request id → [`Record`].
const REQUESTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("requests");
/// Chain id ‖ id on chain → [`OnChain`].
const ONCHAIN: TableDefinition<Bytes, Bytes> = TableDefinition::new("onchain");
/// Request id ‖ chain id ‖ id on chain: who on chain waits for a request.
const WAITERS: TableDefinition<Bytes, ()> = TableDefinition::new("waiters");
/// Chain id ‖ id on chain of everything whose delivery is pending.
const UNDELIVERED: TableDefinition<Bytes, ()> = TableDefinition::new("undelivered");
/// Job id → input job.
const INPUTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("inputs");
/// Chain id ‖ nonce → transaction in flight, as the submitter keeps it.
const TRANSACTIONS: TableDefinition<Bytes, Bytes> = TableDefinition::new("transactions");
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
    /// Transactions in flight of a chain's key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn transactions<T: DeserializeOwned>(&self, chain_id: u64) -> Result<Vec<T>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(TRANSACTIONS).map_err(db)?;
        let (low, high) = (nonce_key(chain_id, 0), nonce_key(chain_id, u64::MAX));
        let range = table.range(low.as_slice()..=high.as_slice()).map_err(db)?;
        range.map(|entry| decode(entry.map_err(db)?.1.value())).collect()
    }

    /// Writes the transaction of a nonce; `None` forgets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_transaction<T: Serialize>(&self, chain_id: u64, nonce: u64, tx: Option<&T>) -> Result<(), StoreError> {
        let key = nonce_key(chain_id, nonce);
        self.write(Need::Durable, |txn| match tx {
            Some(tx) => put(txn, TRANSACTIONS, &key, tx),
            None => {
                txn.open_table(TRANSACTIONS).map_err(db)?.remove(key.as_slice()).map_err(db)?;
                Ok(())
            }
        })
    }

    /// An input job.
    Input = 2,
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

/// What one step of the watcher changes: the cursor moves with what it brought, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainStep {
    /// Blocks from this one on are no longer on the chain.
    pub undone_from: Option<u64>,
    /// Requests seen, with the record of what each asks.
    pub added: Vec<(OnChain, Option<Record>)>,
    /// Fulfilments seen.
    pub fulfilled: Vec<Fulfilled>,
    /// Where to go on; opaque to the store.
    pub cursor: Vec<u8>,
}

/// A fulfilment seen on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fulfilled {
    /// Id on chain.
    pub id: U256,
    /// What the receiver did.
    pub callback_ok: bool,
    /// Whoever sent it.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
}

impl Store {
    /// Opens or creates the store.
    ///
    /// # Errors
    /// [`StoreError::Schema`] for a store of another version; [`StoreError::Db`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(db)?;
        let store = Self { db };
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
            Ok(())
        })?;
        Ok(store)
    }

    fn write<T>(&self, need: Need, work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut txn = self.db.begin_write().map_err(db)?;
        if need == Need::Eventual {
            txn.set_durability(Durability::None).map_err(db)?;
        }
        let result = work(&txn)?;
        txn.commit().map_err(db)?;
        Ok(result)
    }

    fn get<T: DeserializeOwned>(&self, table: TableDefinition<Bytes, Bytes>, key: &[u8]) -> Result<Option<T>, StoreError> {
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

    /// Applies one step of the watcher, cursor included, in one durable transaction. Returns the requests that lost
    /// somebody who waited for them.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it happened.
    pub fn apply(&self, chain_id: u64, step: &ChainStep) -> Result<Vec<RequestId>, StoreError> {
        self.write(Need::Durable, |txn| {
            let undone = step.undone_from.map_or(Ok(Vec::new()), |from| undo(txn, chain_id, from))?;
            for (onchain, record) in &step.added {
                add_onchain(txn, onchain, record.as_ref())?;
            }
            for seen in &step.fulfilled {
                let (transaction, callback_ok, block) = (Some(seen.transaction), Some(seen.callback_ok), Some(seen.block));
                set_delivery(txn, chain_id, seen.id, &Delivery::Fulfilled { transaction, callback_ok, block })?;
            }
            let mut meta = txn.open_table(META).map_err(db)?;
            meta.insert(cursor_key(chain_id).as_str(), step.cursor.as_slice()).map_err(db)?;
            Ok(undone)
        })
    }

    /// Where the watcher of a chain goes on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self, chain_id: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(META).map_err(db)?;
        Ok(table.get(cursor_key(chain_id).as_str()).map_err(db)?.map(|value| value.value().to_vec()))
    }

    /// A request on chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn onchain(&self, chain_id: u64, id: U256) -> Result<Option<OnChain>, StoreError> {
        self.get(ONCHAIN, &onchain_key(chain_id, id))
    }

    /// Requests on chain that wait for this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiters(&self, request: RequestId) -> Result<Vec<OnChain>, StoreError> {
        let txn = self.db.begin_read().map_err(db)?;
        let waiters = txn.open_table(WAITERS).map_err(db)?;
        let onchain = txn.open_table(ONCHAIN).map_err(db)?;
        let (low, high) = prefix(request);
        let mut found = Vec::new();
        for entry in waiters.range(low.as_slice()..=high.as_slice()).map_err(db)? {
            let (key, _) = entry.map_err(db)?;
            let onchain_key = key.value().get(32..).unwrap_or_default().to_vec();
            if let Some(value) = onchain.get(onchain_key.as_slice()).map_err(db)? {
                found.push(decode(value.value())?);
            }
        }
        Ok(found)
    }

    /// Requests of a chain whose fulfilment is not on chain yet, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn undelivered(&self, chain_id: u64, limit: usize) -> Result<Vec<OnChain>, StoreError> {
        let txn = self.db.begin_read().map_err(db)?;
        let undelivered = txn.open_table(UNDELIVERED).map_err(db)?;
        let onchain = txn.open_table(ONCHAIN).map_err(db)?;
        let (low, high) = (onchain_key(chain_id, U256::ZERO), onchain_key(chain_id, U256::MAX));
        let mut found = Vec::new();
        for entry in undelivered.range(low.as_slice()..=high.as_slice()).map_err(db)?.take(limit) {
            let (key, ()) = (entry.map_err(db)?.0, ());
            if let Some(value) = onchain.get(key.value()).map_err(db)? {
                found.push(decode(value.value())?);
            }
        }
        Ok(found)
    }

    /// Notes how far a fulfilment is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_delivery(&self, chain_id: u64, id: U256, delivery: &Delivery) -> Result<(), StoreError> {
        self.write(Need::Durable, |txn| set_delivery(txn, chain_id, id, delivery))
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
            put_expiry(txn, expires, Kind::Input, id)
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

    /// How many input jobs are held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn input_count(&self) -> Result<u64, StoreError> {
        self.db.begin_read().map_err(db)?.open_table(INPUTS).map_err(db)?.len().map_err(db)
    }

    /// Forgets what expired before `now`, at most `limit` entries, and returns the ids of forgotten requests.
    /// A request that somebody on chain still waits for stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&self, now: u64, limit: usize) -> Result<Vec<RequestId>, StoreError> {
        self.write(Need::Durable, |txn| {
            let mut expiry = txn.open_table(EXPIRY).map_err(db)?;
            let end = now.to_be_bytes();
            let mut due = Vec::new();
            for entry in expiry.range(..end.as_slice()).map_err(db)?.take(limit) {
                due.push(entry.map_err(db)?.0.value().to_vec());
            }
            let mut forgotten = Vec::new();
            for key in &due {
                expiry.remove(key.as_slice()).map_err(db)?;
                let (kind, id) = (key.get(8).copied(), word(key.get(9..).unwrap_or_default())?);
                if kind == Some(Kind::Input as u8) {
                    if !renewed(txn, INPUTS, id, now)? {
                        txn.open_table(INPUTS).map_err(db)?.remove(id.as_slice()).map_err(db)?;
                    }
                } else if !renewed(txn, REQUESTS, id, now)? && forget_request(txn, RequestId(id))? {
                    forgotten.push(RequestId(id));
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
            forget_request(txn, id)
        })
    }
}

/// What every entry that can expire says about itself.
#[derive(serde::Deserialize)]
struct Expires {
    expires: Option<u64>,
}

/// Whether the entry was renewed after the index entry at hand was written: then a later one stands in the index.
fn renewed(txn: &WriteTransaction, table: TableDefinition<Bytes, Bytes>, id: B256, now: u64) -> Result<bool, StoreError> {
    let entry = read::<Expires>(txn, table, id.as_slice())?;
    Ok(entry.is_some_and(|entry| entry.expires.is_some_and(|at| at >= now)))
}

fn forget_request(txn: &WriteTransaction, id: RequestId) -> Result<bool, StoreError> {
    let (low, high) = prefix(id);
    let waiters = txn.open_table(WAITERS).map_err(db)?;
    if waiters.range(low.as_slice()..=high.as_slice()).map_err(db)?.next().is_some() {
        return Ok(false);
    }
    txn.open_table(REQUESTS).map_err(db)?.remove(id.0.as_slice()).map_err(db)?;
    Ok(true)
}

fn add_onchain(txn: &WriteTransaction, onchain: &OnChain, record: Option<&Record>) -> Result<(), StoreError> {
    let key = onchain_key(onchain.chain_id, onchain.id);
    // Seen before, with what became of it: a replayed event changes nothing.
    if read::<OnChain>(txn, ONCHAIN, &key)?.is_some() {
        return Ok(());
    }
    put(txn, ONCHAIN, &key, onchain)?;
    if onchain.delivery == Delivery::Pending {
        txn.open_table(UNDELIVERED).map_err(db)?.insert(key.as_slice(), ()).map_err(db)?;
    }
    let Some(request) = onchain.request else { return Ok(()) };
    let waiter = [request.0.as_slice(), &key].concat();
    txn.open_table(WAITERS).map_err(db)?.insert(waiter.as_slice(), ()).map_err(db)?;
    if let Some(record) = record
        && read::<Record>(txn, REQUESTS, request.0.as_slice())?.is_none()
    {
        put(txn, REQUESTS, request.0.as_slice(), record)?;
    }
    Ok(())
}

/// Takes back what blocks from `from` on brought. Reorganisations are rare and short: a look at everything will do.
fn undo(txn: &WriteTransaction, chain_id: u64, from: u64) -> Result<Vec<RequestId>, StoreError> {
    let (low, high) = (onchain_key(chain_id, U256::ZERO), onchain_key(chain_id, U256::MAX));
    let mut touched = Vec::new();
    let table = txn.open_table(ONCHAIN).map_err(db)?;
    for entry in table.range(low.as_slice()..=high.as_slice()).map_err(db)? {
        let onchain: OnChain = decode(entry.map_err(db)?.1.value())?;
        let fulfilled_there = matches!(onchain.delivery, Delivery::Fulfilled { block: Some(block), .. } if block >= from);
        if onchain.block >= from || fulfilled_there {
            touched.push(onchain);
        }
    }
    drop(table);
    let mut lost = Vec::new();
    for onchain in touched {
        if onchain.block >= from {
            remove_onchain(txn, &onchain)?;
            lost.extend(onchain.request);
        } else {
            set_delivery(txn, chain_id, onchain.id, &Delivery::Pending)?;
        }
    }
    Ok(lost)
}

fn remove_onchain(txn: &WriteTransaction, onchain: &OnChain) -> Result<(), StoreError> {
    let key = onchain_key(onchain.chain_id, onchain.id);
    txn.open_table(ONCHAIN).map_err(db)?.remove(key.as_slice()).map_err(db)?;
    txn.open_table(UNDELIVERED).map_err(db)?.remove(key.as_slice()).map_err(db)?;
    if let Some(request) = onchain.request {
        let waiter = [request.0.as_slice(), &key].concat();
        txn.open_table(WAITERS).map_err(db)?.remove(waiter.as_slice()).map_err(db)?;
    }
    Ok(())
}

fn set_delivery(&self, chain_id: u64, id: U256, delivery: &Delivery) -> Result<(), StoreError> {
        self.write(Need::Durable, |txn| set_delivery(txn, chain_id, id, delivery))
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
            put_expiry(txn, expires, Kind::Input, id)
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

    /// How many input jobs are held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn input_count(&self) -> Result<u64, StoreError> {
        self.db.begin_read().map_err(db)?.open_table(INPUTS).map_err(db)?.len().map_err(db)
    }

    /// Forgets what expired before `now`, at most `limit` entries, and returns the ids of forgotten requests.
    /// A request that somebody on chain still waits for stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&self, now: u64, limit: usize) -> Result<Vec<RequestId>, StoreError> {
        self.write(Need::Durable, |txn| {
            let mut expiry = txn.open_table(EXPIRY).map_err(db)?;
            let end = now.to_be_bytes();
            let mut due = Vec::new();
            for entry in expiry.range(..end.as_slice()).map_err(db)?.take(limit) {
                due.push(entry.map_err(db)?.0.value().to_vec());
            }
            let mut forgotten = Vec::new();
            for key in &due {
                expiry.remove(key.as_slice()).map_err(db)?;
                let (kind, id) = (key.get(8).copied(), word(key.get(9..).unwrap_or_default())?);
                if kind == Some(Kind::Input as u8) {
                    if !renewed(txn, INPUTS, id, now)? {
                        txn.open_table(INPUTS).map_err(db)?.remove(id.as_slice()).map_err(db)?;
                    }
                } else if !renewed(txn, REQUESTS, id, now)? && forget_request(txn, RequestId(id))? {
                    forgotten.push(RequestId(id));
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
            forget_request(txn, id)
        })
    }
}

/// What every entry that can expire says about itself.
#[derive(serde::Deserialize)]
struct Expires {
    expires: Option<u64>,
}

/// Whether the entry was renewed after the index entry at hand was written: then a later one stands in the index.
fn renewed(txn: &WriteTransaction, table: TableDefinition<Bytes, Bytes>, id: B256, now: u64) -> Result<bool, StoreError> {
    let entry = read::<Expires>(txn, table, id.as_slice())?;
    Ok(entry.is_some_and(|entry| entry.expires.is_some_and(|at| at >= now)))
}

fn forget_request(txn: &WriteTransaction, id: RequestId) -> Result<bool, StoreError> {
    let (low, high) = prefix(id);
    let waiters = txn.open_table(WAITERS).map_err(db)?;
    if waiters.range(low.as_slice()..=high.as_slice()).map_err(db)?.next().is_some() {
        return Ok(false);
    }
    txn.open_table(REQUESTS).map_err(db)?.remove(id.0.as_slice()).map_err(db)?;
    Ok(true)
}

fn add_onchain(txn: &WriteTransaction, onchain: &OnChain, record: Option<&Record>) -> Result<(), StoreError> {
    let key = onchain_key(onchain.chain_id, onchain.id);
    // Seen before, with what became of it: a replayed event changes nothing.
    if read::<OnChain>(txn, ONCHAIN, &key)?.is_some() {
        return Ok(());
    }
    put(txn, ONCHAIN, &key, onchain)?;
    if onchain.delivery == Delivery::Pending {
        txn.open_table(UNDELIVERED).map_err(db)?.insert(key.as_slice(), ()).map_err(db)?;
    }
    let Some(request) = onchain.request else { return Ok(()) };
    let waiter = [request.0.as_slice(), &key].concat();
    txn.open_table(WAITERS).map_err(db)?.insert(waiter.as_slice(), ()).map_err(db)?;
    if let Some(record) = record
        && read::<Record>(txn, REQUESTS, request.0.as_slice())?.is_none()
    {
        put(txn, REQUESTS, request.0.as_slice(), record)?;
    }
    Ok(())
}

fn remove_onchain(txn: &WriteTransaction, chain_id: u64, id: U256) -> Result<(), StoreError> {
    let key = onchain_key(chain_id, id);
    let Some(onchain) = read::<OnChain>(txn, ONCHAIN, &key)? else { return Ok(()) };
    txn.open_table(ONCHAIN).map_err(db)?.remove(key.as_slice()).map_err(db)?;
    txn.open_table(UNDELIVERED).map_err(db)?.remove(key.as_slice()).map_err(db)?;
    if let Some(request) = onchain.request {
        let waiter = [request.0.as_slice(), &key].concat();
        txn.open_table(WAITERS).map_err(db)?.remove(waiter.as_slice()).map_err(db)?;
    }
    Ok(())
}

fn set_delivery(txn: &WriteTransaction, chain_id: u64, id: U256, delivery: &Delivery) -> Result<(), StoreError> {
    let key = onchain_key(chain_id, id);
    let Some(mut onchain) = read::<OnChain>(txn, ONCHAIN, &key)? else { return Ok(()) };
    onchain.delivery = delivery.clone();
    put(txn, ONCHAIN, &key, &onchain)?;
    let mut undelivered = txn.open_table(UNDELIVERED).map_err(db)?;
    if *delivery == Delivery::Pending {
        undelivered.insert(key.as_slice(), ()).map_err(db)?;
    } else {
        undelivered.remove(key.as_slice()).map_err(db)?;
    }
    Ok(())
}

/// With its entry in the expiry index, if it is one that expires.
fn put_record(txn: &WriteTransaction, id: RequestId, record: &Record) -> Result<(), StoreError> {
    put(txn, REQUESTS, id.0.as_slice(), record)?;
    record.expires.map_or(Ok(()), |at| put_expiry(txn, at, Kind::Request, id.0))
}

fn put<T: Serialize>(txn: &WriteTransaction, table: TableDefinition<Bytes, Bytes>, key: &[u8], value: &T) -> Result<(), StoreError> {
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

fn put_expiry(txn: &WriteTransaction, at: u64, kind: Kind, id: B256) -> Result<(), StoreError> {
    let key = [&at.to_be_bytes()[..], &[kind as u8], id.as_slice()].concat();
    txn.open_table(EXPIRY).map_err(db)?.insert(key.as_slice(), ()).map_err(db)?;
    Ok(())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    Ok(serde_json::from_slice(bytes)?)
}

fn word(bytes: &[u8]) -> Result<B256, StoreError> {
    B256::try_from(bytes).map_err(|_| StoreError::Key(bytes.len()))
}

fn cursor_key(chain_id: u64) -> String {
    format!("cursor/{chain_id}")
}

fn nonce_key(chain_id: u64, nonce: u64) -> [u8; 16] {
    (u128::from(chain_id) << 64 | u128::from(nonce)).to_be_bytes()
}

fn onchain_key(chain_id: u64, id: U256) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&chain_id.to_be_bytes());
    key[8..].copy_from_slice(&id.to_be_bytes::<32>());
    key
}

fn prefix(request: RequestId) -> (Vec<u8>, Vec<u8>) {
    let low = request.0.to_vec();
    let high = [request.0.as_slice(), &[0xff; 40]].concat();
    (low, high)
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
}

fn db<E: Into<redb::Error>>(error: E) -> StoreError {
    StoreError::Db(Box::new(error.into()))
}


