//! The one deployment: five immutable contracts that know each other by addresses computed beforehand.
//!
//! At chain 31337 they stand where the fhEVM library expects them: Anvil impersonates the known deployer, whose nonces give these
//! addresses. Elsewhere the same arithmetic runs on the operator's own key.

use std::{fs, path::Path, time::Duration};

use alloy::{
    consensus::TxEip1559,
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256},
    providers::{Provider, ext::AnvilApi},
    rpc::types::{TransactionReceipt, TransactionRequest},
    sol_types::SolValue,
};
use tkms_types::{Contracts, GatewayDomain};

use crate::{
    bindings::{Constructors, IInputVerifier, IKMSVerifier, Links},
    fees::{self, Fees},
    proofs::{ProofError, header_by_number},
    rpc::{Rpc, RpcError, during, view},
    signer::{DigestSigner, LocalKey, SignerError},
};

/// Whose nonces give the contracts their places on a local chain.
pub const LOCAL_DEPLOYER: Address = address!("8B8f5091f8b9817EF69cFC1E8B2f721BafF60DF4");

/// Nonces of ACL, executor, KMSVerifier, InputVerifier, DecryptionOracle. Locally the gaps belong to contracts we do not have.
const LOCAL_NONCES: [u64; 5] = [1, 3, 4, 5, 10];
/// File names of the artifacts, in the same order.
const NAMES: [&str; 5] = ["ACL", "FHEVMExecutor", "KMSVerifier", "InputVerifier", "DecryptionOracle"];
/// Largest artifact read, in bytes.
const MAX_ARTIFACT_BYTES: u64 = 16 * 1024 * 1024;
/// Gas of one creation. EIP-170 bounds the code to 24 KiB, 5 M gas to store.
const CREATION_GAS: u64 = 8_000_000;
const TRANSFER_GAS: u64 = 21_000;
/// Wei per gas for the block's producer, and the most paid per gas.
const TIP: u128 = 1_000_000_000;
const MAX_FEE: u128 = 500_000_000_000;
/// Times and distance at which a receipt is asked for.
const RECEIPT_POLLS: usize = 600;
const RECEIPT_POLL: Duration = Duration::from_millis(200);

/// Who sends the creations.
#[derive(Debug, Clone, Copy)]
pub enum Deployer<'a> {
    /// [`LOCAL_DEPLOYER`], impersonated; a fresh Anvil only.
    LocalAnvil,
    /// This key, with its next five nonces.
    Operator(&'a LocalKey),
}

/// What the contracts are told at birth.
#[derive(Debug, Clone)]
pub struct DeployPlan {
    /// Signers of the committee in party order.
    pub kms_signers: Vec<Address>,
    /// Signatures a decryption needs, 2t + 1.
    pub kms_threshold: usize,
    /// Signers of the coprocessors.
    pub coprocessor_signers: Vec<Address>,
    /// Signatures an input needs.
    pub coprocessor_threshold: usize,
    /// Names in the EIP-712 domains.
    pub gateway: GatewayDomain,
    /// Owner of ACL and DecryptionOracle.
    pub owner: Address,
    /// Who may pause the ACL at once.
    pub pauser: Address,
}

/// What stands on the chain now, read back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Where.
    pub contracts: Contracts,
    /// keccak-256 of the ACL's runtime code.
    pub acl_code_hash: B256,
    /// keccak-256 of the executor's runtime code.
    pub executor_code_hash: B256,
    /// Block in which the ACL was created: the host's checkpoint.
    pub acl_block: u64,
    /// Its hash.
    pub acl_block_hash: B256,
}

/// Why the contracts do not all stand as planned.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The endpoint failed.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The header of the ACL's block.
    #[error(transparent)]
    Header(#[from] ProofError),
    /// The key refused.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A compiled contract is missing or is not one.
    #[error("artifact {file}: {reason}")]
    Artifact {
        /// The file, below the artifacts' directory.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Something stands there already.
    #[error("{name} cannot be created: {address} has code")]
    Occupied {
        /// The contract.
        name: &'static str,
        /// Its place.
        address: Address,
    },
    /// A creation reverted, or made the contract elsewhere.
    #[error("creation of {name} at {address} failed: transaction {transaction}")]
    Creation {
        /// The contract.
        name: &'static str,
        /// Its place.
        address: Address,
        /// The transaction.
        transaction: B256,
    },
    /// A transaction was not mined in time.
    #[error("transaction {0} was not mined in time")]
    NotMined(B256),
    /// A contract says something else than it was told.
    #[error("{name}: reads back {found}, expected {expected}")]
    ReadBack {
        /// Contract and field.
        name: &'static str,
        /// What it says.
        found: String,
        /// What it was told.
        expected: String,
    },
}

/// Creates the five contracts from forge artifacts (`<artifacts>/X.sol/X.json`), reads them back and compares.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy(
    rpc: &Rpc,
    artifacts: &Path,
    deployer: Deployer<'_>,
    plan: &DeployPlan,
) -> Result<Deployment, DeployError> {
    let sender = Sender::prepare(rpc, deployer).await?;
    let contracts = sender.contracts();
    let creations = creations(artifacts, plan, &contracts)?;
    for creation in &creations {
        if !rpc.get_code_at(creation.address).await.map_err(during("eth_getCode"))?.is_empty() {
            return Err(DeployError::Occupied { name: creation.name, address: creation.address });
        }
    }
    let receipts = sender.create_all(&creations).await?;
    sender.finish().await?;
    for (creation, receipt) in creations.iter().zip(&receipts) {
        if !receipt.status() || receipt.contract_address != Some(creation.address) {
            let Creation { name, address, .. } = *creation;
            return Err(DeployError::Creation { name, address, transaction: receipt.transaction_hash });
        }
    }
    read_back(rpc, &contracts, plan).await?;
    let acl_block = receipts.first().and_then(|receipt| receipt.block_number).unwrap_or_default();
    let code_hash = async |address: Address| -> Result<B256, RpcError> {
        Ok(keccak256(rpc.get_code_at(address).await.map_err(during("eth_getCode"))?))
    };
    Ok(Deployment {
        contracts,
        acl_code_hash: code_hash(contracts.acl).await?,
        executor_code_hash: code_hash(contracts.executor).await?,
        acl_block,
        acl_block_hash: header_by_number(rpc, acl_block.into()).await?.hash,
    })
}

/// Addresses of the contracts at a local chain.
#[must_use]
pub fn local_contracts() -> Contracts {
    contracts_at(LOCAL_DEPLOYER, LOCAL_NONCES)
}

fn contracts_at(deployer: Address, [acl, executor, kms_verifier, input_verifier, oracle]: [u64; 5]) -> Contracts {
    Contracts {
        acl: deployer.create(acl),
        executor: deployer.create(executor),
        kms_verifier: deployer.create(kms_verifier),
        input_verifier: deployer.create(input_verifier),
        decryption_oracle: deployer.create(oracle),
    }
}

/// One contract to create.
struct Creation {
    name: &'static str,
    address: Address,
    code: Bytes,
}

fn creations(artifacts: &Path, plan: &DeployPlan, contracts: &Contracts) -> Result<Vec<Creation>, DeployError> {
    let gateway = &plan.gateway;
    let acl = Constructors::Acl { executor: contracts.executor, owner: plan.owner, pauser: plan.pauser };
    let executor = Constructors::Executor { acl: contracts.acl, inputVerifier: contracts.input_verifier };
    let kms_verifier = Constructors::Verifier {
        signers: plan.kms_signers.clone(),
        threshold: U256::from(plan.kms_threshold),
        gatewayChainId: gateway.chain_id,
        verifyingContract: gateway.decryption,
    };
    let input_verifier = Constructors::Verifier {
        signers: plan.coprocessor_signers.clone(),
        threshold: U256::from(plan.coprocessor_threshold),
        gatewayChainId: gateway.chain_id,
        verifyingContract: gateway.input_verification,
    };
    let oracle = Constructors::Oracle { acl: contracts.acl, verifier: contracts.kms_verifier, owner: plan.owner };
    let all = [
        (contracts.acl, acl.abi_encode_params()),
        (contracts.executor, executor.abi_encode_params()),
        (contracts.kms_verifier, kms_verifier.abi_encode_params()),
        (contracts.input_verifier, input_verifier.abi_encode_params()),
        (contracts.decryption_oracle, oracle.abi_encode_params()),
    ];
    let make = |(name, (address, parameters)): (&'static str, (Address, Vec<u8>))| {
        let code = [creation_code(artifacts, name)?.as_ref(), &parameters].concat().into();
        Ok(Creation { name, address, code })
    };
    NAMES.into_iter().zip(all).map(make).collect()
}

fn creation_code(artifacts: &Path, name: &str) -> Result<Bytes, DeployError> {
    let file = format!("{name}.sol/{name}.json");
    let wrong = |reason: String| DeployError::Artifact { file: file.clone(), reason };
    let path = artifacts.join(&file);
    let length = fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
    if length > MAX_ARTIFACT_BYTES {
        return Err(wrong(format!("{length} bytes, at most {MAX_ARTIFACT_BYTES} are read")));
    }
    let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let code = json.pointer("/bytecode/object").and_then(|code| code.as_str());
    let code: Bytes = code.unwrap_or_default().parse().map_err(|_| wrong("no linked bytecode.object".into()))?;
    if code.is_empty() { Err(wrong("no bytecode.object".into())) } else { Ok(code) }
}

/// Sends with consecutive nonces from one account.
struct Sender<'a> {
    rpc: &'a Rpc,
    deployer: Deployer<'a>,
    from: Address,
    nonces: [u64; 5],
    chain_id: u64,
    fees: Fees,
}

impl<'a> Sender<'a> {
    async fn prepare(rpc: &'a Rpc, deployer: Deployer<'a>) -> Result<Self, DeployError> {
        let chain_id = rpc.get_chain_id().await.map_err(during("eth_chainId"))?;
        let fees = Fees::current(rpc, TIP, MAX_FEE).await?;
        let (from, nonces) = match deployer {
            Deployer::LocalAnvil => (LOCAL_DEPLOYER, LOCAL_NONCES),
            Deployer::Operator(key) => {
                let next = rpc.get_transaction_count(key.address()).pending().await;
                let next = next.map_err(during("eth_getTransactionCount"))?;
                (key.address(), [0, 1, 2, 3, 4].map(|i| next.saturating_add(i)))
            }
        };
        Ok(Self { rpc, deployer, from, nonces, chain_id, fees })
    }

    fn contracts(&self) -> Contracts {
        contracts_at(self.from, self.nonces)
    }

    /// All creations at once, so that they share a block if it has room. Nonces between them go to empty transfers to oneself.
    async fn create_all(&self, creations: &[Creation]) -> Result<Vec<TransactionReceipt>, DeployError> {
        let [first, ..] = self.nonces;
        if let Deployer::LocalAnvil = self.deployer {
            let balance = U256::from(10).pow(U256::from(20));
            self.rpc.anvil_set_balance(self.from, balance).await.map_err(during("anvil_setBalance"))?;
            self.rpc.anvil_impersonate_account(self.from).await.map_err(during("anvil_impersonateAccount"))?;
            self.rpc.anvil_set_nonce(self.from, first).await.map_err(during("anvil_setNonce"))?;
        }
        let mut next = first;
        let mut hashes = Vec::with_capacity(creations.len());
        for (creation, nonce) in creations.iter().zip(self.nonces) {
            for gap in next..nonce {
                self.send(gap, None).await?;
            }
            hashes.push(self.send(nonce, Some(&creation.code)).await?);
            next = nonce.saturating_add(1);
        }
        let mut receipts = Vec::with_capacity(hashes.len());
        for hash in hashes {
            receipts.push(self.receipt(hash).await?);
        }
        Ok(receipts)
    }

    async fn send(&self, nonce: u64, code: Option<&Bytes>) -> Result<B256, DeployError> {
        let (to, gas) =
            if code.is_some() { (TxKind::Create, CREATION_GAS) } else { (TxKind::Call(self.from), TRANSFER_GAS) };
        let input = code.cloned().unwrap_or_default();
        match self.deployer {
            Deployer::LocalAnvil => {
                let mut request = TransactionRequest::default()
                    .with_from(self.from)
                    .with_nonce(nonce)
                    .with_gas_limit(gas)
                    .with_max_fee_per_gas(self.fees.max)
                    .with_max_priority_fee_per_gas(self.fees.tip)
                    .with_input(input);
                request.to = Some(to);
                let pending = self.rpc.send_transaction(request).await.map_err(during("eth_sendTransaction"))?;
                Ok(*pending.tx_hash())
            }
            Deployer::Operator(key) => {
                let transaction = TxEip1559 {
                    chain_id: self.chain_id,
                    nonce,
                    gas_limit: gas,
                    max_fee_per_gas: self.fees.max,
                    max_priority_fee_per_gas: self.fees.tip,
                    to,
                    input,
                    ..Default::default()
                };
                let (_, raw) = fees::sign(key, transaction)?;
                let pending = self.rpc.send_raw_transaction(&raw).await.map_err(during("eth_sendRawTransaction"))?;
                Ok(*pending.tx_hash())
            }
        }
    }

    async fn receipt(&self, hash: B256) -> Result<TransactionReceipt, DeployError> {
        for _ in 0..RECEIPT_POLLS {
            let receipt = self.rpc.get_transaction_receipt(hash).await.map_err(during("eth_getTransactionReceipt"))?;
            match receipt {
                Some(receipt) => return Ok(receipt),
                None => tokio::time::sleep(RECEIPT_POLL).await,
            }
        }
        Err(DeployError::NotMined(hash))
    }

    /// Gives the impersonated account back: nobody else should send as it.
    async fn finish(&self) -> Result<(), DeployError> {
        if let Deployer::LocalAnvil = self.deployer {
            let stopped = self.rpc.anvil_stop_impersonating_account(self.from).await;
            stopped.map_err(during("anvil_stopImpersonatingAccount"))?;
        }
        Ok(())
    }
}

/// Asks every contract for what it was told.
async fn read_back(rpc: &Rpc, contracts: &Contracts, plan: &DeployPlan) -> Result<(), DeployError> {
    let at = BlockId::latest();
    let Contracts { acl, executor, kms_verifier, input_verifier, decryption_oracle } = *contracts;
    let linked = view(rpc, acl, &Links::getFHEVMExecutorAddressCall {}, at).await?;
    same("ACL.getFHEVMExecutorAddress", linked, executor)?;
    same("ACL.owner", view(rpc, acl, &Links::ownerCall {}, at).await?, plan.owner)?;
    let pauser = Links::isPauserCall { account: plan.pauser };
    same("ACL.isPauser", view(rpc, acl, &pauser, at).await?, true)?;
    same("FHEVMExecutor.getACLAddress", view(rpc, executor, &Links::getACLAddressCall {}, at).await?, acl)?;
    let linked = view(rpc, executor, &Links::getInputVerifierAddressCall {}, at).await?;
    same("FHEVMExecutor.getInputVerifierAddress", linked, input_verifier)?;

    let signers = view(rpc, kms_verifier, &IKMSVerifier::getKmsSignersCall {}, at).await?;
    same("KMSVerifier.getKmsSigners", &signers, &plan.kms_signers)?;
    let threshold = view(rpc, kms_verifier, &IKMSVerifier::getThresholdCall {}, at).await?;
    same("KMSVerifier.getThreshold", threshold, U256::from(plan.kms_threshold))?;
    let domain = view(rpc, kms_verifier, &IKMSVerifier::eip712DomainCall {}, at).await?;
    let expected = (U256::from(plan.gateway.chain_id), plan.gateway.decryption);
    same("KMSVerifier.eip712Domain", (domain.chainId, domain.verifyingContract), expected)?;

    let signers = view(rpc, input_verifier, &IInputVerifier::getCoprocessorSignersCall {}, at).await?;
    same("InputVerifier.getCoprocessorSigners", &signers, &plan.coprocessor_signers)?;
    let threshold = view(rpc, input_verifier, &IInputVerifier::getThresholdCall {}, at).await?;
    same("InputVerifier.getThreshold", threshold, U256::from(plan.coprocessor_threshold))?;
    let domain = view(rpc, input_verifier, &IInputVerifier::eip712DomainCall {}, at).await?;
    let expected = (U256::from(plan.gateway.chain_id), plan.gateway.input_verification);
    same("InputVerifier.eip712Domain", (domain.chainId, domain.verifyingContract), expected)?;

    let linked = view(rpc, decryption_oracle, &Links::getAddressesCall {}, at).await?;
    same("DecryptionOracle.getAddresses", (linked.acl, linked.verifier), (acl, kms_verifier))?;
    same("DecryptionOracle.owner", view(rpc, decryption_oracle, &Links::ownerCall {}, at).await?, plan.owner)
}

fn same<T: PartialEq + std::fmt::Debug>(name: &'static str, found: T, expected: T) -> Result<(), DeployError> {
    if found == expected {
        return Ok(());
    }
    Err(DeployError::ReadBack { name, found: format!("{found:?}"), expected: format!("{expected:?}") })
}
