//! The crate's integration tests: one binary, since each one more is half a minute of linking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod block;
mod common;
mod compact;
mod facts;
mod fuzzed;
mod header;
mod mainnet;
mod mutations;
mod pack;
mod range;
mod seals;
mod solidity;
mod trie;
mod trust;
mod vectors;
