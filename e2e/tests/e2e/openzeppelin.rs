//! OpenZeppelin's confidential token as npm has it: an ERC-20 wrapped, moved in secret, read by its holders and unwrapped
//! with the committee's signatures.

use crate::devnet;
use crate::people::{Network, Person};
use alloy::sol_types::{SolEvent as _, SolValue as _};
use alloy_primitives::{B256, U256};
use tkms_e2e::actors::send;
use tkms_e2e::compile::creation_code_of_openzeppelin;
use tkms_types::Handle;

alloy::sol! {
    #[sol(rpc)]
    contract Plain {
        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external;
        function balanceOf(address holder) external view returns (uint256);
    }

    #[sol(rpc)]
    contract Wrapped {
        event UnwrapRequested(address indexed receiver, bytes32 indexed unwrapRequestId, bytes32 amount);
        function rate() external view returns (uint256);
        function wrap(address to, uint256 amount) external;
        function confidentialTransfer(address to, bytes32 amount, bytes calldata inputProof) external;
        function confidentialBalanceOf(address holder) external view returns (bytes32);
        function unwrap(address from, address to, bytes32 amount, bytes calldata inputProof) external;
        function finalizeUnwrap(bytes32 unwrapRequestId, uint64 amount, bytes calldata decryptionProof) external;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openzeppelins_token_is_wrapped_moved_read_and_unwrapped() {
    let devnet = devnet().await;
    let network = Network::of(&devnet).await;
    let (alice, bob) = (Person::of(&devnet, 2), Person::of(&devnet, 3));
    let plain = alice.deploy(&creation_code_of_openzeppelin("PlainCoin"), ("PL".to_owned(),).abi_encode_params()).await;
    let wrapped = alice.deploy(&creation_code_of_openzeppelin("WrappedCoin"), (plain,).abi_encode_params()).await;
    let (plain, of_alice) = (Plain::new(plain, &alice.provider), Wrapped::new(wrapped, &alice.provider));
    let of_bob = Wrapped::new(wrapped, &bob.provider);
    let rate = of_alice.rate().call().await.unwrap();

    let amount = U256::from(1000) * rate;
    send(&alice.provider, plain.mint(alice.address, amount).into_transaction_request()).await;
    send(&alice.provider, plain.approve(wrapped, amount).into_transaction_request()).await;
    send(&alice.provider, of_alice.wrap(alice.address, amount).into_transaction_request()).await;
    assert_eq!(plain.balanceOf(alice.address).call().await.unwrap(), U256::ZERO);

    // One proven list for both of Alice's inputs.
    let input = network.encrypt(&[300, 250], wrapped, alice.address).await;
    let [moved, burnt] = [0, 1].map(|index: usize| input.handles[index].0);
    let stolen = of_bob.confidentialTransfer(bob.address, moved, input.proof.clone());
    assert!(stolen.call().await.is_err(), "Bob sent what Alice encrypted");
    let transfer = of_alice.confidentialTransfer(bob.address, moved, input.proof.clone());
    send(&alice.provider, transfer.into_transaction_request()).await;

    // Bob sends more than he has, which moves nothing and shows nobody that it did not.
    let too_much = network.encrypt(&[301], wrapped, bob.address).await;
    let transfer = of_bob.confidentialTransfer(alice.address, too_much.handles[0].0, too_much.proof);
    send(&bob.provider, transfer.into_transaction_request()).await;

    let unwrap = of_alice.unwrap(alice.address, alice.address, burnt, input.proof);
    let receipt = send(&alice.provider, unwrap.into_transaction_request()).await;
    let mut logs = receipt.logs().iter();
    let request =
        logs.find_map(|log| Wrapped::UnwrapRequested::decode_log(&log.inner).ok()).expect("it asks to unwrap");

    let [of_alice_handle, of_bob_handle] =
        [of_alice.confidentialBalanceOf(alice.address), of_alice.confidentialBalanceOf(bob.address)];
    let of_alice_handle: B256 = of_alice_handle.call().await.unwrap();
    let of_bob_handle: B256 = of_bob_handle.call().await.unwrap();
    assert_eq!(network.read(&alice, of_alice_handle, wrapped).await.unwrap(), 450);
    assert_eq!(network.read(&bob, of_bob_handle, wrapped).await.unwrap(), 300);
    let refused = network.read(&bob, of_alice_handle, wrapped).await.expect_err("Bob read Alice's balance");
    assert!(refused.to_string().contains("GrantMissing"), "{refused}");

    let found = network.client.public_decrypt(&[Handle(request.amount)]).await.unwrap();
    assert_eq!(found.values[0].value(), U256::from(250));
    let finalize = |amount| of_alice.finalizeUnwrap(request.unwrapRequestId, amount, found.proof.clone());
    assert!(finalize(251).call().await.is_err(), "more came back than the committee signed");
    send(&alice.provider, finalize(250).into_transaction_request()).await;
    assert_eq!(plain.balanceOf(alice.address).call().await.unwrap(), U256::from(250) * rate);
    assert!(finalize(250).call().await.is_err(), "the same proof was paid out twice");
}
