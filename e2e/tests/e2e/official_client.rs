//! The official JavaScript client, unmodified, as a dApp's front end uses it.

use crate::devnet;
use serde_json::{Value, json};
use std::process::Command;
use tkms_e2e::root;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_encrypts_and_reads_back_in_both_ways() {
    let devnet = devnet().await;
    let script = root().join("e2e/tests/js/official-client.mjs");
    let deployment = devnet.dir().join("deployment.json");
    let (account, value) = ("6", "123456789");
    let run = move || {
        let mut node = Command::new("node");
        node.arg(script).arg(deployment).arg(root()).args([account, value]).output().expect("Node.js is installed")
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client failed (is `make setup` done?): {errors}");
    let last = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    let read: Value = serde_json::from_slice(last).unwrap_or_else(|_| panic!("no result: {errors}"));
    assert_eq!(read, json!({ "public": value, "accepted": true, "own": value }));
}
