//! Harness of the whole-system tests: a devnet of real processes, the dApps compiled from source, and the actors.
//! Tests only: a failure is a panic with a message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    reason = "test harness: a failure is a panic"
)]

pub mod actors;
pub mod compile;
pub mod contracts;
pub mod devnet;
pub mod evidence;
pub mod nodes;
pub mod proxy;
pub mod relayer;

use std::path::PathBuf;
use tkms::cli::Decryption;
use tkms_types::transcript::Protocol;

/// Ports between a devnet under `flood` and the same under another protocol, which lies lower: higher ones the system gives to anybody.
const BETWEEN_PROTOCOLS: u16 = 12_000;

/// Root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the checkout").into()
}

/// What the devnets under test decrypt with: named by `TKMS_DECRYPTION`, `flood` if nothing is.
#[must_use]
pub fn decryption() -> Decryption {
    match std::env::var("TKMS_DECRYPTION").as_deref() {
        Ok("exact") => Decryption::Exact,
        Ok("flood") | Err(std::env::VarError::NotPresent) => Decryption::Flood,
        other => panic!("TKMS_DECRYPTION is {other:?}; flood or exact"),
    }
}

/// The protocol in force on them.
#[must_use]
pub fn protocol() -> Protocol {
    decryption().protocols()[0]
}

/// Directory of a devnet of this name: those of different protocols do not meet.
#[must_use]
pub fn directory(name: &str) -> PathBuf {
    let name = match decryption() {
        Decryption::Flood => name.to_owned(),
        other => format!("{name}-{other}"),
    };
    root().join("target/e2e").join(name)
}

/// First port of a devnet, from its first under `flood`: the tests of both protocols may run at once.
#[must_use]
pub fn first_port(of_flood: u16) -> u16 {
    match decryption() {
        Decryption::Flood => of_flood,
        _ => of_flood - BETWEEN_PROTOCOLS,
    }
}

/// Where a program built in this run lies: beside the test's own `deps` directory.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test knows its own path");
    let dir = own.ancestors().find(|dir| dir.join(name).is_file());
    dir.unwrap_or_else(|| panic!("{name} is not built: run `make build` first")).join(name)
}

/// Waits until a condition holds, at most three minutes: the other mode's tests may have the cores.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let start = std::time::Instant::now();
    while !condition().await {
        assert!(start.elapsed() < std::time::Duration::from_secs(180), "in vain waited until {what}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
