//! Blocks that are being verified: who shows the same one meanwhile waits for the outcome, and a hundred requests in one new block
//! cost one verification.

use crate::limits::VERIFYING_WAIT;
use alloy_primitives::B256;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// A chain and the hash of one of its blocks.
type Block = (u64, B256);

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Verifying(Arc<Mutex<BTreeMap<Block, watch::Receiver<()>>>>);

/// The block is being verified until this is dropped.
pub(super) struct Turn {
    all: Verifying,
    /// None for who would not wait any longer.
    block: Option<Block>,
    _waited_for: watch::Sender<()>,
}

impl Verifying {
    /// What is `known` of a block, if need be after the verification that somebody else is at; else the turn to verify it. After
    /// [`VERIFYING_WAIT`] everybody gets one: a caller who brings bad evidence for a block keeps others from it no longer.
    pub async fn turn<K>(&self, block: Block, known: impl Fn() -> Option<K>) -> Result<K, Turn> {
        let until = Instant::now() + VERIFYING_WAIT;
        loop {
            if let Some(known) = known() {
                return Ok(known);
            }
            let mut other = match self.begin(block, Instant::now() >= until) {
                Ok(turn) => return Err(turn),
                Err(other) => other,
            };
            // ends with an error when the other's turn does
            if timeout_at(until, other.changed()).await.is_err() {
                tracing::debug!(chain = block.0, hash = %block.1, "somebody verifies this block for long");
            }
        }
    }

    fn begin(&self, block: Block, impatient: bool) -> Result<Turn, watch::Receiver<()>> {
        let (sender, receiver) = watch::channel(());
        let mut all = self.lock();
        let taken = all.get(&block).cloned();
        match taken {
            Some(other) if !impatient => Err(other),
            Some(_) => Ok(Turn { all: self.clone(), block: None, _waited_for: sender }),
            None => {
                all.insert(block, receiver);
                Ok(Turn { all: self.clone(), block: Some(block), _waited_for: sender })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Block, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(block) = self.block {
            self.all.lock().remove(&block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const BLOCK: Block = (1, B256::ZERO);

    const fn never() -> Option<()> {
        None
    }

    #[tokio::test]
    async fn one_of_many_verifies_and_after_a_failure_the_next() {
        let (all, known) = (Verifying::default(), Arc::new(AtomicBool::new(false)));
        let ask = || {
            let (all, known) = (all.clone(), Arc::clone(&known));
            async move { all.turn(BLOCK, || known.load(Ordering::Relaxed).then_some(())).await.err() }
        };
        let first = ask().await.expect("nobody else verifies it");
        let waiting: Vec<_> = (0..100).map(|_| tokio::spawn(ask())).collect();
        tokio::task::yield_now().await;
        assert!(all.turn((2, B256::ZERO), never).await.is_err(), "another chain's block is not concerned");
        drop(first);
        let succeed = async {
            let second = ask().await;
            known.store(true, Ordering::Relaxed);
            drop(second);
        };
        let (turns, ()) = tokio::join!(futures::future::join_all(waiting), succeed);
        let turns: Vec<_> = turns.into_iter().filter_map(Result::unwrap).collect();
        assert!(turns.len() <= 1, "one became the next, or none if it was known before");
        drop(turns);
        assert!(all.lock().is_empty(), "nothing is left of it");
    }

    #[tokio::test]
    async fn a_turn_without_end_stops_nobody_for_ever() {
        let all = Verifying::default();
        let _held = all.turn(BLOCK, never).await;
        let start = Instant::now();
        let (one, two) = tokio::join!(all.turn(BLOCK, never), all.turn(BLOCK, never));
        assert!(one.is_err() && two.is_err() && start.elapsed() >= VERIFYING_WAIT);
        drop((one, two));
        assert!(all.lock().contains_key(&BLOCK), "only the first one's end is the end of its turn");
    }
}
