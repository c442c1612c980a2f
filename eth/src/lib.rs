//! The chain, for everybody else: contract bindings, resumable logs, headers and state proofs, submission, deployment, signing.
//!
//! The only crate that speaks JSON-RPC. It decides nothing: what a log or a proof means is its callers' business.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod accounts;
pub mod anvil;
pub mod bindings;
pub mod compare;
pub mod deploy;
pub mod events;
mod fees;
pub mod proofs;
mod rpc;
pub mod signer;
pub mod submit;

pub use rpc::{Rpc, RpcError, connect, view};
pub use signer::{DigestSigner, LocalKey, SignerError};
