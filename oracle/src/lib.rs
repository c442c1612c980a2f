//! The oracle: watches requests on host chains, has their ciphertexts squashed, proves the permission, asks all nodes at once,
//! posts the result, and serves the HTTP API of the official client. It holds no trust and no secret but the key that pays for
//! its transactions: whatever it does, nodes check for themselves, and anyone can run another one.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod api;
pub mod check;
mod clock;
pub mod config;
pub mod coprocessors;
pub mod desk;
pub mod drive;
pub mod health;
pub mod host;
pub mod inputs;
pub mod keys;
mod metrics;
pub mod mirror;
pub mod node;
pub mod prove;
pub mod quota;
pub mod record;
mod run;
pub mod server;
pub mod smart_account;
pub mod store;
pub mod submit;
pub mod subset;
pub mod tally;
pub mod watch;

pub use config::Config;
pub use run::{DATABASE, Error, run};
