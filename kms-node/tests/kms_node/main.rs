//! The crate's integration tests: one binary, since each one more is half a minute of linking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod anchor;
mod anchors;
mod anvil;
mod cluster;
mod common;
mod exact;
mod facts;
mod policy;
mod setup;
mod start;
mod stock;
mod transport;
mod trial;
