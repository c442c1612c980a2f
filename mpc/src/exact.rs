//! `exact`: threshold decryption without squash and without flooding. `docs/protocol/exact-decrypt.md` numbers the steps.
//!
//! References: Cramer, Damgård, Ishai, TCC 2005 (sharings without interaction); masked opening and truncation with
//! head-room as in Damgård et al., TCC 2006; on-line error correction as in [`crate::decrypt`]. The combination, and
//! rounding that is linear because noise leaves half of a cell to the mask, are ours.
//! Assumes: at most t of n = 3t + 1 parties are malicious; authenticated private channels that may delay, reorder and
//! repeat; no clock online. A range of stock is bound to one session for ever; PRSS keys are right.
//!
//! | type | step |
//! | --- | --- |
//! | [`Width`], [`ExactBounds`] | how far samples are switched down |
//! | [`Switched`], [`ExactKey`] | 3: phases over GR(2¹⁶, 4) |
//! | [`Ledger`], [`Certificate`], [`Items`] | 4: masks from preprocessed bits, each bound to one session |
//! | [`FromStock`], [`OnDemand`] | 4, 5, 6: masked opening and rounding |
//! | [`MessageShares`], [`Reveal`] | 7, 8: the answer, for all or for one user |

mod alloc;
mod bounds;
mod from_stock;
mod key;
mod masks;
mod message;
mod on_demand;
mod rounding;

pub use alloc::{AllocationError, Certificate, Ledger, Range, TooFewVotes, ballot_digest};
pub use bounds::{ExactBoundError, ExactBounds, Masks, Width};
pub use from_stock::{FromStock, Masked};
pub use key::{ExactKey, Switched, SwitchedError};
pub use masks::Items;
pub use message::{MessageShares, Reveal, Revealed};
pub use on_demand::{Ending, OnDemand, OnDemandMsg, Reason};

use crate::fault::{Misuse, Owner};

/// Secret material of one party that does not fit together. No peer is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExactError {
    /// Key share, mask keys or items of different parties or committees.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// Samples, key or items of another modulus.
    #[error("modulus 2^{found} where 2^{expected} is in use")]
    Width {
        /// L of the key.
        expected: u32,
        /// L of the other.
        found: u32,
    },
    /// A range that has not one item for each block.
    #[error("{items} items for {blocks} blocks")]
    Items {
        /// Items given.
        items: usize,
        /// Blocks of the samples.
        blocks: usize,
    },
}

/// Both are of one party of one committee.
fn same_owner(key: Owner, masks: Owner) -> Result<Owner, Misuse> {
    if key == masks { Ok(key) } else { Err(Misuse::OwnersDiffer { key, masks }) }
}

#[cfg(test)]
mod tests;
