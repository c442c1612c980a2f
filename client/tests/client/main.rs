//! Tests of the SDK, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their seed"
)]

mod fixture;
mod inputs;
mod public;
mod relayer;
mod user;
