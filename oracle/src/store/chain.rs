//! What the oracle knows of host chains: requests, who waits for what, fulfilments, cursor, transactions in flight.

use super::{
    Bytes, Kind, META, Need, REQUESTS, Store, StoreError, WAITERS, db, decode, expired, forget_request, put,
    put_expiry, put_record, read,
};
use crate::clock::unix_now;
use crate::record::{Delivery, OnChain, Record, State};
use alloy_primitives::{B256, U256};
use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use tkms_types::RequestId;

/// Chain id ‖ id on chain → [`OnChain`].
pub(super) const ONCHAIN: TableDefinition<Bytes, Bytes> = TableDefinition::new("onchain");
/// Chain id ‖ id on chain of everything whose delivery is pending.
pub(super) const UNDELIVERED: TableDefinition<Bytes, ()> = TableDefinition::new("undelivered");
/// Chain id ‖ nonce → transaction in flight, as the submitter keeps it.
pub(super) const TRANSACTIONS: TableDefinition<Bytes, Bytes> = TableDefinition::new("transactions");

/// Seconds a request on chain is shown after it was fulfilled. Far longer than any reorganisation, which may take the
/// fulfilment back.
const KEEP_DELIVERED: u64 = 7 * 24 * 3600;

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
                let (transaction, callback_ok, block) =
                    (Some(seen.transaction), Some(seen.callback_ok), Some(seen.block));
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
    let known = read::<Record>(txn, REQUESTS, request.0.as_slice())?;
    // A refusal given to somebody else is not final for this one: it is allowed now, or the contract had not asked.
    if let Some(record) = record
        && known.is_none_or(|known| matches!(known.state, State::Refused(_)))
    {
        put_record(txn, request, record)?;
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
        let fulfilled_there =
            matches!(onchain.delivery, Delivery::Fulfilled { block: Some(block), .. } if block >= from);
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

fn set_delivery(txn: &WriteTransaction, chain_id: u64, id: U256, delivery: &Delivery) -> Result<(), StoreError> {
    let key = onchain_key(chain_id, id);
    let Some(mut onchain) = read::<OnChain>(txn, ONCHAIN, &key)? else { return Ok(()) };
    onchain.delivery = delivery.clone();
    put(txn, ONCHAIN, &key, &onchain)?;
    let mut undelivered = txn.open_table(UNDELIVERED).map_err(db)?;
    if *delivery == Delivery::Pending {
        undelivered.insert(key.as_slice(), ()).map_err(db)?;
        return Ok(());
    }
    undelivered.remove(key.as_slice()).map_err(db)?;
    put_expiry(txn, unix_now() + KEEP_DELIVERED, Kind::OnChain, &key)
}

/// Forgets a request on chain that has been done with for long, and what it asked if nobody else wants it.
pub(super) fn forget(txn: &WriteTransaction, key: &[u8], now: u64) -> Result<Option<RequestId>, StoreError> {
    let Some(onchain) = read::<OnChain>(txn, ONCHAIN, key)? else { return Ok(None) };
    if onchain.delivery == Delivery::Pending {
        return Ok(None);
    }
    remove_onchain(txn, &onchain)?;
    match onchain.request {
        Some(request) if expired(txn, REQUESTS, request.0.as_slice(), now)? => forget_request(txn, request),
        _ => Ok(None),
    }
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

/// The range of a request's entries among the waiters.
pub(super) fn prefix(request: RequestId) -> (Vec<u8>, Vec<u8>) {
    let low = request.0.to_vec();
    let high = [request.0.as_slice(), &[0xff; 40]].concat();
    (low, high)
}
