//! What this node has begun, used and seen in its epoch, on disk before it has any effect.

use super::tables::{COUNTERS, NAMES, SEEN, STANDING, clear};
use crate::exhibits::Exhibits;
use crate::rounds::{Counters, Mark, mask_of, parties_of};
use crate::store::{Store, StoreError};
use alloy_primitives::B256;
use redb::{ReadableTable as _, WriteTransaction};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tkms_mpc::preprocessing::Standing;
use tkms_types::{Committee, ContextId, EpochId, PartyId, SessionId};

const BEGUN: &str = "begun";
const TAKEN: &str = "taken";
const ATTEMPT: &str = "setup attempt";
const PROMISED: &str = "promised mask keys";
const ROW: &str = "now";

/// Counters and standing of one epoch. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    names: (ContextId, EpochId),
    own: Arc<Mutex<Counters>>,
}

impl Ledger {
    /// Opens the ledger of an epoch; what belongs to another context or epoch is erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(store: Store, context: ContextId, epoch: EpochId) -> Result<Self, StoreError> {
        let own = store.write(move |tx| {
            let names = [context.bytes(), epoch.bytes()].concat();
            let known = tx.open_table(NAMES)?.get(ROW)?.map(|row| row.value().to_vec());
            if known.is_none_or(|known| known != names) {
                clear(tx)?;
                tx.open_table(NAMES)?.insert(ROW, names.as_slice())?;
            }
            Ok(Counters { begun: counter(tx, BEGUN)?, taken: counter(tx, TAKEN)? })
        });
        let own = Arc::new(Mutex::new(own.await?));
        Ok(Self { store, names: (context, epoch), own })
    }

    /// What this node has begun and taken.
    #[must_use]
    pub fn own(&self) -> Counters {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Evidence against peers, in the same store.
    #[must_use]
    pub fn exhibits(&self) -> Exhibits {
        Exhibits::new(self.store.clone())
    }

    /// The number of a batch is used.
    ///
    /// # Errors
    /// [`StoreError`]; it must not begin then.
    pub async fn begin(&self, number: u64) -> Result<(), StoreError> {
        self.raise(Counters { begun: number.saturating_add(1), taken: 0 }).await
    }

    /// Lifts the counters to these, where they are lower.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn raise(&self, to: Counters) -> Result<(), StoreError> {
        let raised = self.store.write(move |tx| {
            let own = Counters { begun: counter(tx, BEGUN)?, taken: counter(tx, TAKEN)? }.highest(to);
            tx.open_table(COUNTERS)?.insert(BEGUN, own.begun)?;
            tx.open_table(COUNTERS)?.insert(TAKEN, own.taken)?;
            Ok(own)
        });
        self.note(raised.await?);
        Ok(())
    }

    /// The counters on disk are these.
    pub(super) fn note(&self, own: Counters) {
        let mut known = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.highest(own);
    }

    /// The number of the next setup attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_attempt(&self) -> Result<u64, StoreError> {
        self.store.read(|tx| Ok(tx.open_table(COUNTERS)?.get(ATTEMPT)?.map_or(1, |number| number.value())))
    }

    /// The number of a setup attempt is used.
    ///
    /// # Errors
    /// [`StoreError`]; it must not begin then.
    pub async fn attempt(&self, number: u64) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                tx.open_table(COUNTERS)?.insert(ATTEMPT, number.saturating_add(1))?;
                Ok(())
            })
            .await
    }

    /// The setup whose mask keys this node has promised never to drop.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn promised(&self) -> Result<Option<SessionId>, StoreError> {
        let row = self.store.read(|tx| Ok(tx.open_table(NAMES)?.get(PROMISED)?.map(|row| row.value().to_vec())))?;
        Ok(row.and_then(|row| B256::try_from(row.as_slice()).ok()).map(SessionId))
    }

    /// Promises it.
    ///
    /// # Errors
    /// [`StoreError`]; nobody must hear of it then.
    pub async fn promise(&self, setup: SessionId) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                tx.open_table(NAMES)?.insert(PROMISED, setup.0.as_slice())?;
                Ok(())
            })
            .await
    }

    /// The highest mark ever seen of each peer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn seen(&self, committee: Committee) -> Result<BTreeMap<PartyId, Mark>, StoreError> {
        let (context, epoch) = self.names;
        self.store.read(|tx| {
            let table = tx.open_table(SEEN)?;
            let mut seen = BTreeMap::new();
            for party in committee.parties() {
                if let Some(row) = table.get(party.number())? {
                    let (begun, taken, signature) = row.value();
                    let counters = Counters { begun, taken };
                    seen.insert(party, Mark { party, context, epoch, counters, signature: *signature });
                }
            }
            Ok(seen)
        })
    }

    /// Remembers marks of peers, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn saw(&self, marks: Vec<Mark>) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                let mut table = tx.open_table(SEEN)?;
                for mark in &marks {
                    let row = (mark.counters.begun, mark.counters.taken, &mark.signature);
                    table.insert(mark.party.number(), row)?;
                }
                Ok(())
            })
            .await
    }

    /// What the committee holds against its members, as far as this node took part.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn standing(&self, committee: Committee) -> Result<Standing, StoreError> {
        self.store.read(|tx| {
            let row = tx.open_table(STANDING)?.get(ROW)?.map(|row| row.value());
            let (evicted, careful) = row.unwrap_or_default();
            Ok(Standing { evicted: parties_of(evicted, committee).unwrap_or_default(), careful })
        })
    }

    /// Keeps the standing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_standing(&self, standing: &Standing) -> Result<(), StoreError> {
        let row = (mask_of(&standing.evicted), standing.careful);
        self.store
            .write(move |tx| {
                tx.open_table(STANDING)?.insert(ROW, row)?;
                Ok(())
            })
            .await
    }
}

fn counter(tx: &WriteTransaction, name: &str) -> Result<u64, StoreError> {
    Ok(tx.open_table(COUNTERS)?.get(name)?.map_or(0, |value| value.value()))
}

/// Counts items as taken, in the transaction that takes them.
pub(super) fn count_taken(tx: &WriteTransaction, items: u64) -> Result<Counters, StoreError> {
    let own = Counters { begun: counter(tx, BEGUN)?, taken: counter(tx, TAKEN)? + items };
    tx.open_table(COUNTERS)?.insert(TAKEN, own.taken)?;
    Ok(own)
}
