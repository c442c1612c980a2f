//! What the node remembers of each host chain: newest and recent anchors, and whether it is halted.

use crate::limits::ANCHORS;
use crate::policy::{AnchorMark, HostState};
use crate::store::{ANCHORS as ANCHOR_TABLE, HALTS, PINS, Store, StoreError};
use alloy_primitives::B256;
use redb::ReadableTable as _;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Stands for the digest of a handle with two: no bytes hash to it.
const SPOILT: B256 = B256::ZERO;

/// State of all host chains. The newest anchors and the halts survive a restart.
pub struct Hosts {
    store: Store,
    states: Mutex<BTreeMap<u64, HostState>>,
}

impl Hosts {
    /// Reads what is on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(store: Store) -> Result<Self, StoreError> {
        let states = store.read(|tx| {
            let mut states = BTreeMap::<u64, HostState>::new();
            for row in tx.open_table(HALTS)?.iter()? {
                let (chain, reason) = row?;
                states.entry(chain.value()).or_default().halted = Some(reason.value().to_owned());
            }
            for row in tx.open_table(ANCHOR_TABLE)?.iter()? {
                let (chain, mark) = row?;
                let (number, hash, time, count) = mark.value();
                let mark = AnchorMark { number, hash: B256::from(*hash), time, count };
                states.entry(chain.value()).or_default().newest = Some(mark);
            }
            Ok(states)
        })?;
        for (chain, state) in &states {
            if let Some(reason) = &state.halted {
                tracing::error!(chain, %reason, "host chain is halted until an operator clears it");
                crate::metrics::host_halted(*chain);
            }
        }
        Ok(Self { store, states: Mutex::new(states) })
    }

    /// A chain's state.
    #[must_use]
    pub fn state(&self, chain_id: u64) -> HostState {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&chain_id).cloned().unwrap_or_default()
    }

    /// Chains that are halted, with the reason.
    #[must_use]
    pub fn halted(&self) -> Vec<(u64, String)> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().filter_map(|(chain, state)| Some((*chain, state.halted.clone()?))).collect()
    }

    /// Remembers an anchor that policy accepted. Only the newest is kept on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accept(&self, chain_id: u64, mark: AnchorMark) -> Result<(), StoreError> {
        if !self.remember(chain_id, mark) {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                let row = (mark.number, &mark.hash.0, mark.time, mark.count);
                tx.open_table(ANCHOR_TABLE)?.insert(chain_id, row)?;
                Ok(())
            })
            .await
    }

    /// Whether it is the newest.
    fn remember(&self, chain_id: u64, mark: AnchorMark) -> bool {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(chain_id).or_default();
        if !state.recent.contains(&(mark.number, mark.hash)) {
            if state.recent.len() >= ANCHORS {
                state.recent.remove(0);
            }
            state.recent.push((mark.number, mark.hash));
        }
        let newest = state.newest.is_none_or(|newest| mark.number > newest.number);
        if newest {
            state.newest = Some(mark);
        }
        newest
    }

    /// Stops serving a chain, on disk, until [`clear_halt`].
    ///
    /// # Errors
    /// [`StoreError`]; the chain is halted in memory all the same.
    pub async fn halt(&self, chain_id: u64, reason: String) -> Result<(), StoreError> {
        tracing::error!(chain = chain_id, %reason, "host chain halted");
        crate::metrics::host_halted(chain_id);
        {
            let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            states.entry(chain_id).or_default().halted = Some(reason.clone());
        }
        self.store
            .write(move |tx| {
                tx.open_table(HALTS)?.insert(chain_id, reason.as_str())?;
                Ok(())
            })
            .await
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
        self.store
            .write(move |tx| {
                let mut table = tx.open_table(PINS)?;
                for (name, digest) in &pins {
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
            })
            .await
    }
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
            let halted = tx.open_table(HALTS)?.remove(chain_id)?.is_some();
            Ok(halted)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u64) -> AnchorMark {
        AnchorMark { number, hash: B256::with_last_byte(number as u8), time: 100 + number, count: number }
    }

    #[tokio::test]
    async fn a_halt_and_the_newest_anchor_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("node.redb")).unwrap();
        let hosts = Hosts::load(store.clone()).unwrap();
        hosts.accept(1, mark(5)).await.unwrap();
        hosts.accept(1, mark(4)).await.unwrap();
        hosts.halt(1, "two blocks".to_owned()).await.unwrap();

        let again = Hosts::load(store.clone()).unwrap();
        assert_eq!(again.state(1).newest, Some(mark(5)));
        assert_eq!(again.halted(), [(1, "two blocks".to_owned())]);
        assert!(again.state(2).halted.is_none());
        assert!(clear_halt(&store, 1).await.unwrap());
        assert_eq!(Hosts::load(store).unwrap().state(1), HostState::default());
    }

    #[tokio::test]
    async fn a_handle_with_two_digests_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts::load(Store::open(&dir.path().join("node.redb")).unwrap()).unwrap();
        let (name, first, other) = (B256::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3));
        assert_eq!(hosts.pin(vec![(name, first)]).await.unwrap(), None);
        assert_eq!(hosts.pin(vec![(name, first)]).await.unwrap(), None);
        assert_eq!(hosts.pin(vec![(name, other)]).await.unwrap(), Some(name));
        assert_eq!(hosts.pin(vec![(name, first)]).await.unwrap(), Some(name), "which one is right, nobody knows");
    }
}
