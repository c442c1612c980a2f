//! oracle
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]
pub mod record; pub mod store; pub mod clock; pub mod tally; pub mod check; pub mod node; pub mod drive; pub mod health; pub mod metrics; pub mod coprocessors; pub mod host; pub mod desk;
