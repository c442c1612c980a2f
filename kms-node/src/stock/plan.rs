//! How much is preprocessed, and how fast. Batch size has to be the same at every node of a committee: nodes that differ
//! begin nothing together.

use super::items::BITS;
use serde::Deserialize;
use std::time::Duration;
use tkms_mpc::preprocessing::MAX_ITEMS;

/// `[preprocessing]` in a node's configuration.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `items` | 400,000 | items of exact decryption kept in stock; one masks four bits of a plaintext; 0: none |
/// | `batch_items` | 104,000 | items of a batch; the same at every node |
/// | `round_ms` | 5,000 | a round ends, at the latest, after this |
/// | `setup_wait_ms` | 30,000 | after this, 2t + 1 nodes make the mask keys without those that are absent |
/// | `absent_ms` | 600,000 | a node that is not ready for this long is left out of batches until it is, once 2t + 1 nodes find so; meanwhile it counts among the t that may fail; 0: never |
/// | `evict_silent` | false | a node that is silent in a batch is left out of those of the rest of the epoch; the same at every node, and only where rounds are far longer than delays |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "tabled above")]
pub struct Preprocessing {
    pub items: u32,
    pub batch_items: u32,
    pub round_ms: u32,
    pub setup_wait_ms: u32,
    pub absent_ms: u32,
    pub evict_silent: bool,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            items: 400_000,
            batch_items: 104_000,
            round_ms: 5_000,
            setup_wait_ms: 30_000,
            absent_ms: 600_000,
            evict_silent: false,
        }
    }
}

/// A plan that cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Bits of a batch are a multiple of four, and bounded.
    #[error("preprocessing.batch_items is {0}; even, from 2 to {max}", max = MAX_ITEMS / BITS)]
    BatchItems(u32),
    /// A round takes some time.
    #[error("preprocessing.round_ms is {0}; at least 50")]
    Round(u32),
    /// Nobody is away for missing one message.
    #[error("preprocessing.absent_ms is {0}; 0, or at least 1000")]
    Absent(u32),
}

impl Preprocessing {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`PlanError`] naming the field.
    pub const fn check(&self) -> Result<(), PlanError> {
        if self.batch_items == 0 || !self.batch_items.is_multiple_of(2) || self.bits() > MAX_ITEMS {
            return Err(PlanError::BatchItems(self.batch_items));
        }
        if self.round_ms < 50 {
            return Err(PlanError::Round(self.round_ms));
        }
        if self.absent_ms != 0 && self.absent_ms < 1_000 {
            return Err(PlanError::Absent(self.absent_ms));
        }
        Ok(())
    }

    /// Random bits of a batch.
    #[must_use]
    pub const fn bits(&self) -> usize {
        self.batch_items as usize * BITS
    }

    /// Longest time of a round.
    #[must_use]
    pub const fn round_time(&self) -> Duration {
        Duration::from_millis(self.round_ms as u64)
    }

    /// How long a node may not be ready for a batch before the others go on without it; `None`: they wait for ever.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        (self.absent_ms > 0).then(|| Duration::from_millis(self.absent_ms.into()))
    }

    /// How long a setup waits for everyone.
    #[must_use]
    pub const fn setup_wait(&self) -> Duration {
        Duration::from_millis(self.setup_wait_ms as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_fits_the_protocol_or_the_plan_is_refused() {
        let with = |batch_items| Preprocessing { batch_items, ..Preprocessing::default() };
        assert_eq!(Preprocessing::default().check(), Ok(()));
        for wrong in [0, 3, 104_858, u32::MAX] {
            assert_eq!(with(wrong).check(), Err(PlanError::BatchItems(wrong)));
        }
        assert_eq!(with(104_856).check(), Ok(()));
        assert!(Preprocessing { round_ms: 0, ..Preprocessing::default() }.check().is_err());
        let absent = |absent_ms| Preprocessing { absent_ms, ..Preprocessing::default() };
        assert_eq!(absent(999).check(), Err(PlanError::Absent(999)));
        assert!(absent(0).check().is_ok() && absent(0).patience().is_none(), "for ever");
        assert_eq!(absent(1_000).patience(), Some(Duration::from_secs(1)));
    }
}
