//! Preprocessed items on disk: persisted before use, taken once, erased as they are taken.
//!
//! Items have names, (context, epoch, batch, index), and are taken by name: which ciphertext an item belongs to, the
//! committee decides, never the order in which one node happens to need them.

mod background;
mod books;
mod chunk;
mod items;
mod ledger;
mod plan;
mod rows;
mod shares;
mod status;
pub(crate) mod tables;
mod trust;

pub use background::{Finished, PreprocessingError, Preprocessor};
pub use books::{BindError, Claim};
pub use chunk::CHUNK_ITEMS;
pub use items::{BITS, ExactItems, ITEM_BYTES};
pub use ledger::Ledger;
pub use plan::{PlanError, Preprocessing};
pub use shares::EndedSession;
pub use status::Status;
pub use trust::{Trust, judge};

use crate::rounds::{Begun, Counters, Hub, mask_of, parties_of};
use crate::store::{Store, StoreError};
use books::Books;
use chunk::Chunk;
use ledger::count_taken;
use redb::{ReadableTable as _, WriteTransaction};
use rows::{Rows, joined};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tables::{BALLOTS, BATCHES, CHUNKS, LEFT_OUT, SHARES};
use tkms_mpc::exact::{self, Certificate, Width};
use tkms_mpc::fault::Owner;
use tkms_mpc::prss::PrssKeys;
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{ContextId, EpochId, SessionId};
use zeroize::Zeroizing;

/// Most items of one taking.
pub const TAKE_ITEMS: u32 = 1024;

/// The items of an epoch. Cheap to clone.
#[derive(Clone)]
pub struct Stock(Arc<Inner>);

struct Inner {
    store: Store,
    ledger: Ledger,
    hub: Arc<Hub>,
    context: ContextId,
    epoch: EpochId,
    /// Keys of what is on disk come from it.
    root: Zeroizing<[u8; 32]>,
    books: Mutex<Books>,
}

/// Items that are not given.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The store is old, or might be.
    #[error("{0}")]
    Distrusted(Trust),
    /// No such batch is in stock here.
    #[error("batch {0} is not in stock here")]
    NoBatch(u64),
    /// No items, too many, or beyond the batch.
    #[error("items {from} to {to} of a batch of {items}; at most {TAKE_ITEMS} at once", from = .range.start, to = .range.end)]
    Range {
        /// As asked.
        range: Range<u32>,
        /// Items of the batch.
        items: u32,
    },
    /// One of them was taken before. None is taken now.
    #[error("item {index} of batch {batch} was taken before")]
    Taken {
        /// Of which batch.
        batch: u64,
        /// Which.
        index: u32,
    },
    /// A row does not open.
    #[error("batch {0} is damaged on disk")]
    Damaged(u64),
    /// Items that do not fit the certificate.
    #[error(transparent)]
    Exact(#[from] exact::ExactError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Stock {
    /// The stock of the ledger's epoch, with the votes on it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(
        store: Store,
        ledger: Ledger,
        hub: Arc<Hub>,
        names: (ContextId, EpochId),
        keys: &PrssKeys,
    ) -> Result<Self, StoreError> {
        let root = Zeroizing::new(blake3::derive_key(tags::STOCK, &keys.to_secret_bytes()));
        let mut books = Books::new(hub.me(), hub.committee(), names);
        store.read(|tx| {
            for row in tx.open_table(BATCHES)?.iter()? {
                let (number, row) = row?;
                let left_out = tx.open_table(LEFT_OUT)?.get(number.value())?.map_or(0, |mask| mask.value());
                let left_out = parties_of(left_out, hub.committee()).unwrap_or_default();
                books.open(number.value(), row.value().1, &left_out);
            }
            for row in tx.open_table(BALLOTS)?.iter()? {
                let (place, vote) = row?;
                let ((batch, from), (to, session)) = (place.value(), vote.value());
                let range = exact::Range { batch: books.id(batch), from, to };
                if let Err(error) = books.restore(&range, SessionId(session.into())) {
                    tracing::error!(batch, from, to, %error, "two votes on disk contradict each other");
                }
            }
            Ok(())
        })?;
        let books = Mutex::new(books);
        Ok(Self(Arc::new(Inner { store, ledger, hub, context: names.0, epoch: names.1, root, books })))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sealer(&self) -> shares::Sealer<'_> {
        shares::Sealer { root: &self.0.root, names: (self.0.context, self.0.epoch) }
    }

    fn batch_key(&self, batch: u64, session: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let names = Transcript::new(tags::STOCK).word(self.0.context).word(self.0.epoch).u64(batch).word(*session);
        Zeroizing::new(*blake3::keyed_hash(&self.0.root, &names.finish().0).as_bytes())
    }

    /// What the peers' memory says about this store.
    #[must_use]
    pub fn trust(&self) -> Trust {
        judge(self.0.hub.committee(), self.0.ledger.own(), &self.0.hub.claims())
    }

    /// Keeps the items of an agreed batch; they may be taken when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, begun: &Begun, items: &ExactItems) -> Result<(), StoreError> {
        let (batch, session, left_out) = (begun.number, begun.session, mask_of(&begun.standing.evicted));
        let key = self.batch_key(batch, &session.0.0);
        let bytes = items.to_secret_bytes();
        let chunks = bytes.chunks(CHUNK_ITEMS * ITEM_BYTES).zip(0..);
        let rows = chunks.map(|(bytes, number)| Chunk::new(number, bytes).seal(&key));
        let rows = rows.collect::<Option<Vec<_>>>().ok_or(StoreError::Closed)?;
        let count = items.0.len() as u32;
        let written = self.0.store.write(move |tx| {
            let mut chunks = tx.open_table(CHUNKS)?;
            for (number, row) in (0..).zip(&rows) {
                chunks.insert((batch, number), row.as_slice())?;
            }
            tx.open_table(LEFT_OUT)?.insert(batch, left_out)?;
            tx.open_table(BATCHES)?.insert(batch, (&session.0.0, count, count))?;
            Ok(())
        });
        written.await?;
        self.books().open(batch, count, &begun.standing.evicted);
        Ok(())
    }

    /// Whether this node could propose so many items now.
    #[must_use]
    pub fn has(&self, items: u32) -> bool {
        self.trust() == Trust::Confirmed && self.books().has(items)
    }

    /// Whether some party could propose so many items.
    #[must_use]
    pub fn serves(&self, items: u32) -> bool {
        self.books().serves(items)
    }

    /// Whether a batch that is not here may still come: the newest that others have.
    #[must_use]
    pub fn expects(&self, batch: u64) -> bool {
        self.books().newest().is_none_or(|newest| batch > newest)
    }

    /// Items that can be bound before some lane is used up, times the number of lanes.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.books().free()
    }

    /// Votes on ranges, one session each; they are on disk when this returns, in one transaction. A vote that is asked for
    /// again is the same one.
    ///
    /// # Errors
    /// [`StoreError`]: none of them may be sent then. [`BindError`] for a single one.
    pub async fn vote(
        &self,
        claims: Vec<(SessionId, Claim)>,
    ) -> Result<Vec<Result<exact::Range, BindError>>, StoreError> {
        let trust = self.trust();
        if trust != Trust::Confirmed {
            return Ok(claims.iter().map(|_| Err(BindError::Distrusted(trust))).collect());
        }
        let mut rows = Vec::new();
        let votes = {
            let mut books = self.books();
            let mut vote = |(session, claim): (SessionId, Claim)| {
                let (range, fresh) = books.bind(session, claim)?;
                if fresh {
                    rows.push((range.batch.number, range.from, range.to, session));
                }
                Ok(range)
            };
            claims.into_iter().map(&mut vote).collect()
        };
        if rows.is_empty() {
            return Ok(votes);
        }
        let own = self.0.store.write(move |tx| {
            let mut table = tx.open_table(BALLOTS)?;
            let mut items = 0;
            for (batch, from, to, session) in rows {
                table.insert((batch, from), (to, &session.0.0))?;
                items += u64::from(to - from);
            }
            count_taken(tx, items)
        });
        match own.await {
            Ok(own) => self.counted(own),
            Err(error) => {
                // the books say more than the disk: nothing is voted for any more until they are read again at a start
                self.books().close_all();
                return Err(error);
            }
        }
        Ok(votes)
    }

    fn counted(&self, own: Counters) {
        self.0.ledger.note(own);
        self.0.hub.count(own);
    }

    /// The items of a certified range. They stay on disk until [`Self::end`]: whoever comes back from a crash in between
    /// says the same again, since no other session gets a certificate for them.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn items(&self, certificate: &Certificate, owner: Owner) -> Result<exact::Items, TakeError> {
        let trust = self.trust();
        if trust != Trust::Confirmed {
            return Err(TakeError::Distrusted(trust));
        }
        let exact::Range { batch, from, to } = *certificate.range();
        let found = self.0.store.read(|tx| {
            let row = tx.open_table(BATCHES)?.get(batch.number)?.map(|row| (*row.value().0, row.value().1));
            let Some((session, count)) = row else { return Ok(Err(TakeError::NoBatch(batch.number))) };
            let chunks = tx.open_table(CHUNKS)?;
            let row = |number| Ok(chunks.get((batch.number, number))?.map(|row| row.value().to_vec()));
            let rows = Rows { batch: batch.number, count, key: self.batch_key(batch.number, &session) };
            Ok(rows.take(from..to, row)?.map(|(items, _)| items))
        })??;
        Ok(exact::Items::new(owner, Width::PRODUCTION, certificate, &found.0)?)
    }

    /// Sessions have ended: their shares are kept and their items erased, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end(&self, ended: &[EndedSession]) -> Result<(), StoreError> {
        let row = |ended: &EndedSession| Some((ended.base, ended.attempt, self.sealer().seal(ended)?));
        let rows: Vec<_> = ended.iter().filter_map(row).collect();
        let ranges = joined(ended.iter().filter_map(|ended| ended.range).collect());
        let stock = self.clone();
        let gone = self.0.store.write(move |tx| {
            {
                let mut table = tx.open_table(SHARES)?;
                for (base, attempt, row) in &rows {
                    table.insert((&base.0.0, *attempt), row.as_slice())?;
                }
            }
            let mut gone = Vec::new();
            for (batch, range) in ranges {
                match stock.take_in(tx, batch, range.clone())? {
                    Ok((_, true)) => gone.push(batch),
                    Ok((_, false)) => {}
                    Err(error) => tracing::error!(batch, ?range, %error, "used items are not erased"),
                }
            }
            Ok(gone)
        });
        for batch in gone.await? {
            self.books().close(batch);
        }
        Ok(())
    }

    /// What the attempts of a ciphertext left with this node.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ended(&self, base: SessionId) -> Result<Vec<EndedSession>, StoreError> {
        self.0.store.read(|tx| {
            let table = tx.open_table(SHARES)?;
            let mut found = Vec::new();
            for row in table.range((&base.0.0, 0)..=(&base.0.0, u32::MAX))? {
                let (place, row) = row?;
                let attempt = place.value().1;
                match self.sealer().open(base, attempt, row.value()) {
                    Some(ended) => found.push(ended),
                    None => tracing::error!(session = %base, attempt, "stored shares are damaged"),
                }
            }
            Ok(found)
        })
    }

    /// Takes items by name, once: they are erased on disk when this returns.
    ///
    /// # Errors
    /// [`TakeError`]; nothing is taken then.
    pub async fn take(&self, batch: u64, range: Range<u32>) -> Result<ExactItems, TakeError> {
        let trust = self.trust();
        if trust != Trust::Confirmed {
            return Err(TakeError::Distrusted(trust));
        }
        let stock = self.clone();
        let items = u64::from(range.end.saturating_sub(range.start));
        // An error of the taking must not undo what shares its transaction, so it is a value there
        let taken = self.0.store.write(move |tx| match stock.take_in(tx, batch, range)? {
            Ok(taken) => Ok(Ok((taken, count_taken(tx, items)?))),
            Err(error) => Ok(Err(error)),
        });
        let ((items, gone), own) = taken.await??;
        if gone {
            self.books().close(batch);
        }
        self.counted(own);
        Ok(items)
    }

    /// Takes items, and says whether they were the last of their batch.
    fn take_in(
        &self,
        tx: &WriteTransaction,
        batch: u64,
        range: Range<u32>,
    ) -> Result<Result<(ExactItems, bool), TakeError>, StoreError> {
        let mut batches = tx.open_table(BATCHES)?;
        let row = batches.get(batch)?.map(|row| {
            let (session, items, left) = row.value();
            (*session, items, left)
        });
        let Some((session, count, left)) = row else { return Ok(Err(TakeError::NoBatch(batch))) };
        let mut chunks = tx.open_table(CHUNKS)?;
        let rows = Rows { batch, count, key: self.batch_key(batch, &session) };
        let taken = range.len() as u32;
        let row = |number| Ok(chunks.get((batch, number))?.map(|row| row.value().to_vec()));
        let (items, opened) = match rows.take(range, row)? {
            Ok(taken) => taken,
            Err(error) => return Ok(Err(error)),
        };
        let rewritten = opened.into_iter().map(|(number, chunk)| {
            let row = if chunk.is_empty() { Some(None) } else { chunk.rewritten().seal(&rows.key).map(Some) };
            row.map(|row| (number, row))
        });
        let Some(rewritten) = rewritten.collect::<Option<Vec<_>>>() else { return Ok(Err(TakeError::Damaged(batch))) };
        for (number, row) in rewritten {
            match row {
                None => drop(chunks.remove((batch, number))?),
                Some(row) => drop(chunks.insert((batch, number), row.as_slice())?),
            }
        }
        let gone = left == taken;
        if gone {
            batches.remove(batch)?;
            tx.open_table(LEFT_OUT)?.remove(batch)?;
            tx.open_table(BALLOTS)?.retain_in((batch, 0)..=(batch, u32::MAX), |_, _| false)?;
        } else {
            batches.insert(batch, (&session, count, left - taken))?;
        }
        Ok(Ok((items, gone)))
    }

    /// Batches in stock: number, and items left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batches(&self) -> Result<Vec<(u64, u32)>, StoreError> {
        self.0.store.read(|tx| {
            let table = tx.open_table(BATCHES)?;
            table
                .iter()?
                .map(|row| row.map(|(number, row)| (number.value(), row.value().2)).map_err(Into::into))
                .collect()
        })
    }

    /// Gives up every item of an old store and lifts the counters to what this node has signed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resynchronise(&self, seen: Counters) -> Result<(), StoreError> {
        self.books().close_all();
        self.0.store.write(tables::clear_items).await?;
        self.0.ledger.raise(seen).await
    }
}
