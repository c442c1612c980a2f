//! Tests of the SDK, in one binary.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod fixture;
mod inputs;
mod public;
mod relayer;
mod user;
