//! Requests against a committee that lies, dies, refuses and waits.

use crate::common::coprocessor::Mood;
use crate::common::node::{Act, WORD};
use crate::common::oracle::Setup;
use crate::common::{handle, signed, unsigned_request};
use alloy_primitives::Address;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tkms_types::FheType;
use tkms_types::transcript::Protocol;
use tkms_wire::kms::{RefusalClass, State};
use tkms_wire::relayer::UserDecryptRequest;

const PUBLIC: &str = "/v2/public-decrypt";
const USER: &str = "/v2/user-decrypt";

fn public(number: u8) -> Value {
    json!({ "ciphertextHandles": [handle(number, FheType::Uint64).0], "extraData": "0x00" })
}

fn user(setup: &Setup) -> Value {
    serde_json::to_value(UserDecryptRequest::new(&signed(unsigned_request(), &setup.cluster))).unwrap()
}

async fn right(setup: &Setup, job: &str) {
    let (status, reply) = setup.outcome(PUBLIC, job).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["result"]["decryptedValue"], format!("{WORD:064x}"));
    assert_eq!(reply["result"]["signatures"].as_array().unwrap().len(), 3);
}

/// Who the oracle itself convicted.
async fn convicted(setup: &Setup, job: &str, party: u8) -> Value {
    setup
        .wait("the liar is named", async || {
            let status = setup.status(job).await;
            let blamed = status["blamed"].as_array().unwrap();
            blamed.iter().find(|blamed| blamed["party"] == party && blamed["reportedBy"].is_null()).cloned()
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_signs_another_plaintext_is_named_and_the_answer_is_right() {
    for liar in 1..=4_u8 {
        let setup = Setup::running().await;
        setup.nodes[usize::from(liar) - 1].act(Act::Signs(666));
        let job = setup.job(PUBLIC, &public(1)).await;
        right(&setup, &job).await;
        let blamed = convicted(&setup, &job, liar).await;
        assert!(blamed["evidence"].as_str().unwrap().contains("29a"), "what it signed is kept: {blamed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_the_nodes_own_do_not_count() {
    for act in [Act::BadSignature, Act::Poses(1)] {
        let setup = Setup::running().await;
        setup.nodes[2].act(act.clone());
        let job = setup.job(PUBLIC, &public(1)).await;
        right(&setup, &job).await;
        convicted(&setup, &job, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_lies_never_become_the_answer() {
    let setup = Setup::running().await;
    setup.nodes[0].act(Act::Signs(666));
    setup.nodes[1].act(Act::Signs(666));
    let job = setup.job(PUBLIC, &public(1)).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let (status, _, reply) = setup.json(&format!("{PUBLIC}/{job}")).await;
    assert_eq!(status, 202, "{reply}");
    assert!(setup.status(&job).await["detail"].as_str().unwrap().contains("no quorum"));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_node_costs_no_time() {
    for act in [Act::Silent, Act::Empty, Act::Waits(State::Running)] {
        let setup = Setup::running().await;
        setup.nodes[0].act(act);
        let start = std::time::Instant::now();
        let job = setup.job(PUBLIC, &public(1)).await;
        right(&setup, &job).await;
        assert!(start.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dead_nodes_make_a_request_wait_and_one_that_returns_completes_it() {
    let setup = Setup::running().await;
    setup.nodes[1].kill();
    setup.nodes[3].kill();
    let job = setup.job(PUBLIC, &public(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(setup.json(&format!("{PUBLIC}/{job}")).await.0, 202);
    let status = setup.status(&job).await;
    assert_eq!(status["nodes"][1]["state"], "silent", "{status}");
    assert_eq!(status["nodes"][0]["state"], "answered", "{status}");
    setup.nodes[3].start().await;
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refusal_ends_nothing_and_two_end_the_request() {
    let setup = Setup::running().await;
    setup.nodes[0].act(Act::Refuses(RefusalClass::Permanent, "KeyNotUsable"));
    let job = setup.job(PUBLIC, &public(1)).await;
    right(&setup, &job).await;

    setup.nodes[0].act(Act::Honest);
    setup.nodes[1].act(Act::Refuses(RefusalClass::Permanent, "AccountDenied"));
    setup.nodes[2].act(Act::Refuses(RefusalClass::Permanent, "AccountDenied"));
    let job = setup.job(PUBLIC, &public(2)).await;
    let (status, reply) = setup.outcome(PUBLIC, &job).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (400, Some("not_allowed_on_host_acl")), "{reply}");
    let status = setup.status(&job).await;
    assert_eq!((&status["state"], &status["refused"]["code"]), (&json!("refused"), &json!("AccountDenied")));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_request_is_tried_again_when_it_is_asked_again() {
    let setup = Setup::running().await;
    for node in &setup.nodes {
        node.act(Act::Refuses(RefusalClass::Permanent, "PermitInvalidated"));
    }
    let job = setup.job(PUBLIC, &public(1)).await;
    assert_eq!(setup.outcome(PUBLIC, &job).await.0, 400);
    for node in &setup.nodes {
        node.act(Act::Honest);
    }
    assert_eq!(setup.job(PUBLIC, &public(1)).await, job);
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_final_yet_waits_and_is_answered_later() {
    for act in [
        Act::Waits(State::WaitingFinality),
        Act::Refuses(RefusalClass::Wait, "NotFinal"),
        Act::Refuses(RefusalClass::Retry, "GrantMissing"),
        Act::Refuses(RefusalClass::Retry, "DelegationExpired"),
    ] {
        let setup = Setup::running().await;
        setup.nodes.iter().for_each(|node| node.act(act.clone()));
        let job = setup.job(PUBLIC, &public(1)).await;
        setup
            .wait("it waits for finality", async || {
                (setup.status(&job).await["state"] == "waiting-finality").then_some(())
            })
            .await;
        assert_eq!(setup.json(&format!("{PUBLIC}/{job}")).await.0, 202);
        setup.nodes.iter().for_each(|node| node.act(Act::Honest));
        right(&setup, &job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_nodes_are_asked_again_with_pauses() {
    let setup = Setup::running().await;
    setup.nodes.iter().for_each(|node| node.act(Act::Refuses(RefusalClass::Wait, "Busy")));
    let job = setup.job(PUBLIC, &public(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = setup.nodes[0].calls.load(Ordering::Relaxed);
    assert!((2..=25).contains(&calls), "{calls} calls in two seconds");
    setup.nodes.iter().for_each(|node| node.act(Act::Honest));
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ciphertext_not_yet_computed_is_waited_for_without_troubling_nodes() {
    for mood in [Mood::Computing, Mood::Broken, Mood::Stranger] {
        let setup = Setup::running().await;
        setup.coprocessor.mood(mood);
        let job = setup.job(PUBLIC, &public(1)).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        let status = setup.status(&job).await;
        assert_eq!(status["state"], "waiting-ciphertext", "{status}");
        assert_ne!(status["detail"], "", "says why");
        assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), 0);
        setup.coprocessor.mood(Mood::Ready);
        right(&setup, &job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_could_not_be_computed_is_refused_and_may_be_asked_for_again() {
    let setup = Setup::running().await;
    setup.coprocessor.mood(Mood::Failed);
    let job = setup.job(PUBLIC, &public(1)).await;
    let (status, reply) = setup.outcome(PUBLIC, &job).await;
    assert_eq!((status, reply["error"]["label"].as_str()), (500, Some("internal_server_error")), "{reply}");
    let message = reply["error"]["message"].as_str().unwrap();
    assert!(message.contains("has no value") && message.contains("make another"), "{message}");
    assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), 0);
    setup.coprocessor.mood(Mood::Ready);
    assert_eq!(setup.job(PUBLIC, &public(1)).await, job);
    right(&setup, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_coprocessor_of_a_set_that_can_miss_it_is_waited_out() {
    let mut setup = Setup::new().await;
    setup.change(|cluster| {
        let set = &mut cluster.chains[0].coprocessors;
        let spare = [Address::repeat_byte(0x51), Address::repeat_byte(0x52), Address::repeat_byte(0x53)];
        (set.members, set.quorum) = ([set.members.as_slice(), &spare].concat(), 3);
        set.members.sort_unstable();
    });
    setup.start().await;
    setup.coprocessor.mood(Mood::Failed);
    let job = setup.job(PUBLIC, &public(1)).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let status = setup.status(&job).await;
    assert_eq!(status["state"], "waiting-ciphertext", "{status}");
    assert!(status["detail"].as_str().unwrap().contains("has no value"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_a_protocol_that_is_not_in_force_are_not_sent_to_nodes() {
    for (old, new) in [(Protocol::Flood, Protocol::Exact), (Protocol::Exact, Protocol::Flood)] {
        let mut setup = Setup::new().await;
        setup.change(|cluster| cluster.key.decryption = vec![old]);
        setup.coprocessor.join(setup.cluster.clone());
        setup.change(|cluster| cluster.key.decryption = vec![new]);
        setup.start().await;
        let job = setup.job(PUBLIC, &public(1)).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        let status = setup.status(&job).await;
        assert_eq!(status["state"], "waiting-ciphertext", "{status}");
        let why = format!("material of format {}, in force is {}", old as u8, new as u8);
        assert!(status["detail"].as_str().is_some_and(|detail| detail.ends_with(&why)), "{status}");
        assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), 0);
        setup.coprocessor.join(setup.cluster.clone());
        right(&setup, &job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_survives_a_restart_in_its_middle() {
    let mut setup = Setup::running().await;
    setup.nodes.iter().for_each(|node| node.act(Act::Silent));
    let job = setup.job(PUBLIC, &public(1)).await;
    setup.wait("nodes are asked", async || (setup.nodes[0].calls.load(Ordering::Relaxed) > 0).then_some(())).await;
    setup.stop().await;
    setup.nodes.iter().for_each(|node| node.act(Act::Honest));
    setup.start().await;
    right(&setup, &job).await;
    setup.stop().await;
    setup.start().await;
    let calls = setup.nodes[0].calls.load(Ordering::Relaxed);
    right(&setup, &job).await;
    assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), calls, "an answer is asked for once");
}

#[tokio::test(flavor = "multi_thread")]
async fn same_request_twice_is_one_job_and_asked_once() {
    let setup = Setup::running().await;
    let job = setup.job(PUBLIC, &public(1)).await;
    right(&setup, &job).await;
    let calls = setup.nodes[0].calls.load(Ordering::Relaxed);
    assert_eq!(setup.job(PUBLIC, &public(1)).await, job);
    right(&setup, &job).await;
    assert_eq!(setup.nodes[0].calls.load(Ordering::Relaxed), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_say_of_their_peers_is_kept_as_their_word() {
    let setup = Setup::running().await;
    setup.nodes[0].act(Act::Blames(4));
    setup.nodes[1].act(Act::Blames(4));
    // Its own word against itself or a stranger counts for nothing.
    setup.nodes[2].act(Act::Blames(3));
    let job = setup.job(PUBLIC, &public(1)).await;
    right(&setup, &job).await;
    let blamed = setup
        .wait("both reports are kept", async || {
            let blamed = setup.status(&job).await["blamed"].as_array().unwrap().clone();
            (blamed.len() == 2).then_some(blamed)
        })
        .await;
    assert!(blamed.iter().all(|blamed| blamed["party"] == 4 && !blamed["reportedBy"].is_null()), "{blamed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_other_sessions_users_or_keys_are_not_counted() {
    for act in [Act::OtherSession, Act::OtherLink, Act::BadSignature, Act::Poses(2)] {
        let setup = Setup::running().await;
        setup.nodes[3].act(act.clone());
        let job = setup.job(USER, &user(&setup)).await;
        let (status, reply) = setup.outcome(USER, &job).await;
        assert_eq!(status, 200, "{act:?}: {reply}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (_, reply) = setup.outcome(USER, &job).await;
        let parties: Vec<u64> =
            reply["result"]["result"].as_array().unwrap().iter().map(|s| s["party"].as_u64().unwrap()).collect();
        assert_eq!(parties, [1, 2, 3], "{act:?}");
        if !matches!(act, Act::OtherSession) {
            convicted(&setup, &job, 4).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_of_two_shares_each_are_no_quorum() {
    let setup = Setup::running().await;
    setup.nodes[0].act(Act::OtherSession);
    setup.nodes[1].act(Act::OtherSession);
    let job = setup.job(USER, &user(&setup)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.json(&format!("{USER}/{job}")).await.0, 202);
}
