//! The command line: what can be asked of `tkms`, and with which words.

use alloy_primitives::{Address, B256};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::path::PathBuf;
use tkms_types::transcript::Protocol;
use url::Url;

/// Threshold KMS for fhEVM: one program for everybody who runs or uses it.
#[derive(Parser)]
#[command(
    name = "tkms",
    version,
    after_help = "\
Examples:
  tkms devnet                                       a whole system on this machine, until Ctrl-C
  tkms demo                                         a confidential token on a devnet of its own
  tkms status                                       how the nodes of the devnet are
  tkms public-decrypt 0x<handle>                    a plaintext everybody may see
  tkms node --config node.toml                      one member of a committee"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Starts Anvil, deploys, starts nodes, coprocessor and oracle; stays up until Ctrl-C
    Devnet(DevnetArgs),
    /// Runs the confidential-token demo on a devnet of its own
    Demo(DevnetArgs),
    /// Deploys the contracts and writes the cluster file
    Deploy(DeployArgs),
    /// Makes keys
    #[command(subcommand)]
    Keygen(Keygen),
    /// Runs one member of the committee
    Node(ServiceArgs),
    /// Runs an oracle: watches requests, drives the nodes, posts results, serves the relayer API
    Oracle(ServiceArgs),
    /// Runs an attester: signs which blocks a host validator's own node calls final
    Attester(ServiceArgs),
    /// Runs a coprocessor: evaluates FHE operations, verifies inputs, makes the samples that nodes decrypt
    Coprocessor(ServiceArgs),
    /// Encrypts a value for a contract; prints handle and input proof
    Encrypt(EncryptArgs),
    /// Decrypts handles that are publicly decryptable; prints values and proof
    PublicDecrypt(PublicDecryptArgs),
    /// Decrypts handles of a user; prints the values
    UserDecrypt(UserDecryptArgs),
    /// Shows how the nodes are, or where a request stands
    Status(StatusArgs),
    /// Shows why a node or an oracle halted a host chain; clears a halt
    Halt(HaltArgs),
    /// Compares the cluster file with contracts and running services; one line a check
    Doctor(DoctorArgs),
    /// Measures the stages of a decryption on a devnet of its own; adds to target/bench.json
    Bench(BenchArgs),
    /// Draws what `cargo bench --bench sweep` measured: docs/sweep.svg and its table in docs/benchmarks.md
    Sweep(SweepArgs),
}

/// Where and how large a devnet is.
#[derive(Args, Clone)]
#[command(after_help = "\
Examples:
  tkms devnet --port-base 19000
  tkms devnet --nodes 1        centralised mode: one machine holds the key
  tkms devnet --decryption exact

Ports: base Anvil, +1 relayer, +2 coprocessor, +3 … +6 attesters, +7 demo page, +10·i node i (+1 its peers, +2 its health).
The directory holds keys (kept for the next start), logs, cluster.json and deployment.json.")]
pub struct DevnetArgs {
    /// Directory for keys, data and logs; data of an earlier devnet in it is removed, keys are kept
    #[arg(long, default_value = "devnet")]
    pub dir: PathBuf,
    /// First of the ports used
    #[arg(long, default_value_t = 18545)]
    pub port_base: u16,
    /// Size of the committee: 1, 4, 7, 10 or 13
    #[arg(long, default_value_t = 4)]
    pub nodes: u8,
    /// How ciphertexts are decrypted
    #[arg(long, value_enum, default_value_t)]
    pub decryption: Decryption,
    /// Root of the checkout, where the compiled contracts and Anvil are
    #[arg(long, default_value = ".")]
    pub root: PathBuf,
    /// Half the distance from the newest block back to the final one
    #[arg(long, default_value_t = 1)]
    pub slots_in_an_epoch: u64,
    /// Stop when standard input closes, for programs that start a devnet of their own
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// Nodes look into this directory for samples before they ask the coprocessor. Not an option: for measuring.
    #[arg(skip)]
    pub samples_at_nodes: Option<PathBuf>,
}

/// What is measured.
#[derive(Args, Clone)]
#[command(after_help = "\
Examples:
  tkms bench
  tkms bench --decryption exact
  tkms bench --decryption exact --nodes 13 --values 800 --sustained 0    what thirteen nodes take")]
pub struct BenchArgs {
    /// The devnet
    #[command(flatten)]
    pub devnet: DevnetArgs,
    /// With `exact` in force: values decrypted from full stock with 100 requests in flight; each takes 66 kB of disk meanwhile
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u32).range(16..=64_000))]
    pub values: u32,
    /// With `exact` in force: seconds for which the same is measured with preprocessing beside it; 0: not at all
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=120))]
    pub sustained: u32,
}

/// What is drawn.
#[derive(Args, Clone)]
#[command(after_help = "\
Examples:
  tkms sweep             draws what target/sweep.json holds
  tkms sweep --samples   measures first what a coprocessor does for each type, with keys made for it: some minutes")]
pub struct SweepArgs {
    /// Measure squashing and switching first
    #[arg(long)]
    pub samples: bool,
    /// Root of the checkout
    #[arg(long, default_value = ".")]
    pub root: PathBuf,
}

/// Which decryption protocols a key set is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Decryption {
    /// Squashed samples and noise flooding
    #[default]
    Flood,
    /// Switched samples and preprocessed masks: a fifth of the server key
    Exact,
    /// Key material for both, `flood` in force
    Both,
}

impl Decryption {
    /// The protocols, the one in force first.
    #[must_use]
    pub fn protocols(self) -> Vec<Protocol> {
        match self {
            Self::Flood => vec![Protocol::Flood],
            Self::Exact => vec![Protocol::Exact],
            Self::Both => vec![Protocol::Flood, Protocol::Exact],
        }
    }
}

impl From<Decryption> for tkms_fhe::Decryption {
    fn from(decryption: Decryption) -> Self {
        match decryption {
            Decryption::Flood => Self::Flood,
            Decryption::Exact => Self::Exact,
            Decryption::Both => Self::Both,
        }
    }
}

/// As on the command line.
impl fmt::Display for Decryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flood => "flood",
            Self::Exact => "exact",
            Self::Both => "both",
        })
    }
}

/// Deployment on a chain.
#[derive(Args)]
#[command(after_help = "\
Example:
  tkms deploy --rpc http://127.0.0.1:18545 --node node-1.json --node node-2.json --node node-3.json --node node-4.json \\
      --key keys/key.json --coprocessor 0x… --attester 0x… --attester 0x… --attester 0x… --attester 0x… --gateway-salt my-deployment --out cluster.json")]
pub struct DeployArgs {
    /// RPC endpoint of the host chain
    #[arg(long)]
    pub rpc: Url,
    /// Public record of each node, in party order (`tkms keygen node`)
    #[arg(long = "node", required = true)]
    pub nodes: Vec<PathBuf>,
    /// Record of the key set (`tkms keygen dealer`)
    #[arg(long)]
    pub key: PathBuf,
    /// Signer of each coprocessor
    #[arg(long = "coprocessor", required = true)]
    pub coprocessors: Vec<Address>,
    /// Signer of each attester (`tkms attester`): nodes believe a block that 2f + 1 of 3f + 1 of them call final
    #[arg(long = "attester", required = true)]
    pub attesters: Vec<Address>,
    /// File with the deployer's private key in hex; not needed on an Anvil of chain id 31337
    #[arg(long)]
    pub deployer_key_file: Option<PathBuf>,
    /// Coordination chain id in the EIP-712 domains
    #[arg(long, default_value_t = 54321)]
    pub gateway_chain_id: u64,
    /// Makes the addresses in the EIP-712 domains unique to this deployment
    #[arg(long)]
    pub gateway_salt: String,
    /// Compiled contracts (forge's output folder)
    #[arg(long, default_value = "solidity/out")]
    pub artifacts: PathBuf,
    /// Where to write the cluster file
    #[arg(long, default_value = "cluster.json")]
    pub out: PathBuf,
}

/// What to make keys for.
#[derive(Subcommand)]
pub enum Keygen {
    /// Makes one node's identity: signing key, TLS key and certificate, recipient of key shares
    #[command(after_help = "\
Example:
  tkms keygen node --party 1 --peer-address 10.0.0.1:7001 --api-url http://10.0.0.1:7000 --passphrase-file pass --out node-1")]
    Node(KeygenNodeArgs),
    /// TRUSTED SETUP: one process makes the FHE key set and splits the key among the nodes
    #[command(after_help = "\
Whoever controls this machine while it runs could take the whole key. Nothing but encrypted shares and public
material is written.

Example:
  tkms keygen dealer --node node-1/node.json --node node-2/node.json --node node-3/node.json --node node-4/node.json --out keys")]
    Dealer(KeygenDealerArgs),
    /// Takes the dealer's share package into a node's key store
    #[command(after_help = "\
Example:
  tkms keygen import --key keys/key.json --share keys/share-1.age --passphrase-file pass --data-dir node-1")]
    Import(KeygenImportArgs),
}

/// One node's identity.
#[derive(Args)]
pub struct KeygenNodeArgs {
    /// Party number: position in the committee, from 1
    #[arg(long)]
    pub party: u8,
    /// `host:port` where peers will reach it; the host goes into the certificate
    #[arg(long)]
    pub peer_address: String,
    /// URL of its request API
    #[arg(long)]
    pub api_url: Url,
    /// File with the passphrase that encrypts the identity
    #[arg(long)]
    pub passphrase_file: PathBuf,
    /// Directory to write to; refused if an identity is there
    #[arg(long)]
    pub out: PathBuf,
}

/// The trusted dealer.
#[derive(Args)]
pub struct KeygenDealerArgs {
    /// Public record of each node, in party order
    #[arg(long = "node", required = true)]
    pub nodes: Vec<PathBuf>,
    /// Directory for public key, server key, CRS, key.json and one encrypted share package a node; refused if it holds a key
    #[arg(long)]
    pub out: PathBuf,
    /// Number of the key: its id is this under the key tag
    #[arg(long, default_value_t = 1)]
    pub key_number: u64,
    /// How ciphertexts will be decrypted
    #[arg(long, value_enum, default_value_t)]
    pub decryption: Decryption,
}

/// A share for a node's key store.
#[derive(Args)]
pub struct KeygenImportArgs {
    /// Record of the key set
    #[arg(long)]
    pub key: PathBuf,
    /// The package for this node
    #[arg(long)]
    pub share: PathBuf,
    /// File with the passphrase of the node's identity
    #[arg(long)]
    pub passphrase_file: PathBuf,
    /// The node's data directory, where its identity is
    #[arg(long)]
    pub data_dir: PathBuf,
}

/// A long-running service.
#[derive(Args)]
pub struct ServiceArgs {
    /// Configuration file (TOML); a devnet writes one for each of its services
    #[arg(long)]
    pub config: PathBuf,
    /// Cluster file
    #[arg(long, default_value = "cluster.json")]
    pub cluster: PathBuf,
    /// Stop when standard input closes, for programs that start a service of their own
    #[arg(long)]
    pub until_stdin_closes: bool,
}

/// A halted host chain.
#[derive(Args)]
#[command(after_help = "\
A node halts a chain when its attesters vouch for two histories. Find out which one is true before you clear the halt: the
node forgets the newest block with it. The node must not be running.

Example:
  tkms halt --config node.toml --cluster cluster.json --clear 31337
  tkms halt --oracle --config oracle.toml --clear 31337")]
pub struct HaltArgs {
    /// The node's or, with --oracle, the oracle's configuration file
    #[arg(long)]
    pub config: PathBuf,
    /// The halts of an oracle, not of a node
    #[arg(long)]
    pub oracle: bool,
    /// Cluster file
    #[arg(long, default_value = "cluster.json")]
    pub cluster: PathBuf,
    /// Chain to serve again
    #[arg(long)]
    pub clear: Option<u64>,
}

/// What is compared.
#[derive(Args)]
#[command(after_help = "\
Example:
  tkms doctor --cluster devnet/cluster.json --rpc 31337=http://127.0.0.1:18545 \\
      --attester http://127.0.0.1:18548 --attester http://127.0.0.1:18549 --relayer http://127.0.0.1:18546/v2

Each line is one check: ok, DIFFERS (with what to do), DOWN (no answer) or skipped (no address given). Nodes are asked at the addresses
of the cluster file. Exit code 1 if anything differs or does not answer.")]
pub struct DoctorArgs {
    /// Cluster file
    #[arg(long, default_value = "cluster.json", env = "TKMS_CLUSTER")]
    pub cluster: PathBuf,
    /// JSON-RPC endpoint of a host chain, as chain id = URL; may be given for each chain
    #[arg(long, value_parser = chain_url)]
    pub rpc: Vec<(u64, Url)>,
    /// An attester; may be given for each
    #[arg(long)]
    pub attester: Vec<Url>,
    /// Relayer URL of an oracle, ending in /v2
    #[arg(long, env = "TKMS_RELAYER")]
    pub relayer: Option<Url>,
}

fn chain_url(text: &str) -> Result<(u64, Url), String> {
    let (chain, url) = text.split_once('=').ok_or("chain id = URL is meant, as in 31337=http://127.0.0.1:8545")?;
    let chain = chain.trim().parse().map_err(|error| format!("chain id {chain}: {error}"))?;
    Ok((chain, url.trim().parse().map_err(|error| format!("URL {url}: {error}"))?))
}

/// The deployment a client command talks to.
#[derive(Args)]
pub struct TargetArgs {
    /// Cluster file: committee, contracts and EIP-712 domains to check answers against
    #[arg(long, default_value = "devnet/cluster.json", env = "TKMS_CLUSTER")]
    pub cluster: PathBuf,
    /// Relayer URL, ending in /v2
    #[arg(long, default_value = "http://127.0.0.1:18546/v2", env = "TKMS_RELAYER")]
    pub relayer: Url,
}

/// Encrypts.
#[derive(Args)]
#[command(after_help = "\
Example:
  tkms encrypt --contract 0x… --user 0x… uint64:1000 bool:true")]
pub struct EncryptArgs {
    /// The deployment
    #[command(flatten)]
    pub target: TargetArgs,
    /// Contract that will receive the values
    #[arg(long)]
    pub contract: Address,
    /// Account that will send them
    #[arg(long)]
    pub user: Address,
    /// Values as type:value, with type bool, uint8 … uint256 or address
    #[arg(required = true)]
    pub values: Vec<String>,
}

/// Decrypts for everybody.
#[derive(Args)]
#[command(after_help = "\
Example:
  tkms public-decrypt 0x…")]
pub struct PublicDecryptArgs {
    /// The deployment
    #[command(flatten)]
    pub target: TargetArgs,
    /// The handles
    #[arg(required = true)]
    pub handles: Vec<B256>,
}

/// Decrypts for one user.
#[derive(Args)]
#[command(after_help = "\
Example:
  tkms user-decrypt --contract 0x… --key-file alice.key 0x…")]
pub struct UserDecryptArgs {
    /// The deployment
    #[command(flatten)]
    pub target: TargetArgs,
    /// Contract through which the user may see the values
    #[arg(long)]
    pub contract: Address,
    /// File with the user's private key in hex; it signs the permit and goes nowhere
    #[arg(long)]
    pub key_file: PathBuf,
    /// Account that delegated its right to the user
    #[arg(long)]
    pub delegator: Option<Address>,
    /// The handles
    #[arg(required = true)]
    pub handles: Vec<B256>,
}

/// Asks how things are.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tkms status                  every node of the devnet
  tkms status 0x<request id>   one request, at the oracle")]
pub struct StatusArgs {
    /// The deployment
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// A request id (of a relayer job or of DecryptionOracle)
    pub request: Option<String>,
}

/// Output for people or for programs.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// A table.
    Text,
    /// JSON.
    Json,
}
