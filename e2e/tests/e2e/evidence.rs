//! What a lying oracle, a lying endpoint and up to t lying attesters can show to nodes: every lie is refused by every node, by
//! name, and nothing is computed for it. Numbers are rows of the list of faults the suite must survive.

use crate::devnet;
use alloy::network::TransactionBuilder as _;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use merkle_acl::{Fact, Grant};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_client::{Permit, PermitTerms, Trust};
use tkms_e2e::actors::{Actor, send, words};
use tkms_e2e::contracts::DecryptionOracle;
use tkms_e2e::devnet::Devnet;
use tkms_e2e::evidence::{attestations, evidence_under, facts_of, host, prove_public, prove_user, sign};
use tkms_e2e::nodes::{self, assert_all_refused};
use tkms_e2e::proxy::{Lie, LyingEndpoint};
use tkms_e2e::relayer::{Standing, ask_public, look};
use tkms_e2e::wait_until;
use tkms_eth::LocalKey;
use tkms_eth::anvil::{AnvilConfig, find_anvil, spawn};
use tkms_eth::bindings::{IACL, IKMSVerifier};
use tkms_eth::deploy::{DeployPlan, Deployer, deploy};
use tkms_eth::proofs::{header_by_number, state_proof};
use tkms_kms_node::request::Ask;
use tkms_types::{ContextId, GatewayDomain, Handle, HandlePair, Id as _, PublicRequest, UserRequest};
use tkms_wire::attestation::SignedHeader;
use tkms_wire::evidence::{Attested, Evidence};
use tkms_wire::kms::reply::Outcome;
use tkms_wire::material::Material;
use tkms_wire::relayer::Hex;
use tkms_wire::request::Call;

const WAIT: Duration = Duration::from_secs(10);

fn public_call(handle: Handle, material: Material) -> Call<PublicRequest> {
    let request = PublicRequest { handles: vec![handle], extra_data: vec![0].into() };
    Call { request, materials: vec![material], evidence: None, finality: None, wait: WAIT, label: String::new() }
}

fn user_call(request: UserRequest, material: Material) -> Call<UserRequest> {
    Call { request, materials: vec![material], evidence: None, finality: None, wait: WAIT, label: String::new() }
}

/// A permit of `signer` for one contract, for values of its own or of who delegated to it.
fn permit(devnet: &Devnet, signer: &Actor, contract: Address, delegator: Option<Address>) -> Permit {
    let trust = Trust::from_cluster(&devnet.cluster, devnet.deployment.chain_id).unwrap();
    let wallet = LocalKey::from_bytes(&signer.signer.to_bytes().0).unwrap();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 60;
    let terms = PermitTerms { contracts: vec![contract], start, days: 1, delegator };
    Permit::sign(terms, &wallet, &trust, &mut ChaCha20Rng::seed_from_u64(11)).unwrap()
}

/// A fresh value of the probe, squashed and, if wanted, public; final on the chain.
async fn value(devnet: &Devnet, owner: &Actor, public: bool) -> (U256, Handle, Material) {
    let receipt = send(&owner.provider, owner.probe.makeRandomUint64(0).into_transaction_request()).await;
    let (index, handle) = Actor::made(&receipt)[0];
    if public {
        send(&owner.provider, owner.probe.publish(vec![index]).into_transaction_request()).await;
    }
    let material = nodes::material(devnet, Handle(handle)).await;
    nodes::wait_until_attested(devnet, owner).await;
    (index, Handle(handle), material)
}

/// Row 6: what was signed for one request is worth nothing for another one.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_one_request_fulfil_no_other() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 6).await;
    for value in [41, 42] {
        send(&alice.provider, alice.probe.makeUint8(value).into_transaction_request()).await;
    }
    let answered = alice.ask(vec![U256::ZERO, U256::ONE]).await;
    let event = alice.fulfilled(answered).await;
    assert_eq!(words(&event.cleartexts), [U256::from(41), U256::from(42)]);
    devnet.kill_service("oracle");
    let open = alice.ask(vec![U256::ONE, U256::ZERO]).await;
    let oracle = DecryptionOracle::new(devnet.deployment.contracts.decryption_oracle, &alice.provider);
    let tries: [(&str, Bytes, Bytes); 4] = [
        ("words of another order of handles", event.cleartexts.clone(), event.decryptionProof.clone()),
        (
            "the right words",
            [&event.cleartexts[32..], &event.cleartexts[..32]].concat().into(),
            event.decryptionProof.clone(),
        ),
        ("another context", event.cleartexts.clone(), [&event.decryptionProof, &[1, 7][..]].concat().into()),
        ("no signature", event.cleartexts.clone(), Bytes::from(vec![0])),
    ];
    for (what, cleartexts, proof) in tries {
        assert!(oracle.fulfil(open, cleartexts, proof).call().await.is_err(), "{what}: fulfilled");
    }
    assert!(oracle.fulfil(answered, event.cleartexts, event.decryptionProof).call().await.is_err(), "fulfilled twice");
    devnet.restart_service("oracle");
    assert_eq!(words(&alice.fulfilled(open).await.cleartexts), [U256::from(42), U256::from(41)]);
}

/// Row 6: another deployment with the same committee, on a chain of its own: neither its verifier takes what ours takes, nor ours what
/// names a context of another.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_for_one_verifier_are_nothing_to_another() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 6).await;
    send(&alice.provider, alice.probe.makeUint8(43).into_transaction_request()).await;
    let handle = Actor::made(&send(&alice.provider, alice.probe.makeUint8(44).into_transaction_request()).await)[0].1;
    let event = alice.fulfilled(alice.ask(vec![U256::ONE]).await).await;
    let anvil = spawn(&find_anvil(&tkms_e2e::root()).unwrap(), &AnvilConfig::default()).unwrap();
    let other = tkms_eth::connect(&anvil.endpoint_url()).unwrap();
    let plan = DeployPlan {
        kms_signers: devnet.cluster.committee.iter().map(|node| node.signer).collect(),
        kms_threshold: devnet.cluster.thresholds.quorum,
        coprocessor_signers: vec![Address::repeat_byte(7)],
        coprocessor_threshold: 1,
        gateway: GatewayDomain { decryption: Address::repeat_byte(9), ..devnet.cluster.gateway },
        owner: anvil.addresses()[0],
        pauser: anvil.addresses()[0],
    };
    let out = tkms_e2e::root().join("solidity/out");
    let there = deploy(&other, &out, Deployer::LocalAnvil, &plan).await.unwrap().contracts.kms_verifier;
    let ours = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    let here = host(&devnet).contracts.kms_verifier;
    let call = |words: &Bytes, proof: Bytes| IKMSVerifier::verifyDecryptionEIP712KMSSignaturesCall {
        handlesList: vec![handle],
        decryptedResult: words.clone(),
        decryptionProof: proof,
    };
    let verified = async |rpc, contract, call| {
        matches!(tkms_eth::view(rpc, contract, &call, alloy::eips::BlockId::latest()).await, Ok(true))
    };
    let (words, proof) = (&event.cleartexts, &event.decryptionProof);
    assert!(verified(&ours, here, call(words, proof.clone())).await);
    assert!(!verified(&other, there, call(words, proof.clone())).await, "another verifier");
    let count = usize::from(proof[0]);
    // The request pinned the context in force, and that is what was signed
    assert_eq!(proof[1 + 65 * count..], *[&[1], devnet.cluster.context.bytes().as_slice()].concat());
    assert!(!verified(&ours, here, call(words, proof[..=65 * count].to_vec().into())).await, "no context");
    for context in [B256::ZERO, B256::with_last_byte(1), ContextId::numbered(2).bytes()] {
        let named = [&proof[..=65 * count], &[1], context.as_slice()].concat().into();
        assert!(!verified(&ours, here, call(words, named)).await, "context {context} was not signed");
    }
    assert!(!verified(&ours, here, call(&words.iter().rev().copied().collect(), proof.clone())).await);
}

/// Rows 9 and 10: no grant, a grant to the user but not to the contract, a delegation that was taken back.
#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_foreign_or_taken_back_are_refused_at_every_node() {
    let devnet = devnet().await;
    let (alice, bob) = (Actor::new(&devnet, 5).await, Actor::new(&devnet, 6).await);
    let (index, handle, material) = value(&devnet, &alice, false).await;
    send(&alice.provider, alice.probe.allowUser(index, alice.address()).into_transaction_request()).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let before = nodes::computed(&devnet).await;
    let (own, foreign) = (*alice.probe.address(), *bob.probe.address());
    let cases = [
        ("GrantMissing", permit(&devnet, &bob, own, None), own),
        ("GrantMissing", permit(&devnet, &alice, foreign, None), foreign),
        ("DelegationMissing", permit(&devnet, &bob, own, Some(alice.address())), own),
    ];
    for (code, permit, contract) in cases {
        let mut call = user_call(permit.request(&[HandlePair { handle, contract }]), material.clone());
        prove_user(&devnet, &mut call).await;
        assert_all_refused(&nodes::user_decrypt(&devnet, &(&call).into()).await, code);
    }
    // Alice lets Bob, Bob may; Alice takes it back, Bob may not, however he shows it.
    let to_acl =
        |call: Vec<u8>| TransactionRequest::default().with_to(devnet.deployment.contracts.acl).with_input(call);
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 86_400;
    let (delegate, contract) = (bob.address(), own);
    let call = IACL::delegateForUserDecryptionCall { delegate, contractAddress: contract, expirationDate: tomorrow };
    send(&alice.provider, to_acl(call.abi_encode())).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    let delegated = permit(&devnet, &bob, own, Some(alice.address())).request(&[HandlePair { handle, contract: own }]);
    let mut call = user_call(delegated, material.clone());
    prove_user(&devnet, &mut call).await;
    for reply in nodes::user_decrypt(&devnet, &(&call).into()).await {
        assert!(matches!(reply.outcome, Some(Outcome::UserAnswer(_))), "a delegate was refused: {reply:?}");
    }
    let call = IACL::revokeDelegationForUserDecryptionCall { delegate, contractAddress: contract };
    send(&alice.provider, to_acl(call.abi_encode())).await;
    nodes::wait_until_attested(&devnet, &alice).await;
    // A fresh key: another request, which no node has answered.
    let trust = Trust::from_cluster(&devnet.cluster, devnet.deployment.chain_id).unwrap();
    let wallet = LocalKey::from_bytes(&bob.signer.to_bytes().0).unwrap();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 60;
    let terms = PermitTerms { contracts: vec![own], start, days: 1, delegator: Some(alice.address()) };
    let again = Permit::sign(terms, &wallet, &trust, &mut rand::rng()).unwrap();
    let mut call = user_call(again.request(&[HandlePair { handle, contract: own }]), material);
    prove_user(&devnet, &mut call).await;
    assert_all_refused(&nodes::user_decrypt(&devnet, &(&call).into()).await, "DelegationMissing");
    assert!(nodes::computed(&devnet).await <= before + 4, "only the delegation that stood was served");
}

/// Row 11: a header or a proof that was touched anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn altered_headers_and_proofs_are_refused_at_every_node() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 6).await;
    let (_, handle, material) = value(&devnet, &alice, true).await;
    let mut call = public_call(handle, material);
    prove_public(&devnet, &mut call).await;
    let good = call.evidence.clone().unwrap();
    let before = nodes::computed(&devnet).await;
    let with = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = good.clone();
        change(&mut evidence);
        evidence
    };
    let flip = |bytes: &bytes::Bytes, at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes::Bytes::from(bytes)
    };
    let cases: Vec<(&str, Evidence)> = vec![
        ("another state root", with(&|evidence| evidence.header = flip(&evidence.header, 100))),
        ("a header cut short", with(&|evidence| evidence.header.truncate(200))),
        ("no attestation", with(&|evidence| evidence.attested = None)),
        ("another set", with(&|evidence| evidence.attested.as_mut().unwrap().set = B256::repeat_byte(7))),
        (
            "one signature three times",
            with(&|evidence| {
                let attested = evidence.attested.as_mut().unwrap();
                attested.attestations = vec![attested.attestations[0].clone(); 3];
            }),
        ),
        ("two signatures", with(&|evidence| evidence.attested.as_mut().unwrap().attestations.truncate(2))),
        ("another account", with(&|evidence| evidence.accounts = flip(&evidence.accounts, 40))),
        (
            "a leaf of another value",
            with(&|evidence| evidence.storage = flip(&evidence.storage, evidence.storage.len() - 1)),
        ),
        ("another neighbour", with(&|evidence| evidence.storage = flip(&evidence.storage, 10))),
        ("storage for accounts", with(&|evidence| evidence.accounts = evidence.storage.clone())),
        ("the executor's account as if it were not there", with(&|evidence| evidence.executor = false)),
        ("a slot that was not asked for", with(&|evidence| evidence.slots[0] = B256::repeat_byte(5))),
        ("a proof cut short", with(&|evidence| evidence.storage.truncate(evidence.storage.len() - 1))),
        ("no proof", with(&|evidence| evidence.storage.clear())),
        (
            "a slot left out",
            with(&|evidence| {
                evidence.slots.pop();
            }),
        ),
        ("a slot twice", with(&|evidence| evidence.slots.push(evidence.slots[0]))),
        ("a place for a grant that is shown by its slot", with(&|evidence| evidence.places = vec![1])),
    ];
    for (what, evidence) in cases {
        let lie = Call { evidence: Some(evidence), ..call.clone() };
        for mut client in nodes::clients(&devnet).await {
            // What is malformed ends at the door, with a status; what is false ends with a refusal.
            let Ok(reply) = client.public_decrypt(tkms_wire::kms::PublicDecryptRequest::from(&lie)).await else {
                continue;
            };
            let outcome = reply.into_inner().outcome;
            assert!(matches!(outcome, Some(Outcome::Refusal(_))), "{what}: {outcome:?}");
        }
        assert_eq!(nodes::computed(&devnet).await, before, "{what}: something was computed");
    }
    for reply in nodes::public_decrypt(&devnet, &(&call).into()).await {
        assert!(matches!(reply.outcome, Some(Outcome::PublicAnswer(_))), "the truth was refused: {reply:?}");
    }
}

/// Row 13 and more: an endpoint that invents a whole state in which the grant stands, an oracle that passes it on, and t
/// attesters that sign it.
#[tokio::test(flavor = "multi_thread")]
async fn an_invented_state_signed_by_t_attesters_releases_nothing() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 6).await;
    let (_, handle, material) = value(&devnet, &alice, false).await;
    // A second chain with the same id, the same code and the slot set: header and proofs are flawless.
    let anvil = spawn(&find_anvil(&tkms_e2e::root()).unwrap(), &AnvilConfig::default()).unwrap();
    let fake = tkms_eth::connect(&anvil.endpoint_url()).unwrap();
    let real = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    let contracts = host(&devnet).contracts;
    for address in [contracts.acl, contracts.executor] {
        use alloy::providers::Provider as _;
        fake.anvil_set_code(address, real.get_code_at(address).await.unwrap()).await.unwrap();
    }
    let grant = Grant::Public { handle: handle.0 };
    fake.anvil_set_storage_at(contracts.acl, grant.slot().into(), B256::with_last_byte(1)).await.unwrap();
    let honest = attestations(&devnet).await;
    fake.anvil_mine(Some(honest[0].number), None).await.unwrap();
    let facts = facts_of(&devnet, Ask::Public(PublicRequest { handles: vec![handle], extra_data: vec![0].into() }));
    assert!(facts.contains(&Fact::Granted(grant)));
    let header = header_by_number(&fake, honest[0].number.into()).await.unwrap();
    let read: alloy::consensus::Header = alloy::rlp::Decodable::decode(&mut header.rlp.as_ref()).unwrap();
    let unsigned = SignedHeader {
        hash: header.hash,
        state_root: read.state_root,
        timestamp: header.timestamp,
        header: Hex(header.rlp.clone()),
        ..honest[0].clone()
    };
    let liar = sign(&devnet, &unsigned, 1);
    assert!(state_proof(&fake, header.hash, contracts.acl, &[grant.slot()]).await.is_ok());
    let mut evidence = tkms::evidence::under(&fake, host(&devnet), std::slice::from_ref(&liar), &facts).await.unwrap();
    // One real signature over the invented block, and three real ones over the real block.
    let others = honest.iter().filter(|signed| signed.signer != liar.signer);
    let mut attestations = vec![liar.attestation().unwrap()];
    attestations.extend(others.map(|signed| signed.attestation().unwrap()));
    evidence.attested = Some(Attested { set: liar.set, attestations });
    let before = nodes::computed(&devnet).await;
    let call = Call { evidence: Some(evidence), ..public_call(handle, material) };
    assert_all_refused(&nodes::public_decrypt(&devnet, &(&call).into()).await, "HeaderUnattested");
    assert_eq!(nodes::computed(&devnet).await, before);
    // The truth about the same handle is another refusal: the nodes go on working.
    let truth = evidence_under(&devnet, &honest, &facts).await;
    let call = Call { evidence: Some(truth), ..call };
    assert_all_refused(&nodes::public_decrypt(&devnet, &(&call).into()).await, "GrantMissing");
}

/// Row 13: the oracle's endpoint lies. About headers that is no use to it: those come from the attesters. About proofs the request
/// waits, is not lost and not refused, and is answered when the endpoint tells the truth again.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_lying_endpoint_requests_are_answered_rightly_or_wait() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 6).await;
    let endpoint = LyingEndpoint::start(devnet.deployment.host_rpc_url.clone()).await;
    devnet.kill_service("oracle");
    devnet.restart_service_with("oracle", &[("rpc_url", endpoint.url().as_str())]);
    let mut jobs = Vec::new();
    for (number, lie) in [(151, Lie::Headers), (152, Lie::Proofs)] {
        send(&alice.provider, alice.probe.makeUint8(number).into_transaction_request()).await;
        let index = alice.probe.count().call().await.unwrap() - U256::ONE;
        let handle = Handle(alice.probe.made(index).call().await.unwrap());
        nodes::material(&devnet, handle).await;
        // The grant lies in a block that the oracle sees through the lie only.
        endpoint.tell(lie);
        send(&alice.provider, alice.probe.publish(vec![index]).into_transaction_request()).await;
        let before = nodes::computed(&devnet).await;
        jobs.push((lie, ask_public(&devnet, &[handle]).await, before, number));
        if lie == Lie::Headers {
            answered(&devnet, &jobs[0].1, number).await;
        }
    }
    let (_, job, before, number) = &jobs[1];
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (standing, computed) = (look(&devnet, job).await, nodes::computed(&devnet).await);
    endpoint.tell(Lie::None);
    assert_eq!((standing, computed), (Standing::Queued, *before), "false proofs: nothing is computed, nothing refused");
    answered(&devnet, job, *number).await;
    devnet.kill_service("oracle");
    devnet.restart_service("oracle");
}

/// Waits for a job's one plaintext, which must be this.
async fn answered(devnet: &Devnet, job: &str, value: u8) {
    wait_until("the job is answered", || async { look(devnet, job).await != Standing::Queued }).await;
    let Standing::Succeeded(words) = look(devnet, job).await else {
        panic!("a job behind a lying endpoint was refused")
    };
    assert!(words.trim_matches('"').ends_with(&format!("{value:02x}")), "{words}");
}

/// Up to t attesters may be dead or far behind: the others are enough.
#[tokio::test(flavor = "multi_thread")]
async fn with_one_attester_dead_answers_arrive_and_with_two_they_wait() {
    let mut devnet = devnet().await;
    let alice = Actor::new(&devnet, 6).await;
    devnet.kill_service("attester-2");
    let receipt = send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    alice.decrypt(vec![Actor::made(&receipt)[0].0]).await;
    devnet.kill_service("attester-3");
    let receipt = send(&alice.provider, alice.probe.makeRandomUint64(0).into_transaction_request()).await;
    let request = alice.ask(vec![Actor::made(&receipt)[0].0]).await;
    assert!(
        alice.fulfilled_within(request, Duration::from_secs(8)).await.is_none(),
        "two of four attesters were enough"
    );
    devnet.restart_service("attester-3");
    assert!(alice.fulfilled(request).await.callbackOk);
    devnet.restart_service("attester-2");
    wait_until("all attesters sign again", || async {
        tkms::evidence::attestations(&devnet.deployment.attesters()).await.is_ok_and(|signed| signed.len() == 4)
    })
    .await;
}
