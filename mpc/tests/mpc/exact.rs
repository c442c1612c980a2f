//! The claims of `docs/protocol/exact-decrypt.md`, one test each.

mod hostile;
mod network;
mod on_demand;
mod stock;
mod world;
