//! The crate's integration tests: one binary, since each one more is half a minute of linking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod broadcast;
mod composition;
mod decrypt;
mod exact;
mod preprocessing;
mod prss_setup;
mod vectors;
mod vss;
