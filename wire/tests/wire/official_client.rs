//! What we seal is opened by the official client's own code (npm `node-tkms`).

use crate::fixture::{Answer, GATEWAY, Scene, USER, Value, rng, value};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tkms_types::{FheType, PartyId};
use tkms_wire::user_payload::Body;

/// Big-endian bytes of every value, or the client's error.
fn open(scene: &Scene, answers: &[Answer]) -> Result<Vec<Vec<u8>>, String> {
    let hex = |bytes: &[u8]| alloy_primitives::hex::encode(bytes);
    let item = |answer: &Answer| {
        // With what our relayer says beyond the official fields
        json!({
            "payload": hex(&answer.payload), "signature": hex(&answer.signature), "party": answer.party.number(),
            "sessions": [hex(&[7; 32])], "envelopeSignature": hex(&[9; 65]),
        })
    };
    let case = json!({
        "signers": scene.committee.parties().map(|party| scene.signer(party).to_checksum(None)).collect::<Vec<_>>(),
        "user": USER.to_checksum(None),
        "chainId": GATEWAY.chain_id,
        "verifyingContract": GATEWAY.decryption.to_checksum(None),
        "permit": hex(&[0; 65]),
        "publicKey": hex(scene.user.public().serialised()),
        "privateKey": hex(&scene.user.to_private_bytes()),
        "handles": scene.handles().iter().map(|handle| hex(handle.0.as_slice())).collect::<Vec<_>>(),
        "answers": answers.iter().map(item).collect::<Vec<_>>(),
    });
    let outcome = run(&case);
    match outcome.get("values") {
        Some(values) => Ok(values.as_array().unwrap().iter().zip(&scene.values).map(read_value).collect()),
        None => Err(outcome["error"].as_str().unwrap().to_owned()),
    }
}

fn read_value((json, asked): (&Json, &Value)) -> Vec<u8> {
    assert_eq!(json["type"], asked.kind as u8);
    alloy_primitives::hex::decode(json["bytes"].as_str().unwrap()).unwrap()
}

fn run(case: &Json) -> Json {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let package = root.join("node_modules/node-tkms");
    assert!(package.is_dir(), "npm package node-tkms is not installed: run `make setup` first");
    let mut node = Command::new("node")
        .arg(root.join("wire/tests/js/open.cjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node is needed: see `make setup`");
    node.stdin.take().unwrap().write_all(case.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "node failed: {}", String::from_utf8_lossy(&output.stderr));
    // The wasm may write lines of its own first
    serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

/// Whether what came back are the values asked, whatever zeros the client puts in front.
fn assert_values(scene: &Scene, opened: &[Vec<u8>]) {
    assert_eq!(opened.len(), scene.values.len());
    let trim = |bytes: &mut dyn Iterator<Item = u8>| bytes.skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    for (bytes, asked) in opened.iter().zip(&scene.values) {
        assert_eq!(trim(&mut bytes.iter().copied()), trim(&mut asked.bytes.iter().rev().copied()), "{:?}", asked.kind);
    }
}

fn every_type() -> Vec<Value> {
    let value = |(number, kind): (u8, FheType)| {
        let len = kind.bits().div_ceil(8);
        let bytes: Vec<u8> = if kind == FheType::Bool { vec![1] } else { (0..len).map(|i| 0xf1 - i as u8).collect() };
        value(number, kind, &bytes)
    };
    (0..).zip(FheType::ALL).map(value).collect()
}

fn amount() -> Vec<Value> {
    vec![value(1, FheType::Uint64, &0x0123_4567_89ab_cdef_u64.to_le_bytes())]
}

/// Four parties' answers on one amount.
fn four(seed: u64) -> (Scene, Vec<Answer>, ChaCha20Rng) {
    let mut rng = rng(seed);
    let scene = Scene::new(4, amount(), &mut rng);
    let answers = scene.answers(&mut rng);
    (scene, answers, rng)
}

fn wrong_share(scene: &Scene, party: PartyId, rng: &mut ChaCha20Rng) -> Answer {
    let mut bodies = scene.bodies(rng).swap_remove(party.index());
    for body in &mut bodies {
        let Body::Threshold(elements) = body else { panic!("a committee shares") };
        elements[0][2] ^= 1 << 77;
    }
    scene.answer(party, &bodies, rng)
}

#[test]
fn one_node_is_read_for_every_type() {
    let mut rng = rng(1);
    let scene = Scene::new(1, every_type(), &mut rng);
    let answers = scene.answers(&mut rng);
    assert_values(&scene, &open(&scene, &answers).unwrap());
}

#[test]
fn four_nodes_are_read_for_every_type() {
    let mut rng = rng(2);
    let scene = Scene::new(4, every_type(), &mut rng);
    let answers = scene.answers(&mut rng);
    assert_values(&scene, &open(&scene, &answers).unwrap());
}

#[test]
fn thirteen_nodes_are_read_with_four_absent() {
    let mut rng = rng(3);
    let scene = Scene::new(13, amount(), &mut rng);
    let answers = scene.answers(&mut rng);
    assert_values(&scene, &open(&scene, &answers[4..]).unwrap());
}

#[test]
fn thirteen_nodes_are_read_with_four_wrong_shares() {
    let mut rng = rng(10);
    let scene = Scene::new(13, amount(), &mut rng);
    let mut answers = scene.answers(&mut rng);
    for wrong in [0, 5, 6, 12] {
        answers[wrong] = wrong_share(&scene, answers[wrong].party, &mut rng);
    }
    assert_values(&scene, &open(&scene, &answers).unwrap());
}

#[test]
fn thirteen_nodes_are_read_with_two_absent_and_two_wrong_shares() {
    let mut rng = rng(11);
    let scene = Scene::new(13, amount(), &mut rng);
    let mut answers = scene.answers(&mut rng).split_off(2);
    for wrong in [3, 9] {
        answers[wrong] = wrong_share(&scene, answers[wrong].party, &mut rng);
    }
    assert_values(&scene, &open(&scene, &answers).unwrap());
}

#[test]
fn five_absent_of_thirteen_are_refused() {
    let mut rng = rng(12);
    let scene = Scene::new(13, amount(), &mut rng);
    open(&scene, &scene.answers(&mut rng)[5..]).unwrap_err();
}

/// Why the relayer serves another quorum to whoever asks again: this client gives up on one answer that is signed by its
/// node and cannot be opened, however many good ones stand beside it. A quorum without that answer is read.
#[test]
fn one_signed_answer_that_cannot_be_opened_spoils_every_set_it_is_in() {
    for (nodes, quorum, seed) in [(4, 3, 13), (13, 9, 14)] {
        let mut rng = rng(seed);
        let scene = Scene::new(nodes, amount(), &mut rng);
        let mut answers = scene.answers(&mut rng);
        answers[1].payload[300] ^= 0x40;
        answers[1].signature = scene.sign(answers[1].party, &answers[1].payload);
        open(&scene, &answers).unwrap_err();
        open(&scene, &answers[..quorum]).unwrap_err();
        answers.remove(1);
        assert_values(&scene, &open(&scene, &answers[..quorum]).unwrap());
    }
}

#[test]
fn one_of_four_may_be_absent() {
    let (scene, answers, _) = four(4);
    for absent in 0..4 {
        let mut some = answers.clone();
        some.remove(absent);
        assert_values(&scene, &open(&scene, &some).unwrap());
    }
}

#[test]
fn one_of_four_may_send_a_wrong_share() {
    let (scene, mut answers, mut rng) = four(5);
    answers[2] = wrong_share(&scene, answers[2].party, &mut rng);
    assert_values(&scene, &open(&scene, &answers).unwrap());
}

#[test]
fn one_of_four_may_have_a_bad_outer_signature() {
    let (scene, mut answers, _) = four(6);
    answers[1].signature = scene.sign(answers[1].party, b"something else");
    assert_values(&scene, &open(&scene, &answers).unwrap());
}

#[test]
fn two_absent_of_four_are_refused() {
    let (scene, answers, _) = four(7);
    open(&scene, &answers[2..]).unwrap_err();
}

#[test]
fn garbled_payloads_are_refused() {
    let (scene, answers, _) = four(8);
    let garble = |position: usize| {
        let mut garbled = answers.clone();
        for answer in &mut garbled {
            let position = position.min(answer.payload.len() - 1);
            answer.payload[position] ^= 0x40;
        }
        garbled
    };
    // Key, link, cipher and degree; the outer signature is broken by any of them
    for position in [20, 60, 300, usize::MAX] {
        open(&scene, &garble(position)).unwrap_err();
    }
    // Signed again by the nodes themselves, the inner signature or encryption still fails
    let mut signed = garble(300);
    for answer in &mut signed {
        answer.signature = scene.sign(answer.party, &answer.payload);
    }
    open(&scene, &signed).unwrap_err();
}

#[test]
fn a_payload_for_another_user_is_refused() {
    let (scene, answers, mut rng) = four(9);
    let stranger = Scene { user: tkms_wire::user_payload::UserKeyPair::generate(&mut rng).unwrap(), ..scene };
    open(&stranger, &answers).unwrap_err();
}
