//! Tests of the formats, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their seed"
)]

mod account_witness;
mod attestation;
mod evidence;
mod fixture;
mod messages;
mod official_client;
mod proof;
mod relayer;
mod samples;
mod seal;
mod switched;
mod user_key;
