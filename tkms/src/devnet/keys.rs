//! Keys of a devnet: made once, by the commands operators use, and kept for the next start.

use super::{Layout, Ports, Progress, local_url};
use crate::cli::{Decryption, DevnetArgs};
use crate::commands::keygen::{KEY_FILE, NODE_FILE, share_file};
use crate::files::{create_secret, replace};
use alloy_primitives::hex;
use anyhow::{Context as _, Result, bail};
use rand::TryRngCore as _;
use std::path::{Path, PathBuf};
use tkms_eth::{DigestSigner as _, LocalKey};
use tkms_types::{Committee, PartyId};
use tokio::process::Command;
use url::Url;
use zeroize::Zeroizing;

/// Where the keys of one committee lie.
pub struct Keys {
    /// Public material and share packages.
    pub dealt: PathBuf,
    /// Passphrase of every node's identity.
    pub passphrase: PathBuf,
    /// Signing key of the coprocessor.
    pub coprocessor: PathBuf,
    /// Signing key of each attester.
    pub attesters: Vec<PathBuf>,
    dir: PathBuf,
    committee: Committee,
}

impl Keys {
    /// Identity and public record of a node.
    #[must_use]
    pub fn node(&self, party: PartyId) -> PathBuf {
        self.dir.join(super::node_name(party))
    }

    fn records(&self) -> Vec<String> {
        let file = |party| self.node(party).join(NODE_FILE).display().to_string();
        self.committee.parties().flat_map(|party| ["--node".to_owned(), file(party)]).collect()
    }
}

/// Makes what is missing.
pub async fn prepare(
    program: &Path,
    layout: &Layout,
    committee: Committee,
    args: &DevnetArgs,
    progress: &Progress<'_>,
) -> Result<Keys> {
    let dir = layout.keys(committee.size());
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let keys = Keys {
        dealt: layout.dealt(committee.size(), args.decryption),
        passphrase: dir.join("passphrase"),
        coprocessor: dir.join("coprocessor.key"),
        attesters: (1..=super::ATTESTERS).map(|number| dir.join(format!("attester-{number}.key"))).collect(),
        dir,
        committee,
    };
    for file in [&keys.passphrase, &keys.coprocessor].into_iter().chain(&keys.attesters) {
        if !file.exists() {
            let mut secret = Zeroizing::new([0; 32]);
            rand::rngs::OsRng.try_fill_bytes(secret.as_mut_slice())?;
            create_secret(file, Zeroizing::new(hex::encode(secret.as_slice())).as_bytes())?;
        }
    }
    identities(program, &keys, Ports(args.port_base), progress).await?;
    if !keys.dealt.join(KEY_FILE).exists() {
        if keys.dealt.exists() {
            // Without its last file a dealing was cut short: nobody has used any of it.
            std::fs::remove_dir_all(&keys.dealt).with_context(|| keys.dealt.display().to_string())?;
        }
        let long = if args.decryption == Decryption::Exact { "ten seconds" } else { "a minute" };
        progress.tell(&format!("key set for {} by the trusted dealer, once (about {long})", args.decryption));
        let (out, decryption) = (keys.dealt.display().to_string(), args.decryption.to_string());
        let arguments = ["keygen", "dealer", "--decryption", &decryption, "--out", &out].map(str::to_owned);
        let arguments: Vec<String> = arguments.into_iter().chain(keys.records()).collect();
        run(program, &arguments).await?;
    }
    import(program, layout, &keys).await?;
    Ok(keys)
}

/// One identity for each node. The addresses in the public records follow the ports of this start.
async fn identities(program: &Path, keys: &Keys, ports: Ports, progress: &Progress<'_>) -> Result<()> {
    for party in keys.committee.parties() {
        let peer_address = format!("127.0.0.1:{}", ports.peer(party));
        let api_url = local_url(ports.api(party), "/");
        let record = keys.node(party).join(NODE_FILE);
        if record.exists() {
            let mut public: crate::commands::keygen::PublicNode = crate::files::read_json(&record)?;
            (public.peer_address, public.api_url) = (peer_address, api_url);
            replace(&record, &serde_json::to_vec_pretty(&public)?)?;
            continue;
        }
        progress.tell(&format!("identity of node {}", party.number()));
        let (passphrase, out) = (keys.passphrase.display().to_string(), keys.node(party).display().to_string());
        let number = party.number().to_string();
        let arguments =
            ["keygen", "node", "--party", &number, "--peer-address", &peer_address, "--api-url", api_url.as_str()];
        let files = ["--passphrase-file", &passphrase, "--out", &out];
        run(program, &[arguments.as_slice(), &files].concat()).await?;
    }
    Ok(())
}

/// Each node's data directory of this start: its identity, its record, its share.
async fn import(program: &Path, layout: &Layout, keys: &Keys) -> Result<()> {
    for party in keys.committee.parties() {
        let data = layout.data(&super::node_name(party));
        std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
        for file in ["identity.age", NODE_FILE] {
            std::fs::copy(keys.node(party).join(file), data.join(file)).with_context(|| file.to_owned())?;
        }
        let paths = [keys.dealt.join(KEY_FILE), keys.dealt.join(share_file(party)), keys.passphrase.clone(), data];
        let [key, share, passphrase, data] = paths.map(|path| path.display().to_string());
        let arguments = ["keygen", "import", "--key", &key, "--share", &share, "--passphrase-file", &passphrase];
        run(program, &[arguments.as_slice(), &["--data-dir", &data]].concat()).await?;
    }
    Ok(())
}

/// Deploys with these keys and writes the cluster file.
pub async fn deploy(program: &Path, layout: &Layout, keys: &Keys, rpc: &Url, args: &DevnetArgs) -> Result<()> {
    let address = |key: &PathBuf| anyhow::Ok(LocalKey::read(key)?.address().to_string());
    let coprocessor = address(&keys.coprocessor)?;
    let artifacts = std::path::absolute(args.root.join("solidity/out"))?.display().to_string();
    let salt = hex::encode(rand::random::<[u8; 16]>());
    let paths = [keys.dealt.join(KEY_FILE), layout.cluster()].map(|path| path.display().to_string());
    let [key, out] = &paths;
    let mut arguments: Vec<String> = ["deploy", "--rpc", rpc.as_str(), "--key", key, "--coprocessor", &coprocessor]
        .into_iter()
        .chain(["--gateway-salt", &salt, "--artifacts", &artifacts, "--out", out])
        .map(str::to_owned)
        .collect();
    for attester in &keys.attesters {
        arguments.extend(["--attester".to_owned(), address(attester)?]);
    }
    arguments.extend(keys.records());
    run(program, &arguments).await
}

/// Runs one of our own commands to its end.
async fn run<A: AsRef<std::ffi::OsStr>>(program: &Path, arguments: &[A]) -> Result<()> {
    let output = Command::new(program).args(arguments).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let words = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
        bail!("tkms {words}\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
