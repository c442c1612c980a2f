//! The crate's integration tests: one binary, since each one more is half a minute of linking.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking, and print their seeds"
)]

mod adversaries;
mod broadcast;
mod bytes;
mod codec;
mod common;
mod composition;
mod dealings;
mod decoding;
mod decrypt;
mod errors;
mod evidence;
mod exact;
mod exhaustive;
mod exhibit;
mod independence;
mod lies;
mod models;
mod names;
mod network;
mod order;
mod plots;
mod preprocessing;
mod products;
mod prss_setup;
mod rounds;
mod steps;
mod stock;
mod twin;
mod vectors;
mod views;
mod vss;
