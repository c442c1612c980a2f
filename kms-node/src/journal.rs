//! The audit record of every request that showed a final block: what was decided, on which facts, and what came out.
//!
//! Append only, in a hash chain; the head is signed now and then. Never in it: plaintext, share, mask, opened word,
//! seed, permit signature.

use crate::limits::JOURNAL_HEAD;
use crate::store::{JOURNAL, JOURNAL_HEADS, Store, StoreError};
use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use redb::{ReadableTable as _, WriteTransaction};
use serde::Serialize;
use std::sync::Arc;
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{Handle, PartyId, RequestId, RequestKind, SessionId};

/// What happened to a request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum Entry {
    /// Policy said no after it had seen a final block.
    Refused {
        /// Name of the refusal.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// Everything was in order; written before anything is computed.
    #[serde(rename_all = "camelCase")]
    Started {
        /// The block the facts hold in.
        anchor: AnchorRecord,
        /// How each was shown.
        facts: Vec<FactRecord>,
        /// Digest and signers (bit mask) of each distinct handle's bytes.
        materials: Vec<MaterialRecord>,
        /// One per handle, in order.
        sessions: Vec<SessionId>,
    },
    /// The answer stands.
    #[serde(rename_all = "camelCase")]
    Answered {
        /// BLAKE3-256 of the answer as it is sent.
        answer_digest: B256,
        /// Peers blamed in its sessions.
        blamed: Vec<PartyId>,
    },
}

/// The block a request was judged in.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnchorRecord {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The class shown for it, as attesters sign it.
    pub class: u8,
    /// Blocks on top with class 3, else 0.
    pub depth: u32,
    /// Grants in the range.
    pub count: u64,
    /// The set of those who are believed about it.
    pub set: B256,
}

/// How one fact was shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum FactRecord {
    /// A grant by its place in the range.
    Path {
        /// 1 persistent, 2 public.
        kind: u8,
        /// The ciphertext.
        handle: B256,
        /// Who has it.
        subject: Address,
        /// Position of the leaf.
        index: u64,
    },
    /// A storage slot.
    Slot {
        /// The slot, not hashed.
        slot: B256,
    },
    /// A smart account accepted the permit's signature.
    #[serde(rename_all = "camelCase")]
    Account {
        /// Which.
        account: Address,
        /// Hash of its code.
        code_hash: B256,
    },
}

/// Where the bytes of a handle came from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MaterialRecord {
    /// The ciphertext.
    pub handle: Handle,
    /// Arithmetic that made the bytes.
    pub profile: B256,
    /// Their digest.
    pub digest: B256,
    /// Who attests them, as a bit mask over the set.
    pub signers: u64,
}

/// Who asked for what: the same in every record of one request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The request.
    pub request_id: RequestId,
    /// Public or user.
    pub kind: RequestKind,
    /// The host chain's identity.
    pub host_id: B256,
    /// Context, epoch and key in force.
    pub names: [B256; 3],
    /// Handles in order.
    pub handles: Vec<Handle>,
    /// Signer of the permit.
    pub user: Option<Address>,
    /// Whose right is used.
    pub delegator: Option<Address>,
    /// Contracts of the pairs, in order.
    pub contracts: Vec<Address>,
    /// keccak-256 of the user's encapsulation key.
    pub public_key_hash: Option<B256>,
    /// Hash of the cluster file in force.
    pub cluster_hash: B256,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    seq: u64,
    time: u64,
    #[serde(flatten)]
    subject: &'a Subject,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// Writes the journal. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    store: Store,
    key: Arc<SigningKey>,
}

impl Journal {
    /// A journal in a node's store, its head signed by the node's key.
    #[must_use]
    pub fn new(store: Store, key: SigningKey) -> Self {
        Self { store, key: Arc::new(key) }
    }

    /// Appends one record; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: whoever needs the record must not go on then.
    pub async fn append(&self, time: u64, subject: Subject, entry: Entry) -> Result<u64, StoreError> {
        let journal = self.clone();
        self.store.write(move |tx| journal.append_in(tx, time, &subject, &entry)).await
    }

    /// The same in a transaction that has more to do.
    pub(crate) fn append_in(
        &self,
        tx: &WriteTransaction,
        time: u64,
        subject: &Subject,
        entry: &Entry,
    ) -> Result<u64, StoreError> {
        let mut table = tx.open_table(JOURNAL)?;
        let last = table.last()?.map(|(seq, row)| (seq.value(), B256::from(*row.value().0)));
        let (seq, previous) = last.map_or((1, B256::ZERO), |(seq, hash)| (seq + 1, hash));
        let record = Record { seq, time, subject, entry };
        let json = serde_json::to_vec(&record).map_err(|_| StoreError::Closed)?;
        let hash = link(previous, &json);
        table.insert(seq, (&hash.0, json.as_slice()))?;
        if seq % JOURNAL_HEAD == 0 {
            let signature = tkms_wire::signature::sign(&self.key, hash).map_err(|_| StoreError::Closed)?;
            tx.open_table(JOURNAL_HEADS)?.insert(seq, signature.as_slice())?;
        }
        Ok(seq)
    }

    /// Walks the chain: the number of records, all of them linked.
    ///
    /// # Errors
    /// [`JournalError::Broken`] at the first record that is not what was written.
    pub fn verify(&self) -> Result<u64, JournalError> {
        let walked = self.store.read(|tx| {
            let table = tx.open_table(JOURNAL)?;
            let (mut previous, mut expected) = (B256::ZERO, 1);
            for row in table.iter()? {
                let (seq, row) = row?;
                let (hash, json) = row.value();
                if seq.value() != expected || link(previous, json) != *hash {
                    return Ok(Err(JournalError::Broken(expected)));
                }
                previous = B256::from(*hash);
                expected += 1;
            }
            Ok(Ok(expected - 1))
        });
        walked?
    }

    /// The newest records as JSON, oldest first, at most `count`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest(&self, count: usize) -> Result<Vec<String>, StoreError> {
        self.store.read(|tx| {
            let table = tx.open_table(JOURNAL)?;
            let mut records = Vec::new();
            for row in table.iter()?.rev().take(count) {
                let (_, row) = row?;
                records.push(String::from_utf8_lossy(row.value().1).into_owned());
            }
            records.reverse();
            Ok(records)
        })
    }
}

fn link(previous: B256, json: &[u8]) -> B256 {
    Transcript::new(tags::AUDIT).word(previous).bytes(json).finish()
}

/// A journal that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is missing or altered.
    #[error("journal record {0} is missing or altered")]
    Broken(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            request_id: RequestId(B256::repeat_byte(1)),
            kind: RequestKind::Public,
            host_id: B256::ZERO,
            names: [B256::ZERO; 3],
            handles: vec![Handle(B256::repeat_byte(2))],
            user: None,
            delegator: None,
            contracts: Vec::new(),
            public_key_hash: None,
            cluster_hash: B256::ZERO,
        }
    }

    async fn journal(records: u64) -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("node.redb")).unwrap();
        let journal = Journal::new(store, SigningKey::from_slice(&[7; 32]).unwrap());
        for time in 0..records {
            let entry = Entry::Refused { code: "GrantMissing", message: "no grant".to_owned() };
            journal.append(time, subject(), entry).await.unwrap();
        }
        (dir, journal)
    }

    #[tokio::test]
    async fn records_are_numbered_and_linked() {
        let (_dir, journal) = journal(3).await;
        assert_eq!(journal.verify().unwrap(), 3);
        let newest = journal.newest(2).unwrap();
        assert_eq!(newest.len(), 2);
        assert!(newest[1].contains("\"seq\":3") && newest[1].contains("GrantMissing"), "{}", newest[1]);
    }

    #[tokio::test]
    async fn an_altered_or_removed_record_breaks_the_chain() {
        for removed in [false, true] {
            let (_dir, journal) = journal(3).await;
            let tamper = move |tx: &redb::WriteTransaction| {
                let mut table = tx.open_table(JOURNAL)?;
                let (hash, mut json) = {
                    let row = table.get(2)?.unwrap();
                    (*row.value().0, row.value().1.to_vec())
                };
                if removed {
                    table.remove(2)?;
                } else {
                    json[10] ^= 1;
                    table.insert(2, (&hash, json.as_slice()))?;
                }
                Ok(())
            };
            journal.store.write(tamper).await.unwrap();
            assert!(matches!(journal.verify(), Err(JournalError::Broken(2))));
        }
    }
}
