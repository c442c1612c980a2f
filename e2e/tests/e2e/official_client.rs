//! The official JavaScript client, unmodified, as a dApp's front end uses it.

use crate::devnet;
use serde_json::{Value, json};
use std::process::Command;
use tkms_e2e::devnet::Devnet;
use tkms_e2e::{nodes, root};

/// Whose values are read, and who reads some of them for the owner.
pub const OWNER: &str = "6";
pub const FRIEND: &str = "4";

/// Runs a script of `tests/js`; what its last line says.
pub async fn run(devnet: &Devnet, script: &str, arguments: &[&str]) -> Value {
    let mut node = Command::new("node");
    node.arg(root().join("e2e/tests/js").join(script)).arg(devnet.dir().join("deployment.json")).arg(root());
    node.args(arguments);
    let output = tokio::task::spawn_blocking(move || node.output().expect("Node.js is installed")).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed (is `make setup` done?): {errors}");
    let last = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    serde_json::from_slice(last).unwrap_or_else(|_| panic!("no result: {errors}"))
}

/// What `official-client.mjs` finds through version 2 when all is well.
pub fn everything(value: &str) -> Value {
    json!({
        "public": value, "accepted": true, "forgedAccepted": false, "own": value, "mixed": true, "delegated": value,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_does_everything_with_one_node_stopped() {
    let mut devnet = devnet().await;
    devnet.kill_node(2);
    let value = "123456789";
    let read = run(&devnet, "official-client.mjs", &[OWNER, FRIEND, value, "2"]).await;
    assert_eq!(read, everything(value));
    devnet.restart_node(2);
    nodes::all_ready(&devnet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_does_everything_through_version_1() {
    let devnet = devnet().await;
    let value = "987654321";
    let read = run(&devnet, "official-client.mjs", &[OWNER, FRIEND, value, "1"]).await;
    assert_eq!(read, json!({ "public": value, "accepted": true, "forgedAccepted": false, "own": value }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_reads_while_the_owner_allows_it_and_is_told_why_not_otherwise() {
    let devnet = devnet().await;
    let found = run(&devnet, "delegation.mjs", &[OWNER, FRIEND, "4711"]).await;
    for allowed in ["delegated", "again"] {
        assert_eq!(found[allowed], json!({ "value": "4711" }), "{allowed}: {found}");
    }
    let refusals =
        [("before", "DelegationMissing"), ("revoked", "DelegationMissing"), ("expired", "DelegationExpired")];
    for (refused, code) in refusals {
        assert_eq!(found[refused]["label"], "not_allowed_on_host_acl", "{refused}: {found}");
        let message = found[refused]["message"].as_str().unwrap();
        assert!(message.starts_with(code) && message.contains("the owner must"), "{refused}: {found}");
    }
}
