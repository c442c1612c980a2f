//! Logs in order, each once, from where the caller left off: over plain HTTP polling, through restarts and reorganisations.
//!
//! The caller owns the [`Cursor`]: it stores the one it is given together with what it made of the logs, in one transaction of its own
//! store, and hands it back. A reorganisation comes as [`EventsError::Reorged`]: undo what came from `from` on, store the cursor given.

use std::time::Duration;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Log as LogContent},
    providers::Provider,
    rpc::types::{Filter, Log},
};
use serde::{Deserialize, Serialize};

use crate::{
    proofs::{BlockHeader, ProofError, header_by_number},
    rpc::{Rpc, RpcError, during},
};

/// Blocks remembered in a cursor, to find where a reorganisation begins.
pub const REMEMBERED_BLOCKS: usize = 128;
/// Nearer to the head than this, [`Follow::Latest`] reads block by block, so that a cursor remembers each and a short
/// reorganisation undoes little.
const BLOCK_BY_BLOCK: u64 = 32;
/// Logs taken from one answer of the endpoint.
pub const MAX_LOGS: usize = 100_000;

/// A block by number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

impl From<&BlockHeader> for BlockRef {
    fn from(header: &BlockHeader) -> Self {
        Self { number: header.number, hash: header.hash }
    }
}

/// Where a reader stands: plain data, for the caller to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The newest block looked at; everything before it is done.
    pub block: BlockRef,
    /// `None`: the block is done. `Some(i)`: its logs below index i are.
    pub next_log: Option<u64>,
    /// Blocks done earlier, oldest first, at most [`REMEMBERED_BLOCKS`].
    pub earlier: Vec<BlockRef>,
}

impl Cursor {
    /// Standing at the end of `block`.
    pub const fn after(block: BlockRef) -> Self {
        Self { block, next_log: None, earlier: Vec::new() }
    }

    /// The cursor once `log`, of the batch read from this cursor, is done and the logs after it are not.
    pub fn past(&self, log: &ChainLog) -> Self {
        Self { next_log: Some(log.index.saturating_add(1)), ..self.moved_to(log.block) }
    }

    fn moved_to(&self, block: BlockRef) -> Self {
        let mut earlier = self.earlier.clone();
        if self.block.number < block.number {
            earlier.push(self.block);
        }
        let surplus = earlier.len().saturating_sub(REMEMBERED_BLOCKS);
        earlier.drain(..surplus);
        Self { block, next_log: None, earlier }
    }
}

/// Which logs.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Emitted by one of these; all if empty.
    pub contracts: Vec<Address>,
    /// First topic one of these; all if empty.
    pub topics: Vec<B256>,
}

/// How near to the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// The head itself; reorganisations are ordinary.
    Latest,
    /// Final blocks only; a reorganisation means that the chain broke its word.
    Finalized,
}

impl From<Follow> for BlockNumberOrTag {
    fn from(follow: Follow) -> Self {
        match follow {
            Follow::Latest => Self::Latest,
            Follow::Finalized => Self::Finalized,
        }
    }
}

/// One log and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainLog {
    /// Its block.
    pub block: BlockRef,
    /// Position among all logs of the block.
    pub index: u64,
    /// Transaction that emitted it.
    pub transaction: B256,
    /// Contract, topics, data: for `decode_log` of a binding.
    pub content: LogContent,
}

/// What one look at the chain gave.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In order of block and index.
    pub logs: Vec<ChainLog>,
    /// To store once all of them are done.
    pub cursor: Cursor,
    /// Newest block of the mode at the time.
    pub head: BlockRef,
}

impl Batch {
    /// Whether the reader has seen all there is.
    pub const fn is_caught_up(&self) -> bool {
        self.cursor.block.number >= self.head.number
    }
}

/// Why there is no batch.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The endpoint failed.
    #[error(transparent)]
    Chain(#[from] ProofError),
    /// The chain left the blocks this cursor has seen.
    #[error("chain reorganised from block {from}")]
    Reorged {
        /// First block whose logs no longer count.
        from: u64,
        /// Where to go on, at the last block still on the chain.
        cursor: Box<Cursor>,
    },
    /// None of the remembered blocks is on the chain: it is another one, or the endpoint serves another one.
    #[error("no remembered block is on the chain any more, the oldest was {oldest}")]
    OtherChain {
        /// Number of the oldest block remembered.
        oldest: u64,
    },
    /// The chain changed while it was read. Try again.
    #[error("block {0} changed while its logs were read")]
    Moved(u64),
    /// A log is not where its block says, or has no place at all.
    #[error("the endpoint gave a log outside of blocks {from} to {to}")]
    StrayLog {
        /// First block asked for.
        from: u64,
        /// Last block asked for.
        to: u64,
    },
    /// More than [`MAX_LOGS`] in one block.
    #[error("{0} logs in one answer")]
    TooManyLogs(usize),
}

impl From<RpcError> for EventsError {
    fn from(error: RpcError) -> Self {
        Self::Chain(error.into())
    }
}

/// Reads the logs of one filter.
#[derive(Debug, Clone)]
pub struct LogReader {
    rpc: Rpc,
    filter: LogFilter,
    follow: Follow,
    max_blocks: u64,
    poll_interval: Duration,
}

impl LogReader {
    /// At most `max_blocks` (at least 1) blocks are asked for at once while catching up.
    pub fn new(rpc: Rpc, filter: LogFilter, follow: Follow, max_blocks: u64, poll_interval: Duration) -> Self {
        Self { rpc, filter, follow, max_blocks: max_blocks.max(1), poll_interval }
    }

    /// The cursor from which the first log read is that of block `number` (1 if it is 0).
    ///
    /// # Errors
    /// [`EventsError::Chain`], if the block before is not there.
    pub async fn start_at(&self, number: u64) -> Result<Cursor, EventsError> {
        let before = header_by_number(&self.rpc, number.saturating_sub(1).into()).await?;
        Ok(Cursor::after((&before).into()))
    }

    /// Waits until there is a block the cursor has not seen, and reads. May give no logs: blocks can be empty.
    ///
    /// # Errors
    /// [`EventsError`].
    pub async fn next(&self, cursor: &Cursor) -> Result<Batch, EventsError> {
        loop {
            let batch = self.poll(cursor).await?;
            if batch.cursor != *cursor {
                return Ok(batch);
            }
            tokio::time::sleep(self.poll_interval).await;
        }
    }

    /// Looks once. The cursor comes back unchanged if there is no new block.
    ///
    /// # Errors
    /// [`EventsError`].
    pub async fn poll(&self, cursor: &Cursor) -> Result<Batch, EventsError> {
        let head = header_by_number(&self.rpc, self.follow.into()).await?;
        let head_ref = BlockRef::from(&head);
        let unchanged = || Batch { logs: Vec::new(), cursor: cursor.clone(), head: head_ref };
        if head.number < cursor.block.number {
            // An endpoint that lags behind another one is no reorganisation; one that forked below is.
            self.check_standing(cursor, head.number).await?;
            return Ok(unchanged());
        }
        if head_ref == cursor.block && cursor.next_log.is_none() {
            return Ok(unchanged());
        }
        let from = cursor.block.number.saturating_add(u64::from(cursor.next_log.is_none()));
        if head.number < from || head.parent != cursor.block.hash {
            self.check_standing(cursor, head.number).await?;
        }
        if head.number < from {
            return Ok(unchanged());
        }
        let (mut logs, last) = self.read(cursor, from, head.number).await?;
        let done = cursor.next_log.unwrap_or_default();
        logs.retain(|log| log.block.number > cursor.block.number || log.index >= done);
        Ok(Batch { logs, cursor: cursor.moved_to(last), head: head_ref })
    }

    /// Last block of the next call: as far as one call may go, block by block near a head that may change.
    const fn reach(&self, from: u64, head: u64) -> u64 {
        let mut to = from.saturating_add(self.max_blocks - 1);
        if let Follow::Latest = self.follow
            && to > head.saturating_sub(BLOCK_BY_BLOCK)
        {
            to = head.saturating_sub(BLOCK_BY_BLOCK);
        }
        if to > head {
            to = head;
        }
        if to < from { from } else { to }
    }

    /// Logs from block `from` as far as one call may go, and the last block read.
    async fn read(&self, cursor: &Cursor, from: u64, head: u64) -> Result<(Vec<ChainLog>, BlockRef), EventsError> {
        let mut to = self.reach(from, head);
        while from < to {
            let last = self.block(to).await?;
            let query = self.query().from_block(from).to_block(to);
            match self.rpc.get_logs(&query).await.map_err(during("eth_getLogs")) {
                Ok(found) if found.len() <= MAX_LOGS => {
                    let logs = placed(found, from, to)?;
                    // The cursor's block and the last one, both on the chain after the fact: so was all between.
                    let same = self.block(cursor.block.number).await? == cursor.block && self.block(to).await? == last;
                    return if same { Ok((logs, last)) } else { Err(EventsError::Moved(to)) };
                }
                Err(error) if !error.is_refusal() => return Err(error.into()),
                // Endpoints bound the size of an answer, and so do we: ask for less.
                Ok(_) | Err(_) => to = from + (to - from) / 2,
            }
        }
        self.read_one(cursor, from).await
    }

    /// Logs of one block, asked for by its hash: exact, whatever happens meanwhile.
    async fn read_one(&self, cursor: &Cursor, number: u64) -> Result<(Vec<ChainLog>, BlockRef), EventsError> {
        let header = header_by_number(&self.rpc, number.into()).await?;
        if header.hash != cursor.block.hash && header.parent != cursor.block.hash {
            return Err(EventsError::Moved(number));
        }
        let query = self.query().at_block_hash(header.hash);
        let found = self.rpc.get_logs(&query).await.map_err(during("eth_getLogs"))?;
        if found.len() > MAX_LOGS {
            return Err(EventsError::TooManyLogs(found.len()));
        }
        Ok((placed(found, number, number)?, (&header).into()))
    }

    /// Checks that the cursor's block, or the newest remembered one not above `head`, is still on the chain.
    async fn check_standing(&self, cursor: &Cursor, head: u64) -> Result<(), EventsError> {
        if cursor.block.number <= head && self.block(cursor.block.number).await? == cursor.block {
            return Ok(());
        }
        for (position, block) in cursor.earlier.iter().enumerate().rev() {
            if block.number > head || self.block(block.number).await? != *block {
                continue;
            }
            // The rest was only not reached by a shorter chain that agrees so far as it goes.
            let contradicted =
                cursor.earlier.iter().skip(position + 1).chain([&cursor.block]).any(|later| later.number <= head);
            if !contradicted {
                return Ok(());
            }
            let earlier = cursor.earlier.iter().take(position).copied().collect();
            let cursor = Box::new(Cursor { block: *block, next_log: None, earlier });
            return Err(EventsError::Reorged { from: block.number.saturating_add(1), cursor });
        }
        let oldest = cursor.earlier.first().unwrap_or(&cursor.block).number;
        if oldest > head { Ok(()) } else { Err(EventsError::OtherChain { oldest }) }
    }

    async fn block(&self, number: u64) -> Result<BlockRef, EventsError> {
        Ok((&header_by_number(&self.rpc, number.into()).await?).into())
    }

    fn query(&self) -> Filter {
        let mut query = Filter::new();
        if !self.filter.contracts.is_empty() {
            query = query.address(self.filter.contracts.clone());
        }
        if !self.filter.topics.is_empty() {
            query = query.event_signature(self.filter.topics.clone());
        }
        query
    }
}

/// Orders the logs and checks that each has a place inside the range.
fn placed(found: Vec<Log>, from: u64, to: u64) -> Result<Vec<ChainLog>, EventsError> {
    let stray = EventsError::StrayLog { from, to };
    let place = |log: Log| match (log.block_number, log.block_hash, log.log_index, log.transaction_hash) {
        (Some(number), Some(hash), Some(index), Some(transaction)) if !log.removed && (from..=to).contains(&number) => {
            Some(ChainLog { block: BlockRef { number, hash }, index, transaction, content: log.inner })
        }
        _ => None,
    };
    let mut logs = found.into_iter().map(place).collect::<Option<Vec<_>>>().ok_or(stray)?;
    logs.sort_by_key(|log| (log.block.number, log.index));
    Ok(logs)
}
