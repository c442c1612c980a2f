//! The one program of the threshold KMS. A library only so that the end-to-end tests share its deployment file.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod cli;
pub mod commands;
pub mod devnet;
pub mod evidence;
mod files;
