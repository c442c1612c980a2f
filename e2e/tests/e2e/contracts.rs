//! Rust and the compiled contracts judge the same bytes: thousands of proofs made by Rust, verified in revm, and the code on
//! the chain compared with its source.

use crate::devnet;
use alloy::providers::Provider as _;
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, B256, Bytes, U256};
use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};
use tkms_e2e::actors::Actor;
use tkms_e2e::compile::{creation_code_of_ours, runtime_code};
use tkms_e2e::root;
use tkms_types::{GatewayDomain, typed_data};

const SEED: u64 = 7_031_337;
const PROOFS: usize = 400;

alloy::sol! {
    function verifyDecryptionEIP712KMSSignatures(bytes32[] handles, bytes result, bytes proof) external returns (bool);
}

/// A verifier in an EVM of its own.
struct Verifier {
    database: CacheDB<EmptyDB>,
    address: Address,
}

impl Verifier {
    fn deploy(signers: &[PrivateKeySigner], threshold: usize, gateway: &GatewayDomain) -> Self {
        let addresses: Vec<Address> = signers.iter().map(PrivateKeySigner::address).collect();
        let arguments = (addresses, U256::from(threshold), gateway.chain_id, gateway.decryption).abi_encode_params();
        let code = [creation_code_of_ours("KMSVerifier").to_vec(), arguments].concat();
        let mut evm = Context::mainnet().with_db(CacheDB::<EmptyDB>::default()).build_mainnet();
        let transaction = TxEnv::builder().kind(TxKind::Create).gas_limit(8_000_000).data(code.into()).build().unwrap();
        let result = evm.transact_commit(transaction).unwrap();
        let ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } = result else {
            panic!("the verifier was not created: {result:?}");
        };
        Self { database: evm.ctx.journaled_state.database.clone(), address }
    }

    /// Whether the contract accepts.
    fn accepts(&self, handles: &[B256], words: &[B256], proof: &[u8]) -> bool {
        let call = verifyDecryptionEIP712KMSSignaturesCall {
            handles: handles.to_vec(),
            result: words.concat().into(),
            proof: Bytes::copy_from_slice(proof),
        };
        let mut evm = Context::mainnet().with_db(self.database.clone()).build_mainnet();
        let transaction = TxEnv::builder()
            .nonce(1)
            .kind(TxKind::Call(self.address))
            .gas_limit(8_000_000)
            .data(call.abi_encode().into())
            .build()
            .unwrap();
        match evm.transact(transaction).unwrap().result {
            ExecutionResult::Success { output, .. } => {
                verifyDecryptionEIP712KMSSignaturesCall::abi_decode_returns(output.data()).unwrap()
            }
            ExecutionResult::Revert { .. } => false,
            ExecutionResult::Halt { reason, .. } => panic!("the verifier halted: {reason:?}"),
        }
    }
}

/// n ‖ signatures, no extra data.
fn proof(digest: B256, signers: &[PrivateKeySigner]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(signers.len()).unwrap()];
    bytes.extend(signers.iter().flat_map(|signer| signer.sign_hash_sync(&digest).unwrap().as_bytes()));
    bytes
}

#[test]
fn the_verifier_accepts_exactly_what_a_quorum_signed() {
    println!("seed {SEED}");
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let gateway = GatewayDomain {
        chain_id: 54321,
        decryption: Address::repeat_byte(0x11),
        input_verification: Address::repeat_byte(0x12),
    };
    for (n, threshold) in [(1, 1), (4, 3), (13, 9)] {
        let key = |rng: &mut ChaCha20Rng| PrivateKeySigner::from_slice(&rng.random::<[u8; 32]>()).unwrap();
        let mut signers: Vec<_> = (0..n).map(|_| key(&mut rng)).collect();
        let verifier = Verifier::deploy(&signers, threshold, &gateway);
        for _ in 0..PROOFS / n {
            let count = rng.random_range(1..5);
            let handles: Vec<B256> = (0..count).map(|_| rng.random::<[u8; 32]>().into()).collect();
            let words: Vec<B256> = (0..count).map(|_| rng.random::<[u8; 32]>().into()).collect();
            let digest = typed_data::public_answer_digest(&handles, &words, &[], &gateway);
            signers.shuffle(&mut rng);
            let good = proof(digest, &signers[..threshold]);
            assert!(verifier.accepts(&handles, &words, &good));

            assert!(!verifier.accepts(&handles, &words, &proof(digest, &signers[..threshold - 1])), "too few");
            let mut altered = words.clone();
            altered[0].0[rng.random_range(0..32)] ^= 1 << rng.random_range(0..8);
            assert!(!verifier.accepts(&handles, &altered, &good), "another plaintext");
            let mut stranger = signers[..threshold].to_vec();
            stranger[threshold - 1] = key(&mut rng);
            assert!(!verifier.accepts(&handles, &words, &proof(digest, &stranger)), "a stranger's signature");
            if threshold > 1 {
                let mut twice = signers[..threshold].to_vec();
                twice[threshold - 1] = twice[0].clone();
                assert!(!verifier.accepts(&handles, &words, &proof(digest, &twice)), "one signer twice");
            }
            let mut flipped = good.clone();
            let signature_byte = 1 + rng.random_range(0..threshold * 65);
            flipped[signature_byte] ^= 1 << rng.random_range(0..8);
            assert!(!verifier.accepts(&handles, &words, &flipped), "a flipped bit in byte {signature_byte}");
            assert!(!verifier.accepts(&handles, &words, &good[..good.len() - 1]), "a proof cut short");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_on_the_chain_is_what_the_source_compiles_to() {
    let devnet = devnet().await;
    let alice = Actor::new(&devnet, 2).await;
    let contracts = devnet.deployment.contracts;
    for (name, address) in [
        ("ACL", contracts.acl),
        ("FHEVMExecutor", contracts.executor),
        ("KMSVerifier", contracts.kms_verifier),
        ("InputVerifier", contracts.input_verifier),
        ("DecryptionOracle", contracts.decryption_oracle),
    ] {
        let mut found = alice.provider.get_code_at(address).await.unwrap().to_vec();
        let (expected, immutables) = runtime_code(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for hole in immutables {
            found[hole].fill(0);
        }
        assert!(found == expected, "{name} on the chain differs from its source");
    }
}

/// Authors copy addresses out of the page, and their scripts read the fields it names.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_authors_names_what_stands_on_a_devnet() {
    let devnet = devnet().await;
    let file = std::fs::read(devnet.dir().join("deployment.json")).unwrap();
    let deployment: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let page = std::fs::read_to_string(root().join("docs/for-dapps.md")).unwrap();
    let (_, table) = page.split_once("| field of `deployment.json` |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let (mut fields, mut addresses) = (0, 0);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for field in cells[3].split('`').skip(1).step_by(2) {
            let found = deployment.pointer(&format!("/{}", field.replace('.', "/")));
            let found = found.unwrap_or_else(|| panic!("{field} is not in deployment.json"));
            fields += 1;
            for address in cells[2].split('`').filter(|text| text.starts_with("0x")) {
                let written: Address = Address::parse_checksummed(address, None).expect("in EIP-55 spelling");
                assert_eq!(found.as_str().unwrap().parse::<Address>().unwrap(), written, "{field}");
                addresses += 1;
            }
        }
    }
    assert_eq!((fields, addresses), (12, 4), "rows of the table");
    assert_eq!((&deployment["chainId"], &deployment["gatewayChainId"]), (&31337.into(), &54321.into()));
    assert_eq!(deployment["accounts"].as_array().unwrap().len(), 10);
}
