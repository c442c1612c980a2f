//! Follows the chain at its head. What a block says is kept even if the chain drops it: a handle hashes all that its
//! value depends on, so a value computed for a dropped block is right wherever the handle comes up again. Only the
//! cursor goes back.

use crate::metrics;
use crate::progress::{Phase, Progress};
use crate::store::{Action, Store, StoreError};
use crate::translate::Translator;
use std::convert::Infallible;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tkms_eth::Rpc;
use tkms_eth::events::{Batch, ChainLog, Cursor, EventsError, Follow, LogFilter, LogReader};
use tkms_types::HostChain;
use tokio::sync::Notify;

/// Blocks read at once while catching up.
const BLOCKS_AT_ONCE: u64 = 1_000;
/// Logs taken into the database in one transaction.
const LOGS_AT_ONCE: usize = 1_024;
/// First and longest pause after the endpoint failed; doubled each time.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Pause before looking again whether the queue has room.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// The follower of one chain.
#[derive(Debug)]
pub struct Follower {
    reader: LogReader,
    translator: Translator,
    first_block: u64,
    queue: u64,
    poll: Duration,
    store: Arc<Store>,
    wake: Arc<Notify>,
    progress: Progress,
}

/// Why the chain cannot be followed any further.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Our database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor in the database is not what this version writes.
    #[error("the cursor in the database cannot be read: {0}")]
    Cursor(#[from] serde_json::Error),
    /// The endpoint serves another chain than before.
    #[error("{0}")]
    OtherChain(EventsError),
}

impl Follower {
    /// Reads logs of executor and ACL, at most `queue` runnable operations ahead of what is computed.
    #[must_use]
    pub fn new(
        rpc: Rpc,
        chain: &HostChain,
        poll: Duration,
        queue: NonZeroU64,
        parts: (Arc<Store>, Arc<Notify>, Progress),
    ) -> Self {
        let filter =
            LogFilter { contracts: vec![chain.contracts.executor, chain.contracts.acl], topics: Translator::topics() };
        let (store, wake, progress) = parts;
        Self {
            reader: LogReader::new(rpc, filter, Follow::Latest, BLOCKS_AT_ONCE, poll),
            translator: Translator::new(chain),
            first_block: chain.checkpoint_number,
            queue: queue.get(),
            poll,
            store,
            wake,
            progress,
        }
    }

    /// Follows until the database fails or the endpoint serves another chain.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn run(self) -> Result<Infallible, FollowError> {
        let mut pause = PAUSE.0;
        let mut cursor = None;
        loop {
            match self.step(&mut cursor).await {
                Ok(()) => pause = PAUSE.0,
                Err(StepError::Follow(error)) => return Err(error),
                Err(StepError::Events(error @ EventsError::OtherChain { .. })) => {
                    return Err(FollowError::OtherChain(error));
                }
                Err(StepError::Events(EventsError::Moved(block))) => {
                    tracing::debug!(block, "changed while it was read");
                    tokio::time::sleep(self.poll).await;
                }
                Err(StepError::Events(error)) => {
                    tracing::warn!(%error, "the chain cannot be read");
                    self.progress.enter(Phase::WaitingForChain(error.to_string()));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    async fn step(&self, place: &mut Option<Cursor>) -> Result<(), StepError> {
        let cursor = match place.take() {
            Some(cursor) => cursor,
            None => self.resume().await?,
        };
        let cursor = place.insert(cursor);
        self.wait_for_room().await?;
        match self.reader.poll(cursor).await {
            Ok(batch) => {
                let (block, head) = (batch.cursor.block.number, batch.head.number);
                let caught_up = batch.is_caught_up();
                if batch.cursor == *cursor {
                    tokio::time::sleep(self.poll).await;
                } else {
                    self.take_in(cursor, &batch).await?;
                    *cursor = batch.cursor;
                }
                metrics::block(block, head);
                self.progress.enter(if caught_up { Phase::Ready } else { Phase::CatchingUp { block, head } });
                Ok(())
            }
            Err(EventsError::Reorged { from, cursor: back }) => {
                tracing::info!(from, "the chain reorganised");
                metrics::reorganised();
                self.save(Vec::new(), &back).await?;
                *cursor = *back;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn wait_for_room(&self) -> Result<(), StepError> {
        loop {
            let counts = self.store.run(Store::counts).await?;
            metrics::counts(counts);
            if counts.runnable < self.queue {
                return Ok(());
            }
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    async fn resume(&self) -> Result<Cursor, StepError> {
        match self.store.run(Store::cursor).await? {
            Some(bytes) => Ok(serde_json::from_slice(&bytes).map_err(FollowError::Cursor)?),
            None => Ok(self.reader.start_at(self.first_block).await?),
        }
    }

    /// Takes a batch into the database piece by piece, each with the cursor up to which it goes.
    async fn take_in(&self, start: &Cursor, batch: &Batch) -> Result<(), StepError> {
        let mut pieces = batch.logs.chunks(LOGS_AT_ONCE).peekable();
        while let Some(piece) = pieces.next() {
            let actions = piece.iter().flat_map(|log| self.translate(log)).collect();
            match piece.last() {
                Some(last) if pieces.peek().is_some() => self.save(actions, &start.past(last)).await?,
                _ => self.save(actions, &batch.cursor).await?,
            }
        }
        if batch.logs.is_empty() {
            self.save(Vec::new(), &batch.cursor).await?;
        }
        Ok(())
    }

    fn translate(&self, log: &ChainLog) -> Vec<Action> {
        self.translator.translate(&log.content).unwrap_or_else(|error| {
            tracing::warn!(block = log.block.number, index = log.index, %error, "a log means nothing");
            Vec::new()
        })
    }

    async fn save(&self, actions: Vec<Action>, cursor: &Cursor) -> Result<(), StepError> {
        let bytes = serde_json::to_vec(cursor).map_err(FollowError::Cursor)?;
        self.store.run(move |store| store.apply(&actions, &bytes)).await?;
        self.wake.notify_one();
        Ok(())
    }
}

enum StepError {
    Follow(FollowError),
    Events(EventsError),
}

impl From<EventsError> for StepError {
    fn from(error: EventsError) -> Self {
        Self::Events(error)
    }
}

impl From<FollowError> for StepError {
    fn from(error: FollowError) -> Self {
        Self::Follow(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Follow(error.into())
    }
}
