//! Chains whose history contradicted itself. A halt outlives the process; only an operator ends it.

use super::{META, Need, Store, StoreError, db};
use redb::{ReadableDatabase as _, ReadableTable as _};

/// Characters kept of a reason.
const REASON: usize = 1_000;

fn key(chain_id: u64) -> String {
    format!("halt/{chain_id}")
}

impl Store {
    /// Why nothing is built on this chain, if so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn halt(&self, chain_id: u64) -> Result<Option<String>, StoreError> {
        let table = self.db.begin_read().map_err(db)?.open_table(META).map_err(db)?;
        let reason = table.get(key(chain_id).as_str()).map_err(db)?;
        Ok(reason.map(|reason| String::from_utf8_lossy(reason.value()).into_owned()))
    }

    /// Halts a chain. The first reason stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_halt(&self, chain_id: u64, reason: &str) -> Result<(), StoreError> {
        let reason: String = reason.chars().take(REASON).collect();
        self.write(Need::Durable, |txn| {
            let mut meta = txn.open_table(META).map_err(db)?;
            if meta.get(key(chain_id).as_str()).map_err(db)?.is_none() {
                meta.insert(key(chain_id).as_str(), reason.as_bytes()).map_err(db)?;
            }
            Ok(())
        })
    }

    /// The operator's word that the chain may be built on again. Whether it was halted.
    ///
    /// # Errors
    /// [`StoreError`]; the oracle must not be running.
    pub fn clear_halt(&self, chain_id: u64) -> Result<bool, StoreError> {
        self.write(Need::Durable, |txn| {
            let mut meta = txn.open_table(META).map_err(db)?;
            let halted = meta.remove(key(chain_id).as_str()).map_err(db)?.is_some();
            Ok(halted)
        })
    }
}
