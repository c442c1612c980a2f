//! The crate's integration tests: one binary, since each one more is half a minute of linking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod api;
mod api_access;
mod api_jobs;
mod api_v1;
mod chain;
mod common;
mod drive;
mod mirror;
mod parts;
mod permissions;
mod prove;
mod smart_account;
