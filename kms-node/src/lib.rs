//! One member of the committee.
//!
//! A node releases nothing on somebody's word: every request is judged by [`policy`] on proven state before anything
//! is fetched or computed. The MPC itself is in `tkms_mpc`; here are its keys, its messages' way, and its books.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod config;
pub mod journal;
pub mod keygen;
pub mod keystore;
mod limiter;
pub mod limits;
pub mod metrics;
pub mod policy;
pub mod refusal;
pub mod request;
pub mod store;
mod tasks;
pub mod transport;
