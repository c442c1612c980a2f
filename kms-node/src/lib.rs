//! One member of the committee.
//!
//! A node releases nothing on somebody's word: every request is judged by [`policy`] on proven state before anything
//! is computed. The MPC itself is in `tkms_mpc`; here are its keys, its messages' way, and its books.
//!
//! [`Node::start`](node::Node::start) runs one; [`keygen::deal`] and [`keystore`] make what it needs.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

mod api;
mod at_hand;
mod background;
mod blames;
pub mod certificate;
pub mod clock;
pub mod config;
mod decrypt;
pub mod decryptor;
pub mod endpoints;
pub mod engine;
pub mod evidence;
pub mod exact;
pub mod exhibits;
pub mod fetch;
pub mod health;
pub mod hosts;
pub mod journal;
pub mod keygen;
pub mod keystore;
mod limiter;
pub mod limits;
pub mod masks;
pub mod metrics;
pub mod node;
mod ops;
mod peer;
pub mod policy;
mod recover;
pub mod refusal;
pub mod request;
mod respond;
pub mod rounds;
pub mod session;
pub mod setup;
pub mod startup;
pub mod stock;
pub mod store;
mod tasks;
pub mod transport;

pub use config::Config;
pub use node::{Hooks, Node, NodeError, run};
