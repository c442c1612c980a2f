//! The crate's integration tests: one binary, since each one more is half a minute of linking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod anchor;
mod anchors;
mod anvil;
mod cluster;
mod common;
mod exact;
mod exact_load;
mod exact_taken_over;
mod exact_users;
mod facts;
mod liars;
mod policy;
mod qbft;
mod setup;
mod smart_account;
mod smart_account_hostile;
mod start;
mod stock;
mod transport;
mod trial;
