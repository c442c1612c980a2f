//! The coprocessor without tfhe: an insecure engine on plaintexts stands in for it. Real keys are the e2e suite's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod api;
mod insecure;
mod kill;
mod reorg;
mod s3;
mod startup;
mod store;
mod translate;
mod worker;
