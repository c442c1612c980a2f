//! The only door to tfhe-rs: one production parameter set, the dealer's key generation, evaluation of the
//! executor's operations, encrypted inputs with their proofs, and LWE samples for the committee: squashed ones for
//! `flood`, switched ones for `exact`.
//! Rounding opened samples back to plaintexts is `tkms-mpc`'s and `tkms-types`' business, so a node that only
//! decrypts never loads an FHE key.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

mod binary;
mod ciphertext;
mod eval;
mod input;
mod keygen;
mod keys;
mod ops;
pub mod params;
mod samples;
mod switch;

pub use ciphertext::{Ciphertext, CiphertextError};
pub use eval::{EvalError, Evaluator, Operand};
pub use input::{InputContext, InputError};
pub use keygen::{
    DealtKeys, Decryption, KeySet, KeygenStep, SquashKey, StoredKey, deal, deal_for, deal_for_from, deal_from,
};
pub use keys::{KeyError, PublicKeys};
pub use ops::{BinaryOp, UnaryOp};
pub use samples::{Samples, arithmetic};
pub use switch::{SwitchError, SwitchedSamples};
