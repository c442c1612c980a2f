//! Tests of the words every part shares, in one binary.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod cluster;
mod committee;
mod ids;
mod plaintext;
mod request;
mod transcript;
mod typed_data;
mod vectors;
