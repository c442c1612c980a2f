//! Tests of the formats, in one binary.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod fixture;
mod messages;
mod official_client;
mod proof;
mod relayer;
mod samples;
mod seal;
mod user_key;
