//! What a smart account's answer depends on, collected from a real Anvil and proven; and the accounts for which there is no
//! witness. Needs the artifacts of `forge build`.

use crate::common::{address_of, alice, cluster, key, signed, unsigned_request};
use alloy::network::TransactionBuilder as _;
use alloy::providers::{Provider as _, ext::AnvilApi as _};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolValue as _;
use alloy_primitives::{Address, B256, Bytes, U256, b256, hex, keccak256};
use merkle_acl::{Anchor, prove_account, prove_slot};
use std::collections::BTreeMap;
use std::path::Path;
use tkms_eth::anvil::{AnvilConfig, AnvilInstance, find_anvil, spawn};
use tkms_eth::proofs::{BlockNumberOrTag, header_by_number};
use tkms_eth::{Rpc, connect};
use tkms_oracle::prove::Unproven;
use tkms_oracle::record::Ask;
use tkms_oracle::smart_account::Question;
use tkms_types::UserRequest;
use tkms_wire::account_witness::AccountWitness;
use tkms_wire::kms;

const IMPLEMENTATION: B256 = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");

struct Chain {
    anvil: AnvilInstance,
    rpc: Rpc,
}

impl Chain {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let anvil = spawn(&find_anvil(root).unwrap(), &AnvilConfig::default()).unwrap();
        let rpc = connect(&anvil.endpoint_url()).unwrap();
        Self { anvil, rpc }
    }

    async fn deploy(&self, contract: &str, arguments: Vec<u8>) -> Address {
        let file = format!("../solidity/out/Wallets.sol/{contract}.json");
        let json = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("run `forge build` first");
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let code: Bytes = json["bytecode"]["object"].as_str().unwrap().parse().unwrap();
        let code = [code.to_vec(), arguments].concat();
        let request = TransactionRequest::default().with_from(self.anvil.addresses()[0]).with_deploy_code(code);
        let receipt = self.rpc.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
        receipt.contract_address.unwrap()
    }

    /// A wallet of Alice's behind a proxy, and where its code is.
    async fn proxied(&self) -> (Address, Address) {
        let library = self.deploy("OwnerWallet", (Address::ZERO,).abi_encode_params()).await;
        let arguments = (library, address_of(&alice())).abi_encode_params();
        (self.deploy("WalletProxy", arguments).await, library)
    }

    async fn anchor(&self) -> Anchor {
        let header = header_by_number(&self.rpc, BlockNumberOrTag::Latest).await.unwrap();
        Anchor::from_header_rlp(&header.rlp).unwrap()
    }
}

/// What Alice asks in the name of an account.
fn asked(account: Address) -> UserRequest {
    signed(UserRequest { user: account, ..unsigned_request() }, &cluster(&[1]))
}

fn question(request: UserRequest) -> Option<Question> {
    let cluster = cluster(&[1]);
    Question::of(&Ask::User(request), &cluster.gateway, &cluster.chains[0])
}

/// Every proof holds; the accounts with their code and words.
fn proven(witness: &AccountWitness, anchor: &Anchor) -> BTreeMap<Address, (B256, BTreeMap<B256, U256>)> {
    let nodes = |places: &[u16]| -> Vec<Bytes> {
        places.iter().map(|place| witness.nodes[usize::from(*place)].clone().into()).collect()
    };
    let account = |account: &tkms_wire::account_witness::WitnessedAccount| {
        let found = prove_account(anchor.state_root(), account.address, &nodes(&account.nodes)).unwrap();
        assert_eq!(keccak256(&account.code), found.code_hash);
        let word = |slot: &tkms_wire::account_witness::WitnessedSlot| {
            (slot.slot, prove_slot(found.storage_root, slot.slot, &nodes(&slot.nodes)).unwrap())
        };
        (account.address, (found.code_hash, account.slots.iter().map(word).collect()))
    };
    // As nodes read it
    assert_eq!(AccountWitness::try_from(kms::AccountWitness::from(witness)).as_ref(), Ok(witness));
    witness.accounts.iter().map(account).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_witness_of_a_proxied_wallet_is_proxy_implementation_and_their_slots() {
    let chain = Chain::start();
    let (wallet, library) = chain.proxied().await;
    let question = question(asked(wallet)).unwrap();
    assert!(question.accepted(&chain.rpc, Default::default()).await.unwrap());
    let anchor = chain.anchor().await;
    let found = proven(&question.witness(&chain.rpc, &anchor).await.unwrap(), &anchor);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), {
        let mut both = vec![wallet, library];
        both.sort_unstable();
        both
    });
    let word = |address: Address| U256::from_be_bytes(address.into_word().0);
    let slots = BTreeMap::from([(B256::ZERO, word(address_of(&alice()))), (IMPLEMENTATION, word(library))]);
    assert_eq!(found[&wallet].1, slots);
    assert!(found[&library].1.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_acts_for_a_key_is_in_the_witness_though_no_list_names_it() {
    let chain = Chain::start();
    let (_, library) = chain.proxied().await;
    let account = Address::repeat_byte(0x77);
    let code = [&hex!("ef0100")[..], library.as_slice()].concat();
    chain.rpc.anvil_set_code(account, code.into()).await.unwrap();
    chain.rpc.anvil_set_storage_at(account, U256::ZERO, address_of(&alice()).into_word()).await.unwrap();
    chain.rpc.anvil_mine(Some(1), None).await.unwrap();
    let anchor = chain.anchor().await;
    let witness = question(asked(account)).unwrap().witness(&chain.rpc, &anchor).await.unwrap();
    let found = proven(&witness, &anchor);
    assert!(found.contains_key(&account) && found.contains_key(&library));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_witness_for_who_does_not_accept() {
    let chain = Chain::start();
    let (wallet, _) = chain.proxied().await;
    let mut stranger = asked(wallet);
    stranger.days += 1;
    let odd = |mode: u8| {
        let chain = &chain;
        async move {
            let odd = chain.deploy("OddWallet", Vec::new()).await;
            chain.rpc.anvil_set_storage_at(odd, U256::ZERO, U256::from(mode).into()).await.unwrap();
            chain.rpc.anvil_mine(Some(1), None).await.unwrap();
            asked(odd)
        }
    };
    // Another permit's signature, no contract, a revert, no end, too few bytes
    let cases = [stranger, asked(Address::repeat_byte(0x78)), odd(1).await, odd(2).await, odd(3).await];
    let anchor = chain.anchor().await;
    for request in cases {
        let question = question(request).unwrap();
        assert!(!question.accepted(&chain.rpc, Default::default()).await.unwrap());
        let refused = question.witness(&chain.rpc, &anchor).await.unwrap_err();
        assert!(matches!(&refused, Unproven::Missing(why) if why.code == "SmartAccountRejected"), "{refused}");
    }
    // The block is not there (any more): not now, which is no answer about the wallet
    let gone = Chain::start();
    let other = question(asked(wallet)).unwrap().witness(&gone.rpc, &anchor).await.unwrap_err();
    assert!(matches!(other, Unproven::Missing(_) | Unproven::Later(_)), "{other}");
}

#[test]
fn a_key_that_has_signed_leaves_no_question() {
    let by_key = signed(unsigned_request(), &cluster(&[1]));
    assert_eq!(question(by_key.clone()), None);
    assert!(question(UserRequest { user: address_of(&key(9)), ..by_key.clone() }).is_some());
    assert!(question(UserRequest { signature: Bytes::from_static(&[1; 300]), ..by_key }).is_some());
}
