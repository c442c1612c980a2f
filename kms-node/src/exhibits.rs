//! Evidence against peers, kept until the operator hands it over (`docs/protocol/broadcast.md`, "Evidence").
//!
//! One exhibit for each culprit and kind of proof, the newest: a peer can crowd out evidence against itself only, and by
//! new evidence against itself.

use crate::rounds::{CommitteeSeal, Hub};
use crate::store::{Store, StoreError};
use redb::{ReadableTable as _, TableDefinition};
use tkms_mpc::exhibit::{Exhibit, RunName};
use tkms_types::PartyId;

/// By culprit and kind of proof.
pub(crate) const EXHIBITS: TableDefinition<(u8, &str), &[u8]> = TableDefinition::new("exhibits");

/// The exhibits in the node's store. Cheap to clone.
#[derive(Clone)]
pub struct Exhibits(Store);

/// An exhibit, and against whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whom it convicts.
    pub culprit: PartyId,
    /// How it departed from the protocol, in words.
    pub what: String,
    /// [`Exhibit::to_bytes`].
    pub bytes: Vec<u8>,
}

impl Exhibits {
    /// Those in this store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Keeps what the run that has just ended left: statements, and words if they convict somebody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(&self, hub: &Hub, run: &RunName, seal: &CommitteeSeal) -> Result<(), StoreError> {
        for shown in hub.take_shown() {
            let exhibit = Exhibit { committee: hub.committee(), run: run.clone(), shown };
            let culprits = exhibit.convicted(hub.committee(), seal);
            for culprit in &culprits {
                tracing::warn!(%culprit, what = exhibit.what(), "evidence for third parties");
            }
            let (what, bytes) = (exhibit.what(), exhibit.to_bytes());
            let kept = self.0.write(move |tx| {
                let mut table = tx.open_table(EXHIBITS)?;
                for culprit in &culprits {
                    table.insert((culprit.number(), what), bytes.as_slice())?;
                }
                Ok(())
            });
            kept.await?;
        }
        Ok(())
    }

    /// All of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self) -> Result<Vec<Kept>, StoreError> {
        self.0.read(|tx| {
            let table = tx.open_table(EXHIBITS)?;
            let mut list = Vec::new();
            for row in table.iter()? {
                let (key, bytes) = row?;
                let (number, what) = key.value();
                let Ok(culprit) = PartyId::new(number) else { continue };
                list.push(Kept { culprit, what: what.to_owned(), bytes: bytes.value().to_vec() });
            }
            Ok(list)
        })
    }
}
