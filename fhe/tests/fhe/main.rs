//! Everything that needs a key set, in one binary so that the production keys are made once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "tests report what they measured")]

mod committee;
mod exact;
mod fixture;
mod input;
mod keys;
mod matrix;
mod memory;
mod old_client;
mod ops;
mod random;
mod samples;
