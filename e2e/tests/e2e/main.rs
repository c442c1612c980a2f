//! The whole system on Anvil: real processes, real parameters. One devnet serves all tests, one test at a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

mod callbacks;
mod committees;
mod contracts;
mod doctor;
mod evidence;
mod faults;
mod official_client;
mod openzeppelin;
mod people;
mod public_decrypt;
mod refusals;
mod reorgs;
mod restarts;
mod shares;
mod smart_account;
mod transfers;
mod user_decrypt;

use std::sync::OnceLock;
use tkms_e2e::devnet::Devnet;
use tokio::sync::{Mutex, MutexGuard};

/// First port of the devnet that the tests share.
const PORT_BASE: u16 = 23100;

/// The devnet all tests share, whole even after a test that failed. It stops when this process ends, because its standard input closes.
async fn devnet() -> MutexGuard<'static, Devnet> {
    static DEVNET: OnceLock<Mutex<Devnet>> = OnceLock::new();
    let start = || DEVNET.get_or_init(|| Mutex::new(Devnet::start("four", PORT_BASE, 4)));
    let devnet = tokio::task::spawn_blocking(start).await.expect("the devnet starts");
    let mut devnet = devnet.lock().await;
    if devnet.mend() {
        tkms_e2e::nodes::all_ready(&devnet).await;
    }
    devnet
}
