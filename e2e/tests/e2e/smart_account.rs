//! A contract wallet owns an encrypted balance and reads it: its owner signs, the wallet's own code says so, in every node.

use crate::devnet;
use alloy::sol_types::SolValue as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use merkle_acl::Anchor;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tkms_client::{Client, Config, Permit, PermitTerms, Trust};
use tkms_e2e::actors::{Actor, deploy_code, send};
use tkms_e2e::compile::{creation_code, creation_code_of_wallet};
use tkms_e2e::devnet::Devnet;
use tkms_e2e::evidence::{attestations, evidence_under, facts_of, host};
use tkms_e2e::nodes::{self, assert_all_refused};
use tkms_eth::{DigestSigner as _, LocalKey};
use tkms_kms_node::request::Ask;
use tkms_oracle::record::Ask as Asked;
use tkms_oracle::smart_account::Question;
use tkms_types::{Handle, HandlePair, UserRequest};
use tkms_wire::account_witness::AccountWitness;
use tkms_wire::request::Call;

alloy::sol! {
    #[sol(rpc)]
    contract Wallet {
        function setOwner(address next) external;
    }

    #[sol(rpc)]
    contract Token {
        function mint(address to, uint64 amount) external;
        function balanceOf(address owner) external view returns (bytes32);
    }
}

const BALANCE: u64 = 1_271;

/// A token, and a wallet behind a proxy that owns some of it.
struct Safe {
    wallet: Address,
    pair: HandlePair,
}

async fn safe(devnet: &Devnet, owner: &Actor) -> Safe {
    let library = creation_code_of_wallet("OwnerWallet");
    let library = deploy_code(&owner.provider, library, (Address::ZERO,).abi_encode_params()).await;
    let arguments = (library, owner.address()).abi_encode_params();
    let wallet = deploy_code(&owner.provider, creation_code_of_wallet("WalletProxy"), arguments).await;
    let arguments = (devnet.deployment.contracts.decryption_oracle,).abi_encode_params();
    let token = deploy_code(&owner.provider, creation_code("ConfidentialToken"), arguments).await;
    let token = Token::new(token, owner.provider.clone());
    send(&owner.provider, token.mint(wallet, BALANCE).into_transaction_request()).await;
    let handle = Handle(token.balanceOf(wallet).call().await.unwrap());
    Safe { wallet, pair: HandlePair { handle, contract: *token.address() } }
}

fn client(devnet: &Devnet) -> Client {
    let trust = Trust::from_cluster(&devnet.cluster, devnet.deployment.chain_id).unwrap();
    Client::new(Config::new(devnet.deployment.relayer_url.clone()), trust).unwrap()
}

/// A permit of the wallet with the signature of `signer`.
fn permit(client: &Client, safe: &Safe, signer: &Actor) -> Permit {
    let key = LocalKey::from_bytes(&signer.signer.to_bytes().0).unwrap();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 60;
    let terms = PermitTerms { contracts: vec![safe.pair.contract], start, days: 1, delegator: None };
    let sign = |digest: &B256| Ok(Bytes::from(key.sign_digest(digest)?));
    Permit::sign_for_account(terms, safe.wallet, sign, client.trust(), &mut rand::rng()).unwrap()
}

async fn reads(client: &Client, safe: &Safe, signer: &Actor) -> Result<U256, String> {
    let found = client.user_decrypt(&permit(client, safe, signer), &[safe.pair]).await;
    found.map(|found| found.values[0].value()).map_err(|error| error.to_string())
}

/// The newest attested block's evidence for `request`, with the witness for `witnessed`.
async fn call(devnet: &Devnet, request: UserRequest, witnessed: &UserRequest) -> Call<UserRequest> {
    let signed = attestations(devnet).await;
    let facts = facts_of(devnet, Ask::User(request.clone()));
    let mut evidence = evidence_under(devnet, &signed, &facts).await;
    let anchor = Anchor::from_header_rlp(&signed[0].header.0).unwrap();
    evidence.witness = Some(witness(devnet, witnessed, &anchor).await);
    let material = nodes::material(devnet, request.pairs[0].handle).await;
    let (wait, label) = (Duration::from_secs(10), String::new());
    Call { request, materials: vec![material], evidence: Some(evidence), finality: None, wait, label }
}

async fn witness(devnet: &Devnet, request: &UserRequest, anchor: &Anchor) -> AccountWitness {
    let rpc = tkms_eth::connect(&devnet.deployment.host_rpc_url).unwrap();
    let question = Question::of(&Asked::User(request.clone()), &devnet.cluster.gateway, host(devnet)).unwrap();
    question.witness(&rpc, anchor).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_reads_its_balance_and_a_former_owner_does_not() {
    let devnet = devnet().await;
    let (alice, bob) = (Actor::new(&devnet, 7).await, Actor::new(&devnet, 8).await);
    let (safe, client) = (safe(&devnet, &alice).await, client(&devnet));
    assert_eq!(reads(&client, &safe, &alice).await, Ok(U256::from(BALANCE)));
    let stranger = reads(&client, &safe, &bob).await.unwrap_err();
    assert!(stranger.contains("signature"), "{stranger}");

    let wallet = Wallet::new(safe.wallet, alice.provider.clone());
    send(&alice.provider, wallet.setOwner(bob.address()).into_transaction_request()).await;
    // Asked at once, answered when it is final
    assert_eq!(reads(&client, &safe, &bob).await, Ok(U256::from(BALANCE)));
    let former = reads(&client, &safe, &alice).await.unwrap_err();
    assert!(former.contains("signature"), "{former}");

    // Nodes say so themselves, whatever a relayer brings them
    nodes::wait_until_attested(&devnet, &alice).await;
    let before = nodes::computed(&devnet).await;
    let (hers, his) =
        (permit(&client, &safe, &alice).request(&[safe.pair]), permit(&client, &safe, &bob).request(&[safe.pair]));
    let refused = call(&devnet, hers.clone(), &his).await;
    assert_all_refused(&nodes::user_decrypt(&devnet, &(&refused).into()).await, "SmartAccountRejected");
    let mut partial = call(&devnet, his.clone(), &his).await;
    // The proxy alone: where its code leads is not shown
    let accounts = &mut partial.evidence.as_mut().unwrap().witness.as_mut().unwrap().accounts;
    accounts.retain(|account| account.address == safe.wallet);
    let witness = partial.evidence.as_mut().unwrap().witness.as_mut().unwrap();
    keep_used(witness);
    assert_all_refused(&nodes::user_decrypt(&devnet, &(&partial).into()).await, "SmartAccountUnproven");
    let mut silent = call(&devnet, his.clone(), &his).await;
    silent.evidence.as_mut().unwrap().witness = None;
    assert_all_refused(&nodes::user_decrypt(&devnet, &(&silent).into()).await, "PermitSignatureInvalid");
    assert_eq!(nodes::computed(&devnet).await, before, "something was computed for a refused request");
}

/// Drops the nodes that no proof names any more.
fn keep_used(witness: &mut AccountWitness) {
    let places = |account: &tkms_wire::account_witness::WitnessedAccount| {
        let slots = account.slots.iter().flat_map(|slot| slot.nodes.clone());
        account.nodes.iter().copied().chain(slots).collect::<Vec<u16>>()
    };
    let used: std::collections::BTreeSet<u16> = witness.accounts.iter().flat_map(places).collect();
    let kept: Vec<u16> = used.into_iter().collect();
    let moved = |place: &mut u16| *place = u16::try_from(kept.binary_search(place).unwrap()).unwrap();
    for account in &mut witness.accounts {
        account.nodes.iter_mut().for_each(moved);
        account.slots.iter_mut().flat_map(|slot| slot.nodes.iter_mut()).for_each(moved);
    }
    witness.nodes = kept.iter().map(|place| witness.nodes[usize::from(*place)].clone()).collect();
}
