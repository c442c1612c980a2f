//! Opened ciphertexts of `exact`. They are many and their requests long, so a request has one row, named by its hash; from schema 3
//! on the rows of its ciphertexts hold that name. Before, each held the request.

use super::{SESSIONS, Store, StoreError};
use redb::{TableDefinition, WriteTransaction};
use std::collections::BTreeMap;
use tkms_types::SessionId;

/// Stored at, request encoded.
pub(super) const REQUESTS: TableDefinition<&[u8; 32], (u64, &[u8])> = TableDefinition::new("requests");

/// Ciphertexts that were opened, and the requests behind them.
#[derive(Default)]
pub struct OpenedRows {
    /// By name.
    pub requests: BTreeMap<[u8; 32], Vec<u8>>,
    /// Session, name of the request, digits.
    pub sessions: Vec<(SessionId, [u8; 32], Vec<u8>)>,
}

impl Store {
    /// Keeps what was opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_opened(&self, now: u64, rows: OpenedRows) -> Result<(), StoreError> {
        self.write(move |tx| {
            let mut requests = tx.open_table(REQUESTS)?;
            for (name, request) in &rows.requests {
                requests.insert(name, (now, request.as_slice()))?;
            }
            let (mut sessions, no_message) = (tx.open_table(SESSIONS)?, [].as_slice());
            for (session, name, digits) in &rows.sessions {
                sessions.insert(&session.0.0, (now, no_message, name.as_slice(), digits.as_slice()))?;
            }
            Ok(())
        })
        .await
    }

    /// The request behind an opened ciphertext, from what its row says of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn request(&self, said: Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
        // no request is as short as a name
        let Ok(name) = <[u8; 32]>::try_from(said.as_slice()) else { return Ok(Some(said)) };
        self.read(|tx| {
            let found = tx.open_table(REQUESTS)?.get(&name)?.map(|row| row.value().1.to_vec());
            Ok(found)
        })
    }
}

/// Forgets requests stored before a time.
pub(super) fn prune(tx: &WriteTransaction, before: u64) -> Result<(), StoreError> {
    tx.open_table(REQUESTS)?.retain(|_, (stored, _)| stored >= before)?;
    Ok(())
}
