//! What an attester signs, and above all what it does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod chain;
mod ledger;
