//! The coprocessor without tfhe: an insecure engine on plaintexts stands in for it. Real keys are the e2e suite's, and those of
//! `exact`, which are small.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod api;
mod exact;
mod insecure;
mod kill;
mod reorg;
mod s3;
mod startup;
mod store;
mod translate;
mod worker;
