//! `tkms doctor` on the running devnet: silent about what fits, and loud, with the field's name, about every field that was altered.

use crate::devnet;
use alloy_primitives::{Address, B256};
use std::process::{Command, Output};
use tkms_e2e::devnet::Devnet;
use tkms_e2e::wait_until;
use tkms_types::Cluster;

/// Runs it on this cluster file.
fn doctor(devnet: &Devnet, cluster: &Cluster, name: &str) -> (bool, String) {
    let file = devnet.dir().join(format!("doctor-{name}.json"));
    std::fs::write(&file, cluster.to_json().unwrap()).unwrap();
    let deployment = &devnet.deployment;
    let mut command = Command::new(tkms_e2e::program("tkms"));
    command.arg("doctor").arg("--cluster").arg(&file);
    command.arg("--rpc").arg(format!("{}={}", deployment.chain_id, deployment.host_rpc_url));
    command.arg("--relayer").arg(deployment.relayer_url.as_str());
    for attester in deployment.attesters() {
        command.arg("--attester").arg(attester.as_str());
    }
    let Output { status, stdout, .. } = command.env("RUST_LOG", "off").output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap())
}

/// Lines that begin with this word.
fn lines<'a>(report: &'a str, word: &str) -> Vec<&'a str> {
    report.lines().filter(|line| line.starts_with(word)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devnet_fits_its_cluster_file() {
    let devnet = devnet().await;
    let (fits, report) = doctor(&devnet, &devnet.cluster, "same");
    assert!(fits && lines(&report, "DIFFERS").is_empty() && lines(&report, "DOWN").is_empty(), "{report}");
    for field in ["aclCodeHash", "checkpointHash", "committee.signer", "thresholds.quorum", "context", "coprocessors"] {
        assert!(lines(&report, "ok").iter().any(|line| line.contains(field)), "{field} was not compared: {report}");
    }
    for node in 1..=4 {
        for check in ["cluster file", "signer", "version", "TLS certificate", "state"] {
            let what = format!("node {node}: {check}");
            assert!(lines(&report, "ok").iter().any(|line| line.contains(&what)), "{what}: {report}");
        }
    }
    assert!(report.contains("owner of ACL") && report.contains("attesters that answer: 4 of 4"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_altered_field_is_named() {
    let devnet = devnet().await;
    type Change = fn(&mut Cluster);
    let cases: [(&str, Change); 9] = [
        ("chains.checkpointHash at the chain", |c| c.chains[0].checkpoint_hash = B256::repeat_byte(1)),
        ("chains.aclCodeHash at the chain", |c| c.chains[0].acl_code_hash = B256::repeat_byte(1)),
        ("chains.executorCodeHash at the chain", |c| c.chains[0].executor_code_hash = B256::repeat_byte(1)),
        ("chains.contracts.kmsVerifier at DecryptionOracle", |c| {
            // Another contract that answers: the addresses of the two verifiers swapped
            let contracts = &mut c.chains[0].contracts;
            std::mem::swap(&mut contracts.kms_verifier, &mut contracts.input_verifier);
        }),
        ("committee.signer at KMSVerifier", |c| c.committee[1].signer = Address::repeat_byte(0x77)),
        ("chains.coprocessors.members at InputVerifier", |c| {
            c.chains[0].coprocessors.members = vec![Address::repeat_byte(0x77)];
        }),
        ("gateway.decryption at KMSVerifier", |c| c.gateway.decryption = Address::repeat_byte(0x77)),
        (": set", |c| c.chains[0].attesters.version += 1),
        ("node 1: TLS certificate", |c| {
            let other = c.committee[1].tls_certificate.clone();
            c.committee[1].tls_certificate = std::mem::replace(&mut c.committee[0].tls_certificate, other);
        }),
    ];
    for (number, (field, change)) in cases.into_iter().enumerate() {
        let mut cluster = devnet.cluster.clone();
        change(&mut cluster);
        let (fits, report) = doctor(&devnet, &cluster, &number.to_string());
        let named = lines(&report, "DIFFERS").iter().any(|line| line.contains(field) && line.contains("To do: "));
        assert!(!fits && named, "{field}: {report}");
        let hashes = lines(&report, "DIFFERS").iter().filter(|line| line.contains(": cluster file")).count();
        assert_eq!(hashes, 4, "every node runs by another file: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_named() {
    let mut devnet = devnet().await;
    devnet.kill_node(3);
    devnet.kill_service("attester-2");
    let (fits, report) = doctor(&devnet, &devnet.cluster, "down");
    devnet.restart_node(3);
    devnet.restart_service("attester-2");
    assert!(!fits, "{report}");
    let down = lines(&report, "DOWN");
    assert!(down.iter().any(|line| line.contains("node 3: TLS")), "{report}");
    assert!(down.iter().any(|line| line.contains("attester http")), "{report}");
    assert!(report.contains("attesters that answer: 3 of 4"), "{report}");
    wait_until("all is well again", async || doctor(&devnet, &devnet.cluster, "up").0).await;
}
