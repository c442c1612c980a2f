//! What the node remembers of each host chain: blocks it accepted, and whether it is halted.

use crate::limits::ANCHORS;
use crate::policy::HostState;
use crate::policy::anchor::{Accepted, KnownBlock, mark};
use crate::store::{ANCHORS as ANCHOR_TABLE, EXECUTORS, HALT_EVIDENCE, HALTS, PINS, STATEMENTS, Store, StoreError};
use alloy_primitives::B256;
use merkle_acl::trust::{AnchorMark, Conflict, TrustError};
use redb::{ReadableTable as _, WriteTransaction};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Stands for the digest of a handle with two: no bytes hash to it.
const SPOILT: B256 = B256::ZERO;

/// State of all host chains. The newest anchors and the halts survive a restart.
pub struct Hosts {
    store: Store,
    cluster: B256,
    states: Mutex<BTreeMap<u64, Memory>>,
}

#[derive(Default)]
struct Memory {
    state: HostState,
    /// The last blocks accepted, the oldest acceptance first.
    blocks: VecDeque<Arc<KnownBlock>>,
    /// Header and attestations of each.
    statements: VecDeque<(B256, Vec<u8>)>,
}

impl Memory {
    fn known(&self, hash: B256) -> Option<&Arc<KnownBlock>> {
        self.blocks.iter().find(|known| known.block.anchor().hash() == hash)
    }

    /// Keeps a block that does not contradict what was accepted meanwhile. Whether it is the newest.
    fn remember(&mut self, known: KnownBlock, statement: Vec<u8>) -> Result<bool, Conflict> {
        let (anchor, mark) = (*known.block.anchor(), mark(&known.block));
        let fits = self.state.history.check(&anchor).and_then(|()| self.state.history.check_count(&anchor, mark.count));
        if let Err(TrustError::AnchorConflict(conflict)) = fits {
            return Err(conflict);
        }
        if let Some(place) = self.blocks.iter().position(|other| other.block.anchor().hash() == mark.hash) {
            self.blocks.remove(place);
        } else {
            self.statements.push_back((mark.hash, statement));
            self.state.history.recent.push((mark.number, mark.hash));
        }
        self.blocks.push_back(Arc::new(known));
        if self.blocks.len() > ANCHORS {
            self.blocks.pop_front();
        }
        if self.statements.len() > ANCHORS {
            self.statements.pop_front();
            self.state.history.recent.remove(0);
        }
        let newest = self.state.history.newest.is_none_or(|newest| mark.number > newest.number);
        if newest {
            self.state.history.newest = Some(mark);
        }
        Ok(newest)
    }

    fn statement(&self, hash: B256) -> Option<Vec<u8>> {
        self.statements.iter().find(|(known, _)| *known == hash).map(|(_, statement)| statement.clone())
    }
}

/// Why an accepted block is not built on after all.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Another one was accepted in the meantime that contradicts it.
    #[error(transparent)]
    Conflict(Conflict),
    /// The node's store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hosts {
    /// Reads what is on disk. `cluster`: hash of the cluster file in force.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(store: Store, cluster: B256) -> Result<Self, StoreError> {
        let states = store.read(|tx| {
            let mut states = BTreeMap::<u64, Memory>::new();
            for row in tx.open_table(HALTS)?.iter()? {
                let (chain, reason) = row?;
                states.entry(chain.value()).or_default().state.halted = Some(reason.value().to_owned());
            }
            let statements = tx.open_table(STATEMENTS)?;
            for row in tx.open_table(ANCHOR_TABLE)?.iter()? {
                let (chain, mark) = row?;
                let (number, hash, time, count) = mark.value();
                let memory = states.entry(chain.value()).or_default();
                memory.state.history.newest = Some(AnchorMark { number, hash: B256::from(*hash), time, count });
                if let Some(statement) = statements.get(chain.value())? {
                    memory.statements.push_back((B256::from(*hash), statement.value().to_vec()));
                    memory.state.history.recent.push((number, B256::from(*hash)));
                }
            }
            for row in tx.open_table(EXECUTORS)?.iter()? {
                let (chain, proven) = row?;
                states.entry(chain.value()).or_default().state.executor_proven = *proven.value() == cluster.0;
            }
            Ok(states)
        })?;
        for (chain, memory) in &states {
            if let Some(reason) = &memory.state.halted {
                tracing::error!(chain, %reason, "host chain is halted until an operator clears it");
                crate::metrics::host_halted(*chain);
            }
            if let Some(newest) = memory.state.history.newest {
                crate::metrics::anchor_time(*chain, newest.time);
            }
        }
        Ok(Self { store, cluster, states: Mutex::new(states) })
    }

    /// A chain's state.
    #[must_use]
    pub fn state(&self, chain_id: u64) -> HostState {
        self.lock().get(&chain_id).map(|memory| memory.state.clone()).unwrap_or_default()
    }

    /// A block that was accepted lately.
    #[must_use]
    pub fn known(&self, chain_id: u64, hash: B256) -> Option<Arc<KnownBlock>> {
        self.lock().get(&chain_id)?.known(hash).cloned()
    }

    /// Chains that are halted, with the reason.
    #[must_use]
    pub fn halted(&self) -> Vec<(u64, String)> {
        self.lock().iter().filter_map(|(chain, memory)| Some((*chain, memory.state.halted.clone()?))).collect()
    }

    /// Remembers a block that policy accepted. Only the newest is kept on disk. `statement`: its header and attestations.
    ///
    /// # Errors
    /// [`AcceptError`]; the caller halts the chain for a conflict.
    pub async fn accept(&self, chain_id: u64, accepted: Accepted, statement: Vec<u8>) -> Result<(), AcceptError> {
        let mark = mark(&accepted.known.block);
        let (newest, executor) = {
            let mut states = self.lock();
            let memory = states.entry(chain_id).or_default();
            let newest = memory.remember(accepted.known, statement.clone()).map_err(AcceptError::Conflict)?;
            let executor = accepted.executor && !memory.state.executor_proven;
            memory.state.executor_proven |= accepted.executor;
            (newest, executor)
        };
        if newest {
            crate::metrics::anchor_time(chain_id, mark.time);
        }
        if !newest && !executor {
            return Ok(());
        }
        let cluster = self.cluster;
        let write = self.store.write(move |tx| {
            if newest {
                let row = (mark.number, &mark.hash.0, mark.time, mark.count);
                let mut anchors = tx.open_table(ANCHOR_TABLE)?;
                // Of two in one batch the later may be the lower
                if anchors.get(chain_id)?.is_none_or(|known| known.value().0 < mark.number) {
                    anchors.insert(chain_id, row)?;
                    tx.open_table(STATEMENTS)?.insert(chain_id, statement.as_slice())?;
                }
            }
            if executor {
                tx.open_table(EXECUTORS)?.insert(chain_id, &cluster.0)?;
            }
            Ok(())
        });
        Ok(write.await?)
    }

    /// Stops serving a chain, on disk and with what shows why, until [`clear_halt`]. `statement`: header and
    /// attestations of the block that contradicts what was accepted before.
    ///
    /// # Errors
    /// [`StoreError`]; the chain is halted in memory all the same.
    pub async fn halt(&self, chain_id: u64, conflict: &Conflict, statement: Vec<u8>) -> Result<(), StoreError> {
        let reason = conflict.to_string();
        tracing::error!(chain = chain_id, %reason, "host chain halted");
        crate::metrics::host_halted(chain_id);
        let before = {
            let mut states = self.lock();
            let memory = states.entry(chain_id).or_default();
            memory.state.halted = Some(reason.clone());
            let newest = memory.state.history.newest.map(|newest| newest.hash);
            let hash = match conflict {
                Conflict::TwoHashes { known, .. } => Some(*known),
                _ => newest,
            };
            hash.and_then(|hash| memory.statement(hash)).unwrap_or_default()
        };
        self.store
            .write(move |tx| {
                tx.open_table(HALTS)?.insert(chain_id, reason.as_str())?;
                tx.open_table(HALT_EVIDENCE)?.insert(chain_id, (before.as_slice(), statement.as_slice()))?;
                Ok(())
            })
            .await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Memory>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pins the first digest accepted under each name. A name under which another digest is offered is spoilt for
    /// ever: nobody can tell which of the two is right. Returns the first such name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pin(&self, pins: Vec<(B256, B256)>) -> Result<Option<B256>, StoreError> {
        let known = self.store.read(|tx| {
            let table = tx.open_table(PINS)?;
            for (name, digest) in &pins {
                if table.get(&name.0)?.is_none_or(|first| first.value() != &digest.0) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        if known {
            return Ok(None);
        }
        self.store.write(move |tx| pin_in(tx, &pins)).await
    }
}

/// [`Hosts::pin`] in a transaction that has more to do.
pub(crate) fn pin_in(tx: &WriteTransaction, pins: &[(B256, B256)]) -> Result<Option<B256>, StoreError> {
    let mut table = tx.open_table(PINS)?;
    for (name, digest) in pins {
        let first = table.get(&name.0)?.map(|first| B256::from(*first.value()));
        match first {
            Some(first) if first == *digest => {}
            Some(_) => {
                table.insert(&name.0, &SPOILT.0)?;
                return Ok(Some(*name));
            }
            None => drop(table.insert(&name.0, &digest.0)?),
        }
    }
    Ok(None)
}

/// The operator's word that a halted chain may be served again. The newest anchor is forgotten with the halt:
/// the operator has judged which of the contradicting blocks counts.
///
/// # Errors
/// [`StoreError`]; the node must not be running.
pub async fn clear_halt(store: &Store, chain_id: u64) -> Result<bool, StoreError> {
    store
        .write(move |tx| {
            tx.open_table(ANCHOR_TABLE)?.remove(chain_id)?;
            tx.open_table(STATEMENTS)?.remove(chain_id)?;
            tx.open_table(HALT_EVIDENCE)?.remove(chain_id)?;
            let halted = tx.open_table(HALTS)?.remove(chain_id)?.is_some();
            Ok(halted)
        })
        .await
}

/// What shows that a chain had to be halted: headers with their attestations, each an encoded `tkms.kms.v1.Evidence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltEvidence {
    /// Of the block accepted before; empty if it is no longer kept.
    pub before: Vec<u8>,
    /// Of the one that contradicts it.
    pub found: Vec<u8>,
}

/// Why a chain is halted, for the operator.
///
/// # Errors
/// [`StoreError`].
pub fn halt_evidence(store: &Store, chain_id: u64) -> Result<Option<HaltEvidence>, StoreError> {
    store.read(|tx| {
        let table = tx.open_table(HALT_EVIDENCE)?;
        let row = table.get(chain_id)?;
        Ok(row.map(|row| HaltEvidence { before: row.value().0.to_vec(), found: row.value().1.to_vec() }))
    })
}

#[cfg(test)]
mod tests;
