//! What must hold before this process signs anything. Each contradiction names the field that differs.

use crate::config::{CRS_FILE, Config, PUBLIC_KEY_FILE, SERVER_KEY_FILE};
use crate::engine::{TfheEngine, arithmetic, profile_of};
use crate::progress::{Phase, Progress};
use alloy::eips::BlockId;
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256, keccak256};
use bytes::Bytes;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tkms_eth::bindings::{IInputVerifier, Links};
use tkms_eth::proofs::{ProofError, hash_by_number};
use tkms_eth::{LocalKey, Rpc, RpcError, SignerError, view};
use tkms_fhe::{Evaluator, KeyError, PublicKeys};
use tkms_types::transcript::Protocol;
use tkms_types::{Cluster, HostChain, KeyMaterial};
use zeroize::Zeroizing;

/// Bytes of the public key file and of the reference string that are read.
const SMALL_KEY_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a signer key file: 64 hexadecimal digits and what editors add.
const SIGNER_FILE_BYTES: u64 = 256;
/// Pause before the endpoint is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cluster file has no such chain.
    #[error("the cluster file has no host chain {0}, which is the configuration's chain_id")]
    NoSuchChain(u64),
    /// A file of the configuration cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{path} has {bytes} bytes, more than any such file")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The signer's key file. Says nothing about its content.
    #[error("signer key file {path}: {error}")]
    Signer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SignerError,
    },
    /// A key file is another one than the cluster's.
    #[error("{path} has digest {found}, the cluster file says {expected}")]
    Digest {
        /// The file.
        path: PathBuf,
        /// Of the file.
        found: B256,
        /// Of the cluster file.
        expected: B256,
    },
    /// The key set is for `exact` alone, the cluster file has `flood` in force.
    #[error("{path} cannot squash, which `flood` in the cluster file's key.decryption needs")]
    NoSquashKey {
        /// The file.
        path: PathBuf,
    },
    /// A key file with the right digest that cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Cluster file, chain and this process do not fit together.
    #[error("{field}: the cluster file says {expected}, {who} says {found}")]
    Differs {
        /// Field of the cluster file.
        field: &'static str,
        /// Its value.
        expected: String,
        /// Who contradicts.
        who: &'static str,
        /// What it says.
        found: String,
    },
    /// The endpoint.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The endpoint.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The endpoint.
    #[error("{call}: {error}")]
    Call {
        /// JSON-RPC method.
        call: &'static str,
        /// The transport's reason.
        error: String,
    },
    /// The threads that compute.
    #[error("the configuration's threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Loading the keys panicked.
    #[error("the keys could not be loaded: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl StartError {
    /// Whether it may pass: the endpoint is down or the chain is not there yet.
    const fn passes(&self) -> bool {
        matches!(self, Self::Rpc(_) | Self::Proof(_) | Self::Call { .. })
    }
}

/// The cluster's record of the chain this process serves, if this process may attest for it.
///
/// # Errors
/// [`StartError`].
pub fn chain<'c>(config: &Config, cluster: &'c Cluster, signer: Address) -> Result<&'c HostChain, StartError> {
    let chain = cluster.chains.iter().find(|chain| chain.chain_id == config.chain_id);
    let chain = chain.ok_or(StartError::NoSuchChain(config.chain_id))?;
    let set = &chain.coprocessors;
    let who = "this process";
    if !set.members.contains(&signer) {
        let (field, expected) = ("chains.coprocessors.members", format!("{:?}", set.members));
        return Err(StartError::Differs { field, expected, who, found: signer.to_string() });
    }
    let arithmetic = arithmetic(config.threads());
    let profile = profile_of(cluster.protocol(), &arithmetic);
    if !set.profiles.contains(&profile) {
        let (field, expected) = ("chains.coprocessors.profiles", format!("{:?}", set.profiles));
        let found = format!("{profile} ({arithmetic})");
        return Err(StartError::Differs { field, expected, who, found });
    }
    Ok(chain)
}

/// Reads the signer's key: 64 hexadecimal digits, with or without `0x`.
///
/// # Errors
/// [`StartError`], which says nothing about the content.
pub fn signer(path: &Path) -> Result<LocalKey, StartError> {
    let invalid = |error| StartError::Signer { path: path.into(), error };
    let text = Zeroizing::new(read(path, SIGNER_FILE_BYTES)?);
    let text = std::str::from_utf8(&text).map_err(|_| invalid(SignerError::InvalidKey))?.trim();
    let mut key = Zeroizing::new([0; 32]);
    alloy_primitives::hex::decode_to_slice(text, key.as_mut_slice()).map_err(|_| invalid(SignerError::InvalidKey))?;
    LocalKey::from_bytes(&key).map_err(invalid)
}

/// The two files clients download, as they are.
#[derive(Clone, Debug)]
pub struct PublicFiles {
    /// What clients encrypt with.
    pub public_key: Bytes,
    /// The common reference string.
    pub crs: Bytes,
}

impl PublicFiles {
    /// Reads both and compares their digests with the cluster's.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn load(directory: &Path, key: &KeyMaterial) -> Result<Self, StartError> {
        Ok(Self {
            public_key: checked(&directory.join(PUBLIC_KEY_FILE), key.public_key_digest)?,
            crs: checked(&directory.join(CRS_FILE), key.crs_digest)?,
        })
    }
}

/// Loads the evaluation keys: several seconds, one without squash key.
///
/// # Errors
/// [`StartError`], also for a key that cannot make what the protocol in force decrypts.
pub async fn engine(config: &Config, files: &PublicFiles, cluster: &Cluster) -> Result<TfheEngine, StartError> {
    let (path, files, expected) = (config.key_dir.join(SERVER_KEY_FILE), files.clone(), cluster.key.server_key_digest);
    let (threads, protocol) = (config.threads(), cluster.protocol());
    tokio::task::spawn_blocking(move || {
        let keys = PublicKeys::parse(&files.public_key, &files.crs)?;
        let evaluator = evaluator(&path, expected)?;
        if protocol == Protocol::Flood && !evaluator.can_squash() {
            return Err(StartError::NoSquashKey { path });
        }
        Ok(TfheEngine::new(evaluator, keys, threads)?.for_protocol(protocol))
    })
    .await?
}

/// Expands the key while its digest is computed: the file is read once and is never in memory as a whole.
fn evaluator(path: &Path, expected: B256) -> Result<Evaluator, StartError> {
    let unreadable = |error| StartError::File { path: path.into(), error };
    let mut hasher = blake3::Hasher::new();
    let mut file =
        Hashing { inner: BufReader::new(std::fs::File::open(path).map_err(unreadable)?), hasher: &mut hasher };
    let loaded = Evaluator::load(&mut file);
    // To the end, so that a wrong file is reported as such and not as a malformed key.
    std::io::copy(&mut file, &mut std::io::sink()).map_err(unreadable)?;
    let found = B256::new(*hasher.finalize().as_bytes());
    if found != expected {
        return Err(StartError::Digest { path: path.into(), found, expected });
    }
    Ok(loaded?)
}

struct Hashing<'h, R> {
    inner: R,
    hasher: &'h mut blake3::Hasher,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn checked(path: &Path, expected: B256) -> Result<Bytes, StartError> {
    let bytes = read(path, SMALL_KEY_BYTES)?;
    let found = tkms_wire::samples::digest(&bytes);
    if found == expected { Ok(bytes.into()) } else { Err(StartError::Digest { path: path.into(), found, expected }) }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, StartError> {
    let unreadable = |error| StartError::File { path: path.into(), error };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > limit {
        return Err(StartError::TooLong { path: path.into(), bytes });
    }
    std::fs::read(path).map_err(unreadable)
}

/// Compares the chain with the cluster file. Waits for an endpoint that does not answer.
///
/// # Errors
/// [`StartError::Differs`].
pub async fn check_chain(
    rpc: &Rpc,
    cluster: &Cluster,
    chain: &HostChain,
    signer: Address,
    progress: &Progress,
) -> Result<(), StartError> {
    loop {
        match compare(rpc, cluster, chain, signer).await {
            Err(error) if error.passes() => {
                tracing::warn!(%error, "the chain cannot be checked yet");
                progress.enter(Phase::WaitingForChain(error.to_string()));
                tokio::time::sleep(PAUSE).await;
            }
            settled => return settled,
        }
    }
}

async fn compare(rpc: &Rpc, cluster: &Cluster, chain: &HostChain, signer: Address) -> Result<(), StartError> {
    let found = rpc.get_chain_id().await.map_err(|error| call("eth_chainId", &error))?;
    same("chains.chainId", "the endpoint", chain.chain_id, found)?;
    let checkpoint = hash_by_number(rpc, chain.checkpoint_number.into()).await?;
    same("chains.checkpointHash", "the chain", chain.checkpoint_hash, checkpoint)?;
    let contracts = &chain.contracts;
    same("chains.aclCodeHash", "the chain", chain.acl_code_hash, code_hash(rpc, contracts.acl).await?)?;
    same("chains.executorCodeHash", "the chain", chain.executor_code_hash, code_hash(rpc, contracts.executor).await?)?;
    let acl = ask(rpc, contracts.executor, &Links::getACLAddressCall {}).await?;
    same("chains.contracts.acl", "the executor contract", contracts.acl, acl)?;
    let verifier = ask(rpc, contracts.executor, &Links::getInputVerifierAddressCall {}).await?;
    same("chains.contracts.inputVerifier", "the executor contract", contracts.input_verifier, verifier)?;
    let domain = ask(rpc, contracts.input_verifier, &IInputVerifier::eip712DomainCall {}).await?;
    same("gateway.chainId", "the input verifier", U256::from(cluster.gateway.chain_id), domain.chainId)?;
    let verifying = domain.verifyingContract;
    same("gateway.inputVerification", "the input verifier", cluster.gateway.input_verification, verifying)?;
    let signers = ask(rpc, contracts.input_verifier, &IInputVerifier::getCoprocessorSignersCall {}).await?;
    if signers.contains(&signer) {
        return Ok(());
    }
    let (expected, found) = (signer.to_string(), format!("{signers:?}"));
    Err(StartError::Differs { field: "chains.coprocessors.members", expected, who: "the input verifier", found })
}

async fn ask<C: SolCall>(rpc: &Rpc, contract: Address, call: &C) -> Result<C::Return, StartError> {
    Ok(view(rpc, contract, call, BlockId::latest()).await?)
}

async fn code_hash(rpc: &Rpc, contract: Address) -> Result<B256, StartError> {
    Ok(keccak256(rpc.get_code_at(contract).await.map_err(|error| call("eth_getCode", &error))?))
}

fn call(call: &'static str, error: &impl std::fmt::Display) -> StartError {
    StartError::Call { call, error: error.to_string() }
}

fn same<T: PartialEq + std::fmt::Display>(
    field: &'static str,
    who: &'static str,
    expected: T,
    found: T,
) -> Result<(), StartError> {
    if expected == found {
        return Ok(());
    }
    Err(StartError::Differs { field, expected: expected.to_string(), who, found: found.to_string() })
}
