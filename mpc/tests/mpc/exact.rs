//! The claims of `docs/protocol/exact-decrypt.md`, one test each.

mod adversaries;
mod hostile;
mod network;
mod on_demand;
mod stock;
mod world;
